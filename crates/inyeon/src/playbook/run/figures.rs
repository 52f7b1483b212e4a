//! What a year of an arm comes to, as figures by their names.

use world::living::{Arm, Character, KnownAccount, MILK, OFFICE_TONER, Sheet, TONER};

use super::company::Year;
use crate::estimate::{Figures, median, put, put_share};

const DAYS_A_YEAR: f64 = 365.0;

pub(super) fn of_year(year: &Year) -> Figures {
    let mut figures = Figures::new();
    let (living, log) = (&year.living, &year.log);
    let accounts = living.accounts();
    let mut all = Sheet::default();
    for category in [TONER, OFFICE_TONER, MILK] {
        all.add(&living.sheets(category, None));
    }
    let years = accounts.len() as f64 * f64::from(living.setup().days) / DAYS_A_YEAR;
    of_sheet(&mut figures, &all, years);
    let sheet = living.sheets(TONER, None);
    put_share(&mut figures, "in_hand_home", sheet.in_hand as usize, sheet.cycles as usize);
    let sheet = living.sheets(OFFICE_TONER, None);
    put_share(&mut figures, "in_hand_office", sheet.in_hand as usize, sheet.cycles as usize);
    put(&mut figures, "customer_cost", living.cost_of(&all) / years);

    let count = |name: &str| f64::from(log.actions.get(name).copied().unwrap_or(0));
    put(&mut figures, "actions_announced", count("proposed"));
    put(&mut figures, "actions_called_off", count("cancelled"));
    let refused = |code: &str| f64::from(log.refused.get(code).copied().unwrap_or(0));
    put(&mut figures, "waited_for_the_return", refused("away"));
    let asks = log.messages.iter().filter(|(template, _)| template.ends_with("_ask"));
    put(&mut figures, "asked", asks.map(|(_, sent)| f64::from(*sent)).sum());
    put(&mut figures, "violations", log.violations.len() as f64);
    put(&mut figures, "decisions", log.decisions as f64);
    put(&mut figures, "pages_wanted", all.wanted.iter().copied().map(f64::from).sum());
    for (name, judged) in [("promises_kept", log.promises), ("standing_kept", log.standing)] {
        put_share(&mut figures, name, judged.kept as usize, (judged.kept + judged.broken) as usize);
    }
    if let Some(hours) = median(log.lead_hours.clone()) {
        put(&mut figures, "need_lead_hours", hours);
    }
    put_share(&mut figures, "cancels_honoured", year.cancels.1 as usize, year.cancels.0 as usize);
    let complete = year.exits.iter().filter(|exit| exit.is_complete()).count();
    put_share(&mut figures, "exits_complete", complete, year.exits.len());
    of_trust(&mut figures, year, &accounts, years);
    figures
}

/// What the world knows of all customers together; by home and year where nothing else is said.
fn of_sheet(figures: &mut Figures, all: &Sheet, years: f64) {
    let got = all.got.len() as f64;
    if got > 0.0 {
        put(figures, "effort_minutes", all.got.iter().map(|one| one.effort.minutes).sum::<f64>() / got);
        put(figures, "steps", all.got.iter().map(|one| f64::from(one.effort.steps)).sum::<f64>() / got);
        put(figures, "inputs", all.got.iter().map(|one| f64::from(one.effort.inputs)).sum::<f64>() / got);
        put(figures, "felt_hours", all.got.iter().filter_map(|one| one.felt_hours).sum::<f64>() / got);
        put(figures, "wrong_items", 100.0 * f64::from(all.wrong_items) / got);
    }
    // Of what came from us without anybody going to a shop.
    let served: Vec<f64> = all.got.iter().filter(|one| one.served).map(|one| one.effort.minutes).collect();
    if !served.is_empty() {
        put(figures, "effort_minutes_served", served.iter().sum::<f64>() / served.len() as f64);
    }
    put(figures, "wrong_items_from_us", f64::from(all.wrong_deliveries));
    put(figures, "cartridges", f64::from(all.cycles));
    put(figures, "dry_hours", all.dry_hours / years);
    if all.cycles > 0 {
        put(figures, "dry_hours_per_cartridge", all.dry_hours / f64::from(all.cycles));
    }
    put_share(figures, "in_hand", all.in_hand as usize, all.cycles as usize);
    put(figures, "trips", f64::from(all.trips) / years);
    put(figures, "messages", f64::from(all.messages) / years);
    put_share(figures, "too_early", all.too_early as usize, all.deliveries as usize);
    if !all.cover_days.is_empty() {
        let mean = all.cover_days.iter().sum::<f64>() / all.cover_days.len() as f64;
        put(figures, "cover_days", mean);
    }
    put(figures, "duplicates", f64::from(all.duplicates));
    put(figures, "revenue", all.revenue as f64 / years);
    put(figures, "cost_to_serve", all.cost_to_serve as f64 / years);
    let margin = all.revenue - all.cost_of_goods - all.cost_to_serve;
    put(figures, "margin", margin as f64 / years);
    put_share(figures, "mornings_with_milk", all.mornings_with_milk as usize, all.mornings as usize);
    let litres = all.litres_used + all.litres_spoiled;
    if litres > 0.0 {
        put(figures, "spoiled", all.litres_spoiled / litres);
    }
    put(figures, "came_while_away", f64::from(all.came_while_away));
    put(figures, "came_while_known_away", f64::from(all.came_while_known_away));
    put_share(figures, "dawn_on_time", all.dawn_on_time as usize, all.dawn as usize);
}

fn of_trust(figures: &mut Figures, year: &Year, accounts: &[KnownAccount], years: f64) {
    let living = &year.living;
    let utility: f64 = accounts.iter().map(|account| living.utility(&account.who)).sum();
    put(figures, "utility", utility / years);
    let leading = accounts.iter().filter(|account| account.character == Character::Leads);
    let unasked = leading.clone().filter(|account| account.arm == Arm::Coach);
    let messages = unasked.map(|account| f64::from(living.sheets(TONER, Some(&account.who)).messages));
    // The sum of nothing is minus zero.
    put(figures, "unasked_to_who_leads", messages.sum::<f64>() + 0.0);
    let chosen = (year.log.followed.0 as usize, year.log.followed.1 as usize);
    put_share(figures, "followed_as_chosen", chosen.0, chosen.1);
    if let Some(stopped) = &year.stopped {
        put(figures, "minutes_to_stop", stopped.minutes);
        put(figures, "read_after_withdrawal", f64::from(stopped.read_after));
        put(figures, "orders_after_withdrawal", f64::from(stopped.orders_after));
    }
    if let Some(incident) = &year.incident {
        put(figures, "minutes_to_suspend", incident.minutes);
        put(figures, "orders_after_incident", f64::from(incident.orders_after));
        for (name, (left, of)) in [
            ("left_affected", incident.affected),
            ("left_connected", incident.connected),
            ("left_others", incident.others),
        ] {
            put_share(figures, name, left, of);
        }
    }
}
