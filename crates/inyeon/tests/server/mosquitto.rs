//! Debian's `mosquitto` as a child process, and a plain MQTT 3.1.1 client that says exactly what it is told to.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::support::{temp, until};

/// A broker with a place of its own. It is killed when it is dropped.
pub(crate) struct Mosquitto {
    pub(crate) temp: TempDir,
    pub(crate) port: u16,
    child: Option<Child>,
}

/// A port that nobody uses now.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port()
}

fn program(name: &str) -> PathBuf {
    let places = ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin", "/opt/homebrew/sbin"];
    let path = std::env::var_os("PATH").unwrap_or_default();
    let dirs = std::env::split_paths(&path).chain(places.iter().map(PathBuf::from));
    let found = dirs.map(|dir| dir.join(name)).find(|path| path.exists());
    found.unwrap_or_else(|| panic!("{name} is not installed; `apt-get install mosquitto` installs it"))
}

impl Mosquitto {
    /// A broker that anybody may use, and that remembers everything across its end.
    pub(crate) fn start() -> Self {
        Mosquitto::with("allow_anonymous true\n")
    }

    /// A broker with these lines besides; `DIR` in them is its place.
    pub(crate) fn with(lines: &str) -> Self {
        let mut broker = Mosquitto { temp: temp(), port: free_port(), child: None };
        let dir = broker.temp.path().to_str().expect("a plain path").to_owned();
        let lines = lines.replace("DIR", &dir);
        // As root it would become somebody who may not write here. No limits of its own: the tests know what is sent.
        let config = format!(
            "listener {} 127.0.0.1\n{lines}user root\npersistence true\npersistence_location {dir}/\n\
             autosave_interval 1\nautosave_on_changes true\nmax_inflight_messages 0\nmax_queued_messages 0\n\
             set_tcp_nodelay true\nlog_dest file {dir}/log\n",
            broker.port
        );
        fs::write(broker.path("mosquitto.conf"), config).unwrap();
        broker.resume();
        broker
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.temp.path().join(name)
    }

    pub(crate) fn url(&self) -> String {
        format!("mqtt://127.0.0.1:{}", self.port)
    }

