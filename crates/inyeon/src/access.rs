//! Reaching a store: through the server that has it open, or by opening it here.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use runtime::{Node, NodeOptions, Sink};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::StoreOptions;

use crate::error::{Failure, Kind};
use crate::http::CONTROL_PATH;
use crate::ops::{self, Op};

/// Whoever answers for the store.
pub enum Access {
    Here(Box<Node>),
    There(Remote),
}

/// A server on this machine.
pub struct Remote {
    agent: ureq::Agent,
    url: String,
    token: String,
}

/// What a running server leaves in its store's directory for the command line.
#[derive(Debug, Serialize, Deserialize)]
pub struct ServerFile {
    pub address: String,
    pub token: String,
    pub pid: u32,
    /// Where customers reach the server.
    #[serde(default)]
    pub public_url: Option<String>,
}

/// Where customers reach the server of a store: as it says itself, or where one listens that says nothing else.
pub fn public_url_of(store: &Path) -> String {
    let file = fs::read_to_string(server_file(store)).ok();
    let file = file.and_then(|text| serde_json::from_str::<ServerFile>(&text).ok());
    file.and_then(|file| file.public_url).unwrap_or_else(|| "http://127.0.0.1:7700".to_owned())
}

pub fn server_file(store: &Path) -> PathBuf {
    store.join("server.json")
}

impl ServerFile {
    /// Readable by the store's owner only: the token in it opens everything.
    pub fn write(&self, store: &Path) -> io::Result<()> {
        let path = server_file(store);
        let _ = fs::remove_file(&path);
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        file.write_all(serde_json::to_string(self).expect("plain data").as_bytes())
    }
}

/// The options of a store that is opened here, with the master key from the environment where it is set.
pub fn store_options() -> Result<StoreOptions, Failure> {
    let given = match (std::env::var("INYEON_MASTER_KEY"), std::env::var("INYEON_MASTER_KEY_FILE")) {
        (Ok(key), _) => Some(key),
        (_, Ok(path)) => {
            Some(fs::read_to_string(&path).map_err(|error| Failure::io("read", Path::new(&path), &error))?)
        }
        _ => None,
    };
    let master_key = match given {
        None => None,
        Some(text) => Some(store::parse_key(&text).ok_or_else(|| {
            Failure::new(Kind::Usage, "master-key").with("detail", "INYEON_MASTER_KEY: 64 hexadecimal digits")
        })?),
    };
    Ok(StoreOptions { master_key, snapshots: engine::SNAPSHOT_FORMAT, ..StoreOptions::default() })
}

impl Access {
    /// Reaches the store in `dir`; `create` makes one where there is none.
    pub fn open(dir: &Path, create: bool, on_replay: fn(u64, u64)) -> Result<Access, Failure> {
        if !create && !store::Layout::new(dir).format().exists() {
            return Err(Failure::new(Kind::NotFound, "no-store").with("dir", dir.display()));
        }
        // A server's file outlives one that was killed; the lock does not.
        if let Some(remote) = Remote::find(dir)
            && store::Layout::new(dir).is_in_use()
        {
            return Ok(Access::There(remote));
        }
        let options = NodeOptions {
            store: store_options()?,
            // Looking into a store sends nothing.
            sink: Sink::Held,
            on_replay,
            ..NodeOptions::default()
        };
        match Node::open(dir, options) {
            Ok(node) => {
                node.drain()?;
                Ok(Access::Here(Box::new(node)))
            }
            Err(error) => {
                let failure = Failure::from(error);
                if failure.code == "store-in-use"
                    && let Some(remote) = Remote::find(dir)
                {
                    return Ok(Access::There(remote));
                }
                Err(failure)
            }
        }
    }

    pub fn run(&self, op: Op) -> Result<Value, Failure> {
        match self {
            Access::Here(node) => ops::run(node, op),
            Access::There(remote) => remote.run(&op),
        }
    }
}

impl Remote {
    fn find(dir: &Path) -> Option<Remote> {
        let file: ServerFile = serde_json::from_str(&fs::read_to_string(server_file(dir)).ok()?).ok()?;
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(Duration::from_secs(5)))
            .build();
        Some(Remote {
            agent: config.into(),
            url: format!("http://{}{CONTROL_PATH}", file.address),
            token: file.token,
        })
    }

    fn run(&self, op: &Op) -> Result<Value, Failure> {
        let unreachable = |detail: String| {
            Failure::new(Kind::Unavailable, "server-unreachable")
                .with("url", &self.url)
                .with("detail", detail)
        };
        let request = self.agent.post(&self.url).header("authorization", format!("Bearer {}", self.token));
        let mut response = request.send_json(op).map_err(|error| unreachable(error.to_string()))?;
        let body = response
            .body_mut()
            .with_config()
            .limit(1 << 30)
            .read_to_string()
            .map_err(|error| unreachable(error.to_string()))?;
        if response.status().is_success() {
            serde_json::from_str(&body).map_err(|error| unreachable(error.to_string()))
        } else {
            Err(serde_json::from_str::<Failure>(&body).unwrap_or_else(|_| unreachable(body)))
        }
    }
}
