//! `inyeon serve`: the server, from its lock to its last byte.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use model::connection::Link;
use model::{EntityId, Time};
use runtime::{Node, NodeOptions, Sink};
use serde_json::json;
use store::StoreOptions;

use crate::access::{ServerFile, server_file, store_options};
use crate::cli::{Global, complain, print};
use crate::error::{Failure, Kind};
use crate::http::{self, App};
use crate::i18n::Messages;
use crate::links::{self, Links};
use crate::{keys, render};

#[derive(clap::Args)]
pub struct ServeArgs {
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7700")]
    pub listen: String,
    #[arg(long)]
    pub listen_on_network: bool,
    #[arg(long, value_name = "URL")]
    pub public_url: Option<String>,
    #[arg(long, value_name = "NAME")]
    pub company: Option<String>,
    #[arg(long, value_name = "KEY")]
    pub write_key: Option<String>,
    #[arg(long, value_name = "DIR")]
    pub effects_dir: Option<PathBuf>,
    #[arg(long, value_name = "BYTES", default_value_t = NodeOptions::default().queue_bytes)]
    pub queue_bytes: usize,
    #[arg(long, value_name = "BYTES", default_value_t = StoreOptions::default().cache_bytes)]
    pub cache_bytes: u64,
    #[arg(long, value_name = "N", default_value_t = NodeOptions::default().cache_entities)]
    pub cache_profiles: usize,
}

/// How long requests that have begun may hold up an end; a client may never say the rest of one.
const LAST_WORDS: std::time::Duration = std::time::Duration::from_secs(5);

/// How customers reach the server, and what they call the company.
#[derive(Clone, Debug, Default)]
pub struct Facing {
    /// Links lead to this machine alone where none is named.
    pub public_url: Option<String>,
    pub company: Option<String>,
}

/// A server that runs on threads of its own until it is stopped.
pub struct Server {
    pub address: SocketAddr,
    pub app: Arc<App>,
    store: PathBuf,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<std::io::Result<()>>>,
}

impl Server {
    /// Opens the store and begins to listen. Links lead customers to this machine alone.
    pub fn start(
        store: &Path,
        listen: &str,
        trial_key: Option<&str>,
        options: NodeOptions,
    ) -> Result<Server, Failure> {
        Server::start_at(store, listen, Facing::default(), trial_key, options)
    }

    /// [`Self::start`], where customers reach the server as `facing` says.
    pub fn start_at(
        store: &Path,
        listen: &str,
        facing: Facing,
        trial_key: Option<&str>,
        mut options: NodeOptions,
    ) -> Result<Server, Failure> {
        let public_url = facing.public_url.as_deref().map(links::public_url).transpose()?;
        // The port first: folding a large store again only to find the port taken helps nobody.
        let (listener, address) = http::bind(listen)?;
        let base = public_url.unwrap_or_else(|| format!("http://127.0.0.1:{}", address.port()));
        let (made, at) = (Arc::new(OnceLock::new()), base.clone());
        options.links = Some(Box::new({
            let made = made.clone();
            move |keys| {
                let links = made.get_or_init(|| Arc::new(Links::new(keys.links(), &at))).clone();
                Arc::new(move |link: &Link, customer: EntityId, at: Time| links.sign(link, customer, at))
            }
        }));
        let node = Arc::new(Node::open(store, options)?);
        let links = made.get().expect("made while the node was opened").clone();
        let token = keys::random_hex(32);
        let app = App::new(node, trial_key, token.clone(), links, facing.company)?;
        let file = ServerFile { address: address.to_string(), token, pid: std::process::id(), public_url: Some(base) };
        file.write(store).map_err(|error| Failure::io("write", &server_file(store), &error))?;
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let served = app.clone();
        let run = move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(std::thread::available_parallelism().map_or(2, |n| n.get().clamp(2, 16)))
                .thread_name("inyeon-http")
                .enable_all()
                .build()?;
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener)?;
                let (ending, ended) = tokio::sync::oneshot::channel::<()>();
                let stop = async {
                    drop(stopped.await);
                    drop(ending);
                };
                tokio::select! {
                    done = http::serve(listener, served, stop) => done,
                    () = async { drop(ended.await); tokio::time::sleep(LAST_WORDS).await } => Ok(()),
                }
            })?;
            // Connections that are kept open idle must not keep the process.
            runtime.shutdown_timeout(std::time::Duration::from_secs(2));
            Ok(())
        };
        let thread = std::thread::Builder::new().name("inyeon-serve".into()).spawn(run);
        let thread = thread.map_err(|error| Failure::io("start", store, &error))?;
        Ok(Server { address, app, store: store.to_owned(), stop: Some(stop), thread: Some(thread) })
    }

    /// Ends in order: what was accepted is durable, what was folded is checkpointed.
    pub fn stop(mut self) {
        self.shut();
    }

    fn shut(&mut self) {
        drop(self.stop.take());
        self.app.brokers.end();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
            let _ = std::fs::remove_file(server_file(&self.store));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shut();
    }
}

