//! How much is tried: `INYEON_TEST_SCALE` is `quick` (the default), `full` or `soak`.

use proptest::test_runner::{Config, RngSeed};

pub(crate) fn scaled(quick: u32, full: u32, soak: u32) -> u32 {
    match std::env::var("INYEON_TEST_SCALE").as_deref() {
        Err(_) | Ok("" | "quick") => quick,
        Ok("full") => full,
        Ok("soak") => soak,
        Ok(other) => panic!("INYEON_TEST_SCALE is `{other}`; it may be quick, full or soak"),
    }
}

/// Equal runs for equal scales: a fixed seed, and nothing written beside the sources.
pub(crate) fn config(quick: u32, full: u32, soak: u32) -> Config {
    Config {
        cases: scaled(quick, full, soak),
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(0x1e_0e0),
        ..Config::default()
    }
}
