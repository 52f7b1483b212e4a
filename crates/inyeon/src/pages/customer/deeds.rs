//! What customers do on their page. A link is good for some of it, about one thing; each deed is a command to the
//! customer's own root, which has the last word.

use engine::connection::Connection;
use engine::playbook::Playbook;
use jiff::civil::Date;
use model::connection::{
    ConnectionCommand, Consent, Fallback, LinkPurpose, MandateState, MandateTerms, Need, NeedStage, Period,
    Preference, PriceRule, SHARE_MAX, SpendLimit, Strategy, Subject,
};
use model::{EntityId, Money, Outcome, Time};
use runtime::ordering::{Cannot, Ordered};
use runtime::{Fold, FoldError};
use serde::Deserialize;

use super::load::offers_now;
use crate::links::Claims;

/// Everything that can be done on the page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Deed {
    Prefer,
    Consent,
    Unsubscribe,
    Snooze,
    Away,
    Prepare,
    Agree,
    Pause,
    Resume,
    Revoke,
    OrderNow,
    CallOff,
    Dispute,
    Ask,
    Choose,
    Undo,
}

impl Deed {
    pub(super) const ALL: [Deed; 16] = [
        Deed::Prefer,
        Deed::Consent,
        Deed::Unsubscribe,
        Deed::Snooze,
        Deed::Away,
        Deed::Prepare,
        Deed::Agree,
        Deed::Pause,
        Deed::Resume,
        Deed::Revoke,
        Deed::OrderNow,
        Deed::CallOff,
        Deed::Dispute,
        Deed::Ask,
        Deed::Choose,
        Deed::Undo,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Deed::Prefer => "prefer",
            Deed::Consent => "consent",
            Deed::Unsubscribe => "unsubscribe",
            Deed::Snooze => "snooze",
            Deed::Away => "away",
            Deed::Prepare => "prepare",
            Deed::Agree => "agree",
            Deed::Pause => "pause",
            Deed::Resume => "resume",
            Deed::Revoke => "revoke",
            Deed::OrderNow => "order-now",
            Deed::CallOff => "call-off",
            Deed::Dispute => "dispute",
            Deed::Ask => "ask",
            Deed::Choose => "choose",
            Deed::Undo => "undo",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|deed| deed.name() == name)
    }

    /// Whether a link of this purpose is good for it. What gives the company less is open wider than what gives it
    /// more: whoever hears of an automatic order can end the agreement behind it.
    pub(super) fn by(self, purpose: LinkPurpose) -> bool {
        match purpose {
            LinkPurpose::Account => true,
            LinkPurpose::Offer => {
                matches!(self, Deed::Ask | Deed::Choose | Deed::Undo | Deed::Snooze | Deed::Unsubscribe)
            }
            LinkPurpose::Action => {
                matches!(self, Deed::CallOff | Deed::Dispute | Deed::Pause | Deed::Revoke)
            }
            LinkPurpose::Mandate => matches!(
                self,
                Deed::Agree
                    | Deed::Pause
                    | Deed::Resume
                    | Deed::Revoke
                    | Deed::OrderNow
                    | Deed::CallOff
                    | Deed::Dispute
            ),
            // Its own page is `/u/`.
            LinkPurpose::Unsubscribe => false,
        }
    }
}

/// What a form of the page says. What a deed does not need is empty.
#[derive(Deserialize, Default, Clone)]
#[serde(default)]
pub(super) struct Form {
    pub(super) deed: String,
    /// To which part of the page it goes back.
    pub(super) back: String,
    category: String,
    device: String,
    slot: String,
    strategy: String,
    fallback: String,
    share: String,
    cap: String,
    mandate: String,
    agreement: String,
    action: String,
    why: String,
    need: String,
    item: String,
    order: String,
    purpose: String,
    given: String,
    notice: String,
    days: String,
    from: String,
    until: String,
    max_each: String,
    month_amount: String,
    month_orders: String,
    rise: String,
    notice_hours: String,
}

/// Who acts, and by what.
pub(super) struct Actor<'a> {
    pub(super) claims: &'a Claims,
    /// Who is named as the one who charges.
    pub(super) payee: &'a str,
    /// A number that nothing has yet.
    pub(super) fresh: &'a str,
}

/// The code of the words that say what became of it.
pub(super) type Said = &'static str;

fn some(text: &str) -> Option<String> {
    Some(text.trim()).filter(|text| !text.is_empty()).map(|text| text.chars().take(256).collect())
}

fn of(command: Option<ConnectionCommand>) -> Result<ConnectionCommand, Said> {
    command.ok_or("unclear")
}

