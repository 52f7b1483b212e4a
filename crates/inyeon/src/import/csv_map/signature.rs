//! How a webhook proves that it comes from whom it says. Schemes are data: a map names the parts.

use base64::Engine;
use ring::hmac;

/// A scheme of signatures.
#[derive(Clone, Debug)]
pub(super) struct Signature {
    /// In lower case.
    pub(super) header: String,
    pub(super) algorithm: Algorithm,
    pub(super) encoding: Encoding,
    /// Text before the signature in the header.
    pub(super) prefix: String,
    /// What is signed: `{body}` and `{header.NAME}` in a text.
    pub(super) over: String,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Algorithm {
    Sha1,
    Sha256,
    Sha512,
    /// The header holds the secret itself.
    Token,
}

impl Algorithm {
    pub(super) fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "hmac-sha1" => Algorithm::Sha1,
            "hmac-sha256" => Algorithm::Sha256,
            "hmac-sha512" => Algorithm::Sha512,
            "token" => Algorithm::Token,
            _ => return None,
        })
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Encoding {
    Hex,
    Base64,
}

impl Signature {
    /// Whether the header's signature is right for this body. Comparing takes the same time wherever it differs.
    pub(super) fn is_right(
        &self,
        secret: &str,
        header: &dyn Fn(&str) -> Option<String>,
        body: &[u8],
    ) -> bool {
        let given = header(&self.header);
        let Some(given) = given.as_deref().and_then(|given| given.trim().strip_prefix(self.prefix.as_str()))
        else {
            return false;
        };
        let algorithm = match self.algorithm {
            // Through a keyed hash, so that the time of comparing says nothing about the secret.
            Algorithm::Token => {
                let key = hmac::Key::new(hmac::HMAC_SHA256, b"inyeon webhook token");
                return hmac::verify(&key, given.as_bytes(), hmac::sign(&key, secret.as_bytes()).as_ref())
                    .is_ok();
            }
            Algorithm::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Algorithm::Sha256 => hmac::HMAC_SHA256,
            Algorithm::Sha512 => hmac::HMAC_SHA512,
        };
        let tag = match self.encoding {
            Encoding::Hex => unhex(given),
            Encoding::Base64 => base64::engine::general_purpose::STANDARD.decode(given).ok(),
        };
        let Some(signed) = self.signed(header, body) else { return false };
        tag.is_some_and(|tag| {
            hmac::verify(&hmac::Key::new(algorithm, secret.as_bytes()), &signed, &tag).is_ok()
        })
    }

    /// What is signed; nothing where a header that belongs to it is missing.
    fn signed(&self, header: &dyn Fn(&str) -> Option<String>, body: &[u8]) -> Option<Vec<u8>> {
        let mut signed = Vec::with_capacity(body.len() + 64);
        let mut rest = self.over.as_str();
        while let Some((before, tail)) = rest.split_once('{') {
            let (name, after) = tail.split_once('}')?;
            signed.extend_from_slice(before.as_bytes());
            match name.strip_prefix("header.") {
                Some(name) => signed.extend_from_slice(header(&name.to_ascii_lowercase())?.as_bytes()),
                None if name == "body" => signed.extend_from_slice(body),
                None => return None,
            }
            rest = after;
        }
        signed.extend_from_slice(rest.as_bytes());
        Some(signed)
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    text.len().is_multiple_of(2).then(|| text.as_bytes().chunks(2).map(digits).collect()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scheme(algorithm: Algorithm, encoding: Encoding, prefix: &str, over: &str) -> Signature {
        Signature { header: "x-sig".into(), algorithm, encoding, prefix: prefix.into(), over: over.into() }
    }

    /// RFC 4231, test case 2: key "Jefe", "what do ya want for nothing?".
    #[test]
    fn the_published_examples_of_hmac_are_right() {
        let body = b"what do ya want for nothing?";
        let sha256 = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        let sha512 = "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fd\
                      caeab1a34d4a6b4b636e070a38bce737";
        // RFC 2202, the same case.
        let sha1 = "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79";
        for (algorithm, value) in
            [(Algorithm::Sha256, sha256), (Algorithm::Sha512, sha512), (Algorithm::Sha1, sha1)]
        {
            let scheme = scheme(algorithm, Encoding::Hex, "v1=", "{body}");
            let header = |name: &str| (name == "x-sig").then(|| format!("v1={value}"));
            assert!(scheme.is_right("Jefe", &header, body));
            assert!(!scheme.is_right("jefe", &header, body));
            assert!(!scheme.is_right("Jefe", &header, b"what"));
            let bare = |name: &str| (name == "x-sig").then(|| value.to_owned());
            assert!(!scheme.is_right("Jefe", &bare, body), "the prefix belongs to it");
            let short = |name: &str| (name == "x-sig").then(|| format!("v1={}", &value[..8]));
            assert!(!scheme.is_right("Jefe", &short, body));
            assert!(!scheme.is_right("Jefe", &|_| None, body));
        }
    }

    #[test]
    fn headers_may_be_signed_too() {
        let scheme = scheme(Algorithm::Sha256, Encoding::Base64, "", "{header.X-Time}.{body}");
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"k");
        let value = base64::engine::general_purpose::STANDARD.encode(hmac::sign(&key, b"17.{}"));
        let with = |time: Option<&'static str>| {
            let value = value.clone();
            move |name: &str| match name {
                "x-sig" => Some(value.clone()),
                "x-time" => time.map(str::to_owned),
                _ => None,
            }
        };
        assert!(scheme.is_right("k", &with(Some("17")), b"{}"));
        assert!(!scheme.is_right("k", &with(Some("18")), b"{}"));
        assert!(!scheme.is_right("k", &with(None), b"{}"));
    }

    #[test]
    fn a_token_is_the_secret_itself() {
        let scheme = scheme(Algorithm::Token, Encoding::Hex, "", "{body}");
        assert!(scheme.is_right("secret", &|_| Some("secret".to_owned()), b""));
        assert!(!scheme.is_right("secret", &|_| Some("secre".to_owned()), b""));
    }
}
