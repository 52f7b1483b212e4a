//! The brief of a campaign: one YAML or JSON document that somebody writes, and everything that may be wrong with it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use model::Quantity;
use serde::{Deserialize, Serialize};

use crate::error::{Failure, Kind};

/// Days that a campaign may have, and days for which one may be planned ahead.
pub(super) const DAYS_MAX: i64 = 366;
const AUDIENCE_MAX: u64 = 1_000_000_000;
const LIST_MAX: usize = 500;
/// Shares add up to 1, as far as people write them.
const SHARES_OFF: f64 = 0.005;

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Brief {
    /// Its id.
    pub campaign: String,
    pub items: Vec<BriefItem>,
    pub audience: Audience,
    /// Orders for each person who is reached.
    pub uplift: Range,
    /// Where the orders go; taken from the audience where that is counted by region.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub regions: Vec<RegionShare>,
    /// First and last day.
    pub from: Date,
    pub until: Date,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// The share of the orders that comes on each day; the same on all where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_day: Option<Vec<f64>>,
    /// The allocation class that its orders ask in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    #[serde(default)]
    pub baseline: Baseline,
    /// Days beyond the usual time that customers of this campaign would wait.
    #[serde(default)]
    pub may_wait_days: u32,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BriefItem {
    pub item_id: String,
    /// In one order, on average.
    #[serde(default = "one")]
    pub quantity: Quantity,
    /// A share of the price.
    #[serde(default)]
    pub discount: f64,
}

fn one() -> Quantity {
    Quantity::ONE
}

/// How many people are reached.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Audience {
    People(u64),
    /// In each region.
    Segments {
        segments: BTreeMap<String, u64>,
    },
}

#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Range {
    pub low: f64,
    pub likely: f64,
    pub high: f64,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegionShare {
    pub to: String,
    pub share: f64,
}

