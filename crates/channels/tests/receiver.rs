//! What leaves, as a receiver sees it: over a real socket, and answered in every way.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::thread::JoinHandle;
use std::time::Duration;

use channels::{Message, Secret, Verdict, Webhook};

struct Heard {
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Heard {
    fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str()).unwrap_or_default()
    }
}

/// Hears one request and answers it so; nothing where there is no answer, until the sender gives up.
fn receiver(answer: Option<&'static str>) -> (String, JoinHandle<Heard>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/orders?shop=1", listener.local_addr().unwrap());
    let heard = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(stream);
        let (mut headers, mut line) = (Vec::new(), String::new());
        while reader.read_line(&mut line).unwrap() > 2 {
            if let Some((name, value)) = line.trim().split_once(": ") {
                headers.push((name.to_lowercase(), value.to_owned()));
            }
            line.clear();
        }
        let length = headers.iter().find(|(name, _)| name == "content-length").unwrap().1.parse().unwrap();
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        match answer {
            Some(answer) => reader.get_mut().write_all(answer.as_bytes()).unwrap(),
            None => drop(reader.read_to_end(&mut Vec::new())),
        }
        Heard { headers, body }
    });
    (url, heard)
}

#[test]
fn a_message_is_signed_and_its_answer_is_understood() {
    let secret = Secret::from_bytes(&[9; 32]).unwrap();
    let again = |why: &str, after: Option<u64>| Verdict::Again {
        why: why.to_owned(),
        after: after.map(Duration::from_secs),
    };
    let check = |answer: &'static str, expect: Verdict| {
        let (url, heard) = receiver(Some(answer));
        let webhook = Webhook::new(&url, secret.clone()).unwrap();
        let message =
            Message { id: "cus-0-1/order/o.1/0001/x", timestamp: 1_772_442_000, body: br#"{"a":1}"# };
        assert_eq!(webhook.send(&message), expect, "{answer}");
        let heard = heard.join().unwrap();
        let (id, at) = (heard.header("webhook-id"), heard.header("webhook-timestamp"));
        assert_eq!(
            (id, at, heard.body.as_slice()),
            ("cus-0-1/order/o~2e1/0001/x", "1772442000", &br#"{"a":1}"#[..])
        );
        let signature = heard.header("webhook-signature");
        assert_eq!(secret.verify(id, at, signature, &heard.body, 1_772_442_060), Ok(()));
        let other = Secret::from_bytes(&[8; 32]).unwrap();
        assert!(other.verify(id, at, signature, &heard.body, 1_772_442_060).is_err());
    };
    check("HTTP/1.1 204 No Content\r\n\r\n", Verdict::Done);
    check(
        "HTTP/1.1 500 Oh\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
        again("it answered 500", None),
    );
    check(
        "HTTP/1.1 503 Busy\r\nretry-after: 77\r\ncontent-length: 0\r\n\r\n",
        again("it answered 503", Some(77)),
    );
    // It goes where it was sent, or nowhere: the address in the answer is never asked.
    check(
        "HTTP/1.1 307 Elsewhere\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n",
        again("it answered 307", None),
    );
    check("HTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n", Verdict::Gone);
}

#[test]
fn a_receiver_that_never_answers_is_tried_again() {
    let secret = Secret::from_bytes(&[9; 32]).unwrap();
    let (url, heard) = receiver(None);
    let webhook = Webhook::new(&url, secret).unwrap().patience(Duration::from_millis(300));
    let message = Message { id: "m", timestamp: 0, body: b"{}" };
    assert!(matches!(webhook.send(&message), Verdict::Again { after: None, .. }));
    assert_eq!(heard.join().unwrap().body, b"{}", "it may have it or not");
}
