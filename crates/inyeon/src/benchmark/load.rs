//! Load over raw connections: a client that costs little, because it shares the machine with what it measures.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use base64::Engine;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What to send.
#[derive(Clone)]
pub(super) struct Plan {
    pub(super) address: SocketAddr,
    pub(super) write_key: String,
    pub(super) connections: usize,
    /// 1 sends single calls; more sends batches of so many.
    pub(super) batch: usize,
    pub(super) event_bytes: usize,
    pub(super) users: u64,
    pub(super) duration: Duration,
    /// Requests a second over all connections; as many as go where `None`.
    pub(super) rate: Option<f64>,
    /// Every so many requests is one on which the fold of a build with faults fails.
    pub(super) poison_every: Option<u64>,
    /// What is called in place of the intake.
    pub(super) call: Option<Call>,
}

/// A call with its body, in which [`NUMBER`], [`USER`] and [`ITEM`] stand for digits that differ each time.
#[derive(Clone)]
pub(super) struct Call {
    pub(super) path: &'static str,
    pub(super) body: String,
    pub(super) items: u64,
}

pub(super) const NUMBER: &str = "@number.............";
pub(super) const USER: &str = "@user...............";
pub(super) const ITEM: &str = "@item...............";

/// What came of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Outcome {
    pub(super) events: u64,
    pub(super) requests: u64,
    /// Answers that were not 200.
    pub(super) refused: u64,
    pub(super) seconds: f64,
    /// Of the answered requests, in microseconds, sorted.
    pub(super) latencies: Vec<u32>,
}

impl Outcome {
    pub(super) fn per_second(&self) -> f64 {
        self.events as f64 / self.seconds
    }

    /// A quantile of the answer times in milliseconds.
    pub(super) fn quantile_ms(&self, q: f64) -> f64 {
        if self.latencies.is_empty() {
            return f64::NAN;
        }
        let at = ((self.latencies.len() - 1) as f64 * q).round() as usize;
        f64::from(self.latencies[at]) / 1000.0
    }
}

/// Sends by the plan on this thread and waits for the end.
pub(super) fn run(plan: &Plan) -> std::io::Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(send(plan))
}

/// Sends by two plans at once, each on a thread of its own: what one waits for is not the other's client.
pub(super) fn run_both(one: &Plan, other: &Plan) -> std::io::Result<(Outcome, Outcome)> {
    std::thread::scope(|scope| {
        let other = scope.spawn(|| run(other));
        let one = run(one)?;
        let other = other.join().map_err(|_| std::io::Error::other("the load ended with a panic"))??;
        Ok((one, other))
    })
}

async fn send(plan: &Plan) -> std::io::Result<Outcome> {
    let numbers = Arc::new(AtomicU64::new(rand::random::<u32>() as u64 * 1_000_000_000));
    let stop = Arc::new(AtomicBool::new(false));
    let begun = Instant::now();
    let mut tasks = Vec::new();
    for connection in 0..plan.connections {
        let (plan, numbers, stop) = (plan.clone(), numbers.clone(), stop.clone());
        tasks.push(tokio::spawn(async move { connect(&plan, connection, &numbers, &stop, begun).await }));
    }
    tokio::time::sleep(plan.duration).await;
    stop.store(true, Ordering::Relaxed);
    let mut all = Outcome::default();
    for task in tasks {
        let one = task.await.map_err(std::io::Error::other)??;
        all.events += one.events;
        all.requests += one.requests;
        all.refused += one.refused;
        all.latencies.extend(one.latencies);
    }
    all.seconds = begun.elapsed().as_secs_f64();
    all.latencies.sort_unstable();
    Ok(all)
}

/// A request whose ids are written anew for each sending, in place.
struct Template {
    bytes: Vec<u8>,
    /// Where digits stand, which they are, and of which event of a batch.
    digits: Vec<(usize, Digits, u64)>,
    items: u64,
}

#[derive(Clone, Copy)]
enum Digits {
    Number,
    User,
    Item,
}

const ID_DIGITS: usize = 20;
const EVENT: &str = "Product Viewed";
/// On which the fold of a build with faults fails.
const POISON: &str = "inyeon.fault.panic";