/// What is asked for beside the campaign.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Baseline {
    Known(KnownBaseline),
    Stated(Vec<StatedBaseline>),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KnownBaseline {
    /// A forecast from the store's own orders.
    History,
    None,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatedBaseline {
    pub item_id: String,
    pub to: String,
    /// Units on one day.
    pub per_day: Quantity,
}

impl Default for Baseline {
    fn default() -> Self {
        Baseline::Known(KnownBaseline::History)
    }
}

/// Something that is wrong with a brief: in which field, and what of it.
struct Wrong {
    code: &'static str,
    field: String,
    values: Vec<(&'static str, String)>,
}

impl Brief {
    /// Reads a document. What is wrong with it is told by file, line, field, cause and remedy.
    pub fn parse(text: &str, file: &str) -> Result<Self, Failure> {
        let brief: Brief = serde_saphyr::from_str(text).map_err(|error| {
            Failure::new(Kind::Usage, "brief-unreadable").with("place", file).with("detail", error)
        })?;
        brief.check().map_err(|wrong| {
            let place = match line_of(text, &wrong.field) {
                Some(line) => format!("{file}:{line}"),
                None => file.to_owned(),
            };
            wrong.failure().with("place", place)
        })?;
        Ok(brief)
    }

    /// The same for one that was read and written as JSON before.
    pub fn from_json(json: &str) -> Result<Self, Failure> {
        Self::parse(json, "brief")
    }

    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("plain data serialises")
    }

    /// The class that its orders ask in.
    pub fn class(&self) -> String {
        self.class.clone().unwrap_or_else(|| format!("campaign:{}", self.campaign))
    }

    pub fn days(&self) -> usize {
        usize::try_from(days_between(self.from, self.until) + 1).unwrap_or(0)
    }

    pub fn audience(&self) -> u64 {
        match &self.audience {
            Audience::People(people) => *people,
            Audience::Segments { segments } => segments.values().sum(),
        }
    }

    /// Regions with their shares, which add up to 1.
    pub fn shares(&self) -> Vec<(String, f64)> {
        let of_all = |sum: f64, to: &str, part: f64| (to.to_owned(), part / sum);
        match &self.audience {
            Audience::Segments { segments } => {
                let all = self.audience().max(1) as f64;
                segments.iter().map(|(to, people)| of_all(all, to, *people as f64)).collect()
            }
            Audience::People(_) => {
                let all = self.regions.iter().map(|region| region.share).sum();
                self.regions.iter().map(|region| of_all(all, &region.to, region.share)).collect()
            }
        }
    }

    /// The share of each day; they add up to 1.
    pub fn by_day(&self) -> Vec<f64> {
        match &self.by_day {
            Some(shares) => {
                let all: f64 = shares.iter().sum();
                shares.iter().map(|share| share / all).collect()
            }
            None => vec![1.0 / self.days().max(1) as f64; self.days()],
        }
    }

    fn check(&self) -> Result<(), Wrong> {
        named("campaign", &self.campaign)?;
        self.check_items()?;
        let people = self.audience();
        range("audience", people as f64, (1..=AUDIENCE_MAX).contains(&people), "1–1000000000")?;
        let Range { low, likely, high } = self.uplift;
        for (field, value) in [("uplift.low", low), ("uplift.likely", likely), ("uplift.high", high)] {
            range(field, value, (0.0..=1_000.0).contains(&value), "0–1000")?;
        }
        if low > likely || likely > high || likely <= 0.0 {
            let values = vec![("low", low.to_string()), ("likely", likely.to_string())];
            return wrong("brief-uplift", "uplift", [values, vec![("high", high.to_string())]].concat());
        }
        self.check_regions()?;
        self.check_days()?;
        if let Some(zone) = &self.time_zone
            && model::time::zone(zone).is_err()
        {
            return wrong("brief-zone", "time_zone", vec![("value", zone.clone())]);
        }
        if let Some(class) = &self.class {
            named("class", class)?;
        }
        range("may_wait_days", f64::from(self.may_wait_days), self.may_wait_days <= 365, "0–365")?;
        if let Baseline::Stated(rows) = &self.baseline {
            for (n, row) in rows.iter().enumerate() {
                named(&format!("baseline[{n}].item_id"), &row.item_id)?;
                let units = row.per_day;
                range(
                    &format!("baseline[{n}].per_day"),
                    units.as_f64(),
                    units >= Quantity::ZERO && units <= Quantity::units(1_000_000_000),
                    "0–1000000000",
                )?;
            }
        }
        Ok(())
    }

    fn check_items(&self) -> Result<(), Wrong> {
        if self.items.is_empty() || self.items.len() > LIST_MAX {
            return wrong("brief-empty", "items", vec![]);
        }
        let mut seen = BTreeSet::new();
        for (n, item) in self.items.iter().enumerate() {
            let field = |name: &str| format!("items[{n}].{name}");
            named(&field("item_id"), &item.item_id)?;
            if !seen.insert(&item.item_id) {
                return wrong("brief-twice", &field("item_id"), vec![("value", item.item_id.clone())]);
            }
            let fine = item.quantity.is_positive() && item.quantity <= Quantity::units(1_000_000);
            range(&field("quantity"), item.quantity.as_f64(), fine, "0.001–1000000")?;
            range(&field("discount"), item.discount, (0.0..1.0).contains(&item.discount), "0–0.99")?;
        }
        Ok(())
    }

    fn check_regions(&self) -> Result<(), Wrong> {
        if let Audience::Segments { segments } = &self.audience {
            if !self.regions.is_empty() {
                return wrong("brief-regions-twice", "regions", vec![]);
            }
            return segments.keys().try_for_each(|to| named("audience.segments", to));
        }
        if self.regions.is_empty() || self.regions.len() > LIST_MAX {
            return wrong("brief-empty", "regions", vec![]);
        }
        let mut seen = BTreeSet::new();
        for (n, region) in self.regions.iter().enumerate() {
            named(&format!("regions[{n}].to"), &region.to)?;
            if !seen.insert(&region.to) {
                return wrong("brief-twice", &format!("regions[{n}].to"), vec![("value", region.to.clone())]);
            }
            range(&format!("regions[{n}].share"), region.share, (0.0..=1.0).contains(&region.share), "0–1")?;
        }
        shares("regions", self.regions.iter().map(|region| region.share).sum())
    }

    fn check_days(&self) -> Result<(), Wrong> {
        let days = days_between(self.from, self.until) + 1;
        if !(1..=DAYS_MAX).contains(&days) {
            let values = vec![("from", self.from.to_string()), ("until", self.until.to_string())];
            return wrong("brief-dates", "until", values);
        }
        let Some(by_day) = &self.by_day else { return Ok(()) };
        if by_day.len() != self.days() {
            let values = vec![("given", by_day.len().to_string()), ("days", days.to_string())];
            return wrong("brief-by-day", "by_day", values);
        }
        for (n, share) in by_day.iter().enumerate() {
            range(&format!("by_day[{n}]"), *share, (0.0..=1.0).contains(share), "0–1")?;
        }
        shares("by_day", by_day.iter().sum())
    }
}

pub(super) fn days_between(from: Date, until: Date) -> i64 {
    from.until(until).map_or(-1, |span| i64::from(span.get_days()))
}

impl Wrong {
    fn failure(self) -> Failure {
        let failure = Failure::new(Kind::Usage, self.code).with("field", self.field);
        self.values.into_iter().fold(failure, |failure, (name, value)| failure.with(name, value))
    }
}

fn wrong<T>(code: &'static str, field: &str, values: Vec<(&'static str, String)>) -> Result<T, Wrong> {
    Err(Wrong { code, field: field.to_owned(), values })
}

