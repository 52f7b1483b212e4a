//! One attempt to hand a letter to a mail server (RFC 5321), and what is truly known about it afterwards.
//!
//! Until the line with the dot alone is written nothing counts, so whatever breaks off before is made again. From
//! then until the answer nobody knows whether the server has the letter: it may have, and a second one would reach
//! the customer twice. Only that is in doubt.

use std::cell::Cell;
use std::iter;
use std::time::Duration;

use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{
    Certificate, CertificateStore, SmtpConnection, TlsParameters, TlsParametersBuilder,
};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};
use lettre::transport::smtp::response::{Response, Severity};
use serde::{Deserialize, Serialize};

use crate::letter::Letter;
use crate::verdict::Verdict;

/// How long the server may take for everything but its last answer: what breaks off is made again.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long it may take for the answer that counts (RFC 5321, 4.5.3.2.6): to give up sooner makes doubts.
const LAST_PATIENCE: Duration = Duration::from_secs(600);
/// How long it may take to say good-bye.
const GOOD_BYE: Duration = Duration::from_secs(2);

/// How a connection is kept from being read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Security {
    /// It is not.
    #[default]
    None,
    /// Begun in the open, and encrypted before anything is said; where the server does not offer it, nothing is.
    Starttls,
    /// Encrypted from the start.
    Tls,
}

/// A mail server, and who we are there.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Smtp {
    pub host: String,
    pub port: u16,
    #[serde(default)]
    pub security: Security,
    pub user: Option<String>,
    pub password: Option<String>,
    /// Certificates (PEM) of those who may vouch for the server; the system's where there is none.
    pub ca: Option<String>,
    #[serde(skip, default = "default_patience")]
    patience: (Duration, Duration),
}

fn default_patience() -> (Duration, Duration) {
    (PATIENCE, LAST_PATIENCE)
}

/// What is wrong with the settings of a mail server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SmtpError {
    #[error("`{0}` is not a host and a port, such as mail.example.com:587")]
    Server(String),
    #[error("a password needs a user, and a user a password")]
    HalfCredentials,
    #[error("a password is sent over an encrypted connection only, or to this machine")]
    OpenPassword,
    #[error("certificates are for an encrypted connection")]
    UnusedCertificates,
    #[error("the certificates cannot be read: {0}")]
    Certificates(String),
}

impl std::fmt::Debug for Smtp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Smtp").field("server", &self.server()).finish_non_exhaustive()
    }
}

impl Smtp {
    /// A server by `HOST:PORT`, with nobody logging in.
    pub fn new(server: &str, security: Security) -> Result<Self, SmtpError> {
        let wrong = || SmtpError::Server(server.chars().take(200).collect());
        let (host, port) = server.rsplit_once(':').ok_or_else(wrong)?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let sound = |c: char| c.is_ascii_alphanumeric() || "-._:".contains(c);
        if host.is_empty() || host.len() > 253 || !host.chars().all(sound) {
            return Err(wrong());
        }
        let port = port.parse().ok().filter(|port| *port > 0).ok_or_else(wrong)?;
        Ok(Smtp {
            host: host.to_owned(),
            port,
            security,
            user: None,
            password: None,
            ca: None,
            patience: default_patience(),
        })
    }

    /// Everything that can be wrong without asking the server.
    pub fn check(&self) -> Result<(), SmtpError> {
        if self.user.is_some() != self.password.is_some() {
            return Err(SmtpError::HalfCredentials);
        }
        let local = self.host == "localhost"
            || self.host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
        if self.security == Security::None {
            if self.password.is_some() && !local {
                return Err(SmtpError::OpenPassword);
            }
            if self.ca.is_some() {
                return Err(SmtpError::UnusedCertificates);
            }
        }
        if self.ca.is_some() {
            self.tls().map_err(|error| SmtpError::Certificates(error.to_string()))?;
        }
        Ok(())
    }

    /// How long the server may take: for its last answer, and for every other.
    pub fn patience(self, each: Duration, last: Duration) -> Self {
        Smtp { patience: (each, last), ..self }
    }

