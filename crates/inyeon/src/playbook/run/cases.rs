//! The scenarios: which world, which arms, which playbooks, and the bars that were set before anything was run.

use std::collections::BTreeMap;

use engine::playbook::Playbook;
use model::Time;
use world::living::{Arm, Assumptions, Drill, MILK, OFFICE_TONER, Office, Setup, TONER, WARES};

use super::company::{DAY, Plan};
use super::rules::shipped;
use crate::error::Failure;

/// The first local midnight of every scenario: Monday, 2 March 2026 in Seoul.
pub(super) const START: Time = Time(1_772_377_200_000_000);

#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum CaseId {
    #[value(name = "PB01", alias = "pb01")]
    Pb01,
    #[value(name = "PB02", alias = "pb02")]
    Pb02,
    #[value(name = "PB03", alias = "pb03")]
    Pb03,
    #[value(name = "PB23", alias = "pb23")]
    Pb23,
}

/// Something to be proven: a figure of an arm, and where it has to lie.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Bar {
    pub arm: &'static str,
    pub figure: &'static str,
    pub must: Must,
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Must {
    AtMost(f64),
    AtLeast(f64),
    Between(f64, f64),
    /// Not worse than in another arm: the paired difference's interval does not lie below zero.
    NotBelow(&'static str),
    NotAbove(&'static str),
    /// Better than in another arm: the interval lies above zero.
    Above(&'static str),
}

/// One way of serving, or one thing that is made to go wrong.
pub(super) struct ArmOf {
    pub key: &'static str,
    pub served: Arm,
    pub drills: Vec<Drill>,
    /// Each customer is served as suits them.
    pub matched: bool,
    /// Mandates of half of the customers are suspended by the company on this day.
    pub incident_day: Option<u32>,
}

impl ArmOf {
    fn plain(served: Arm) -> Self {
        ArmOf { key: served.name(), served, drills: Vec::new(), matched: false, incident_day: None }
    }

    fn drilled(key: &'static str, drills: Vec<Drill>) -> Self {
        ArmOf { key, drills, ..ArmOf::plain(Arm::Automate) }
    }
}

pub(super) struct Case {
    pub name: &'static str,
    pub days: u32,
    pub homes: u32,
    pub fridges: u32,
    pub office: Option<Office>,
    /// Nobody shares more than they would by themselves.
    pub within_limits: bool,
    pub arms: Vec<ArmOf>,
    /// What is printed of each arm, in this order.
    pub figures: &'static [&'static str],
    pub bars: Vec<Bar>,
    /// It is looked for where a strategy stops paying, up to eight times the noise, delay and non-response.
    pub sweeps: bool,
}

const VIOLATIONS: &str = "violations";

fn at_most(arm: &'static str, figure: &'static str, limit: f64) -> Bar {
    Bar { arm, figure, must: Must::AtMost(limit) }
}

fn at_least(arm: &'static str, figure: &'static str, limit: f64) -> Bar {
    Bar { arm, figure, must: Must::AtLeast(limit) }
}

impl Case {
    pub(super) fn of(id: CaseId) -> Case {
        match id {
            CaseId::Pb01 => pb01(),
            CaseId::Pb02 => pb02(),
            CaseId::Pb03 => pb03(),
            CaseId::Pb23 => pb23(),
        }
    }

    /// The same with so many times fewer customers, for a quick look.
    pub(super) fn smaller(mut self, times: u32) -> Case {
        let fewer = |known: u32| known.div_ceil(times.max(1));
        (self.homes, self.fridges) = (fewer(self.homes), fewer(self.fridges));
        self.office = self.office.map(|office| Office { printers: fewer(office.printers), ..office });
        self
    }

    /// What the company of an arm does.
    pub(super) fn plan(&self, arm: &ArmOf, days: u32, assumptions: &Assumptions) -> Result<Plan, Failure> {
        let setup = Setup {
            start: START,
            days,
            arm: arm.served,
            each: BTreeMap::new(),
            within_limits: self.within_limits,
            homes: self.homes,
            fridges: self.fridges,
            office: self.office,
            drills: arm.drills.clone(),
            assumptions: assumptions.clone(),
        };
        let incident = arm.incident_day.map(|day| START.plus_micros(i64::from(day) * DAY + DAY / 2));
        Ok(Plan {
            setup,
            matched: arm.matched,
            incident,
            playbooks: playbooks()?,
            notice_hours: [(TONER, 24), (OFFICE_TONER, 24), (MILK, 2)].into(),
        })
    }
}

/// The playbooks as they are shipped, for what this world sells.
fn playbooks() -> Result<Vec<Playbook>, Failure> {
    let of = |milk: bool| {
        let wares = WARES.iter().filter(move |ware| (ware.category == MILK) == milk);
        wares.map(|ware| ware.item_id).collect::<Vec<&str>>()
    };
    let mut milk = shipped(include_str!("../../../../../playbooks/milk.yaml"), MILK, &of(true))?;
    // One bottle fills the shelf.
    milk.offer.quantity = model::Quantity::ONE;
    Ok(vec![
        shipped(include_str!("../../../../../playbooks/toner.yaml"), TONER, &of(false))?,
        shipped(include_str!("../../../../../playbooks/office.yaml"), OFFICE_TONER, &of(false))?,
        milk,
    ])
}

/// David's toner: five ways of serving the same homes.
fn pb01() -> Case {
    let arms: Vec<ArmOf> = Arm::ALL.into_iter().map(ArmOf::plain).collect();
    let mut bars = vec![
        Bar { arm: "baseline", figure: "effort_minutes", must: Must::Between(60.0, 120.0) },
        at_most("respond", "effort_minutes_served", 2.0),
        at_most("curate", "effort_minutes_served", 2.0),
        at_most("coach", "effort_minutes_served", 1.0),
        at_most("automate", "effort_minutes_served", 0.0),
        at_most("coach", "dry_hours_per_cartridge", 2.0),
        at_most("automate", "dry_hours_per_cartridge", 2.0),
    ];
    for arm in ["respond", "curate", "coach", "automate"] {
        bars.push(at_most(arm, "wrong_items_from_us", 0.0));
        bars.push(Bar { arm, figure: "revenue", must: Must::NotBelow("baseline") });
        bars.push(at_most(arm, VIOLATIONS, 0.0));
    }
    Case {
        name: "PB01",
        days: 365,
        homes: 12,
        fridges: 0,
        office: None,
        within_limits: false,
        arms,
        figures: &[
            "effort_minutes",
            "effort_minutes_served",
            "steps",
            "inputs",
            "dry_hours",
            "dry_hours_per_cartridge",
            "felt_hours",
            "in_hand",
            "need_lead_hours",
            "wrong_items",
            "trips",
            "messages",
            "too_early",
            "duplicates",
            "promises_kept",
            "standing_kept",
            "revenue",
            "cost_to_serve",
            "margin",
            "customer_cost",
            "actions_called_off",
            VIOLATIONS,
        ],
        bars,
        sweeps: true,
    }
}

/// Replenishment of homes and of an office's fleet of forty, quiet and with one thing at a time going wrong.
fn pb02() -> Case {
    let silent = |device: &str| Drill::SilentDevice { device: device.to_owned(), from_day: 60, days: 42 };
    let devices = [
        "home-001-printer",
        "home-002-printer",
        "home-003-printer",
        "office-1-printer-01",
        "office-1-printer-02",
    ];
    let who = |name: &str| name.to_owned();
    let arms = vec![
        ArmOf::drilled("quiet", Vec::new()),
        ArmOf::drilled("duplicates", vec![Drill::DuplicateEvents { from_day: 30, days: 300 }]),
        ArmOf::drilled("silent", devices.map(silent).to_vec()),
        ArmOf::drilled("late_supplier", vec![Drill::LateSupplier { from_day: 90, days: 60, late_days: 10 }]),
        ArmOf::drilled("price_rise", vec![Drill::PriceRise { day: 120, percent: 30 }]),
        ArmOf::drilled(
            "revoked",
            vec![
                Drill::Revoke { who: who("home-001"), day: 100 },
                Drill::RevokeInWindow { who: who("home-002"), from_day: 20 },
                Drill::RevokeInWindow { who: who("office-1"), from_day: 200 },
            ],
        ),
        ArmOf::drilled(
            "called_off",
            ["home-001", "home-002", "home-003", "home-004", "office-1"]
                .map(|name| Drill::CallOff { who: who(name), from_day: 20 })
                .to_vec(),
        ),
    ];
    let mut bars = Vec::new();
    for arm in ["quiet", "duplicates", "silent", "late_supplier"] {
        bars.push(at_least(arm, "in_hand", 0.99));
        bars.push(at_most(arm, "too_early", 0.05));
    }
    for arm in ["quiet", "duplicates", "silent", "late_supplier", "price_rise", "revoked", "called_off"] {
        bars.push(at_most(arm, "duplicates", 0.0));
        bars.push(at_most(arm, VIOLATIONS, 0.0));
    }
    bars.push(at_least("called_off", "cancels_honoured", 1.0));
    bars.push(at_least("revoked", "exits_complete", 1.0));
    Case {
        name: "PB02",
        days: 365,
        homes: 12,
        fridges: 0,
        office: Some(Office { sites: 3, printers: 40 }),
        within_limits: false,
        arms,
        figures: &[
            "cartridges",
            "in_hand",
            "in_hand_home",
            "in_hand_office",
            "duplicates",
            "too_early",
            "cover_days",
            "promises_kept",
            "standing_kept",
            "actions_announced",
            "actions_called_off",
            "cancels_honoured",
            "exits_complete",
            "asked",
            "dry_hours_per_cartridge",
            "revenue",
            VIOLATIONS,
        ],
        bars,
        sweeps: false,
    }
}

/// Fridges: milk for breakfast, and none while nobody is at home.
fn pb03() -> Case {
    let arms = [Arm::Baseline, Arm::Curate, Arm::Coach, Arm::Automate].into_iter().map(ArmOf::plain);
    Case {
        name: "PB03",
        days: 182,
        homes: 0,
        fridges: 24,
        office: None,
        within_limits: false,
        arms: arms.collect(),
        figures: &[
            "mornings_with_milk",
            "spoiled",
            "came_while_away",
            "came_while_known_away",
            "waited_for_the_return",
            "dawn_on_time",
            "promises_kept",
            "effort_minutes",
            "trips",
            "messages",
            "cover_days",
            "too_early",
            "revenue",
            "cost_to_serve",
            "margin",
            VIOLATIONS,
        ],
        bars: vec![
            at_least("automate", "mornings_with_milk", 0.98),
            Bar { arm: "automate", figure: "spoiled", must: Must::NotAbove("baseline") },
            at_most("automate", "came_while_known_away", 0.0),
            at_least("automate", "dawn_on_time", 0.95),
            at_most("automate", VIOLATIONS, 0.0),
        ],
        sweeps: false,
    }
}

/// The two dials: the same customers all served alike, each as suits them, and what happens when trust is withdrawn or
/// broken.
fn pb23() -> Case {
    let alike = [Arm::Respond, Arm::Curate, Arm::Coach, Arm::Automate];
    let mut arms: Vec<ArmOf> = alike.into_iter().map(ArmOf::plain).collect();
    arms.push(ArmOf { key: "matched", matched: true, ..ArmOf::plain(Arm::Curate) });
    let withdraw = |index: u32| Drill::Withdraw {
        who: format!("home-{:03}", index + 1),
        day: 120 + index % 5,
        purpose: "readings".to_owned(),
    };
    arms.push(ArmOf {
        key: "withdrawn",
        matched: true,
        drills: (0..24).step_by(2).map(withdraw).collect(),
        ..ArmOf::plain(Arm::Curate)
    });
    arms.push(ArmOf { key: "incident", matched: true, incident_day: Some(150), ..ArmOf::plain(Arm::Curate) });
    let mut bars: Vec<Bar> = ["respond", "curate", "coach", "automate"]
        .map(|other| Bar { arm: "matched", figure: "utility", must: Must::Above(other) })
        .to_vec();
    for arm in ["respond", "curate", "coach", "automate", "matched", "withdrawn", "incident"] {
        bars.push(at_most(arm, VIOLATIONS, 0.0));
    }
    bars.push(at_most("matched", "unasked_to_who_leads", 0.0));
    bars.push(at_most("withdrawn", "read_after_withdrawal", 0.0));
    bars.push(at_most("withdrawn", "minutes_to_stop", 1.0));
    bars.push(at_most("incident", "minutes_to_suspend", 1.0));
    Case {
        name: "PB23",
        days: 365,
        homes: 24,
        fridges: 0,
        office: None,
        within_limits: true,
        arms,
        figures: &[
            "utility",
            "customer_cost",
            "dry_hours",
            "effort_minutes",
            "messages",
            "unasked_to_who_leads",
            "followed_as_chosen",
            "minutes_to_stop",
            "read_after_withdrawal",
            "orders_after_withdrawal",
            "minutes_to_suspend",
            "orders_after_incident",
            "left_affected",
            "left_connected",
            "left_others",
            "revenue",
            "margin",
            VIOLATIONS,
        ],
        bars,
        sweeps: false,
    }
}