fn range(field: &str, value: f64, fine: bool, expected: &str) -> Result<(), Wrong> {
    match fine {
        true => Ok(()),
        false => {
            let values = vec![("value", value.to_string()), ("expected", expected.to_owned())];
            wrong("brief-range", field, values)
        }
    }
}

fn shares(field: &str, sum: f64) -> Result<(), Wrong> {
    match (sum - 1.0).abs() <= SHARES_OFF {
        true => Ok(()),
        false => wrong("brief-shares", field, vec![("sum", format!("{sum:.3}"))]),
    }
}

fn named(field: &str, text: &str) -> Result<(), Wrong> {
    let fine = !text.trim().is_empty() && text.len() <= 200 && !text.chars().any(char::is_control);
    match fine {
        true => Ok(()),
        false => wrong("brief-name", field, vec![("value", text.escape_debug().to_string())]),
    }
}

/// The line on which a field such as `regions[1].share` stands, where the document is written with one field or
/// element to a line; else that of what it lies in.
fn line_of(text: &str, field: &str) -> Option<usize> {
    let lines: Vec<&str> = text.lines().collect();
    let mut at = 0;
    let mut found = None;
    for part in field.split('.') {
        let (name, index) = match part.split_once('[') {
            Some((name, rest)) => (name, rest.trim_end_matches(']').parse::<usize>().ok()),
            None => (part, None),
        };
        let is_name = |line: &&str| {
            let line = line.trim_start().trim_start_matches("- ").trim_start().trim_start_matches(['"', '{']);
            line.strip_prefix(name).is_some_and(|rest| rest.trim_start_matches('"').starts_with(':'))
        };
        let Some(line) = lines.iter().skip(at).position(is_name) else { break };
        at += line;
        found = Some(at + 1);
        if let Some(index) = index {
            let elements = lines.iter().enumerate().skip(at + 1);
            let elements = elements.filter(|(_, line)| line.trim_start().starts_with("- "));
            let Some((line, _)) = elements.into_iter().nth(index) else { break };
            at = line;
            found = Some(at + 1);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const BRIEF: &str = "campaign: spring
items:
  - item_id: tea
    quantity: 1
    discount: 0.1
  - item_id: cup
audience: 5000
uplift: {low: 0.01, likely: 0.02, high: 0.04}
regions:
  - to: seoul
    share: 0.7
  - to: busan
    share: 0.3
from: 2026-03-09
until: 2026-03-11
";

    #[test]
    fn a_brief_is_read_and_survives_its_json() {
        let brief = Brief::parse(BRIEF, "spring.yaml").unwrap();
        assert_eq!((brief.days(), brief.audience(), brief.class().as_str()), (3, 5_000, "campaign:spring"));
        assert_eq!(Brief::from_json(&brief.to_json()).unwrap(), brief);
        let counted = BRIEF
            .replace("audience: 5000", "audience: {segments: {seoul: 300, busan: 100}}")
            .replace("regions:\n  - to: seoul\n    share: 0.7\n  - to: busan\n    share: 0.3\n", "");
        let brief = Brief::parse(&counted, "spring.yaml").unwrap();
        assert_eq!(brief.shares(), [("busan".to_owned(), 0.25), ("seoul".to_owned(), 0.75)]);
    }

    #[test]
    fn what_is_wrong_is_told_by_line_and_field() {
        let check = |from: &str, to: &str, code: &str, place: &str, field: &str| {
            assert!(BRIEF.contains(from), "{from}");
            let failure = Brief::parse(&BRIEF.replacen(from, to, 1), "spring.yaml").unwrap_err();
            let told = (failure.code.as_str(), failure.values["place"].as_str());
            assert_eq!(told, (code, place), "{failure}");
            assert_eq!(failure.values.get("field").map_or("", String::as_str), field, "{failure}");
        };
        check("share: 0.3", "share: 0.2", "brief-shares", "spring.yaml:9", "regions");
        check("share: 0.3", "share: 3", "brief-range", "spring.yaml:13", "regions[1].share");
        check("discount: 0.1", "discount: 10", "brief-range", "spring.yaml:5", "items[0].discount");
        check("item_id: cup", "item_id: tea", "brief-twice", "spring.yaml:6", "items[1].item_id");
        check("low: 0.01", "low: 0.03", "brief-uplift", "spring.yaml:8", "uplift");
        check("until: 2026-03-11", "until: 2026-03-01", "brief-dates", "spring.yaml:15", "until");
        check("from:", "by_day: [0.5, 0.5]\nfrom:", "brief-by-day", "spring.yaml:14", "by_day");
        check("from:", "time_zone: Mars\nfrom:", "brief-zone", "spring.yaml:14", "time_zone");
        check("audience: 5000", "audience: 0", "brief-range", "spring.yaml:7", "audience");
        check("campaign: spring", "campaign: ''", "brief-name", "spring.yaml:1", "campaign");
        check("uplift:", "uplfit:", "brief-unreadable", "spring.yaml", "");
        let failure = Brief::parse(&BRIEF.replacen("uplift:", "uplfit:", 1), "spring.yaml").unwrap_err();
        assert!(failure.values["detail"].contains("uplfit"), "{failure}");
    }

    /// What editors are told of a brief is what is read of it.
    #[test]
    fn the_schema_knows_every_field_and_refuses_what_is_refused() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/schemas/campaign.json");
        let schema: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let validator =
            jsonschema::draft202012::options().should_validate_formats(true).build(&schema).unwrap();
        let full = serde_json::json!({
            "campaign": "spring", "items": [{"item_id": "tea", "quantity": 1.5, "discount": 0.1}],
            "audience": 5000, "uplift": {"low": 0.01, "likely": 0.02, "high": 0.04},
            "regions": [{"to": "seoul", "share": 1.0}], "from": "2026-03-09", "until": "2026-03-10",
            "time_zone": "Asia/Seoul", "by_day": [0.5, 0.5], "class": "web",
            "baseline": [{"item_id": "tea", "to": "seoul", "per_day": 3}], "may_wait_days": 1,
        });
        let read = |json: &serde_json::Value| Brief::parse(&json.to_string(), "brief");
        let written: serde_json::Value = serde_json::from_str(&read(&full).unwrap().to_json()).unwrap();
        let names = |value: &serde_json::Value| -> BTreeSet<String> {
            value.as_object().unwrap().keys().cloned().collect()
        };
        assert_eq!(names(&schema["properties"]), names(&written));
        let item = &schema["properties"]["items"]["items"]["properties"];
        assert_eq!(names(item), names(&written["items"][0]));
        assert!(validator.is_valid(&full), "{:?}", validator.iter_errors(&full).next());
        let counted = |segments: serde_json::Value| {
            let mut brief = full.clone();
            brief["audience"] = serde_json::json!({ "segments": segments });
            brief.as_object_mut().unwrap().remove("regions");
            brief
        };
        let fine = counted(serde_json::json!({"seoul": 3}));
        assert!(read(&fine).is_ok() && validator.is_valid(&fine));
        for (pointer, value) in [
            ("/campaign", serde_json::json!("")),
            ("/items", serde_json::json!([])),
            ("/items/0/discount", serde_json::json!(1.5)),
            ("/items/0/quantity", serde_json::json!(0)),
            ("/audience", serde_json::json!("many")),
            ("/audience", serde_json::json!(0)),
            ("/uplift/likely", serde_json::json!(-1)),
            ("/from", serde_json::json!("soon")),
            ("/baseline", serde_json::json!("guess")),
            ("/baseline/0/per_day", serde_json::json!(-1)),
            ("/may_wait_days", serde_json::json!(-1)),
        ] {
            let mut bent = full.clone();
            *bent.pointer_mut(pointer).unwrap() = value.clone();
            assert!(read(&bent).is_err() && !validator.is_valid(&bent), "{pointer} {value}");
        }
    }
}
