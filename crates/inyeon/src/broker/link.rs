//! One connection to a broker, MQTT 5 or 3.1.1 alike. A connection that is lost is not taken up again: the next one
//! begins anew, so that an acknowledgement never goes to another connection than its message came by.

use std::time::Duration;

use rumqttc::{AsyncClient as ClientV4, EventLoop as EventLoopV4, TlsConfiguration, Transport, v5};
use tokio::sync::mpsc;

use super::problem;
use super::settings::{Address, Settings, Version};
use super::translate::{PAYLOAD_MAX, Told};
use crate::error::Failure;

/// Messages that the broker may have under way to us unacknowledged; MQTT 5 tells it so.
pub(super) const RECEIVE_MAX: u16 = 512;
/// Messages that may be under way at once: MQTT numbers them with 16 bits.
const PACKET_IDS: usize = 65_535;
/// Words of our own that may wait for their answers.
const OUTGOING_MAX: u16 = 100;
/// The largest packet that MQTT has: one that we refused to read would come again and again (3.1.1) or be thrown away by
/// the broker without a word (5). Of what is read at most [`PAYLOAD_MAX`] bytes go further.
const PACKET_MAX: u32 = 268_435_455;
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// Seconds until a broker that does not answer is given up.
const CONNECT_SECONDS: u64 = 10;
/// How long a broker may take to close the connection when we go.
const FAREWELL: Duration = Duration::from_secs(1);
/// Messages that wait between the connection and whoever takes them: together with those that are taken and not durable
/// yet at most 64 MB.
const HEARD_MAX: usize = 4;

/// What a broker sends.
pub(super) enum Heard {
    /// The connection stands; whether the broker has kept a session for this client.
    Connected {
        session: bool,
    },
    /// The answer to a subscription: the places of the filters that were refused.
    Subscribed {
        refused: Vec<usize>,
    },
    Message(Message),
}

/// A device's message.
pub(super) struct Message {
    pub(super) topic: String,
    /// At most [`PAYLOAD_MAX`] bytes of it.
    pub(super) payload: Box<[u8]>,
    /// Of the payload as it came.
    pub(super) bytes: usize,
    pub(super) retained: bool,
    pub(super) receipt: Receipt,
}

impl Message {
    fn new(topic: String, payload: &[u8], retained: bool, receipt: Receipt) -> Self {
        // A copy: what the client gives is a part of all that it read at once, and keeps the whole of it.
        let beginning = payload[..payload.len().min(PAYLOAD_MAX)].into();
        Message { topic, payload: beginning, bytes: payload.len(), retained, receipt }
    }

    /// The message without its connection.
    pub(super) fn told(&self) -> Told<'_> {
        Told { topic: &self.topic, payload: &self.payload, bytes: self.bytes, retained: self.retained }
    }
}

/// What the broker is told when a message is durable. It belongs to one connection.
pub(super) enum Receipt {
    /// QoS 0: the broker wants none.
    None,
    V4(rumqttc::Publish),
    V5(Box<v5::mqttbytes::v5::Publish>),
}

/// How a session at the broker is used.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Session {
    /// Taken up, and kept for the next connection.
    Kept,
    /// Begun anew and gone with the connection.
    Clean,
}

enum Client {
    V4(ClientV4),
    V5(v5::AsyncClient),
}

