//! `inyeon demo`: 90 days of a small shop, sent through the same door as anybody's events, and what came of its
//! promises.

mod delegated;
mod today;

use std::path::{Path, PathBuf};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::{Timestamp, ToSpan};
use model::Time;
use runtime::{Clock, ManualClock, NodeOptions, Sink};
use serde_json::{Value, json};
use world::shop::{Answer, Hero, Language, Shop, ShopConfig};
use world::{Effect, WorldEvent};

use crate::access::store_options;
use crate::cli::{Global, complain, print};
use crate::error::{Failure, Kind};
use crate::i18n::{Lang, Messages};
use crate::ops::{self, Op};
use crate::render;
use crate::serve::{Ending, Server};

#[derive(clap::Args)]
pub struct DemoArgs {
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    #[arg(long, default_value_t = 90)]
    pub days: u32,
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7700")]
    pub listen: String,
    #[arg(long, value_name = "DATE")]
    pub until: Option<String>,
    #[arg(long, value_name = "DIR", default_value = "./inyeon-demo")]
    pub dir: PathBuf,
    #[arg(long)]
    pub exit: bool,
}

/// The chapters after the shop's days take so long.
const CHAPTERS_DAYS: i64 = 21;
const WRITE_KEY: &str = "demo";
/// A directory with this file in it is a demo's, and a new demo may take its place.
const BADGE: &str = "demo.txt";

pub fn run(global: &Global, args: &DemoArgs, messages: &Messages) -> Result<(), Failure> {
    clear(&args.dir)?;
    let end = end_of(args)?;
    let config = ShopConfig {
        seed: args.seed,
        days: args.days,
        language: if messages.lang == Lang::Ko { Language::Ko } else { Language::En },
        ..ShopConfig::starting(end - (24 * (i64::from(args.days) + CHAPTERS_DAYS)).hours())
    };
    let mut shop = Shop::new(config);
    let clock = ManualClock::new(Time::from_timestamp(shop.now()));
    let options = || -> Result<NodeOptions, Failure> {
        Ok(NodeOptions {
            store: store_options()?,
            clock: Clock::Manual(clock.clone()),
            sink: Sink::Inbox,
            ..NodeOptions::default()
        })
    };
    let server = match Server::start(&args.dir, &args.listen, Some(WRITE_KEY), options()?) {
        Err(failure) if failure.code == "cannot-listen" => {
            Server::start(&args.dir, "127.0.0.1:0", Some(WRITE_KEY), options()?)?
        }
        started => started?,
    };
    let quiet = global.quiet || global.json;
    if !quiet {
        let values = [("days", args.days.to_string()), ("address", server.address.to_string())];
        complain(&messages.with("demo-begins", &values));
    }
    let sent = live(&server, &mut shop, &clock, messages, quiet)?;
    let report = ops::run(
        &server.app.node,
        Op::PromiseReport { by: None, source: None, kind: None, from: None, to: None },
    )?;
    let hero = match shop.hero() {
        Some(hero) => {
            let profile =
                ops::run(&server.app.node, Op::Profile { id: hero.customer_id.clone(), timeline: 10_000 })?;
            let effects = ops::run(&server.app.node, Op::Effects { limit: 100_000, skip: 0 })?;
            let begins = Time::from_timestamp(shop.end()).plus_micros(2 * 3_600_000_000);
            clock.set(begins);
            let client = Client::new(&server);
            let today = today::play(&server, &client, &clock, begins, &hero, messages)?;
            let delegated = delegated::play(&server, &client, &clock, today.until, &hero, messages)?;
            Some((hero, profile, effects, today, delegated))
        }
        None => None,
    };
    let answers: serde_json::Map<String, Value> =
        shop.answers().iter().map(|(answer, n)| (answer_name(*answer).to_owned(), json!(n))).collect();
    let ending = Ending::listen()?;
    if global.json {
        let tally = shop.tally();
        // How many commits this run took is the machine's, not the shop's.
        let mut report = report;
        report.as_object_mut().map(|report| report.remove("as_of"));
        print(
            &json!({
                "seed": args.seed, "days": args.days, "events": sent, "report": report,
                "effects_answered": answers,
                "world": { "kept": tally.kept, "broken": tally.broken, "withdrawn": tally.withdrawn,
                           "open": tally.open },
                "today": hero.as_ref().map(|(.., today, _)| &today.json),
                "delegated": hero.as_ref().map(|(.., delegated)| &delegated.json),
                "address": server.address.to_string(), "store": args.dir,
            })
            .to_string(),
        );
    } else {
        print(&render::promises(&report, messages));
        if let Some((hero, profile, effects, today, delegated)) = &hero {
            let values = [("name", hero.name.clone()), ("id", hero.customer_id.clone())];
            print(&messages.with("demo-chain", &values));
            let orders: Vec<&str> = [Some(hero.troubled_order.as_str()), hero.kept_order.as_deref()]
                .into_iter()
                .flatten()
                .collect();
            print(&render::chain(profile, effects, &orders, messages));
            print(&today.text);
            print(&delegated.text);
        }
        let values = [
            ("events", sent.to_string()),
            ("address", server.address.to_string()),
            ("dir", args.dir.display().to_string()),
            ("id", hero.as_ref().map(|(hero, ..)| hero.customer_id.clone()).unwrap_or_default()),
        ];
        print(&messages.with("demo-ends", &values));
    }
    // From here on the shop is an ordinary one, and time is everybody's.
    clock.release();
    if !args.exit {
        if !quiet {
            complain(&messages.get("demo-stop"));
        }
        ending.wait();
    }
    server.stop();
    Ok(())
}

