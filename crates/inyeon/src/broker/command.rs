//! `inyeon brokers`: connect, list, disconnect, and try without keeping anything.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};
use runtime::Clock;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout, timeout_at};

use super::link::{Heard, Link, Message, Session};
use super::problem;
use super::settings::{DEFAULT_MAP, Settings, Version};
use super::translate;
use crate::access::Access;
use crate::cli::{Global, complain, print};
use crate::error::Failure;
use crate::i18n::Messages;
use crate::import::csv_map::Map;
use crate::ops::Op;
use crate::{render, webhook};

#[derive(Args)]
pub struct BrokersArgs {
    #[command(subcommand)]
    what: BrokersWhat,
}

#[derive(Subcommand)]
enum BrokersWhat {
    Connect {
        name: String,
        #[command(flatten)]
        broker: BrokerArgs,
        #[arg(long, value_name = "NAME")]
        source: Option<String>,
        #[arg(long)]
        untried: bool,
    },
    List,
    Disconnect {
        name: String,
    },
    Check {
        #[command(flatten)]
        broker: BrokerArgs,
        #[arg(long, default_value_t = 10)]
        messages: usize,
        #[arg(long, default_value_t = 30)]
        seconds: u64,
    },
}

/// How a broker is reached and read.
#[derive(Args)]
struct BrokerArgs {
    #[arg(long)]
    url: String,
    #[arg(long, value_name = "FILE")]
    map: Option<PathBuf>,
    #[arg(long, value_enum, value_name = "VERSION", default_value = "5")]
    mqtt: Version,
    #[arg(long, value_name = "USER")]
    username: Option<String>,
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
}

impl BrokerArgs {
    fn settings(&self, source: Option<String>) -> Result<Settings, Failure> {
        let read = |path: &Option<PathBuf>| path.as_deref().map(read_text).transpose();
        let password = read(&self.password_file)?;
        Ok(Settings {
            url: self.url.clone(),
            mqtt: self.mqtt,
            username: self.username.clone(),
            // An editor ends the file with a line's end, which is not the password's.
            password: password.map(|text| text.trim_end_matches(['\r', '\n']).to_owned()),
            ca: read(&self.ca)?,
            client_id: self.client_id.clone().unwrap_or_default(),
            source: source.unwrap_or_default(),
            map: read(&self.map)?.unwrap_or_else(|| DEFAULT_MAP.to_owned()),
            former: Vec::new(),
        })
    }

    /// What errors call the map.
    fn map_name(&self) -> String {
        self.map.as_ref().map_or_else(|| "mqtt.yaml".to_owned(), |path| path.display().to_string())
    }
}

fn read_text(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|error| Failure::io("read", path, &error))
}

/// Runs one of the commands.
pub fn run(global: &Global, args: BrokersArgs, messages: &Messages) -> Result<(), Failure> {
    let open = |create| Access::open(&global.store, create, render::replay_progress);
    let show = |value: &Value, text: fn(&Value, &Messages) -> String| match global.json {
        true => print(&serde_json::to_string_pretty(value).expect("a value serialises")),
        false => print(&text(value, messages)),
    };
    match args.what {
        BrokersWhat::Connect { name, broker, source, untried } => {
            let settings = broker.settings(source)?;
            check(&settings, &broker.map_name())?;
            if !untried {
                block_on(async {
                    reach(&settings).await?.leave().await;
                    Ok::<_, Failure>(())
                })??;
            }
            show(&open(true)?.run(Op::BrokerConnect { name, settings })?, render::broker_connected);
        }
        BrokersWhat::List => {
            let mut rows = open(false)?.run(Op::BrokerList)?;
            explain(&mut rows, messages);
            show(&rows, render::brokers);
        }
        BrokersWhat::Disconnect { name } => {
            show(&open(false)?.run(Op::BrokerDisconnect { name })?, render::broker_disconnected);
        }
        BrokersWhat::Check { broker, messages: count, seconds } => {
            let settings = broker.settings(None)?;
            check(&settings, &broker.map_name())?;
            let map = settings.map(&broker.map_name())?;
            let quiet = global.quiet || !std::io::stderr().is_terminal();
            let shown = |message: &Message| {
                let value = made(&map, message);
                print(&if global.json {
                    value.to_string()
                } else {
                    render::broker_message(&value, messages)
                });
            };
            let listening = |topics: &[String]| {
                if !quiet {
                    let values = [("topics", topics.join(", ")), ("seconds", seconds.to_string())];
                    complain(&messages.with("broker-listening", &values));
                }
            };
            let came =
                block_on(listen(&settings, &map, count, Duration::from_secs(seconds), &listening, &shown))??;
            if came == 0 && !global.json {
                let topics = map.topic_filters().join(", ");
                let values = [("topics", topics), ("seconds", seconds.to_string())];
                print(&messages.with("broker-nothing-came", &values));
            }
        }
    }
    Ok(())
}