/// A connection that works on a task of its own.
pub(super) struct Link {
    url: String,
    client: Client,
    heard: mpsc::Receiver<Result<Heard, Failure>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Link {
    /// Begins to connect.
    pub(super) fn open(settings: &Settings, session: Session) -> Result<Link, Failure> {
        let address = Address::parse(&settings.url)?;
        let transport = match address.tls {
            true => Transport::tls_with_config(TlsConfiguration::Rustls(settings.tls()?)),
            false => Transport::tcp(),
        };
        // Room for every acknowledgement that the protocol allows to be owed, and a few words besides: none of them ever
        // waits for the connection's task, which may itself be waiting for us, and which reads several messages for
        // each acknowledgement that it writes. The room is taken up only as it is needed.
        let requests = PACKET_IDS + settings.former.len() + 8;
        let url = settings.url.clone();
        let (hear, heard) = mpsc::channel(HEARD_MAX);
        let (client, task) = match settings.mqtt {
            Version::V5 => {
                let (client, events) =
                    v5::AsyncClient::new(options_v5(settings, &address, transport, session), requests);
                (Client::V5(client), tokio::spawn(listen_v5(events, url, hear)))
            }
            Version::V311 => {
                let options = options_v4(settings, &address, transport, session);
                let (client, mut events) = ClientV4::new(options, requests);
                let mut network = rumqttc::NetworkOptions::new();
                network.set_connection_timeout(CONNECT_SECONDS);
                network.set_tcp_nodelay(true);
                events.set_network_options(network);
                (Client::V4(client), tokio::spawn(listen_v4(events, url, hear)))
            }
        };
        Ok(Link { url: settings.url.clone(), client, heard, task })
    }

    /// What comes next. After an error nothing comes any more.
    pub(super) async fn next(&mut self) -> Result<Heard, Failure> {
        self.heard.recv().await.unwrap_or_else(|| Err(problem::closed(&self.url)))
    }

    /// Asks for topics: at most once (QoS 0), where nothing is to be acknowledged, else at least once (QoS 1). Where
    /// the connection is lost, the next one says it again.
    pub(super) fn subscribe(&self, filters: &[String], acknowledged: bool) {
        use v5::mqttbytes::v5::{Filter, RetainForwardRule};
        let _ = match &self.client {
            Client::V4(client) => {
                let qos = if acknowledged { rumqttc::QoS::AtLeastOnce } else { rumqttc::QoS::AtMostOnce };
                let filters = filters.iter().map(|f| rumqttc::SubscribeFilter::new(f.clone(), qos));
                client.try_subscribe_many(filters).is_ok()
            }
            Client::V5(client) => {
                use v5::mqttbytes::QoS;
                let qos = if acknowledged { QoS::AtLeastOnce } else { QoS::AtMostOnce };
                let filters = filters.iter().map(|filter| Filter {
                    // What the broker has retained comes once for a session, not at every connection.
                    retain_forward_rule: RetainForwardRule::OnNewSubscribe,
                    ..Filter::new(filter.clone(), qos)
                });
                client.try_subscribe_many(filters).is_ok()
            }
        };
    }

    /// Asks for a topic no longer. Where the connection is lost, the next one says it again.
    pub(super) fn unsubscribe(&self, filter: &str) {
        let _ = match &self.client {
            Client::V4(client) => client.try_unsubscribe(filter).is_ok(),
            Client::V5(client) => client.try_unsubscribe(filter).is_ok(),
        };
    }

    /// Tells the broker that a message is durable; says whether the connection has taken it up. Where it has not, or is
    /// lost, the message comes again and is recognised.
    #[must_use]
    pub(super) fn acknowledge(&self, receipt: &Receipt) -> bool {
        match (&self.client, receipt) {
            (Client::V4(client), Receipt::V4(publish)) => client.try_ack(publish).is_ok(),
            (Client::V5(client), Receipt::V5(publish)) => client.try_ack(publish).is_ok(),
            _ => true,
        }
    }

    /// Goes, after all that was to be said before. What the broker still sends is read and left to it: a connection
    /// that is closed on unread words may take our last acknowledgements with it.
    pub(super) async fn leave(mut self) {
        let _ = match &self.client {
            Client::V4(client) => client.try_disconnect().is_ok(),
            Client::V5(client) => client.try_disconnect().is_ok(),
        };
        let closed = async { while self.next().await.is_ok() {} };
        // One that does not close is left all the same.
        let _ = tokio::time::timeout(FAREWELL, closed).await;
    }
}

fn options_v4(
    settings: &Settings,
    address: &Address,
    transport: Transport,
    session: Session,
) -> rumqttc::MqttOptions {
    let mut options = rumqttc::MqttOptions::new(&settings.client_id, &address.host, address.port);
    options
        .set_transport(transport)
        .set_keep_alive(KEEP_ALIVE)
        .set_clean_session(session == Session::Clean)
        .set_manual_acks(true)
        .set_max_packet_size(PACKET_MAX as usize, PACKET_MAX as usize);
    if let Some(username) = &settings.username {
        options.set_credentials(username, settings.password.as_deref().unwrap_or_default());
    }
    options
}

fn options_v5(
    settings: &Settings,
    address: &Address,
    transport: Transport,
    session: Session,
) -> v5::MqttOptions {
    let mut options = v5::MqttOptions::new(&settings.client_id, &address.host, address.port);
    let mut network = rumqttc::NetworkOptions::new();
    network.set_tcp_nodelay(true);
    // The longest that MQTT has: who was away for long still gets what waited.
    let kept = if session == Session::Kept { u32::MAX } else { 0 };
    options
        .set_transport(transport)
        .set_keep_alive(KEEP_ALIVE)
        .set_clean_start(session == Session::Clean)
        .set_session_expiry_interval(Some(kept))
        .set_receive_maximum(Some(RECEIVE_MAX))
        .set_max_packet_size(Some(PACKET_MAX))
        .set_connection_timeout(CONNECT_SECONDS)
        .set_network_options(network)
        .set_outgoing_inflight_upper_limit(OUTGOING_MAX)
        .set_manual_acks(true);
    if let Some(username) = &settings.username {
        options.set_credentials(username, settings.password.as_deref().unwrap_or_default());
    }
    options
}

/// Where what is heard goes.
type Hear = mpsc::Sender<Result<Heard, Failure>>;

async fn listen_v4(mut events: EventLoopV4, url: String, hear: Hear) {
    loop {
        match events.poll().await {
            Ok(event) => {
                if tell(&hear, heard_v4(event)).await {
                    return;
                }
            }
            Err(error) => {
                let rest = events.state.events.drain(..).filter_map(heard_v4);
                return tell_rest(&hear, rest, problem::of_v4(&error, &url)).await;
            }
        }
    }
}

async fn listen_v5(mut events: v5::EventLoop, url: String, hear: Hear) {
    loop {
        match events.poll().await {
            Ok(event) => {
                if tell(&hear, heard_v5(event)).await {
                    return;
                }
            }
            Err(error) => {
                let rest = events.state.events.drain(..).filter_map(heard_v5);
                return tell_rest(&hear, rest, problem::of_v5(&error, &url)).await;
            }
        }
    }
}

/// Hands on what was heard; says whether nobody listens any more.
async fn tell(hear: &Hear, heard: Option<Heard>) -> bool {
    match heard {
        Some(heard) => hear.send(Ok(heard)).await.is_err(),
        None => false,
    }
}

/// Hands on what was read before the connection was lost, and then why: a broker that was killed may not have it any
/// more.
async fn tell_rest(hear: &Hear, rest: impl Iterator<Item = Heard>, failure: Failure) {
    for heard in rest {
        if tell(hear, Some(heard)).await {
            return;
        }
    }
    // Who does not listen any more needs no reason.
    let _ = hear.send(Err(failure)).await;
}

fn heard_v4(event: rumqttc::Event) -> Option<Heard> {
    use rumqttc::{Event, Packet, QoS, SubscribeReasonCode};
    match event {
        Event::Incoming(Packet::ConnAck(answer)) => {
            Some(Heard::Connected { session: answer.session_present })
        }
        Event::Incoming(Packet::SubAck(answer)) => {
            let refused = |code: &SubscribeReasonCode| *code == SubscribeReasonCode::Failure;
            Some(Heard::Subscribed { refused: places(&answer.return_codes, refused) })
        }
        Event::Incoming(Packet::Publish(mut publish)) => {
            let payload = std::mem::take(&mut publish.payload);
            let (topic, retained) = (std::mem::take(&mut publish.topic), publish.retain);
            let receipt = if publish.qos == QoS::AtMostOnce { Receipt::None } else { Receipt::V4(publish) };
            Some(Heard::Message(Message::new(topic, &payload, retained, receipt)))
        }
        _ => None,
    }
}

fn heard_v5(event: v5::Event) -> Option<Heard> {
    use v5::mqttbytes::QoS;
    use v5::mqttbytes::v5::{Packet, SubscribeReasonCode};
    match event {
        v5::Event::Incoming(Packet::ConnAck(answer)) => {
            Some(Heard::Connected { session: answer.session_present })
        }
        v5::Event::Incoming(Packet::SubAck(answer)) => {
            let refused = |code: &SubscribeReasonCode| !matches!(code, SubscribeReasonCode::Success(_));
            Some(Heard::Subscribed { refused: places(&answer.return_codes, refused) })
        }
        v5::Event::Incoming(Packet::Publish(mut publish)) => {
            let payload = std::mem::take(&mut publish.payload);
            // The protocol's topics are UTF-8; one that is not fits no pattern, and its message is kept as it is.
            let topic = String::from_utf8_lossy(&std::mem::take(&mut publish.topic)).into_owned();
            let retained = publish.retain;
            publish.properties = None;
            let receipt =
                if publish.qos == QoS::AtMostOnce { Receipt::None } else { Receipt::V5(Box::new(publish)) };
            Some(Heard::Message(Message::new(topic, &payload, retained, receipt)))
        }
        _ => None,
    }
}

fn places<T>(codes: &[T], refused: impl Fn(&T) -> bool) -> Vec<usize> {
    codes.iter().enumerate().filter(|(_, code)| refused(code)).map(|(place, _)| place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_large_message_the_beginning_goes_further() {
        let payload = vec![b'x'; PAYLOAD_MAX + 3];
        let message = Message::new("t".to_owned(), &payload, false, Receipt::None);
        assert_eq!((message.payload.len(), message.told().bytes), (PAYLOAD_MAX, PAYLOAD_MAX + 3));
    }

    #[test]
    fn an_acknowledgement_that_is_not_taken_up_is_told_of() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let _entered = runtime.enter();
        let (client, events) = ClientV4::new(rumqttc::MqttOptions::new("id", "localhost", 1), 1);
        let (_, heard) = mpsc::channel(1);
        let task = tokio::spawn(std::future::pending());
        let link = Link { url: "mqtt://localhost".to_owned(), client: Client::V4(client), heard, task };
        let mut publish = rumqttc::Publish::new("t", rumqttc::QoS::AtLeastOnce, "x");
        publish.pkid = 1;
        let receipt = Receipt::V4(publish);
        assert!(link.acknowledge(&receipt), "there is room for one");
        assert!(!link.acknowledge(&receipt), "and for no other");
        drop(events);
        assert!(!link.acknowledge(&receipt), "the connection is gone");
        assert!(link.acknowledge(&Receipt::None));
    }
}
