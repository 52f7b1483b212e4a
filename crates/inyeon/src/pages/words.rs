//! Times, amounts and things, as people say them.

use std::collections::BTreeMap;

use engine::playbook::{Playbooks, money_text};
use model::connection::{Period, SpendLimit, Strategy};
use model::{Money, Quantity, Time};

use crate::i18n::{Lang, Messages};

/// What a reader's words are made with.
pub(super) struct Words<'a> {
    pub(super) messages: &'a Messages,
    /// The reader's zone.
    pub(super) zone: String,
    pub(super) titles: BTreeMap<String, String>,
    /// What goods are called, by their ids.
    pub(super) items: BTreeMap<String, String>,
}

const WEEKDAYS_KO: [&str; 7] = ["월", "화", "수", "목", "금", "토", "일"];

impl<'a> Words<'a> {
    pub(super) fn new(messages: &'a Messages, zone: String, playbooks: &Playbooks) -> Self {
        let lang = messages.lang.tag();
        let titles = playbooks
            .current()
            .map(|(_, playbook)| (playbook.category.clone(), playbook.title.in_language(lang).to_owned()))
            .collect();
        Words { messages, zone, titles, items: BTreeMap::new() }
    }

    pub(super) fn get(&self, key: &str) -> String {
        self.messages.get(key)
    }

    pub(super) fn with(&self, key: &str, values: &[(&str, String)]) -> String {
        self.messages.with(key, values)
    }

    /// A text for a code, where there is one; else the code.
    pub(super) fn code(&self, prefix: &str, code: &str) -> String {
        let key = format!("{prefix}-{}", code.replace(['_', ':', '.'], "-"));
        if self.messages.has(&key) { self.messages.get(&key) } else { code.to_owned() }
    }

    /// What a category of needs is called.
    pub(super) fn category(&self, category: &str) -> String {
        self.titles.get(category).cloned().unwrap_or_else(|| category.to_owned())
    }

    pub(super) fn item(&self, item_id: &str) -> String {
        self.items.get(item_id).cloned().unwrap_or_else(|| item_id.to_owned())
    }

    pub(super) fn money(&self, money: Money) -> String {
        money_text(money)
    }

    pub(super) fn strategy(&self, strategy: Strategy) -> String {
        self.get(&format!("page-strategy-{}", strategy.name()))
    }

    /// `26 Nov 2026 (Thu)`, `2026년 11월 26일(목)`.
    pub(super) fn day(&self, at: Time) -> String {
        let local = at.to_timestamp().to_zoned(model::time::zone_or_utc(&self.zone));
        match self.messages.lang {
            Lang::Ko => {
                let weekday =
                    usize::try_from(local.weekday().to_monday_zero_offset()).unwrap_or_default();
                let (year, month, day) = (local.year(), local.month(), local.day());
                format!("{year}년 {month}월 {day}일({})", WEEKDAYS_KO[weekday])
            }
            Lang::En => local.strftime("%-d %b %Y (%a)").to_string(),
        }
    }

    /// The day and the minute.
    pub(super) fn moment(&self, at: Time) -> String {
        let local = at.to_timestamp().to_zoned(model::time::zone_or_utc(&self.zone));
        format!("{} {:02}:{:02}", self.day(at), local.hour(), local.minute())
    }

    /// So many of something.
    pub(super) fn quantity(&self, quantity: Quantity) -> String {
        self.with("page-quantity", &[("n", quantity.to_string())])
    }

    pub(super) fn percent(&self, share: f64) -> String {
        format!("{:.0}%", share * 100.0)
    }

    /// What may be spent in a period, as a sentence.
    pub(super) fn limit(&self, limit: &SpendLimit) -> String {
        let period = match limit.period {
            Period::Day => self.get("page-period-day"),
            Period::Week => self.get("page-period-week"),
            Period::Month => self.get("page-period-month"),
            Period::Year => self.get("page-period-year"),
            Period::RollingDays(days) => self.with("page-period-rolling", &[("days", days.to_string())]),
        };
        let amount = limit.amount.map(|amount| self.money(amount)).unwrap_or_default();
        let orders = limit.orders.map(|orders| orders.to_string()).unwrap_or_default();
        let key = match (limit.amount, limit.orders) {
            (Some(_), Some(_)) => "page-limit-both",
            (Some(_), None) => "page-limit-amount",
            (None, Some(_)) => "page-limit-orders",
            (None, None) => "page-limit-none",
        };
        self.with(key, &[("period", period), ("amount", amount), ("orders", orders)])
    }
}