    /// Starts it again on what it wrote.
    pub(crate) fn resume(&mut self) {
        let mut command = Command::new(program("mosquitto"));
        command.arg("-c").arg(self.path("mosquitto.conf"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().expect("mosquitto runs");
        until("mosquitto answers", || {
            let ended = child.try_wait().expect("a child can be asked");
            let log = || fs::read_to_string(self.path("log")).unwrap_or_default();
            assert!(ended.is_none(), "mosquitto ended with {ended:?}: {}", log());
            self.answers()
        });
        self.child = Some(child);
    }

    /// Whether it does more than listen: a socket may take a connection before anybody reads from it.
    fn answers(&self) -> bool {
        let is_tls = fs::read_to_string(self.path("mosquitto.conf")).is_ok_and(|c| c.contains("certfile"));
        if is_tls {
            return TcpStream::connect(("127.0.0.1", self.port)).is_ok();
        }
        match Device::connect(self.port, &Hello { id: "whoever waits for it", ..Hello::default() }) {
            Ok(_) => true,
            // It says who may not.
            Err(error) => error.kind() == io::ErrorKind::Other,
        }
    }

    pub(crate) fn end(&mut self, signal: i32) {
        let mut child = self.child.take().expect("it runs");
        // SAFETY: a system call; the child was not waited for, so the number is still its own.
        unsafe {
            libc::kill(child.id() as libc::pid_t, signal);
        }
        child.wait().expect("a child can be waited for");
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Writes a password file for a broker.
pub(crate) fn write_passwords(path: &Path, user: &str, password: &str) {
    let made = Command::new(program("mosquitto_passwd"))
        .args(["-b", "-c"])
        .arg(path)
        .args([user, password])
        .stderr(Stdio::null())
        .status()
        .expect("mosquitto_passwd runs");
    assert!(made.success());
}

/// How a client introduces itself.
#[derive(Clone, Default)]
pub(crate) struct Hello<'a> {
    pub(crate) id: &'a str,
    /// Takes up the session that the broker keeps.
    pub(crate) keeps_session: bool,
    pub(crate) will: Option<(&'a str, &'a str)>,
    pub(crate) login: Option<(&'a str, &'a str)>,
}

/// A packet: its type, its flags and what follows its length.
struct Packet {
    kind: u8,
    flags: u8,
    body: Vec<u8>,
}

const CONNACK: u8 = 2;
const PUBLISH: u8 = 3;
const PUBACK: u8 = 4;
const SUBACK: u8 = 9;
const PINGRESP: u8 = 13;

/// A message as a subscriber gets it.
pub(crate) struct Got {
    pub(crate) topic: String,
    pub(crate) payload: Vec<u8>,
    pkid: u16,
}

/// A device, or a subscriber. Dropped, it is gone without a word.
pub(crate) struct Device {
    stream: TcpStream,
    next: u16,
    /// Messages that came while something else was waited for.
    got: Vec<Got>,
}

impl Device {
    pub(crate) fn connect(port: u16, hello: &Hello<'_>) -> io::Result<Device> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        let mut device = Device { stream, next: 0, got: Vec::new() };
        let mut flags = if hello.keeps_session { 0 } else { 0x02 };
        let mut fields = text(hello.id);
        if let Some((topic, payload)) = hello.will {
            // QoS 1, not retained.
            flags |= 0x04 | 0x08;
            fields.extend([text(topic), text(payload)].concat());
        }
        if let Some((user, password)) = hello.login {
            flags |= 0x80 | 0x40;
            fields.extend([text(user), text(password)].concat());
        }
        let body = [text("MQTT"), vec![4, flags, 0, 60], fields].concat();
        device.send(0x10, &body)?;
        let answer = device.answer(CONNACK)?;
        match answer.body[1] {
            0 => Ok(device),
            code => Err(io::Error::other(format!("the broker refuses: {code}"))),
        }
    }

    /// Publishes at QoS 1 and waits until the broker has it.
    pub(crate) fn publish(&mut self, topic: &str, payload: impl AsRef<[u8]>) -> io::Result<()> {
        self.publish_as(topic, payload.as_ref(), 1, false)
    }

    pub(crate) fn publish_as(
        &mut self,
        topic: &str,
        payload: &[u8],
        qos: u8,
        retain: bool,
    ) -> io::Result<()> {
        let mut body = text(topic);
        if qos > 0 {
            self.next = self.next % 60_000 + 1;
            body.extend(self.next.to_be_bytes());
        }
        body.extend(payload);
        self.send(0x30 | qos << 1 | u8::from(retain), &body)?;
        if qos == 1 {
            let answer = self.answer(PUBACK)?;
            assert_eq!(answer.body[..2], self.next.to_be_bytes(), "one message at a time");
        }
        Ok(())
    }

    pub(crate) fn subscribe(&mut self, filter: &str) -> io::Result<()> {
        let body = [vec![0, 1], text(filter), vec![1]].concat();
        self.send(0x82, &body)?;
        self.answer(SUBACK).map(drop)
    }

    /// The next message, acknowledged.
    pub(crate) fn receive(&mut self) -> io::Result<Got> {
        while self.got.is_empty() {
            self.read()?;
        }
        let got = self.got.remove(0);
        if got.pkid > 0 {
            self.send(0x40, &got.pkid.to_be_bytes())?;
        }
        Ok(got)
    }

    /// Returns when the broker has done all that it was to do before.
    pub(crate) fn ping(&mut self) -> io::Result<()> {
        self.send(0xC0, &[])?;
        self.answer(PINGRESP).map(drop)
    }

    fn send(&mut self, head: u8, body: &[u8]) -> io::Result<()> {
        let mut packet = vec![head];
        let mut length = body.len();
        loop {
            let more = length >= 128;
            packet.push((length % 128) as u8 | if more { 0x80 } else { 0 });
            length /= 128;
            if !more {
                break;
            }
        }
        packet.extend(body);
        self.stream.write_all(&packet)
    }

    /// Reads until a packet of this type comes; messages on the way are kept.
    fn answer(&mut self, kind: u8) -> io::Result<Packet> {
        loop {
            if let Some(packet) = self.read()?
                && packet.kind == kind
            {
                return Ok(packet);
            }
        }
    }

    /// Reads one packet; a message is put aside.
    fn read(&mut self) -> io::Result<Option<Packet>> {
        let mut head = [0; 1];
        self.stream.read_exact(&mut head)?;
        let (mut length, mut shift, mut byte) = (0_usize, 0, [0x80; 1]);
        while byte[0] & 0x80 != 0 {
            self.stream.read_exact(&mut byte)?;
            length |= usize::from(byte[0] & 0x7F) << shift;
            shift += 7;
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        let packet = Packet { kind: head[0] >> 4, flags: head[0] & 0x0F, body };
        if packet.kind != PUBLISH {
            return Ok(Some(packet));
        }
        let body = &packet.body;
        let end = 2 + usize::from(u16::from_be_bytes([body[0], body[1]]));
        let topic = String::from_utf8(body[2..end].to_vec()).expect("topics are text");
        let acknowledged = packet.flags & 0x06 != 0;
        let pkid = if acknowledged { u16::from_be_bytes([body[end], body[end + 1]]) } else { 0 };
        let payload = body[end + if acknowledged { 2 } else { 0 }..].to_vec();
        self.got.push(Got { topic, payload, pkid });
        Ok(None)
    }
}

fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u16).to_be_bytes()[..], text.as_bytes()].concat()
}
