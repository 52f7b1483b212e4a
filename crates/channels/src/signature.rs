//! Signatures by the Standard Webhooks specification, version 1: HMAC-SHA256 over `id.timestamp.body`.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ring::hmac;

/// How far a message's clock may be from the reader's, in seconds.
const TOLERANCE: i64 = 300;
const PREFIX: &str = "whsec_";

/// A secret that both sides know: 24 to 64 bytes, written `whsec_` and base64.
#[derive(Clone)]
pub struct Secret {
    key: hmac::Key,
    text: String,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    #[error("a secret is `whsec_` and base64")]
    NotBase64,
    #[error("a secret has 24 to 64 bytes; this one has {0}")]
    Length(usize),
}

/// Why a message is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    #[error("no signature of this secret")]
    Signature,
    #[error("the timestamp is not a number of seconds")]
    NotATime,
    #[error("the timestamp is more than five minutes away")]
    TooFar,
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(whsec_…)")
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Secret {
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        let encoded = text.strip_prefix(PREFIX).ok_or(SecretError::NotBase64)?;
        let bytes = BASE64_STANDARD.decode(encoded).map_err(|_| SecretError::NotBase64)?;
        Self::from_bytes(&bytes)
    }

    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SecretError> {
        if !(24..=64).contains(&bytes.len()) {
            return Err(SecretError::Length(bytes.len()));
        }
        let text = format!("{PREFIX}{}", BASE64_STANDARD.encode(bytes));
        Ok(Secret { key: hmac::Key::new(hmac::HMAC_SHA256, bytes), text })
    }

    /// The secret itself, to be shown once.
    pub fn reveal(&self) -> &str {
        &self.text
    }

    fn content(id: &str, timestamp: &str, body: &[u8]) -> Vec<u8> {
        let mut content = format!("{id}.{timestamp}.").into_bytes();
        content.extend_from_slice(body);
        content
    }

    /// The `webhook-signature` of a message: `v1,` and base64.
    pub fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let tag = hmac::sign(&self.key, &Self::content(id, &timestamp.to_string(), body));
        format!("v1,{}", BASE64_STANDARD.encode(tag))
    }

    /// What a receiver does: one of the signatures is this secret's, and the clock is near. `now` is in seconds.
    pub fn verify(
        &self,
        id: &str,
        timestamp: &str,
        signatures: &str,
        body: &[u8],
        now: i64,
    ) -> Result<(), VerifyError> {
        let at: i64 = timestamp.parse().map_err(|_| VerifyError::NotATime)?;
        if now.abs_diff(at) > TOLERANCE.unsigned_abs() {
            return Err(VerifyError::TooFar);
        }
        let content = Self::content(id, timestamp, body);
        let given = signatures.split(' ').filter_map(|one| one.strip_prefix("v1,"));
        let mut given = given.filter_map(|one| BASE64_STANDARD.decode(one).ok());
        match given.any(|tag| hmac::verify(&self.key, &content, &tag).is_ok()) {
            true => Ok(()),
            false => Err(VerifyError::Signature),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vector of the specification's own libraries.
    #[test]
    fn a_signature_is_what_the_specification_says() {
        let secret = Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let (id, at, body) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        let signature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert_eq!(secret.sign(id, at, body), signature);
        let time = at.to_string();
        let check = |signatures: &str, body: &[u8], now: i64, expect: Result<(), VerifyError>| {
            assert_eq!(secret.verify(id, &time, signatures, body, now), expect, "{signatures} {now}");
        };
        check(signature, body, at, Ok(()));
        check(&format!("v1,bm9ubw== v2,x {signature}"), body, at + 300, Ok(()));
        check(signature, body, at + 301, Err(VerifyError::TooFar));
        check(signature, body, at - 301, Err(VerifyError::TooFar));
        check(signature, br#"{"test": 2432232315}"#, at, Err(VerifyError::Signature));
        check("", body, at, Err(VerifyError::Signature));
        assert_eq!(secret.verify(id, "soon", signature, body, at), Err(VerifyError::NotATime));
    }

    #[test]
    fn a_secret_is_long_enough_and_is_not_printed() {
        assert_eq!(Secret::parse("whsec_c2hvcnQ=").unwrap_err(), SecretError::Length(5));
        assert_eq!(Secret::parse("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap_err(), SecretError::NotBase64);
        assert_eq!(Secret::parse("whsec_~").unwrap_err(), SecretError::NotBase64);
        let secret = Secret::from_bytes(&[7; 24]).unwrap();
        assert!(!format!("{secret:?}").contains("Bwc"));
        assert_eq!(Secret::parse(secret.reveal()), Ok(secret));
    }
}