/// Everything that can be wrong without asking the broker; what has no value yet gets one from the operation.
fn check(settings: &Settings, map_name: &str) -> Result<(), Failure> {
    let mut whole = settings.clone();
    if whole.source.is_empty() {
        whole.source = format!("{}try", super::SOURCE);
    }
    whole.check(map_name)
}

/// Says the errors of live connections in the reader's language.
fn explain(rows: &mut Value, messages: &Messages) {
    for row in rows.as_array_mut().into_iter().flatten() {
        let error = &mut row["live"]["last_error"];
        if let Ok(failure) = serde_json::from_value::<Failure>(error.clone()) {
            error["message"] = json!(failure.text(messages));
        }
    }
}

fn block_on<T>(work: impl Future<Output = T>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    Ok(runtime.map_err(|error| Failure::other(&error))?.block_on(work))
}

/// Longer than the connection's own limit, which says more.
const CONNECT_LIMIT: Duration = Duration::from_secs(15);

/// Connects under another name and leaves nothing behind: nobody's session is disturbed.
async fn reach(settings: &Settings) -> Result<Link, Failure> {
    let mut settings = settings.clone();
    if settings.client_id.is_empty() {
        settings.client_id = format!("inyeon-{}", crate::keys::random_hex(4));
    }
    settings.client_id.push_str("-check");
    let mut link = Link::open(&settings, Session::Clean)?;
    match timeout(CONNECT_LIMIT, link.next()).await {
        Ok(Ok(Heard::Connected { .. })) => Ok(link),
        Ok(Ok(_)) => Err(problem::closed(&settings.url)),
        Ok(Err(failure)) => Err(failure),
        Err(_) => Err(problem::silent(&settings.url)),
    }
}

/// Shows the next messages; says how many came. They come at most once (QoS 0), so that nothing is acknowledged.
async fn listen(
    settings: &Settings,
    map: &Map,
    count: usize,
    limit: Duration,
    listening: &dyn Fn(&[String]),
    shown: &dyn Fn(&Message),
) -> Result<usize, Failure> {
    let mut link = reach(settings).await?;
    let filters = map.topic_filters();
    link.subscribe(&filters, false);
    let end = Instant::now() + limit;
    let mut came = 0;
    while came < count {
        let Ok(heard) = timeout_at(end, link.next()).await else { break };
        match heard? {
            Heard::Subscribed { refused } if !refused.is_empty() => {
                let refused: Vec<&str> =
                    refused.iter().filter_map(|p| filters.get(*p)).map(String::as_str).collect();
                return Err(problem::of_subscription(&refused, &settings.url));
            }
            Heard::Subscribed { .. } => listening(&filters),
            Heard::Message(message) => {
                came += 1;
                shown(&message);
            }
            Heard::Connected { .. } => {}
        }
    }
    link.leave().await;
    Ok(came)
}

/// A message and what the map makes of it.
fn made(map: &Map, message: &Message) -> Value {
    let mut shown = json!({ "topic": message.topic, "retained": message.retained });
    match translate::events(map, message.told(), Clock::System.now()) {
        Ok(events) => shown["events"] = events.iter().map(webhook::shown).collect(),
        Err((code, reason)) => shown["refused"] = json!({ "code": code, "reason": reason }),
    }
    shown
}
