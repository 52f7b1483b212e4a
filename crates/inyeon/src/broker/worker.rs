//! Follows one broker: takes messages, makes them durable, and only then acknowledges them, in the order in which
//! they came.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use model::Time;
use runtime::{IntakeError, Node, NodeError};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};

use super::link::{Heard, Link, Message, Receipt, Session};
use super::live::Live;
use super::problem;
use super::settings::Settings;
use super::translate::{self, Reader, Taken};
use crate::error::Failure;
use crate::import::csv_map::Map;
use crate::plan::Plan;

/// Messages, and bytes of them, that are taken and not durable yet. A broker without a limit of its own, or one that
/// sends without wanting an acknowledgement, waits in its connection.
const OUTSTANDING_MAX: usize = 2_000;
const OUTSTANDING_BYTES_MAX: usize = 48 << 20;
/// Between two attempts to connect; each failure doubles it.
const RETRY_CONNECT: [Duration; 2] = [Duration::from_millis(250), Duration::from_secs(30)];
/// Between two attempts to make messages durable.
const RETRY_STORE: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(5)];
/// How long what a connection has heard is still taken when it takes no acknowledgements any more.
const LAST_HEARD: Duration = Duration::from_secs(1);
/// How long an orderly end waits for what is under way.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// What is wanted of a worker.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Wish {
    Follow,
    /// End; the broker keeps the session.
    Pause,
    /// End; the broker is told to forget the session.
    Forget,
}

/// Doubles from the first pause to the longest.
struct Pauses {
    bounds: [Duration; 2],
    next: Duration,
}

impl Pauses {
    fn new(bounds: [Duration; 2]) -> Self {
        Pauses { bounds, next: bounds[0] }
    }

    fn reset(&mut self) {
        self.next = self.bounds[0];
    }

    /// The pause to make now; a part of it is luck, so that those who lost a server together do not all come back
    /// together.
    fn pause(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).min(self.bounds[1]);
        pause.mul_f64(rand::random_range(0.5..1.0))
    }
}

/// One broker that is followed.
#[derive(Clone)]
pub(super) struct Worker {
    pub(super) node: Arc<Node>,
    pub(super) name: String,
    pub(super) settings: Settings,
    pub(super) map: Map,
    pub(super) plan: Arc<ArcSwapOption<Plan>>,
    pub(super) live: Arc<Live>,
    pub(super) wish: watch::Receiver<Wish>,
    /// Whether the broker said yes to the topics, in this session or one before that it kept.
    pub(super) subscribed: bool,
}

/// Why a connection is over.
enum Over {
    Wished,
    Lost(Failure),
}

impl Worker {
    /// Follows the broker until it is to end, and then has it forget the session where that is wished.
    pub(super) async fn run(self) {
        let now = || self.node.clock.now();
        kept_up(&self.live, now, self.wish.clone(), || self.clone().follow()).await;
        if *self.wish.borrow() == Wish::Forget {
            // Where the broker cannot be reached it keeps the session until that expires.
            let _ = tokio::time::timeout(LAST_WORDS, self.forget()).await;
        }
    }

    /// Connects, again and again, until it is to end.
    async fn follow(mut self) {
        let mut pauses = Pauses::new(RETRY_CONNECT);
        loop {
            let over = self.connection(&mut pauses).await;
            self.live.disconnected();
            let Over::Lost(failure) = over else { break };
            self.live.failures.fetch_add(1, Relaxed);
            self.live.failed(self.node.clock.now(), failure);
            tokio::select! {
                () = sleep(pauses.pause()) => {}
                () = wished(&mut self.wish) => break,
            }
        }
    }

    async fn connection(&mut self, pauses: &mut Pauses) -> Over {
        let link = match Link::open(&self.settings, Session::Kept) {
            Ok(link) => link,
            Err(failure) => return Over::Lost(failure),
        };
        let (answer, answers) = mpsc::unbounded_channel();
        let connection = Connection {
            filters: self.map.topic_filters(),
            worker: self,
            link,
            answer,
            answers,
            outstanding: VecDeque::new(),
            first: 0,
            bytes: 0,
            unanswered: 0,
            retry: None,
            gives_up: None,
            pauses: Pauses::new(RETRY_STORE),
        };
        connection.run(pauses).await
    }

    /// Begins a session anew that ends with its connection.
    async fn forget(&self) {
        if let Ok(mut link) = Link::open(&self.settings, Session::Clean)
            && let Ok(Heard::Connected { .. }) = link.next().await
        {
            link.leave().await;
        }
    }
}

