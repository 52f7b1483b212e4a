//! What the tests share: scale, seeded choices, the binary as a child process, and its command line.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::wire::Connection;

/// `quick`, `full` or `soak`.
pub(crate) fn scale(quick: u64, full: u64, soak: u64) -> u64 {
    match std::env::var("INYEON_TEST_SCALE").as_deref() {
        Ok("full") => full,
        Ok("soak") => soak,
        Ok("quick") | Err(_) => quick,
        Ok(other) => panic!("INYEON_TEST_SCALE is {other}; it is quick, full or soak"),
    }
}

/// SplitMix64: the same numbers for the same seed, everywhere.
#[derive(Clone)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Rng(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x1234_5678_9ABC_DEF0)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// 0 to n - 1.
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    pub(crate) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

#[allow(clippy::disallowed_methods, reason = "a client outside the process has a clock of its own")]
pub(crate) fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}

/// A directory that goes when the test ends; in memory where the system has such a place: killing a process does
/// not lose what it wrote, so these tests learn nothing from a disk's time to sync.
pub(crate) fn temp() -> TempDir {
    let mut builder = tempfile::Builder::new();
    let builder = builder.prefix("inyeon-");
    // To look into what a failed test left.
    builder.disable_cleanup(std::env::var_os("INYEON_TEST_KEEP").is_some());
    builder.tempdir_in("/dev/shm").or_else(|_| builder.tempdir()).unwrap()
}

pub(crate) fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).unwrap();
        }
    }
}

/// A place for one store, its master key beside it.
pub(crate) struct Home {
    pub(crate) temp: TempDir,
}

/// The write key that servers are started with.
pub(crate) const KEY: &str = "outer-tests";

impl Home {
    pub(crate) fn new() -> Self {
        Home { temp: temp() }
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.temp.path().join("store")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.temp.path().join(name)
    }

    /// A server on this store.
    #[track_caller]
    pub(crate) fn serve(&self) -> Served {
        Start::new(&self.dir()).run().expect("the server starts")
    }

    /// `inyeon --store HERE --json …`, which must succeed; its JSON.
    #[track_caller]
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        self.run(arguments).json()
    }

    /// `inyeon --store HERE --json …`
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        let dir = self.dir();
        let mut all = vec!["--store", dir.to_str().unwrap(), "--json"];
        all.extend(arguments);
        inyeon(&all, &[])
    }

    /// `inyeon --store HERE …`, for people.
    pub(crate) fn say(&self, arguments: &[&str]) -> Ran {
        let dir = self.dir();
        let mut all = vec!["--store", dir.to_str().unwrap()];
        all.extend(arguments);
        inyeon(&all, &[])
    }

    /// Every applied event, as `events export` writes it.
    #[track_caller]
    pub(crate) fn export(&self) -> Vec<Value> {
        let ran = self.run(&["events", "export", "--format", "jsonl"]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        ran.stdout.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
    }

    /// The store under another name, with its key; `also` changes the copy.
    pub(crate) fn copy(&self) -> Home {
        let copy = Home::new();
        copy_dir(&self.dir(), &copy.dir());
        fs::copy(self.path("store.key"), copy.path("store.key")).unwrap();
        if self.path("store.erased").exists() {
            fs::copy(self.path("store.erased"), copy.path("store.erased")).unwrap();
        }
        copy
    }
}

/// The binary, in an environment that says nothing to it.
pub(crate) fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_inyeon"));
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("INYEON_") || text.starts_with("LC_") || text == "LANG" {
            command.env_remove(&name);
        }
    }
    command.env("LANG", "C.UTF-8");
    command
}

/// A command that ran to its end.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.code, Some(0), "{self:?}");
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Asserts the exit code and gives the error's text; nobody is shown a panic.
    #[track_caller]
    pub(crate) fn refused(&self, code: i32) -> &str {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert!(!self.stderr.contains("panicked"), "{self:?}");
        assert!(!self.stderr.trim().is_empty(), "{self:?}");
        self.stderr.trim()
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Ran {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).expect("output is UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("errors are UTF-8"),
        }
    }
}

