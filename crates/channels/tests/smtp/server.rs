//! A mail server that does what a script says, one script for each connection.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// Makes an encrypted stream of a plain one.
pub(crate) type Encrypt = Arc<dyn Fn(TcpStream) -> Box<dyn Stream> + Send + Sync>;

impl std::fmt::Debug for Script {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Script::Take => f.write_str("Take"),
            Script::Answer(at, answer) => write!(f, "Answer({at}, {answer})"),
            Script::DropAt(at) => write!(f, "DropAt({at})"),
            Script::SilentAt(at) => write!(f, "SilentAt({at})"),
            Script::DropInside => f.write_str("DropInside"),
            Script::TakeAndDrop => f.write_str("TakeAndDrop"),
            Script::Starttls(_) => f.write_str("Starttls"),
            Script::Tls(_) => f.write_str("Tls"),
        }
    }
}

/// What a connection meets with. A place is a command's name, `greeting`, or `.` for the end of the letter.
#[derive(Clone)]
pub(crate) enum Script {
    Take,
    /// This, instead of what would be answered there; otherwise it takes everything.
    Answer(&'static str, &'static str),
    /// Closes the connection there.
    DropAt(&'static str),
    /// Says nothing any more from there.
    SilentAt(&'static str),
    /// Closes the connection when a little of the letter has come.
    DropInside,
    /// Keeps the letter and closes the connection without a word.
    TakeAndDrop,
    /// Offers encryption.
    Starttls(Encrypt),
    /// Is encrypted from the start.
    Tls(Encrypt),
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Letter {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) text: String,
}

#[derive(Default)]
struct Seen {
    letters: Vec<Letter>,
    heard: Vec<String>,
}

pub(crate) struct Server {
    pub(crate) address: String,
    seen: Arc<Mutex<Seen>>,
}

impl Server {
    /// One that meets its first connections by the scripts, and then nobody.
    pub(crate) fn start(scripts: Vec<Script>) -> Server {
        Server::start_with(scripts.into_iter())
    }

    pub(crate) fn start_with(scripts: impl Iterator<Item = Script> + Send + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let shared = seen.clone();
        std::thread::spawn(move || {
            for script in scripts {
                let Ok((stream, _)) = listener.accept() else { return };
                let shared = shared.clone();
                // One that is silent holds up nobody else.
                std::thread::spawn(move || serve(stream, &script, &shared));
            }
        });
        Server { address, seen }
    }

    pub(crate) fn letters(&self) -> Vec<Letter> {
        self.seen.lock().unwrap().letters.clone()
    }

    /// Words of those that logged in, as they were sent.
    pub(crate) fn logins(&self) -> Vec<String> {
        let heard = self.heard();
        heard.iter().filter_map(|line| line.strip_prefix("AUTH PLAIN ")).map(str::to_owned).collect()
    }

    pub(crate) fn heard(&self) -> Vec<String> {
        self.seen.lock().unwrap().heard.clone()
    }
}

pub(crate) trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

fn serve(stream: TcpStream, script: &Script, seen: &Mutex<Seen>) {
    // An end in the middle is what is tested.
    let _ = match script {
        Script::Tls(encrypt) => talk(encrypt(stream), script, seen, false),
        _ => match talk(Box::new(stream.try_clone().unwrap()), script, seen, false) {
            Ok(Then::Encrypt(encrypt)) => talk(encrypt(stream), script, seen, true),
            Ok(Then::Silence) => drain(stream),
            other => {
                let _ = stream.shutdown(Shutdown::Both);
                other
            }
        },
    };
}

enum Then {
    End,
    Silence,
    Encrypt(Encrypt),
}

fn drain(mut stream: TcpStream) -> std::io::Result<Then> {
    stream.read_to_end(&mut Vec::new())?;
    Ok(Then::End)
}

/// `again` where encryption has begun: the client is not greeted a second time.
fn talk(stream: Box<dyn Stream>, script: &Script, seen: &Mutex<Seen>, again: bool) -> std::io::Result<Then> {
    let mut reader = BufReader::new(stream);
    let (mut from, mut to) = (String::new(), String::new());
    let mut place = "greeting".to_owned();
    let mut usual = "220 mail.example ready".to_owned();
    let mut skip = again;
    loop {
        if !skip {
            match script {
                Script::DropAt(at) if *at == place => return Ok(Then::End),
                Script::TakeAndDrop if place == "." => return Ok(Then::End),
                Script::SilentAt(at) if *at == place => return Ok(Then::Silence),
                Script::Answer(at, answer) if *at == place => usual = (*answer).to_owned(),
                _ => {}
            }
            reader.get_mut().write_all(format!("{usual}\r\n").as_bytes())?;
            reader.get_mut().flush()?;
            if place == "QUIT" {
                return Ok(Then::End);
            }
            if place == "STARTTLS"
                && let Script::Starttls(encrypt) = script
            {
                return Ok(Then::Encrypt(encrypt.clone()));
            }
        }
        skip = false;
        if place == "DATA" && usual.starts_with("354") {
            let text = letter(&mut reader, script)?;
            if matches!(script, Script::Answer(".", _) | Script::DropAt(".") | Script::SilentAt(".")) {
                // It does not keep it.
            } else {
                let (from, to) = (from.clone(), to.clone());
                seen.lock().unwrap().letters.push(Letter { from, to, text });
            }
            (place, usual) = (".".to_owned(), "250 2.0.0 queued".to_owned());
            continue;
        }
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(Then::End);
        }
        let line = line.trim_end();
        seen.lock().unwrap().heard.push(line.to_owned());
        place = line.split([' ', ':']).next().unwrap_or_default().to_uppercase();
        let address = || line.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
        usual = match place.as_str() {
            "EHLO" if matches!(script, Script::Starttls(_)) && !again => {
                "250-mail.example\r\n250 STARTTLS".to_owned()
            }
            "EHLO" => "250-mail.example\r\n250 AUTH PLAIN".to_owned(),
            "STARTTLS" => "220 go on".to_owned(),
            "AUTH" => "235 2.7.0 welcome".to_owned(),
            "MAIL" => {
                from = address();
                "250 ok".to_owned()
            }
            "RCPT" => {
                to = address();
                "250 ok".to_owned()
            }
            "DATA" => "354 go on".to_owned(),
            "QUIT" => "221 bye".to_owned(),
            _ => "502 what?".to_owned(),
        };
    }
}

/// Reads up to the line with the dot alone, and takes the dots away that were added.
fn letter(reader: &mut impl BufRead, script: &Script) -> std::io::Result<String> {
    let mut text = String::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || (matches!(script, Script::DropInside) && text.len() > 1_000) {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        if line == ".\r\n" {
            return Ok(text);
        }
        text.push_str(line.strip_prefix('.').unwrap_or(&line));
    }
}
