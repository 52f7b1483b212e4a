//! How a broker is reached and read: what `brokers connect` was told, checked.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};

use crate::error::{Failure, Kind};
use crate::import::csv_map::Map;

/// The map that is used where none is given.
pub(super) const DEFAULT_MAP: &str = include_str!("../../../../maps/mqtt.yaml");

/// The version of the protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, clap::ValueEnum)]
pub enum Version {
    #[default]
    #[serde(rename = "5")]
    #[value(name = "5")]
    V5,
    #[serde(rename = "3.1.1")]
    #[value(name = "3.1.1")]
    V311,
}

/// A connected broker as the workspace keeps it. It holds the password.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    pub url: String,
    pub mqtt: Version,
    pub username: Option<String>,
    pub password: Option<String>,
    /// Certificates (PEM) of those who may vouch for the broker; the system's where there is none.
    pub ca: Option<String>,
    /// The broker keeps what waits for this client; empty until it is chosen.
    #[serde(default)]
    pub client_id: String,
    /// What events are kept under.
    pub source: String,
    /// The map's text.
    pub map: String,
    /// Filters of earlier maps, which the broker still holds for this client.
    #[serde(default)]
    pub former: Vec<String>,
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings")
            .field("url", &self.url)
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

/// Where a broker listens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Address {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) tls: bool,
}

impl Settings {
    /// Reads what the workspace keeps.
    pub fn from_json(text: &str) -> Result<Self, Failure> {
        serde_json::from_str(text).map_err(|error| Failure::other(&error))
    }

    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("plain data serialises")
    }

    /// The map, which is one about topics.
    pub fn map(&self, name: &str) -> Result<Map, Failure> {
        let map = Map::parse(&self.map, name)?;
        match map.topic_filters().is_empty() {
            true => Err(Failure::new(Kind::Usage, "broker-map").with("name", name)),
            false => Ok(map),
        }
    }

    /// Everything that can be wrong without asking the broker.
    pub fn check(&self, name: &str) -> Result<(), Failure> {
        let address = Address::parse(&self.url)?;
        self.map(name)?;
        if address.tls {
            self.tls()?;
        } else if self.ca.is_some() {
            return Err(Failure::new(Kind::Usage, "broker-ca-unused").with("url", &self.url));
        }
        if self.password.is_some() && self.username.is_none() {
            return Err(Failure::new(Kind::Usage, "broker-password-alone"));
        }
        check_source(&self.source)?;
        let sound = |c: char| !c.is_control() && !c.is_whitespace();
        if self.client_id.len() > 128 || !self.client_id.chars().all(sound) {
            return Err(Failure::new(Kind::Usage, "broker-client-id-form").with("id", &self.client_id));
        }
        Ok(())
    }

    /// Whom a broker's certificate is verified by: those of the settings, else those that the system trusts.
    pub fn tls(&self) -> Result<Arc<ClientConfig>, Failure> {
        let bad = |detail: String| Failure::new(Kind::Usage, "broker-ca").with("detail", detail);
        let mut roots = RootCertStore::empty();
        match &self.ca {
            Some(pem) => {
                for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
                    let certificate = certificate.map_err(|error| bad(error.to_string()))?;
                    roots.add(certificate).map_err(|error| bad(error.to_string()))?;
                }
                if roots.is_empty() {
                    return Err(bad("no certificate in it".to_owned()));
                }
            }
            None => {
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            }
        }
        let provider = Arc::new(crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| bad(error.to_string()))?;
        Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
    }
}

/// A source's name: those with a colon are ours.
fn check_source(source: &str) -> Result<(), Failure> {
    let own = source.strip_prefix(super::SOURCE).unwrap_or(source);
    if own.is_empty() || own.len() > 64 || own.contains(':') {
        return Err(Failure::new(Kind::Usage, "bad-key-name").with("name", source));
    }
    Ok(())
}

