//! Examples of campaigns.

use model::*;

use super::supply::{of_supply, supply_names};
use super::{AT, text};

const UNTIL: Time = Time(AT.0 + 1_209_600_000_000);

fn load(of: SupplyName) -> CampaignLoad {
    CampaignLoad {
        of,
        at: AT,
        low: Quantity::units(120),
        likely: Quantity(250_500),
        high: Quantity::units(480),
    }
}

fn reserved(of: EntityId, name: SupplyName) -> CampaignReservation {
    CampaignReservation {
        of,
        name,
        reservation: text("campaign:spring/1"),
        quantity: Quantity::units(500),
        from: AT,
        until: UNTIL,
    }
}

pub(super) fn plan() -> CampaignPlan {
    let stock = SupplyName::Stock { item: text("toner"), place: text("seoul") };
    let van = SupplyName::Resource(text("van"));
    CampaignPlan {
        campaign: text("spring"),
        class: text("campaign:spring"),
        brief: text(r#"{"name":"봄"}"#),
        verdict: text(r#"{"verdict":"go"}"#),
        from: AT,
        until: UNTIL,
        time_zone: text("Asia/Seoul"),
        loads: vec![load(stock.clone()), load(van.clone())],
        reserved: vec![
            reserved(of_supply(EntityKind::Stock), stock),
            reserved(of_supply(EntityKind::Resource), van),
        ],
    }
}

/// One that asks for nothing and has nothing set aside.
fn bare_plan() -> CampaignPlan {
    CampaignPlan { loads: Vec::new(), reserved: Vec::new(), ..plan() }
}

/// Everything that a command about a campaign can hold, by the names of their files.
pub(crate) fn command_list() -> Vec<(String, Command)> {
    vec![(text("plan_campaign-bare"), Command::PlanCampaign(Box::new(bare_plan())))]
}

/// Lists that hold every variant of everything that facts about campaigns can hold.
pub(super) fn outcome_lists() -> Vec<(String, Vec<Outcome>)> {
    let planned = |plan| Outcome::Fact(Fact::CampaignPlanned { plan: Box::new(plan), at: AT });
    let names = supply_names().into_iter().map(|(_, name)| {
        let loads = vec![load(name.clone())];
        let reserved = vec![reserved(of_supply(EntityKind::Item), name)];
        planned(CampaignPlan { loads, reserved, ..plan() })
    });
    vec![
        (text("every.campaign_supply_name"), names.collect()),
        (text("campaign-bare"), vec![planned(bare_plan())]),
    ]
}
