//! Why a connection did not come about or was lost: the cause, the place and the remedy.

use std::error::Error;
use std::io;

use rumqttc::v5::mqttbytes::v5::{ConnectReturnCode as CodeV5, DisconnectReasonCode};
use rumqttc::{ConnectReturnCode as CodeV4, TlsError, v5};
use tokio_rustls::rustls;

use crate::error::{Failure, Kind, chain};

/// What went wrong with an MQTT 3.1.1 connection.
pub(super) fn of_v4(error: &rumqttc::ConnectionError, url: &str) -> Failure {
    use rumqttc::{ConnectionError as E, StateError};
    match error {
        E::Io(error) => of_io(error, url),
        E::Tls(error) => of_tls(error, url),
        E::NetworkTimeout | E::FlushTimeout => silent(url),
        E::ConnectionRefused(code) => match code {
            CodeV4::BadUserNamePassword | CodeV4::NotAuthorized => login(url, &format!("{code:?}")),
            CodeV4::RefusedProtocolVersion => version(url),
            CodeV4::BadClientId => client_id(url),
            other => refused(url, &format!("{other:?}")),
        },
        E::MqttState(StateError::ConnectionAborted) => closed(url),
        E::MqttState(StateError::Io(error)) => of_io(error, url),
        other => protocol(other, url),
    }
}

/// What went wrong with an MQTT 5 connection.
pub(super) fn of_v5(error: &v5::ConnectionError, url: &str) -> Failure {
    use v5::{ConnectionError as E, StateError};
    match error {
        E::Io(error) => of_io(error, url),
        E::Tls(error) => of_tls(error, url),
        E::Timeout(_) => silent(url),
        E::ConnectionRefused(code) => match code {
            CodeV5::BadUserNamePassword
            | CodeV5::NotAuthorized
            | CodeV5::Banned
            | CodeV5::BadAuthenticationMethod => login(url, &format!("{code:?}")),
            CodeV5::RefusedProtocolVersion | CodeV5::UnsupportedProtocolVersion => version(url),
            CodeV5::BadClientId | CodeV5::ClientIdentifierNotValid => client_id(url),
            other => refused(url, &format!("{other:?}")),
        },
        E::MqttState(StateError::ServerDisconnect {
            reason_code: DisconnectReasonCode::SessionTakenOver,
            ..
        }) => Failure::new(Kind::Conflict, "broker-taken-over").with("url", url),
        E::MqttState(StateError::ServerDisconnect { reason_code, reason_string }) => {
            let said = reason_string.as_deref().map(|said| format!(": {said}")).unwrap_or_default();
            refused(url, &format!("{reason_code:?}{said}"))
        }
        E::MqttState(StateError::ConnectionAborted) => closed(url),
        E::MqttState(StateError::Io(error)) => of_io(error, url),
        other => protocol(other, url),
    }
}

/// Filters that the broker does not give to this client.
pub(super) fn of_subscription(filters: &[&str], url: &str) -> Failure {
    Failure::new(Kind::Failed, "broker-topics").with("url", url).with("topics", filters.join(", "))
}

fn of_io(error: &io::Error, url: &str) -> Failure {
    let cause = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match cause {
        Some(cause) => of_rustls(cause, url),
        None if error.kind() == io::ErrorKind::UnexpectedEof => closed(url),
        None => Failure::new(Kind::Unavailable, "broker-unreachable").with("url", url).with("detail", error),
    }
}

fn of_tls(error: &TlsError, url: &str) -> Failure {
    match error {
        TlsError::Io(error) => of_io(error, url),
        TlsError::TLS(error) => of_rustls(error, url),
        other => tls(url, &chain(other)),
    }
}

fn of_rustls(error: &rustls::Error, url: &str) -> Failure {
    match error {
        rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented => {
            Failure::new(Kind::Failed, "broker-certificate").with("url", url).with("detail", error)
        }
        other => tls(url, &other.to_string()),
    }
}

fn tls(url: &str, detail: &str) -> Failure {
    Failure::new(Kind::Failed, "broker-tls").with("url", url).with("detail", detail)
}

/// The broker does not answer in time.
pub(super) fn silent(url: &str) -> Failure {
    Failure::new(Kind::Unavailable, "broker-silent").with("url", url)
}

/// The broker, or what lies between, ended the connection without a word.
pub(super) fn closed(url: &str) -> Failure {
    Failure::new(Kind::Unavailable, "broker-closed").with("url", url)
}

fn login(url: &str, detail: &str) -> Failure {
    Failure::new(Kind::Failed, "broker-login").with("url", url).with("detail", detail)
}

fn version(url: &str) -> Failure {
    Failure::new(Kind::Failed, "broker-version").with("url", url)
}

fn client_id(url: &str) -> Failure {
    Failure::new(Kind::Failed, "broker-client-id").with("url", url)
}

fn refused(url: &str, detail: &str) -> Failure {
    Failure::new(Kind::Unavailable, "broker-refused").with("url", url).with("detail", detail)
}

fn protocol(error: &(dyn Error + 'static), url: &str) -> Failure {
    Failure::new(Kind::Failed, "broker-protocol").with("url", url).with("detail", chain(error))
}