fn answer_name(answer: Answer) -> &'static str {
    match answer {
        Answer::Expedited => "expedited",
        Answer::NotExpedited => "not_expedited",
        Answer::Told => "told",
        Answer::Repeated => "repeated",
        Answer::UnknownOrder => "unknown_order",
        Answer::UnknownKind => "unknown_kind",
    }
}

/// When the last chapter ends: the beginning of today, or of the day that was asked for.
fn end_of(args: &DemoArgs) -> Result<Timestamp, Failure> {
    let now = Clock::System.now().to_timestamp();
    let zone = jiff::tz::TimeZone::UTC;
    let day = match &args.until {
        None => now.to_zoned(zone.clone()).date(),
        Some(text) => text.parse().map_err(|_| {
            Failure::new(Kind::Usage, "bad-date").with("option", "--until").with("value", text)
        })?,
    };
    Ok(day.to_zoned(zone).map_err(|error| Failure::other(&error))?.timestamp())
}

/// Makes room for a new demo; only where the last one was.
fn clear(dir: &Path) -> Result<(), Failure> {
    let badge = dir.join(BADGE);
    if dir.exists() && dir.read_dir().is_ok_and(|mut entries| entries.next().is_some()) {
        if !badge.exists() {
            return Err(Failure::new(Kind::Conflict, "demo-dir").with("dir", dir.display()));
        }
        if let Ok(file) = std::fs::read_to_string(crate::access::server_file(dir))
            && let Ok(server) = serde_json::from_str::<crate::access::ServerFile>(&file)
            && Path::new(&format!("/proc/{}", server.pid)).exists()
        {
            return Err(Failure::new(Kind::Unavailable, "demo-running").with("address", server.address));
        }
        std::fs::remove_dir_all(dir).map_err(|error| Failure::io("remove", dir, &error))?;
    }
    std::fs::create_dir_all(dir).map_err(|error| Failure::io("create", dir, &error))?;
    let text = "A demonstration's store; the next `inyeon demo` replaces it.\n";
    std::fs::write(&badge, text).map_err(|error| Failure::io("write", &badge, &error))
}

/// Lets the shop live hour by hour: what happens goes in by HTTP, what the engine asks for goes back to the shop.
fn live(
    server: &Server,
    shop: &mut Shop,
    clock: &ManualClock,
    messages: &Messages,
    quiet: bool,
) -> Result<u64, Failure> {
    let client = Client::new(server);
    let target = if quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr_with_hz(5) };
    let (begin, end) = (shop.now(), shop.end());
    let hours = (end.as_second() - begin.as_second()) / 3600 + 1;
    let bar = ProgressBar::with_draw_target(Some(hours as u64), target);
    let style =
        ProgressStyle::with_template("{msg} {bar:32} {percent}% ETA {eta}").expect("a template of ours");
    bar.set_style(style.progress_chars("=> "));
    let mut sent = 0;
    for hour in 1..=hours {
        // An hour ends just before the next begins, so that what is due on the hour finds what came before it.
        let until = (begin + hour.hours() - 1.microseconds()).min(end);
        let events = shop.advance(until);
        clock.set(Time::from_timestamp(until));
        bar.set_message(messages.with("demo-day", &[("day", (hour / 24).to_string())]));
        bar.inc(1);
        client.send(&events)?;
        sent += events.len() as u64;
        clock.set(Time::from_timestamp(until).plus_micros(2));
        ops::run(&server.app.node, Op::Drain)?;
        answer(server, shop)?;
    }
    bar.finish_and_clear();
    Ok(sent)
}

/// Hands the shop what the engine has asked for. The latest are enough: a second telling is none to the shop.
fn answer(server: &Server, shop: &mut Shop) -> Result<(), Failure> {
    let rows = ops::run(&server.app.node, Op::Effects { limit: 200, skip: 0 })?;
    let text = |row: &Value, name: &str| row[name].as_str().map(str::to_owned);
    for row in rows.as_array().into_iter().flatten().rev() {
        shop.receive(&Effect {
            key: text(row, "key").unwrap_or_default(),
            kind: text(row, "kind").unwrap_or_default(),
            order_id: text(row, "order_id"),
            promise_id: text(row, "promise_id"),
            reason: text(row, "reason").unwrap_or_default(),
        });
    }
    Ok(())
}

/// An ordinary client of the intake.
struct Client {
    agent: ureq::Agent,
    url: String,
    authorization: String,
}

impl Client {
    fn new(server: &Server) -> Self {
        use base64::Engine;
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(30)))
            .build();
        let basic = base64::engine::general_purpose::STANDARD.encode(format!("{WRITE_KEY}:"));
        Client {
            agent: config.into(),
            url: format!("http://{}/v1/batch", server.address),
            authorization: format!("Basic {basic}"),
        }
    }

    fn send(&self, events: &[WorldEvent]) -> Result<(), Failure> {
        for chunk in events.chunks(100) {
            let batch: Vec<Value> = chunk.iter().map(|event| event.json.clone()).collect();
            self.send_json(&batch)?;
        }
        Ok(())
    }

    fn send_json(&self, batch: &[Value]) -> Result<(), Failure> {
        let request = self.agent.post(&self.url).header("authorization", &self.authorization);
        let mut response =
            request.send_json(json!({ "batch": batch })).map_err(|error| Failure::other(&error))?;
        let body: Value = response.body_mut().read_json().map_err(|error| Failure::other(&error))?;
        if !response.status().is_success() || body["rejected"].as_u64() != Some(0) {
            return Err(Failure::new(Kind::Failed, "other").with("detail", body));
        }
        Ok(())
    }
}
