//! A message to a customer as an e-mail (RFC 5322).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lettre::Address;
use lettre::message::header::{
    ContentTransferEncoding, ContentType, HeaderName, HeaderValue, MIME_VERSION_1_0,
};
use lettre::message::{Body, Mailbox};
use model::Time;
use model::connection::MessageClass;
use serde::{Deserialize, Serialize};

use crate::files;
use crate::said::Said;

/// What a subject begins with in Korean where it advertises (Network Act, article 50 and its decree's annex 6).
const ADVERTISING_KO: &str = "(광고)";

/// Who writes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Sender {
    /// The address that it comes from.
    pub from: Address,
    /// Whoever writes, by name.
    pub name: String,
    /// How they are reached besides: a telephone number, a postal address. Stands below what advertises.
    pub contact: String,
}

/// Why a message is not an e-mail.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LetterError {
    #[error("it has no address")]
    NoAddress,
    #[error("its address is not one of e-mail")]
    Address,
    #[error("it is not sound: {0}")]
    Unsound(String),
}

/// Ready to be sent.
#[derive(Clone, Debug)]
pub struct Letter {
    pub from: Address,
    pub to: Address,
    /// Headers and body, as they go over the wire but for the dots.
    pub bytes: Vec<u8>,
}

/// The name of a message by its effect's key: the same at every attempt, and telling nothing.
pub fn mail_id(key: &str) -> String {
    files::name_of(key)
}

impl Letter {
    /// Writes a letter that says it.
    pub fn write(sender: &Sender, key: &str, said: &Said, now: Time) -> Result<Self, LetterError> {
        let unsound = |error: lettre::error::Error| LetterError::Unsound(error.to_string());
        let message = &said.message;
        let to = message.to.as_deref().map(str::trim).filter(|to| !to.is_empty());
        let to: Address = to.ok_or(LetterError::NoAddress)?.parse().map_err(|_| LetterError::Address)?;
        let korean = message.language.starts_with("ko");
        let advertising = message.class == MessageClass::Advertising;
        let mut subject = one_line(&message.subject);
        if advertising && korean && !subject.starts_with(ADVERTISING_KO) {
            subject = format!("{ADVERTISING_KO} {subject}");
        }
        let mut text = message.text.trim_end().to_owned();
        if advertising {
            text.push_str(&footer(sender, said.unsubscribe_url.as_deref(), korean));
        }
        let body = with_line_ends(&text).into_bytes();
        let body = Body::new_with_encoding(body, ContentTransferEncoding::QuotedPrintable)
            .map_err(|_| LetterError::Unsound("the text cannot be encoded".to_owned()))?;
        let id = format!("<{}@{}>", mail_id(key), sender.from.domain());
        let mut letter = lettre::Message::builder()
            .date(system_time(now))
            .from(Mailbox::new(Some(sender.name.clone()), sender.from.clone()))
            .to(Mailbox::new(None, to.clone()))
            .subject(subject)
            .message_id(Some(id))
            .header(MIME_VERSION_1_0)
            .header(ContentType::TEXT_PLAIN)
            // Nobody answers a machine's letter by a machine (RFC 3834).
            .raw_header(plain("Auto-Submitted", "auto-generated"));
        if let Some(url) = &said.unsubscribe_url {
            letter = letter.raw_header(plain("List-Unsubscribe", &format!("<{url}>")));
            // One click needs an address of https (RFC 8058, 3.1).
            if url.starts_with("https://") {
                letter = letter.raw_header(plain("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"));
            }
        }
        let letter = letter.body(body).map_err(unsound)?;
        Ok(Letter { from: sender.from.clone(), to, bytes: letter.formatted() })
    }
}

/// A header whose value is ASCII in one line already: an address must not be folded or encoded.
fn plain(name: &'static str, value: &str) -> HeaderValue {
    let value: String = value.chars().filter(char::is_ascii_graphic).collect();
    HeaderValue::dangerous_new_pre_encoded(HeaderName::new_from_ascii_str(name), value.clone(), value)
}