/// Does what a form asks for.
pub(super) fn run(fold: &mut Fold, actor: &Actor<'_>, form: &Form, now: Time) -> Result<Said, FoldError> {
    let Some(deed) = Deed::from_name(&form.deed) else { return Ok("unclear") };
    let customer = fold.head(actor.claims.customer)?;
    let shops = fold.reference().promising.time_zone.clone();
    let Some(known) = fold.entity(customer)?.customer() else { return Ok("gone") };
    if known.erased_at.is_some() {
        return Ok("gone");
    }
    let connection = known.connection.clone();
    let zone = known.time_zone(&shops);
    if !deed.by(actor.claims.purpose) || !is_about(actor.claims, deed, form, &connection) {
        return Ok("not-by-this-link");
    }
    match deed {
        Deed::Choose => return choose(fold, customer, &connection, form, actor.fresh, now),
        Deed::Undo => return undo(fold, customer, actor.claims, &connection, form, now),
        Deed::Ask => return ask(fold, customer, &connection, form, now),
        Deed::Prepare => return prepare(fold, customer, actor, form, &zone, now),
        Deed::Agree => return agree(fold, customer, form, now),
        _ => {}
    }
    let mandate_id = form.mandate.clone();
    let command = match deed {
        Deed::Prefer => of(preference(&connection, form).map(ConnectionCommand::SetPreference)),
        Deed::Consent => of(consent(form).map(ConnectionCommand::SetConsent)),
        Deed::Unsubscribe => Ok(ConnectionCommand::SetConsent(Consent {
            purpose: Consent::ADVERTISING.to_owned(),
            given: false,
            at: now,
            notice: Some("page".to_owned()),
            jurisdiction: None,
        })),
        Deed::Snooze => of(form.days.parse::<u32>().ok().filter(|days| *days <= 366).map(|days| {
            let until = now.plus_micros(i64::from(days) * 86_400_000_000);
            ConnectionCommand::Snooze { category: form.category.clone(), until }
        })),
        Deed::Away => of(away(form, &zone)),
        Deed::Pause => Ok(ConnectionCommand::PauseMandate { mandate_id }),
        Deed::Resume => Ok(ConnectionCommand::ResumeMandate { mandate_id }),
        Deed::Revoke => Ok(ConnectionCommand::RevokeMandate { mandate_id }),
        Deed::OrderNow => Ok(ConnectionCommand::OrderNow { mandate_id }),
        Deed::CallOff => Ok(ConnectionCommand::CancelAction { action_id: form.action.clone() }),
        Deed::Dispute => {
            Ok(ConnectionCommand::DisputeAction { action_id: form.action.clone(), why: some(&form.why) })
        }
        Deed::Choose | Deed::Undo | Deed::Ask | Deed::Prepare | Deed::Agree => Err("unclear"),
    };
    let command = match command {
        Ok(command) => command,
        Err(said) => return Ok(said),
    };
    let outcomes = fold.connect(customer, &command, now)?;
    Ok(if is_ignored(&outcomes) { unchanged(deed) } else { deed.name() })
}

fn is_ignored(outcomes: &[Outcome]) -> bool {
    outcomes.iter().any(|outcome| matches!(outcome, Outcome::Ignored { .. }))
}

/// What it means that nothing moved: a second click, or too late.
fn unchanged(deed: Deed) -> Said {
    match deed {
        Deed::CallOff => "under-way",
        Deed::Dispute | Deed::OrderNow => "not-now",
        _ => "so-already",
    }
}

/// A link about one thing is good for that thing alone.
fn is_about(claims: &Claims, deed: Deed, form: &Form, connection: &Connection) -> bool {
    let about = claims.about.as_str();
    let action_of = |mandate: &str| {
        connection.actions.get(&form.action).is_some_and(|record| record.action.mandate_id == mandate)
    };
    match claims.purpose {
        LinkPurpose::Account => true,
        LinkPurpose::Offer => match deed {
            Deed::Snooze => {
                connection.needs.get(about).is_some_and(|need| need.need.category == form.category)
            }
            Deed::Unsubscribe => true,
            _ => form.need == about,
        },
        LinkPurpose::Action => match deed {
            Deed::Pause | Deed::Revoke => {
                let action = connection.actions.get(about);
                action.is_some_and(|record| record.action.mandate_id == form.mandate)
            }
            _ => form.action == about,
        },
        LinkPurpose::Mandate => match deed {
            Deed::CallOff | Deed::Dispute => action_of(about),
            _ => form.mandate == about,
        },
        LinkPurpose::Unsubscribe => false,
    }
}

fn preference(connection: &Connection, form: &Form) -> Option<Preference> {
    let strategy = Strategy::from_name(&form.strategy)?;
    let share = form.share.parse::<u8>().ok().filter(|share| *share <= SHARE_MAX)?;
    let device_id = some(&form.device);
    let category = some(&form.category)?;
    let known = connection.preference(&category, device_id.as_deref());
    Some(Preference {
        strategy,
        fallback: Fallback::from_name(&form.fallback).unwrap_or(Fallback::of(strategy)),
        share,
        channel: known.and_then(|known| known.channel.clone()),
        cap_per_week: form.cap.parse().ok(),
        category,
        device_id,
        version: 0,
        at: Time::default(),
    })
}