pub(crate) fn inyeon(arguments: &[&str], env: &[(&str, &str)]) -> Ran {
    let mut command = command();
    command.args(arguments).envs(env.iter().copied()).stdin(Stdio::null());
    command.output().expect("the binary runs").into()
}

/// How a server is to be started.
pub(crate) struct Start {
    command: Command,
}

impl Start {
    pub(crate) fn new(dir: &Path) -> Self {
        let mut command = command();
        command.arg("--store").arg(dir).args(["--json", "serve", "--listen", "127.0.0.1:0"]);
        command.args(["--write-key", KEY]);
        Start { command }
    }

    pub(crate) fn args(mut self, arguments: &[&str]) -> Self {
        self.command.args(arguments);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Starts it and waits until it says where it listens; or says how it ended before.
    pub(crate) fn run(mut self) -> Result<Served, Ended> {
        self.command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.command.spawn().expect("the binary runs");
        let mut stderr = child.stderr.take().expect("piped");
        let said = std::thread::spawn(move || {
            let mut text = Vec::new();
            let _ = stderr.read_to_end(&mut text);
            String::from_utf8_lossy(&text).into_owned()
        });
        let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("a pipe can be read");
        let mut served = Served { child: Some(child), said: Some(said), address: String::new() };
        match serde_json::from_str::<Value>(&line) {
            Ok(told) => {
                served.address = told["listening"].as_str().expect("an address").to_owned();
                Ok(served)
            }
            Err(_) => Err(served.wait()),
        }
    }
}

/// A running server. It is killed when it is dropped.
pub(crate) struct Served {
    child: Option<Child>,
    said: Option<JoinHandle<String>>,
    pub(crate) address: String,
}

/// How a server ended, and what it wrote to its error stream.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stderr: String,
}

impl Ended {
    pub(crate) fn signal(&self) -> Option<i32> {
        self.status.signal()
    }

    /// It ended as it was asked to, and no thread panicked on the way.
    #[track_caller]
    pub(crate) fn in_order(&self) {
        assert!(self.status.success(), "{self:?}");
        self.without_panic();
    }

    #[track_caller]
    pub(crate) fn without_panic(&self) {
        assert!(!self.stderr.contains("panicked"), "{self:?}");
    }
}

impl Served {
    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().expect("it runs").id()
    }

    pub(crate) fn connect(&self) -> Connection {
        Connection::open(&self.address, Some(KEY)).expect("the server can be reached")
    }

    pub(crate) fn connect_as(&self, key: Option<&str>) -> Connection {
        Connection::open(&self.address, key).expect("the server can be reached")
    }

    pub(crate) fn signal(&self, signal: i32) {
        // SAFETY: a system call; the child was not waited for, so the number is still its own.
        unsafe {
            libc::kill(self.pid() as libc::pid_t, signal);
        }
    }

    pub(crate) fn kill(self) -> Ended {
        self.signal(libc::SIGKILL);
        self.wait()
    }

    /// Asks it to end.
    pub(crate) fn stop(self) -> Ended {
        self.signal(libc::SIGTERM);
        self.wait()
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.as_mut().expect("it runs").try_wait().expect("a child can be waited for").is_none()
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn wait(mut self) -> Ended {
        let limit = Instant::now() + Duration::from_secs(60);
        while self.is_running() {
            assert!(Instant::now() < limit, "the server does not end");
            std::thread::sleep(Duration::from_millis(1));
        }
        let status = self.child.take().expect("it ran").wait().expect("a child can be waited for");
        let said = self.said.take().expect("taken once").join();
        Ended { status, stderr: said.expect("reading a pipe does not panic") }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Asks until it is so; a test that waits for ever fails instead.
#[track_caller]
pub(crate) fn until(what: &str, mut so: impl FnMut() -> bool) {
    let limit = Instant::now() + Duration::from_secs(60);
    while !so() {
        assert!(Instant::now() < limit, "it never came about: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