/// Who writes and how to hear no more of it, in Korean and English where the letter is Korean.
fn footer(sender: &Sender, unsubscribe: Option<&str>, korean: bool) -> String {
    let Sender { from, name, contact } = sender;
    let out = unsubscribe.unwrap_or_default();
    if korean {
        format!(
            "\n\n--\n보내는 사람: {name} <{from}>, {contact}\n\
             무료 수신 거부(회원 가입 없이 누르면 바로 처리됩니다): {out}\n\
             To stop these messages, free of charge: {out}\n"
        )
    } else {
        format!(
            "\n\n--\nAn advertisement of {name} <{from}>, {contact}\n\
             To stop these messages, free of charge: {out}\n"
        )
    }
}

/// A subject cannot break its line: what follows would be headers of somebody else's making.
fn one_line(text: &str) -> String {
    let spaced: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    spaced.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn with_line_ends(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let mut out = lines.join("\r\n");
    out.push_str("\r\n");
    out
}

fn system_time(at: Time) -> SystemTime {
    UNIX_EPOCH + Duration::from_micros(at.0.try_into().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use model::EntityId;
    use model::connection::{Link, LinkPurpose, Message};

    use super::*;

    fn sender() -> Sender {
        Sender {
            from: "shop@inyeon.example".parse().unwrap(),
            name: "인연 상점".to_owned(),
            contact: "02-123-4567, 서울시 중구 세종대로 1".to_owned(),
        }
    }

    fn said(class: MessageClass, language: &str, base: &'static str) -> Said {
        let message = Message {
            message_id: "m-1".to_owned(),
            class,
            channel: "email".to_owned(),
            category: "ink".to_owned(),
            template: "printer/remind".to_owned(),
            language: language.to_owned(),
            to: Some("mina@customer.example".to_owned()),
            subject: "잉크가 곧 떨어집니다.\r\nBcc: all@customer.example".to_owned(),
            text: "안녕하세요.\n\n=여기서= 고르세요: {link}\n.\n끝".to_owned(),
            link: Some(Link { purpose: LinkPurpose::Offer, about: "n-1".to_owned() }),
            need_id: Some("n-1".to_owned()),
            decision_id: None,
        };
        let links = move |link: &Link, owner: EntityId, _: Time| {
            format!("{base}/{}/{}/{owner}", link.purpose.name(), "t".repeat(200))
        };
        Said::new(message, EntityId::workspace(), Time(0), Some(&links)).unwrap()
    }

    fn written(said: &Said) -> String {
        let letter = Letter::write(&sender(), "cus-0-1/m/1", said, Time(1_796_000_000_000_000)).unwrap();
        assert!(letter.bytes.is_ascii());
        String::from_utf8(letter.bytes).unwrap()
    }

    /// Headers unfolded, the body decoded.
    fn read(text: &str) -> (Vec<(String, String)>, String) {
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let head = head.replace("\r\n ", " ").replace("\r\n\t", " ");
        let headers = head.split("\r\n").map(|line| line.split_once(": ").unwrap());
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let mut decoded = Vec::new();
        let joined = body.replace("=\r\n", "");
        let bytes = joined.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            if bytes[at] == b'=' {
                decoded.push(u8::from_str_radix(&joined[at + 1..at + 3], 16).unwrap());
                at += 3;
            } else {
                decoded.push(bytes[at]);
                at += 1;
            }
        }
        (headers, String::from_utf8(decoded).unwrap())
    }

    fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
        headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Words of RFC 2047 in base64, put together.
    fn words(value: &str) -> String {
        use base64::Engine;
        let decode = |word: &str| match word.strip_prefix("=?utf-8?b?").and_then(|w| w.strip_suffix("?=")) {
            Some(word) => base64::prelude::BASE64_STANDARD.decode(word).unwrap(),
            None => word.as_bytes().to_vec(),
        };
        String::from_utf8(value.split(' ').flat_map(decode).collect()).unwrap()
    }

    #[test]
    fn a_letter_says_what_was_to_be_said() {
        let said = said(MessageClass::Transactional, "ko", "https://shop.example/c");
        let text = written(&said);
        assert!(text.split("\r\n").all(|line| line.len() <= 76), "{text}");
        assert!(!text.replace("\r\n", "").contains(['\r', '\n']));
        let (headers, body) = read(&text);
        let names: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            names,
            [
                "Date",
                "From",
                "To",
                "Subject",
                "Message-ID",
                "MIME-Version",
                "Content-Type",
                "Auto-Submitted",
                "Content-Transfer-Encoding",
            ],
            "no header of a subject's making, and none of advertising"
        );
        let of = |name: &str| header(&headers, name).unwrap();
        assert_eq!(of("Date"), "Mon, 30 Nov 2026 00:53:20 +0000");
        assert_eq!(words(of("From").split(" <").next().unwrap()), "인연 상점");
        assert!(of("From").ends_with("<shop@inyeon.example>"));
        assert_eq!(of("To"), "mina@customer.example");
        assert_eq!(words(of("Subject")).replace(' ', ""), "잉크가곧떨어집니다.Bcc:all@customer.example");
        assert_eq!(of("Message-ID"), format!("<{}@inyeon.example>", mail_id("cus-0-1/m/1")));
        assert_eq!(of("Content-Type"), "text/plain; charset=utf-8");
        assert_eq!(of("Content-Transfer-Encoding"), "quoted-printable");
        let link = said.url.as_deref().unwrap();
        assert_eq!(body, format!("안녕하세요.\r\n\r\n=여기서= 고르세요: {link}\r\n.\r\n끝\r\n"));
        assert!(link.starts_with("https://shop.example/c/offer/"));
    }

    #[test]
    fn advertising_says_that_it_is_and_how_to_end_it() {
        let said = said(MessageClass::Advertising, "ko", "https://shop.example/c");
        let (headers, body) = read(&written(&said));
        let out = said.unsubscribe_url.as_deref().unwrap();
        assert!(words(header(&headers, "Subject").unwrap()).starts_with("(광고)"));
        assert_eq!(header(&headers, "List-Unsubscribe"), Some(format!("<{out}>").as_str()), "in one line");
        assert_eq!(header(&headers, "List-Unsubscribe-Post"), Some("List-Unsubscribe=One-Click"));
        for part in ["인연 상점 <shop@inyeon.example>, 02-123-4567", "무료 수신 거부", "To stop these", out]
        {
            assert!(body.contains(part), "{part}: {body}");
        }
    }

    #[test]
    fn in_english_it_is_said_in_english_and_one_click_needs_https() {
        let said = said(MessageClass::Advertising, "en", "http://127.0.0.1:7700/c");
        let (headers, body) = read(&written(&said));
        assert!(!words(header(&headers, "Subject").unwrap()).starts_with("(광고)"));
        assert!(header(&headers, "List-Unsubscribe").is_some());
        assert_eq!(header(&headers, "List-Unsubscribe-Post"), None);
        assert!(body.contains("An advertisement of 인연 상점") && !body.contains("수신 거부"));
    }

    #[test]
    fn a_prefix_stands_once_and_an_address_is_needed() {
        let mut said = said(MessageClass::Advertising, "ko-KR", "https://x.example");
        said.message.subject = "(광고) 잉크".to_owned();
        let subject = |said: &Said| words(header(&read(&written(said)).0, "Subject").unwrap());
        assert_eq!(subject(&said).matches("(광고)").count(), 1);
        let problem = |said: &Said| Letter::write(&sender(), "k", said, Time(0)).unwrap_err();
        said.message.to = None;
        assert_eq!(problem(&said), LetterError::NoAddress);
        for wrong in ["mina", "a@b\r\nRCPT TO:<c@d.example>", "Mina <mina@customer.example>"] {
            said.message.to = Some(wrong.to_owned());
            assert_eq!(problem(&said), LetterError::Address, "{wrong}");
        }
    }
}