    /// `HOST:PORT`.
    pub fn server(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    fn tls(&self) -> Result<TlsParameters, Error> {
        let builder = TlsParametersBuilder::new(self.host.clone());
        match &self.ca {
            None => builder.build(),
            Some(pem) => builder
                .certificate_store(CertificateStore::None)
                .add_root_certificate(Certificate::from_pem(pem.as_bytes())?)
                .build(),
        }
    }

    /// Connected, encrypted and logged in. What fails up to here fails for every letter alike, whatever the server
    /// says, so it is the connection's trouble and no letter's.
    fn open(&self, greeting: &ClientId) -> Result<SmtpConnection, String> {
        let problem = |error: Error| error.to_string();
        let tls = match self.security {
            Security::None => None,
            Security::Starttls | Security::Tls => Some(self.tls().map_err(problem)?),
        };
        let at_once = tls.as_ref().filter(|_| self.security == Security::Tls);
        let server = (self.host.as_str(), self.port);
        let mut connection = SmtpConnection::connect(server, Some(self.patience.0), greeting, at_once, None)
            .map_err(problem)?;
        if self.security == Security::Starttls {
            if !connection.can_starttls() {
                return Err("it does not offer STARTTLS, so nothing was said to it".to_owned());
            }
            if let Some(tls) = &tls {
                connection.starttls(tls, greeting).map_err(problem)?;
            }
        }
        if let (Some(user), Some(password)) = (&self.user, &self.password) {
            let credentials = Credentials::new(user.clone(), password.clone());
            connection.auth(DEFAULT_MECHANISMS, &credentials).map_err(problem)?;
        }
        Ok(connection)
    }

    /// Hands the letter over, once.
    pub fn send(&self, letter: &Letter) -> Verdict {
        let greeting = ClientId::Domain(letter.from.domain().to_owned());
        let mut connection = match self.open(&greeting) {
            Ok(connection) => connection,
            Err(why) => return Verdict::Again { why, after: None },
        };
        let verdict = self.say(&mut connection, letter);
        // Nothing depends on how it ends; a server that is silent is not waited for.
        if !matches!(verdict, Verdict::Doubt { .. })
            && connection.set_timeout(Some(GOOD_BYE)).is_ok()
            && !connection.has_broken()
        {
            let _ = connection.quit();
        }
        verdict
    }

    fn say(&self, connection: &mut SmtpConnection, letter: &Letter) -> Verdict {
        let mut parameters = Vec::new();
        if !letter.bytes.is_ascii() {
            // Only an address can be so: everything else is encoded.
            if !connection.server_info().supports_feature(Extension::SmtpUtfEight) {
                let why = "the address is not in ASCII letters, and the server takes no others".to_owned();
                return Verdict::Refused { why };
            }
            parameters.push(MailParameter::SmtpUtfEight);
            parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
        }
        let before = connection
            .command(Mail::new(Some(letter.from.clone()), parameters))
            .and_then(|_| connection.command(Rcpt::new(letter.to.clone(), Vec::new())))
            .and_then(|_| connection.command(Data));
        match before {
            Ok(ready) if ready.code().severity == Severity::PositiveIntermediate => {}
            Ok(other) => {
                return Verdict::Again {
                    why: format!("it answered DATA with {}", other.code()),
                    after: None,
                };
            }
            Err(error) => return judge(&error),
        }
        if let Err(error) = connection.set_timeout(Some(self.patience.1)) {
            return Verdict::Again { why: error.to_string(), after: None };
        }
        // The iterator ends when the whole text is written and the dot is about to be.
        let dot = Cell::new(false);
        let text = iter::once(letter.bytes.as_slice()).chain(iter::from_fn(|| {
            dot.set(true);
            None
        }));
        let answer = connection.message_iter(text);
        judge_last(answer, dot.get())
    }
}

/// What an error before the end of the letter means.
fn judge(error: &Error) -> Verdict {
    let why = error.to_string();
    // 5yz is for good (RFC 5321, 4.2.1) where it is about this letter; who logs in and how is not (RFC 4954).
    let about_us = error.status().is_some_and(|code| [530, 534, 535, 538].contains(&u16::from(code)));
    match error.is_permanent() && !about_us {
        true => Verdict::Refused { why },
        false => Verdict::Again { why, after: None },
    }
}

/// What the answer to the whole letter means; `dot` where its end may have been written.
fn judge_last(answer: Result<Response, Error>, dot: bool) -> Verdict {
    match answer {
        Ok(response) if response.code().severity == Severity::PositiveCompletion => Verdict::Done,
        Ok(response) => Verdict::Doubt { why: format!("it answered the letter with {}", response.code()) },
        Err(error) if error.status().is_some() => judge(&error),
        Err(error) if dot => {
            Verdict::Doubt { why: format!("the connection broke before it answered the letter: {error}") }
        }
        Err(error) => Verdict::Again { why: error.to_string(), after: None },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_a_host_and_a_port() {
        let check = |text: &str, expect: Option<(&str, u16)>| {
            let smtp = Smtp::new(text, Security::None).ok();
            assert_eq!(smtp.as_ref().map(|smtp| (smtp.host.as_str(), smtp.port)), expect, "{text}");
            if let Some(smtp) = smtp {
                assert_eq!(smtp.server(), text);
            }
        };
        check("mail.example.com:587", Some(("mail.example.com", 587)));
        check("127.0.0.1:25", Some(("127.0.0.1", 25)));
        check("[::1]:2525", Some(("::1", 2525)));
        for wrong in ["mail.example.com", "mail.example.com:", ":25", "a b:25", "x:0", "x:70000", "a/b:25"] {
            check(wrong, None);
        }
    }

    #[test]
    fn a_password_is_not_sent_in_the_open() {
        let check = |server: &str, security: Security, user: Option<&str>, ca: bool, expect| {
            let mut smtp = Smtp::new(server, security).unwrap();
            smtp.user = user.map(str::to_owned);
            smtp.password = user.map(|_| "secret".to_owned());
            smtp.ca = ca.then(|| "x".to_owned());
            assert_eq!(smtp.check(), expect, "{server}");
            assert!(!format!("{smtp:?}").contains("secret"));
        };
        check("mail.example.com:587", Security::Starttls, Some("u"), false, Ok(()));
        check("mail.example.com:25", Security::None, None, false, Ok(()));
        check("mail.example.com:25", Security::None, Some("u"), false, Err(SmtpError::OpenPassword));
        check("127.0.0.1:25", Security::None, Some("u"), false, Ok(()));
        check("localhost:25", Security::None, None, true, Err(SmtpError::UnusedCertificates));
        let mut half = Smtp::new("x:25", Security::Tls).unwrap();
        half.user = Some("u".to_owned());
        assert_eq!(half.check(), Err(SmtpError::HalfCredentials));
    }
}
