//! Scenarios at a small size: a season of a few customers. What must hold whatever luck there is; how near the bars a
//! whole year comes is printed by `inyeon playbook run`.

use inyeon::playbook::run::{CaseId, Lived, lived};

fn live(case: CaseId, days: u32) -> Lived {
    let lived = lived(case, 1, days, 4).unwrap();
    assert_eq!(lived.violations, Vec::<String>::new());
    lived
}

#[track_caller]
fn figure(lived: &Lived, name: &str) -> f64 {
    *lived.figures.get(name).unwrap_or_else(|| panic!("no figure {name}"))
}

#[test]
fn five_ways_of_serving_share_their_luck_and_differ_as_they_should() {
    let season = live(CaseId::Pb01, 150);
    let again = live(CaseId::Pb01, 150);
    assert_eq!(season.json, again.json, "the same seed gives the same figures");

    let arms = ["baseline", "respond", "curate", "coach", "automate"];
    let told: Vec<&str> =
        season.json["arms"].as_array().unwrap().iter().map(|arm| arm["arm"].as_str().unwrap()).collect();
    assert_eq!(told, arms);
    for arm in arms {
        let of = |name: &str| figure(&season, &format!("{arm}.{name}"));
        // What is wanted of the printers is the same, however they are served.
        assert_eq!(of("pages_wanted"), figure(&season, "baseline.pages_wanted"), "{arm}");
        assert!(of("pages_wanted") > 1_000.0 && of("cartridges") > 0.0, "{arm}");
        assert_eq!((of("violations"), of("wrong_items_from_us"), of("duplicates")), (0.0, 0.0, 0.0), "{arm}");
        // What was decided was made again from its record.
        assert!(of("decisions") > 0.0 || arm == "baseline", "{arm}");
    }
    let of = |arm: &str, name: &str| figure(&season, &format!("{arm}.{name}"));
    assert!(of("baseline", "effort_minutes") > 30.0 && of("respond", "effort_minutes_served") < 2.0);
    assert!(of("automate", "effort_minutes") < of("respond", "effort_minutes"));
    assert!(of("automate", "dry_hours") < 0.5 * of("respond", "dry_hours"));
    assert!(of("automate", "in_hand") > of("baseline", "in_hand"));
}

#[test]
fn replenishment_stands_its_drills() {
    let season = live(CaseId::Pb02, 130);
    for arm in ["quiet", "duplicates", "silent", "late_supplier", "price_rise", "revoked", "called_off"] {
        let of = |name: &str| figure(&season, &format!("{arm}.{name}"));
        assert_eq!((of("duplicates"), of("violations")), (0.0, 0.0), "{arm}");
        assert!(of("cartridges") > 10.0 && of("actions_announced") > 0.0, "{arm}");
    }
    assert_eq!(figure(&season, "called_off.cancels_honoured"), 1.0);
    assert_eq!(figure(&season, "revoked.exits_complete"), 1.0);
    // Above what was agreed to nothing is ordered without asking.
    assert!(figure(&season, "price_rise.asked") > figure(&season, "quiet.asked"));
}

#[test]
fn milk_is_there_and_nobody_gets_any_while_we_know_that_they_are_away() {
    let season = live(CaseId::Pb03, 120);
    let of = |arm: &str, name: &str| figure(&season, &format!("{arm}.{name}"));
    assert!(of("automate", "mornings_with_milk") > of("baseline", "mornings_with_milk"));
    assert!(of("automate", "mornings_with_milk") > 0.9 && of("automate", "dawn_on_time") > 0.9);
    assert_eq!(of("automate", "came_while_known_away"), 0.0);
}

#[test]
fn what_was_not_chosen_or_is_withdrawn_is_not_done() {
    let season = live(CaseId::Pb23, 160);
    let of = |arm: &str, name: &str| figure(&season, &format!("{arm}.{name}"));
    for arm in ["respond", "curate", "coach", "automate", "matched", "withdrawn", "incident"] {
        assert_eq!(of(arm, "violations"), 0.0, "{arm}");
        assert!(of(arm, "decisions") > 0.0, "{arm}");
    }
    assert_eq!(of("matched", "unasked_to_who_leads"), 0.0);
    assert_eq!((of("withdrawn", "read_after_withdrawal"), of("withdrawn", "minutes_to_stop")), (0.0, 0.0));
    assert!(of("incident", "minutes_to_suspend") <= 1.0);
    assert_eq!(of("incident", "orders_after_incident"), 0.0);
}
