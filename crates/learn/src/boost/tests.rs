use super::*;
use proptest::prelude::*;

fn quiet() -> impl FnMut(usize, usize) {
    |_, _| {}
}

fn exact(value: f64) -> Target {
    Target { value, at_least: false, offset: 0.0 }
}

/// Numbers between 0 and 1, the same for the same seed.
fn uniform(seed: u64) -> impl FnMut() -> f64 {
    let mut draws = Draws(seed);
    move || draws.uniform()
}

#[test]
fn quantiles_follow_the_features() {
    // y is uniform on 0..1 where x < 0.5 and on 0..3 elsewhere; the second feature says nothing.
    let mut next = uniform(3);
    let (mut table, mut targets) = (Table::new(2), Vec::new());
    for _ in 0..6000 {
        let x = next();
        table.push(&[x as f32, next() as f32]);
        targets.push(exact(next() * if x < 0.5 { 1.0 } else { 3.0 }));
    }
    for p in [0.5, 0.9] {
        let model =
            Boosted::fit(&table, &targets, Loss::Quantile(p), &Params::default(), &mut quiet()).unwrap();
        for (x, high) in [(0.2, 1.0), (0.8, 3.0)] {
            let said = model.predict(&[x, 0.5]);
            assert!((said - p * high).abs() < 0.12 * high, "p {p}, x {x}: {said}");
        }
    }
}

#[test]
fn what_is_only_known_to_be_longer_does_not_make_it_shorter() {
    // Uniform on 0..10, seen up to 6: the median can still be learnt.
    let mut next = uniform(5);
    let (mut table, mut targets) = (Table::new(1), Vec::new());
    for _ in 0..4000 {
        let (x, y) = (next(), 10.0 * next());
        table.push(&[x as f32]);
        targets.push(Target { value: y.min(6.0), at_least: y > 6.0, offset: 0.0 });
    }
    let model =
        Boosted::fit(&table, &targets, Loss::Quantile(0.5), &Params::default(), &mut quiet()).unwrap();
    assert!((model.predict(&[0.5]) - 5.0).abs() < 0.6, "{}", model.predict(&[0.5]));
}

#[test]
fn odds_follow_the_features_and_unknown_values_are_a_kind_of_their_own() {
    let mut next = uniform(7);
    let (mut table, mut targets) = (Table::new(1), Vec::new());
    for row in 0..9000 {
        let (x, p) = match row % 3 {
            0 => (f32::NAN, 0.8),
            1 => (1.0, 0.1),
            _ => (2.0, 0.4),
        };
        table.push(&[x]);
        targets.push(exact(f64::from(u8::from(next() < p))));
    }
    let model = Boosted::fit(&table, &targets, Loss::Logistic, &Params::default(), &mut quiet()).unwrap();
    for (x, p) in [(f32::NAN, 0.8), (1.0, 0.1), (2.0, 0.4)] {
        let said = 1.0 / (1.0 + (-model.predict(&[x])).exp());
        assert!((said - p).abs() < 0.05, "{x}: {said}");
    }
}

#[test]
fn degenerate_tables_make_constants() {
    let params = Params::default();
    let fit = |table: &Table, targets: &[Target], loss| {
        Boosted::fit(table, targets, loss, &params, &mut quiet()).unwrap()
    };
    assert_eq!(fit(&Table::new(3), &[], Loss::Quantile(0.5)).predict(&[0.0; 3]), 0.0);
    let mut one = Table::new(1);
    one.push(&[1.0]);
    assert_eq!(fit(&one, &[exact(4.0)], Loss::Quantile(0.5)).predict(&[9.0]), 4.0);
    // All rows alike: nothing to split on.
    let mut same = Table::new(2);
    (0..500).for_each(|_| same.push(&[1.0, f32::NAN]));
    assert!(
        (fit(&same, &vec![exact(2.0); 500], Loss::Quantile(0.5)).predict(&[1.0, 0.0]) - 2.0).abs() < 1e-9
    );
    // Nothing but lower bounds.
    let bounds = vec![Target { value: 3.0, at_least: true, offset: 0.0 }; 500];
    assert!(fit(&same, &bounds, Loss::Quantile(0.5)).predict(&[1.0, 0.0]) >= 3.0);
}

#[test]
fn what_cannot_be_fitted_is_refused() {
    let mut table = Table::new(1);
    table.push(&[1.0]);
    let fit = |targets: &[Target], loss, params: &Params| {
        Boosted::fit(&table, targets, loss, params, &mut quiet()).unwrap_err()
    };
    let params = Params::default();
    assert_eq!(fit(&[], Loss::Logistic, &params), BoostError::Lengths { rows: 1, targets: 0 });
    assert_eq!(fit(&[exact(f64::NAN)], Loss::Logistic, &params), BoostError::NotANumber(0));
    let none = Params { row_share: 0.0, ..params };
    assert_eq!(fit(&[exact(1.0)], Loss::Logistic, &none), BoostError::Param("a share or the rate"));
    assert_eq!(
        fit(&[exact(1.0)], Loss::Quantile(1.0), &params),
        BoostError::Param("the quantile's probability")
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn the_same_rows_make_the_same_model_and_it_never_leaves_what_it_saw(seed in any::<u64>()) {
        let mut next = uniform(seed);
        let (mut table, mut targets) = (Table::new(3), Vec::new());
        for _ in 0..400 {
            table.push(&[next() as f32, next() as f32, f32::NAN]);
            targets.push(exact(next()));
        }
        let params = Params { trees: 30, leaf_rows: 10, seed, ..Params::default() };
        let fit = || Boosted::fit(&table, &targets, Loss::Quantile(0.7), &params, &mut |_, _| {}).unwrap();
        let model = fit();
        prop_assert_eq!(&model, &fit());
        for row in 0..table.rows() {
            let said = model.predict(table.row(row));
            prop_assert!((-0.5..1.5).contains(&said), "{}", said);
        }
    }
}
