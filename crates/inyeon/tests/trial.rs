//! The trial of operations at a small size: what promising, the list of promises at risk, remedies and the campaign
//! check are held to in a world whose truth the engine does not know.
//!
//! The bars are what a sound implementation reaches there, not what was fitted: flags come of the lanes' published
//! times and of supply as it is told, so in ordinary weeks about every second journey that is flagged at a probability
//! of one half breaks, and trouble in the depot is known a day or two ahead.

use inyeon::trial::{self, Trial};

fn seeds() -> u32 {
    match std::env::var("INYEON_TEST_SCALE").as_deref() {
        Ok("full" | "soak") => 20,
        _ => 5,
    }
}

#[track_caller]
fn mean(trial: &Trial, name: &str) -> f64 {
    trial.figure(name).unwrap_or_else(|| panic!("no figure {name}")).0
}

#[test]
fn promising_watching_saving_and_checking_prove_themselves() {
    let trial = trial::operations(seeds(), 28).unwrap();
    let mean = |name: &str| mean(&trial, name);

    // K25: nothing was confirmed that could not be allocated with supply as it was, by an independent computation.
    assert!(mean("k25.looked_at") > 200.0);
    assert_eq!((mean("k25.not_allocatable"), mean("k25.refused")), (0.0, 0.0));

    // Flags come before the break, and most of what is flagged breaks.
    assert!(mean("watch.broken") > 50.0, "the planted trouble is trouble");
    assert!(mean("watch.recall") >= 0.8, "recall {}", mean("watch.recall"));
    assert!(mean("watch.precision") >= 0.6, "precision {}", mean("watch.precision"));
    // Trouble in the depot is known while something can be done: half a day ahead in the middle case.
    assert!(mean("depot.recall") >= 0.95 && mean("depot.minutes") >= 720.0);
    assert!(mean("depot.precision") >= 0.65, "{}", mean("depot.precision"));

    // Remedies save promises, order by order against the same without them.
    let (gain, interval) = trial.figure("save.gain_first").unwrap();
    let (low, _) = interval.unwrap();
    assert!(low > 0.0, "kept by the first date: {gain} more, {interval:?}");
    assert!(mean("save.saved") > 2.0 * mean("save.lost"));
    assert!(mean("save.gain_current") >= gain, "a new date is kept besides");

    // A refused campaign breaks its word about as often as the check foretold: within 15 points of its promises.
    let sizes = ["100", "200", "300", "400"];
    for size in sizes {
        let off = mean(&format!("refused.{size}.off"));
        assert!(off.abs() <= 0.15, "{size}: off by {off}");
        assert!(mean(&format!("refused.{size}.forecast_kept")) < 0.9, "{size} is refused for a reason");
    }
    for pair in sizes.windows(2) {
        for what in ["forecast_kept", "kept"] {
            let of = |size: &str| mean(&format!("refused.{size}.{what}"));
            assert!(of(pair[0]) > of(pair[1]), "{what}: the more is promised, the more breaks: {pair:?}");
        }
    }
    // What it allows is kept as other promises are.
    let (kept, others) = (mean("allowed.kept"), mean("allowed.others_kept"));
    assert!(kept >= others - 0.04, "of the allowed size {kept}, of the others {others}");
    assert!(mean("refused.400.kept") < kept - 0.2);
    // A campaign that is refused does not break the promises of others, whose goods and hands are theirs.
    assert!(mean("refused.400.others_kept") > mean("allowed.others_kept") - 0.04);

    // The same seeds are the same figures.
    let again = trial::operations(1, 21).unwrap().json();
    assert_eq!(again, trial::operations(1, 21).unwrap().json());
}

/// Without planted trouble promises are kept at least as often as they are meant to be.
#[test]
fn in_a_calm_world_the_target_is_reached() {
    let (mut kept, mut made) = (0, 0);
    for seed in 1..=3 {
        let (of_seed, of) = trial::calm(seed, 28).unwrap();
        kept += of_seed;
        made += of;
    }
    assert!(made > 4_000, "{made}");
    assert!(kept as f64 >= 0.95 * made as f64, "{kept} of {made}");
}