impl Template {
    fn new(plan: &Plan, event: &str) -> Self {
        let mut body = Vec::new();
        let mut digits = Vec::new();
        if plan.batch > 1 {
            body.extend_from_slice(b"{\"batch\":[");
        }
        for n in 0..plan.batch {
            if n > 0 {
                body.push(b',');
            }
            let begin = body.len();
            let head = format!("{{\"type\":\"track\",\"event\":\"{event}\",\"messageId\":\"");
            body.extend_from_slice(head.as_bytes());
            let message = body.len();
            body.extend_from_slice(&[b'0'; ID_DIGITS]);
            body.extend_from_slice(b"\",\"userId\":\"user-");
            let user = body.len();
            body.extend_from_slice(&[b'0'; ID_DIGITS]);
            body.extend_from_slice(
                b"\",\"timestamp\":\"2026-03-01T09:00:00.000Z\",\"context\":{\"library\":{\"name\":\"bench\",\
                  \"version\":\"1\"},\"channel\":\"web\",\"ip\":\"127.0.0.1\"},\"properties\":{\"product_id\":\"sku-1\",\
                  \"price\":\"19.90\",\"currency\":\"EUR\",\"note\":\"",
            );
            while body.len() - begin + 3 < plan.event_bytes {
                body.push(b'a' + ((body.len() * 7) % 26) as u8);
            }
            body.extend_from_slice(b"\"}}");
            digits.push((message, Digits::Number, n as u64));
            digits.push((user, Digits::User, n as u64));
        }
        if plan.batch > 1 {
            body.extend_from_slice(b"]}");
        }
        let mut path = if plan.batch > 1 { "/v1/batch" } else { "/v1/track" };
        if let Some(call) = &plan.call {
            path = call.path;
            body = call.body.clone().into_bytes();
            let kinds = [(NUMBER, Digits::Number), (USER, Digits::User), (ITEM, Digits::Item)];
            let found = kinds
                .into_iter()
                .flat_map(|(mark, kind)| call.body.match_indices(mark).map(move |(at, _)| (at, kind, 0)));
            digits = found.collect();
        }
        let basic = base64::engine::general_purpose::STANDARD.encode(format!("{}:", plan.write_key));
        let mut bytes = format!(
            "POST {path} HTTP/1.1\r\nhost: {}\r\nauthorization: Basic {basic}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n",
            plan.address,
            body.len()
        )
        .into_bytes();
        let head = bytes.len();
        bytes.extend_from_slice(&body);
        for (at, ..) in &mut digits {
            *at += head;
        }
        Template { bytes, digits, items: plan.call.as_ref().map_or(1, |call| call.items) }
    }

    /// Writes the ids of the events from `first` on.
    fn number(&mut self, first: u64, users: u64) {
        for (at, kind, n) in &self.digits {
            let id = first + n;
            // Spread without order, as customers come.
            let spread = id.wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let number = match kind {
                Digits::Number => id,
                Digits::User => spread % users,
                Digits::Item => (spread >> 7) % self.items,
            };
            write_digits(&mut self.bytes[*at..*at + ID_DIGITS], number);
        }
    }
}

fn write_digits(to: &mut [u8], mut number: u64) {
    for digit in to.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

async fn connect(
    plan: &Plan,
    connection: usize,
    numbers: &AtomicU64,
    stop: &AtomicBool,
    begun: Instant,
) -> std::io::Result<Outcome> {
    let mut stream = TcpStream::connect(plan.address).await?;
    stream.set_nodelay(true)?;
    let (mut sound, mut poison) = (Template::new(plan, EVENT), Template::new(plan, POISON));
    let mut outcome = Outcome::default();
    let mut answer = vec![0; 64 << 10];
    let pace = plan.rate.map(|rate| Duration::from_secs_f64(plan.connections as f64 / rate));
    let mut next = begun + pace.unwrap_or_default().mul_f64(connection as f64 / plan.connections as f64);
    while !stop.load(Ordering::Relaxed) {
        if let Some(pace) = pace {
            tokio::time::sleep_until(next.into()).await;
            next += pace;
        }
        let batch = plan.batch as u64;
        let first = numbers.fetch_add(batch, Ordering::Relaxed);
        let is_poison = plan.poison_every.is_some_and(|every| (first / batch).is_multiple_of(every));
        let template = if is_poison { &mut poison } else { &mut sound };
        template.number(first, plan.users);
        let sent = Instant::now();
        stream.write_all(&template.bytes).await?;
        let ok = read_answer(&mut stream, &mut answer).await?;
        outcome.requests += 1;
        if ok {
            outcome.events += plan.batch as u64;
            outcome.latencies.push(sent.elapsed().as_micros().min(u128::from(u32::MAX)) as u32);
        } else {
            outcome.refused += 1;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    Ok(outcome)
}

/// Reads one answer; says whether it was a 200.
async fn read_answer(stream: &mut TcpStream, buffer: &mut [u8]) -> std::io::Result<bool> {
    let mut have = 0;
    loop {
        let read = stream.read(&mut buffer[have..]).await?;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        have += read;
        let Some(head) = buffer[..have].windows(4).position(|w| w == b"\r\n\r\n") else { continue };
        let text = String::from_utf8_lossy(&buffer[..head]).to_ascii_lowercase();
        let length = text.lines().find_map(|line| line.strip_prefix("content-length:"));
        let length: usize = length.and_then(|l| l.trim().parse().ok()).unwrap_or(0);
        let whole = head + 4 + length;
        while have < whole {
            let read = stream.read(&mut buffer[have..]).await?;
            if read == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            have += read;
        }
        return Ok(buffer.starts_with(b"HTTP/1.1 200"));
    }
}