/// Does `work` to its end. Work that panics is begun again after a pause, and the connection does not look as if it
/// stood.
async fn kept_up<W: Future<Output = ()> + Send + 'static>(
    live: &Live,
    now: impl Fn() -> Time,
    mut wish: watch::Receiver<Wish>,
    work: impl Fn() -> W,
) {
    let mut pauses = Pauses::new(RETRY_CONNECT);
    loop {
        let began = Instant::now();
        let Err(panic) = tokio::spawn(work()).await else { return };
        live.disconnected();
        live.failures.fetch_add(1, Relaxed);
        live.failed(now(), Failure::other(&panic));
        if began.elapsed() > RETRY_CONNECT[1] {
            pauses.reset();
        }
        tokio::select! {
            () = sleep(pauses.pause()) => {}
            () = wished(&mut wish) => return,
        }
    }
}

/// Resolves when the worker is to end.
async fn wished(wish: &mut watch::Receiver<Wish>) {
    // Who wishes nothing any more is gone, and the server with it.
    let _ = wish.wait_for(|wish| *wish != Wish::Follow).await;
}

/// What the intake says of a message: its number in the connection, and whether it is durable.
type Answer = (u64, Result<(), IntakeError>);

/// A message on its way to be durable.
struct Outstanding {
    message: Message,
    received_at: Time,
    step: Step,
    refused: bool,
    nameless: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    /// To be handed to the intake.
    Waiting,
    Handed,
    Durable,
}

/// One connection while it lasts.
struct Connection<'w> {
    worker: &'w mut Worker,
    filters: Vec<String>,
    link: Link,
    answer: mpsc::UnboundedSender<Answer>,
    answers: mpsc::UnboundedReceiver<Answer>,
    /// In the order in which they came.
    outstanding: VecDeque<Outstanding>,
    /// The number of the first of them.
    first: u64,
    /// Of their payloads.
    bytes: usize,
    /// Messages that the intake has not answered yet.
    unanswered: usize,
    /// When what was not taken is handed to the intake again.
    retry: Option<Instant>,
    /// When it is over: it has not taken up an acknowledgement, so nothing is acknowledged any more.
    gives_up: Option<Instant>,
    pauses: Pauses,
}