impl Address {
    /// Reads `mqtt://host`, `mqtts://host:8883` and the like.
    pub(super) fn parse(url: &str) -> Result<Self, Failure> {
        let bad = |why: &str| Failure::new(Kind::Usage, why).with("url", masked(url));
        let (scheme, rest) = url.split_once("://").ok_or_else(|| bad("broker-url"))?;
        let tls = match scheme {
            "mqtt" | "tcp" => false,
            "mqtts" | "ssl" | "tls" => true,
            _ => return Err(bad("broker-url")),
        };
        if rest.contains('@') {
            return Err(bad("broker-url-login"));
        }
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let standard = if tls { 8883 } else { 1883 };
        let (host, port) = match rest.rsplit_once(':') {
            // The colons within brackets are an IPv6 address's own.
            Some((host, port)) if !port.ends_with(']') => {
                (host, port.parse().map_err(|_| bad("broker-url"))?)
            }
            _ => (rest, standard),
        };
        let is_ip6 = host.starts_with('[') && host.ends_with(']');
        let sound = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
        if host.is_empty() || port == 0 || !(is_ip6 || host.chars().all(sound)) {
            return Err(bad("broker-url"));
        }
        if is_ip6 && tls {
            return Err(bad("broker-url-tls-name"));
        }
        Ok(Address { host: host.to_owned(), port, tls })
    }
}

/// An address without what may be a password: errors are shown and logged.
fn masked(url: &str) -> String {
    let Some(at) = url.rfind('@') else { return url.to_owned() };
    let login = url[..at].find("://").map_or(0, |scheme| scheme + "://".len());
    format!("{}***{}", &url[..login], &url[at..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_scheme_a_host_and_a_port() {
        let of = |url: &str| Address::parse(url).map(|a| (a.host, a.port, a.tls));
        assert_eq!(of("mqtt://broker"), Ok(("broker".to_owned(), 1883, false)));
        assert_eq!(of("mqtts://broker.example/"), Ok(("broker.example".to_owned(), 8883, true)));
        assert_eq!(of("tcp://127.0.0.1:11883"), Ok(("127.0.0.1".to_owned(), 11883, false)));
        assert_eq!(of("mqtt://[::1]:1884"), Ok(("[::1]".to_owned(), 1884, false)));
        assert_eq!(of("mqtt://[::1]"), Ok(("[::1]".to_owned(), 1883, false)));
        for bad in
            ["broker", "http://broker", "mqtt://", "mqtt://b:port", "mqtt://b:0", "ws://b", "mqtt://a/b"]
        {
            assert_eq!(of(bad).unwrap_err().code, "broker-url", "{bad}");
        }
        assert_eq!(of("mqtt://me:secret@broker").unwrap_err().code, "broker-url-login");
        for with_password in [
            "mqtt://me:secret@broker",
            "http://me:secret@b",
            "me:secret@b",
            "mqtt://me:secret@://@b",
            "mqtt:secret@b:x",
        ] {
            let failure = of(with_password).unwrap_err();
            assert!(!failure.to_string().contains("secret"), "{failure}");
            assert!(failure.values["url"].contains("***@b"), "{failure}");
        }
        assert_eq!(of("mqtts://[::1]").unwrap_err().code, "broker-url-tls-name");
    }

    #[test]
    fn settings_come_back_and_do_not_show_their_password() {
        let settings = Settings {
            url: "mqtt://b".into(),
            mqtt: Version::V311,
            username: Some("u".into()),
            password: Some("hidden".into()),
            ca: None,
            client_id: "c".into(),
            source: "broker:b".into(),
            map: DEFAULT_MAP.into(),
            former: Vec::new(),
        };
        assert_eq!(Settings::from_json(&settings.to_json()).unwrap(), settings);
        settings.check("b").unwrap();
        assert!(!format!("{settings:?}").contains("hidden"));
        let with = |change: fn(&mut Settings)| {
            let mut settings = settings.clone();
            change(&mut settings);
            settings.check("b").unwrap_err().code
        };
        assert_eq!(with(|s| s.username = None), "broker-password-alone");
        assert_eq!(with(|s| s.ca = Some("x".into())), "broker-ca-unused");
        assert_eq!(with(|s| (s.url, s.ca) = ("mqtts://b".into(), Some("x".into()))), "broker-ca");
        assert_eq!(with(|s| s.client_id = "a b".into()), "broker-client-id-form");
        assert_eq!(with(|s| s.source = "import:x".into()), "bad-key-name");
        assert_eq!(with(|s| s.map = "source: x\nrows: [{name: a, skip: b}]".into()), "broker-map");
    }
}
