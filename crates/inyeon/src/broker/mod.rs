//! Devices by MQTT: a client to the user's own broker. A message becomes events by a map, as a webhook's request does,
//! and is acknowledged to the broker only when it is durable in the intake log.

pub mod command;
mod link;
mod live;
mod ops;
mod problem;
mod settings;
mod translate;
mod worker;

use std::collections::BTreeMap;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use arc_swap::ArcSwapOption;
use model::EntityId;
use runtime::Node;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};

use self::live::{Live, Lives, locked};
pub use self::ops::{connect, disconnect, list};
pub use self::settings::{Settings, Version};
use self::translate::{Reader, Told};
use self::worker::{Wish, Worker};
use crate::error::Failure;
use crate::import::ImportEvent;
use crate::import::csv_map::Map;
use crate::plan::{self, Plan};

/// Where dead letters come from, before the broker's name.
pub const PLACE: &str = "mqtt/";
/// What the source of a broker begins with that is given no other.
pub const SOURCE: &str = "broker:";

/// The connected brokers' settings as JSON, by name.
pub fn connected(node: &Node) -> Result<BTreeMap<String, String>, Failure> {
    Ok(node.ask(|fold| {
        fold.entity(EntityId::workspace()).map(|entity| {
            let brokers = entity.workspace().map(|w| w.brokers.clone()).unwrap_or_default();
            brokers.into_iter().map(|(name, broker)| (name, broker.settings)).collect()
        })
    })??)
}

/// Reads a dead letter of a broker again, by the map that is connected now; else the reason why not.
pub fn replay(
    node: &Node,
    place: &str,
    raw: &str,
    received_at: model::Time,
) -> Result<Result<Vec<Vec<u8>>, String>, Failure> {
    let name = place.strip_prefix(PLACE).unwrap_or(place);
    let Some(text) = connected(node)?.remove(name) else {
        return Ok(Err(format!("no broker {name} is connected")));
    };
    let settings = Settings::from_json(&text)?;
    let map = settings.map(name)?;
    let plan = plan::current(node)?;
    let by = Reader { node, name, source: &settings.source, map: &map, plan: plan.as_ref() };
    Ok(translate::replay(by, raw, received_at)?)
}

/// The events that a map makes of a message that somebody wrote down.
pub fn sample(
    map: &Map,
    topic: &str,
    retained: bool,
    payload: &[u8],
    received_at: model::Time,
) -> Result<Vec<ImportEvent>, (&'static str, String)> {
    translate::events(map, Told::whole(topic, payload, retained), received_at)
}

/// Follows all connected brokers on a thread of its own.
pub struct Hub {
    orders: mpsc::UnboundedSender<Order>,
    lives: Arc<Lives>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

enum Order {
    /// Follow these and no others; answered when it is so.
    Follow(BTreeMap<String, String>, SyncSender<()>),
    End,
}

impl Hub {
    /// Begins to follow nothing.
    pub fn start(node: Arc<Node>, plan: Arc<ArcSwapOption<Plan>>) -> Result<Hub, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Failure::other(&error))?;
        let (orders, received) = mpsc::unbounded_channel();
        let lives = Arc::new(Lives::default());
        let followed = Followed { node, plan, lives: lives.clone(), running: BTreeMap::new() };
        let thread = std::thread::Builder::new()
            .name("inyeon-brokers".into())
            .spawn(move || runtime.block_on(followed.run(received)))
            .map_err(|error| Failure::other(&error))?;
        Ok(Hub { orders, lives, thread: Mutex::new(Some(thread)) })
    }

    /// Follows the brokers with these settings and no others. Returns when it is so: who is not followed any more has
    /// taken its last message.
    pub fn follow(&self, brokers: BTreeMap<String, String>) {
        let (done, is_done) = sync_channel(1);
        if self.orders.send(Order::Follow(brokers, done)).is_ok() {
            // A hub that has ended follows nothing.
            let _ = is_done.recv();
        }
    }

    /// Adds to each row of `brokers list` how its connection is doing.
    pub fn describe(&self, rows: &mut Value) {
        let lives = locked(&self.lives);
        for row in rows.as_array_mut().into_iter().flatten() {
            let live = row["name"].as_str().and_then(|name| lives.get(name)).map(|live| live.json());
            row["live"] = json!(live);
        }
    }

    /// Appends the metrics of all connections.
    pub fn metrics(&self, text: &mut String) {
        live::metrics(&self.lives, text);
    }

    /// Ends all connections in order; the brokers keep what comes from now on.
    pub fn end(&self) {
        let _ = self.orders.send(Order::End);
        if let Some(thread) = locked(&self.thread).take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.end();
    }
}

/// A worker, and what it was started with.
struct Running {
    settings: String,
    wish: watch::Sender<Wish>,
    task: tokio::task::JoinHandle<()>,
}

/// The workers, on the hub's thread.
struct Followed {
    node: Arc<Node>,
    plan: Arc<ArcSwapOption<Plan>>,
    lives: Arc<Lives>,
    running: BTreeMap<String, Running>,
}

impl Followed {
    async fn run(mut self, mut orders: mpsc::UnboundedReceiver<Order>) {
        while let Some(Order::Follow(wanted, done)) = orders.recv().await {
            self.follow(&wanted).await;
            let _ = done.send(());
        }
        self.follow_only(|_, _| Some(Wish::Pause)).await;
    }

    async fn follow(&mut self, wanted: &BTreeMap<String, String>) {
        self.follow_only(|name, running| match wanted.get(name) {
            Some(settings) if *settings == running.settings => None,
            // What waits in a session is forgotten only where that was asked for.
            Some(_) => Some(Wish::Pause),
            None => Some(Wish::Forget),
        })
        .await;
        locked(&self.lives).retain(|name, _| wanted.contains_key(name));
        for (name, text) in wanted {
            if !self.running.contains_key(name) {
                self.begin(name, text);
            }
        }
    }

    /// Ends those for which there is such a wish, all at once.
    async fn follow_only(&mut self, wish: impl Fn(&str, &Running) -> Option<Wish>) {
        let ending: Vec<String> = self
            .running
            .iter()
            .filter_map(|(name, running)| {
                running.wish.send_replace(wish(name, running)?);
                Some(name.clone())
            })
            .collect();
        for name in ending {
            if let Some(running) = self.running.remove(&name) {
                // A task ends by itself, and one that panicked has ended too.
                let _ = running.task.await;
            }
        }
    }

    /// Begins to follow a broker. Settings that this program does not understand any more are named in
    /// `brokers list`; at the broker everything stays where it is.
    fn begin(&mut self, name: &str, text: &str) {
        let live = Arc::new(Live::default());
        locked(&self.lives).insert(name.to_owned(), live.clone());
        let understood = Settings::from_json(text).and_then(|settings| Ok((settings.map(name)?, settings)));
        let (map, settings) = match understood {
            Ok(understood) => understood,
            Err(failure) => return live.failed(self.node.clock.now(), failure),
        };
        let (wish, wished) = watch::channel(Wish::Follow);
        let worker = Worker {
            node: self.node.clone(),
            name: name.to_owned(),
            settings,
            map,
            plan: self.plan.clone(),
            live,
            wish: wished,
            subscribed: false,
        };
        let task = tokio::spawn(worker.run());
        self.running.insert(name.to_owned(), Running { settings: text.to_owned(), wish, task });
    }
}