fn consent(form: &Form) -> Option<Consent> {
    let given = match form.given.as_str() {
        "yes" => true,
        "no" => false,
        _ => return None,
    };
    let (purpose, notice) = (some(&form.purpose)?, some(&form.notice));
    Some(Consent { purpose, given, at: Time::default(), notice, jurisdiction: None })
}

/// From the first instant of one day to the last of another, as the customer's calendar has them.
fn away(form: &Form, zone: &str) -> Option<ConnectionCommand> {
    let first: Date = form.from.parse().ok()?;
    let from = first.to_zoned(model::time::zone_or_utc(zone)).ok()?;
    let until = model::time::last_instant_of(&form.until, zone).ok()?;
    let from = Time::from_timestamp(from.timestamp());
    (from < until).then_some(ConnectionCommand::SetAway { from, until })
}

fn open_need<'a>(connection: &'a Connection, need_id: &str) -> Option<&'a Need> {
    let record = connection.needs.get(need_id)?;
    matches!(record.stage, NeedStage::Recognized | NeedStage::Requested).then_some(&record.need)
}

fn choose(
    fold: &mut Fold,
    customer: EntityId,
    connection: &Connection,
    form: &Form,
    fresh: &str,
    now: Time,
) -> Result<Said, FoldError> {
    if form.item.is_empty() || !connection.needs.contains_key(&form.need) {
        return Ok("unclear");
    }
    let ordered = fold.choose_offer(customer, &form.need, &form.item, &format!("o-{fresh}"), now)?;
    Ok(match ordered {
        Ordered::Known { .. } => "choose",
        Ordered::Missing(_) => "order-missing",
        Ordered::NoPrice | Ordered::Infeasible(_) => "order-not-possible",
        Ordered::NumberTaken => "unclear",
    })
}

fn undo(
    fold: &mut Fold,
    customer: EntityId,
    claims: &Claims,
    connection: &Connection,
    form: &Form,
    now: Time,
) -> Result<Said, FoldError> {
    let Some((owner, _)) = fold.order(&form.order)? else { return Ok("unclear") };
    let is_theirs = fold.head(owner)? == customer;
    let of_need = connection.needs.get(&claims.about).and_then(|need| need.order_id.as_ref());
    let is_about = claims.purpose == LinkPurpose::Account || of_need == Some(&form.order);
    if !is_theirs || !is_about {
        return Ok("not-by-this-link");
    }
    Ok(match fold.undo_order(&form.order, now)? {
        Ok(()) => "undo",
        Err(Cannot::NotPlacedYet) => "not-now",
        Err(_) => "undo-over",
    })
}

/// The customer asks for what answers a need: for one that is open anew, or for one that begins with this.
fn ask(
    fold: &mut Fold,
    customer: EntityId,
    connection: &Connection,
    form: &Form,
    now: Time,
) -> Result<Said, FoldError> {
    let (category, subject) = match open_need(connection, &form.need) {
        Some(need) => (need.category.clone(), need.subject.clone()),
        None if form.need.is_empty() && !form.category.is_empty() => {
            let (device_id, slot) = (some(&form.device), some(&form.slot));
            (form.category.clone(), Subject { device_id, slot, item_id: None })
        }
        None => return Ok("so-already"),
    };
    let stated = fold.state_need(customer, &category, subject, None, now)?;
    Ok(if stated.is_some() { "ask" } else { "not-now" })
}

/// Makes a mandate of what the customer wrote, to be shown to them: nothing holds before they agree.
fn prepare(
    fold: &mut Fold,
    customer: EntityId,
    actor: &Actor<'_>,
    form: &Form,
    zone: &str,
    now: Time,
) -> Result<Said, FoldError> {
    let reference = fold.reference();
    let Some((_, playbook)) = reference.playbooks.of_category(&form.category) else { return Ok("unclear") };
    let playbook = playbook.clone();
    let Some(known) = fold.entity(customer)?.customer().cloned() else { return Ok("gone") };
    let offers = offers_now(fold, &known, &playbook, &playbook.offer.items, now)?;
    let fits = |item: &String| offers.iter().any(|offer| offer.item_id == *item);
    let priced = offers.iter().find_map(|offer| Some((offer.price?, offer.quantity)));
    let Some((total, quantity)) = priced else { return Ok("order-not-possible") };
    let Some(terms) = terms(form, &playbook, actor, zone, now, (total, quantity.as_f64())) else {
        return Ok("unclear");
    };
    let terms = MandateTerms { items: terms.items.into_iter().filter(fits).collect(), ..terms };
    let outcomes = fold.connect(customer, &ConnectionCommand::PresentMandate(Box::new(terms)), now)?;
    Ok(if is_ignored(&outcomes) { "unclear" } else { "prepare" })
}