/// The wish that the process should end: Ctrl-C, or the signal that supervisors send.
pub struct Ending {
    runtime: tokio::runtime::Runtime,
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl Ending {
    /// Listens from now on: before anybody is told where the server is, so that they can end it in order.
    pub fn listen() -> Result<Self, Failure> {
        use tokio::signal::unix::{SignalKind, signal};
        let made = || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let (interrupt, terminate) = {
                let _inside = runtime.enter();
                (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
            };
            Ok::<_, std::io::Error>(Ending { runtime, interrupt, terminate })
        };
        made().map_err(|error| Failure::other(&error))
    }

    /// Waits until somebody wants it.
    pub fn wait(mut self) {
        self.runtime.block_on(async {
            tokio::select! {
                _ = self.interrupt.recv() => {}
                _ = self.terminate.recv() => {}
            }
        });
        // Who asks a second time does not want to wait for an orderly end.
        for signal in [libc::SIGINT, libc::SIGTERM] {
            // SAFETY: a plain system call; the default action needs nothing of ours.
            unsafe {
                libc::signal(signal, libc::SIG_DFL);
            }
        }
    }
}

pub fn run(global: &Global, args: &ServeArgs, messages: &Messages) -> Result<(), Failure> {
    let sink = match &args.effects_dir {
        Some(dir) => Sink::Directory(dir.clone()),
        None => Sink::Inbox,
    };
    let options = NodeOptions {
        store: StoreOptions { cache_bytes: args.cache_bytes, ..store_options()? },
        sink,
        on_replay: render::replay_progress,
        queue_bytes: args.queue_bytes,
        cache_entities: args.cache_profiles,
        ..NodeOptions::default()
    };
    // A name that cannot be resolved is not the network's: binding it says what is wrong with it.
    let elsewhere = std::net::ToSocketAddrs::to_socket_addrs(&args.listen)
        .is_ok_and(|mut addresses| addresses.any(|address| !address.ip().is_loopback()));
    if elsewhere && !args.listen_on_network {
        return Err(Failure::new(Kind::Usage, "listen-on-network").with("address", &args.listen));
    }
    let facing = Facing { public_url: args.public_url.clone(), company: args.company.clone() };
    let server =
        Server::start_at(&global.store, &args.listen, facing, args.write_key.as_deref(), options)?;
    let ending = Ending::listen()?;
    if global.json {
        print(&json!({ "listening": server.address.to_string(), "store": global.store }).to_string());
    } else {
        for note in &server.app.node.notes {
            complain(&messages.with("serve-note", &[("note", note.clone())]));
        }
        let values = [("address", server.address.to_string()), ("store", global.store.display().to_string())];
        print(&messages.with("serve-listening", &values));
        if !server.address.ip().is_loopback() {
            complain(&messages.get("serve-not-loopback"));
        }
    }
    ending.wait();
    server.stop();
    Ok(())
}