impl Connection<'_> {
    async fn run(mut self, pauses: &mut Pauses) -> Over {
        loop {
            let has_room = self.outstanding.len() < OUTSTANDING_MAX && self.bytes < OUTSTANDING_BYTES_MAX;
            let retry = self.retry.filter(|_| self.unanswered == 0);
            tokio::select! {
                heard = self.link.next(), if has_room => match heard {
                    Ok(Heard::Connected { session }) => {
                        self.subscribe(session);
                        if self.worker.subscribed {
                            pauses.reset();
                        }
                    }
                    Ok(Heard::Subscribed { refused }) if refused.is_empty() => {
                        pauses.reset();
                        self.ready();
                    }
                    Ok(Heard::Subscribed { refused }) => return self.refused(&refused),
                    Ok(Heard::Message(message)) => self.take(message),
                    Err(failure) => return Over::Lost(failure),
                },
                Some((number, result)) = self.answers.recv() => self.answered(number, result),
                () = at(retry) => self.hand_again(),
                () = at(self.gives_up) => return Over::Lost(problem::closed(&self.worker.settings.url)),
                () = wished(&mut self.worker.wish) => return self.end().await,
            }
        }
    }

    /// Asks for the topics, unless the broker has kept that we did: asked again, MQTT 3.1.1 brokers tell everything
    /// that they retain once more.
    fn subscribe(&mut self, has_session: bool) {
        if has_session && self.worker.subscribed {
            return self.ready();
        }
        self.worker.subscribed = false;
        self.link.subscribe(&self.filters, true);
        for filter in &self.worker.settings.former {
            self.link.unsubscribe(filter);
        }
    }

    fn ready(&mut self) {
        self.worker.subscribed = true;
        self.worker.live.connected(self.worker.node.clock.now());
    }

    fn refused(&self, places: &[usize]) -> Over {
        let filters = places.iter().filter_map(|place| self.filters.get(*place));
        let filters: Vec<&str> = filters.map(String::as_str).collect();
        Over::Lost(problem::of_subscription(&filters, &self.worker.settings.url))
    }

    fn take(&mut self, message: Message) {
        self.worker.live.received.fetch_add(1, Relaxed);
        self.bytes += message.payload.len();
        let received_at = self.worker.node.clock.now();
        self.outstanding.push_back(Outstanding {
            message,
            received_at,
            step: Step::Waiting,
            refused: false,
            nameless: 0,
        });
        // What came before goes before.
        if self.retry.is_none() {
            self.hand(self.first + self.outstanding.len() as u64 - 1);
        }
    }

    /// Hands a message to the intake without waiting: it commits many together.
    fn hand(&mut self, number: u64) {
        let Worker { node, name, settings, map, plan, .. } = &*self.worker;
        let plan = plan.load();
        let source = settings.source.as_str();
        let by = Reader { node: node.as_ref(), name: name.as_str(), source, map, plan: plan.as_deref() };
        let item = &mut self.outstanding[(number - self.first) as usize];
        match translate::records(by, item.message.told(), item.received_at) {
            Ok(Taken { records, nameless, refused }) => {
                item.refused = refused.is_some();
                item.nameless = nameless;
                if records.is_empty() {
                    item.step = Step::Durable;
                    return self.acknowledge();
                }
                item.step = Step::Handed;
                self.unanswered += 1;
                let answer = self.answer.clone();
                node.submit(source, records, move |result| drop(answer.send((number, result))));
            }
            Err(error) => self.delay(error),
        }
    }

    fn answered(&mut self, number: u64, result: Result<(), IntakeError>) {
        self.unanswered -= 1;
        let place = (number - self.first) as usize;
        match result {
            Ok(()) => {
                self.outstanding[place].step = Step::Durable;
                if self.retry.is_none() {
                    self.pauses.reset();
                }
                self.acknowledge();
            }
            Err(error) => {
                self.outstanding[place].step = Step::Waiting;
                self.delay(NodeError::Intake(error));
            }
        }
    }

    /// What cannot be taken now is kept here, and the broker keeps it too.
    fn delay(&mut self, error: NodeError) {
        let live = &self.worker.live;
        live.delayed.fetch_add(1, Relaxed);
        live.failed(self.worker.node.clock.now(), Failure::from(error));
        if self.retry.is_none() {
            self.retry = Some(Instant::now() + self.pauses.pause());
        }
    }

    fn hand_again(&mut self) {
        self.retry = None;
        let numbered = (self.first..).zip(&self.outstanding);
        let waiting: Vec<u64> =
            numbered.filter(|(_, item)| item.step == Step::Waiting).map(|(number, _)| number).collect();
        for number in waiting {
            if self.retry.is_none() {
                self.hand(number);
            }
        }
    }

    /// Acknowledges from the first on what is durable, up to the first that is not or that the connection does not
    /// take up: the broker delivers that again.
    fn acknowledge(&mut self) {
        while self.gives_up.is_none()
            && self.outstanding.front().is_some_and(|item| item.step == Step::Durable)
            && let Some(item) = self.outstanding.pop_front()
        {
            self.first += 1;
            self.bytes -= item.message.payload.len();
            let live = &self.worker.live;
            live.refused.fetch_add(u64::from(item.refused), Relaxed);
            live.nameless.fetch_add(item.nameless, Relaxed);
            if matches!(item.message.receipt, Receipt::None) {
                continue;
            }
            if self.link.acknowledge(&item.message.receipt) {
                live.acknowledged.fetch_add(1, Relaxed);
            } else {
                // Most often the connection is lost, and the reason is behind what is still to be heard.
                self.gives_up = Some(Instant::now() + LAST_HEARD);
            }
        }
    }

    /// An orderly end: what is under way is acknowledged, what comes now is left to the broker.
    async fn end(mut self) -> Over {
        let limit = Instant::now() + LAST_WORDS;
        while self.unanswered > 0 {
            tokio::select! {
                Some((number, result)) = self.answers.recv() => self.answered(number, result),
                heard = self.link.next() => if heard.is_err() { return Over::Wished },
                () = sleep_until(limit) => break,
            }
        }
        self.link.leave().await;
        Over::Wished
    }
}

/// Resolves at the time; never, where there is none.
async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use super::*;

    #[test]
    fn a_worker_that_panics_is_not_connected_and_begins_again() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let live = Arc::new(Live::default());
        let (_wish, wished) = watch::channel(Wish::Follow);
        let begun = Arc::new(AtomicU64::new(0));
        let work = || {
            let (live, nth) = (live.clone(), begun.fetch_add(1, Relaxed));
            async move {
                let before = live.json();
                assert!(before["connected_since"].is_null(), "{before}");
                live.connected(Time(1));
                assert!(nth > 0, "the first one fails");
            }
        };
        runtime.block_on(kept_up(&live, || Time(2), wished, work));
        assert_eq!(begun.load(Relaxed), 2);
        let after = live.json();
        assert_eq!(after["failures"], 1);
        let detail = after["last_error"]["values"]["detail"].as_str().unwrap();
        assert!(detail.contains("the first one fails"), "{detail}");
    }

    #[test]
    fn one_that_is_to_end_does_not_begin_again() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let (_wish, wished) = watch::channel(Wish::Pause);
        let begun = AtomicU64::new(0);
        let work = || {
            begun.fetch_add(1, Relaxed);
            async { panic!("it fails") }
        };
        runtime.block_on(kept_up(&Live::default(), || Time(2), wished, work));
        assert_eq!(begun.load(Relaxed), 1);
    }
}