fn terms(
    form: &Form,
    playbook: &Playbook,
    actor: &Actor<'_>,
    zone: &str,
    now: Time,
    (total, quantity): (Money, f64),
) -> Option<MandateTerms> {
    let currency = total.currency;
    let amount = |text: &str| {
        let digits: String = text.chars().filter(|c| c.is_ascii_digit() || *c == '.').collect();
        Money::parse(&digits, currency).ok().filter(|amount| amount.minor > 0)
    };
    let rise = form.rise.parse::<u32>().ok().filter(|percent| *percent <= 100)?;
    let month_orders = form.month_orders.parse::<u32>().ok().filter(|orders| (1..=31).contains(orders))?;
    let unit = (total.minor as f64 / quantity.max(0.001)).ceil() as i64;
    Some(MandateTerms {
        mandate_id: format!("m-{}", actor.fresh),
        category: playbook.category.clone(),
        device_id: some(&form.device),
        slot: some(&form.slot).filter(|_| !form.device.is_empty()),
        items: playbook.offer.items.clone(),
        max_quantity: playbook.offer.quantity,
        payee: actor.payee.to_owned(),
        max_each: amount(&form.max_each)?,
        limits: vec![SpendLimit {
            period: Period::Month,
            amount: Some(amount(&form.month_amount)?),
            orders: Some(month_orders),
        }],
        price: Some(PriceRule { reference: Money { minor: unit, currency }, max_rise_percent: rise }),
        valid_from: now,
        valid_to: None,
        dormancy_days: Some(365),
        notice_hours: form.notice_hours.parse::<u32>().ok().filter(|hours| (1..=168).contains(hours))?,
        time_zone: zone.to_owned(),
    })
}

/// The customer agrees to what they saw. What it cannot be followed without is set with it, as the page said.
fn agree(fold: &mut Fold, customer: EntityId, form: &Form, now: Time) -> Result<Said, FoldError> {
    let command = ConnectionCommand::ActivateMandate {
        mandate_id: form.mandate.clone(),
        agreement: form.agreement.clone(),
    };
    let outcomes = fold.connect(customer, &command, now)?;
    if is_ignored(&outcomes) {
        return Ok("other-terms");
    }
    let Some(known) = fold.entity(customer)?.customer() else { return Ok("gone") };
    let connection = known.connection.clone();
    let Some(record) = connection.mandates.get(&form.mandate) else { return Ok("unclear") };
    if record.state != MandateState::Active {
        return Ok("agree");
    }
    let terms = &record.terms;
    let playbook = fold.reference().playbooks.of_category(&terms.category);
    let least = playbook.and_then(|(_, playbook)| playbook.strategies.share(Strategy::Automate));
    let set = connection.preference(&terms.category, terms.device_id.as_deref());
    let share = set.map_or(0, |set| set.share).max(least.unwrap_or_default());
    if set.is_none_or(|set| set.strategy != Strategy::Automate || set.share < share) {
        let preference = Preference {
            category: terms.category.clone(),
            device_id: terms.device_id.clone(),
            strategy: Strategy::Automate,
            fallback: Fallback::of(Strategy::Automate),
            share,
            channel: set.and_then(|set| set.channel.clone()),
            cap_per_week: set.and_then(|set| set.cap_per_week),
            version: 0,
            at: now,
        };
        fold.connect(customer, &ConnectionCommand::SetPreference(preference), now)?;
    }
    Ok("agree")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_good_for_its_purpose_and_no_more() {
        let check = |purpose: LinkPurpose, expect: &[Deed]| {
            for deed in Deed::ALL {
                assert_eq!(deed.by(purpose), expect.contains(&deed), "{purpose:?} {deed:?}");
                assert_eq!(Deed::from_name(deed.name()), Some(deed));
            }
        };
        check(LinkPurpose::Account, &Deed::ALL);
        check(
            LinkPurpose::Offer,
            &[Deed::Ask, Deed::Choose, Deed::Undo, Deed::Snooze, Deed::Unsubscribe],
        );
        check(LinkPurpose::Action, &[Deed::CallOff, Deed::Dispute, Deed::Pause, Deed::Revoke]);
        check(
            LinkPurpose::Mandate,
            &[
                Deed::Agree,
                Deed::Pause,
                Deed::Resume,
                Deed::Revoke,
                Deed::OrderNow,
                Deed::CallOff,
                Deed::Dispute,
            ],
        );
        check(LinkPurpose::Unsubscribe, &[]);
    }
}
