//! Write keys: shown once, kept as a hash.

use rand::TryRngCore;
use rand::rngs::OsRng;

/// A new write key: `wk_` and 160 random bits.
pub fn new_write_key() -> String {
    format!("wk_{}", random_hex(20))
}

pub fn random_hex(bytes: usize) -> String {
    hex(&random_bytes(bytes))
}

pub fn random_bytes(bytes: usize) -> Vec<u8> {
    let mut random = vec![0; bytes];
    OsRng.try_fill_bytes(&mut random).expect("the system gives random bytes");
    random
}

/// A text's name by its content.
pub fn sha256_hex(text: &str) -> String {
    hex(ring::digest::digest(&ring::digest::SHA256, text.as_bytes()).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A name for a message that came without one.
pub fn fresh_id() -> String {
    let random: u128 = rand::random();
    format!("srv-{random:032x}")
}

/// What is kept of a key. It has 160 random bits, so a plain hash cannot be searched.
pub fn hash_write_key(key: &str) -> [u8; 32] {
    let digest = ring::digest::digest(&ring::digest::SHA256, key.as_bytes());
    digest.as_ref().try_into().expect("SHA-256 has 32 bytes")
}
