//! A server's side of an encrypted connection.

use std::net::TcpStream;
use std::sync::Arc;

use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::server::{Encrypt, Stream};

/// One that vouches for itself, of `localhost`.
pub(crate) struct Certificate {
    certificate: rcgen::CertifiedKey<rcgen::KeyPair>,
}

impl Certificate {
    pub(crate) fn new() -> Self {
        let names = vec!["localhost".to_owned()];
        Certificate { certificate: rcgen::generate_simple_self_signed(names).unwrap() }
    }

    pub(crate) fn pem(&self) -> String {
        self.certificate.cert.pem()
    }

    pub(crate) fn encrypt(&self) -> Encrypt {
        let key = PrivatePkcs8KeyDer::from(self.certificate.signing_key.serialize_der());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![self.certificate.cert.der().clone()], PrivateKeyDer::Pkcs8(key))
            .unwrap();
        let config = Arc::new(config);
        Arc::new(move |stream: TcpStream| -> Box<dyn Stream> {
            Box::new(StreamOwned::new(ServerConnection::new(config.clone()).unwrap(), stream))
        })
    }
}
