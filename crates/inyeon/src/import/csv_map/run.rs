//! Taking rows: find the rule, make the parts of its events, and only when all of them are sound let them count.

use std::collections::HashMap;

use jiff::Timestamp;

use super::group::{GroupId, Groups, Part, Values};
use super::plan::{EventPlan, List, Node, Plan, Sum};
use super::value::{Condition, Kind, Reading, Scalar, Source};
use crate::import::decimal::Decimal;
use crate::import::json::Json;
use crate::import::progress::Feed;
use crate::import::{BadRowReason, ImportError, ImportEvent};

/// What a row may add to a sum at most, either way: enough for any amount, and it keeps sums from overflowing.
const ADDEND_MAX: Decimal = Decimal::whole(1_000_000_000_000);
/// Digits behind the point that a sum keeps.
const SUM_SCALE: u32 = 9;

/// Events that one request or message may make. An order of thousands of lines is one.
pub const EVENTS_MAX: usize = 10_000;
/// Bytes of the texts of all of them: each of many events may repeat what is large.
const EVENTS_BYTES_MAX: usize = 32 << 20;

/// The parts of a request's events: which event, and what its rows made of it so far.
#[derive(Default)]
pub(super) struct Gathered {
    parts: Vec<(usize, Part)>,
    /// The places of those that are grouped, by their group and whom they are about.
    places: HashMap<GroupId, usize>,
    /// Of all texts.
    bytes: usize,
}

impl Gathered {
    fn refused(&self) -> Option<BadRowReason> {
        let (code, detail) = if self.parts.len() > EVENTS_MAX {
            ("too_many_events", format!("more than {EVENTS_MAX} events of one message; send it in parts"))
        } else if self.bytes > EVENTS_BYTES_MAX {
            let detail =
                format!("more than {EVENTS_BYTES_MAX} bytes of events of one message; send it in parts");
            ("events_too_large", detail)
        } else {
            return None;
        };
        Some(BadRowReason::Event { code, detail })
    }
}

/// What became of a row.
pub(super) enum Taken {
    /// Its events are staged.
    Staged,
    Skipped,
}

/// A map at work. It has its own copy of the plan, whose time readers keep the last time they read.
pub(super) struct Run {
    plan: Plan,
    file: Option<String>,
    /// By event: what the current row makes of it.
    staged: Vec<Staged>,
    /// The events that the current row is part of.
    active: Vec<usize>,
    /// By event: the group that the last row of it belonged to.
    open: Vec<Option<(GroupId, Part)>>,
    buffers: Buffers,
}

#[derive(Default)]
struct Staged {
    part: Part,
    group: GroupId,
    /// The row goes on with the open group, so that its part needs no head.
    joins: bool,
}

#[derive(Default)]
struct Buffers {
    text: String,
    values: Values,
    json: Json,
}

impl Run {
    /// `file` is what events name as their origin.
    pub(super) fn new(plan: &Plan, file: Option<&str>) -> Self {
        Run {
            staged: plan.events.iter().map(|_| Staged::default()).collect(),
            active: Vec::new(),
            open: plan.events.iter().map(|_| None).collect(),
            plan: plan.clone(),
            file: file.map(str::to_owned),
            buffers: Buffers::default(),
        }
    }

    /// Makes the events of a row without letting them count yet: if one of them cannot be made, none is.
    pub(super) fn stage(&mut self, row: &dyn Source) -> Result<Taken, BadRowReason> {
        let index = self.rule_of(row)?;
        self.stage_by(index, row)
    }

    /// The rule that takes a row.
    fn rule_of(&self, row: &dyn Source) -> Result<usize, BadRowReason> {
        for index in 0..self.plan.rules.len() {
            if self.takes(index, row)? {
                return Ok(index);
            }
        }
        Err(BadRowReason::NoRule)
    }

    /// Whether a row meets a rule's conditions.
    pub(super) fn takes(&self, rule: usize, row: &dyn Source) -> Result<bool, BadRowReason> {
        all_hold(&self.plan.rules[rule].when, row, &self.plan.reading)
    }

    /// [`Run::stage`] by a rule that is known to take the row.
    pub(super) fn stage_by(&mut self, index: usize, row: &dyn Source) -> Result<Taken, BadRowReason> {
        let Plan { rules, events, reading, .. } = &mut self.plan;
        if rules[index].events.is_empty() {
            return Ok(Taken::Skipped);
        }
        self.active.clear();
        for &event in &rules[index].events {
            let staged = &mut self.staged[event];
            let plan = &mut events[event];
            if !all_hold(&plan.when, row, reading)? {
                continue;
            }
            self.active.push(event);
            plan.push_identifiers(row, reading, &mut staged.part)?;
            staged.joins = false;
            if let Some(columns) = &plan.group_by {
                staged.group.begin(event);
                for &column in columns {
                    staged.group.push(reading.needed_text(row, column)?);
                }
                let open = self.open[event].as_ref();
                staged.joins =
                    open.is_some_and(|(group, part)| *group == staged.group && part.is_of(&staged.part));
            }
            if !staged.joins {
                plan.push_head(row, reading, &mut self.buffers.text, &mut staged.part)?;
            }
            plan.push_addends(row, reading, &mut self.buffers, &mut staged.part)?;
        }
        if self.active.is_empty() { Err(BadRowReason::NoRule) } else { Ok(Taken::Staged) }
    }

    /// Adds the staged events to those of the request's rows before, each group as one. It is refused where that makes
    /// too many.
    pub(super) fn gather(&self, gathered: &mut Gathered) -> Result<(), BadRowReason> {
        for &event in &self.active {
            let Staged { part, group, .. } = &self.staged[event];
            let Gathered { parts, places, bytes } = gathered;
            let next = parts.len();
            let place = match self.plan.events[event].group_by {
                Some(_) => *places.entry(group.of(part)).or_insert(next),
                None => next,
            };
            *bytes += part.bytes();
            match parts.get_mut(place) {
                Some((_, earlier)) => earlier.absorb(part),
                None => parts.push((event, part.clone())),
            }
            if let Some(reason) = gathered.refused() {
                return Err(reason);
            }
        }
        Ok(())
    }

    /// The events of a request, in the order of their causes.
    pub(super) fn gathered_events(&mut self, gathered: &Gathered) -> Vec<ImportEvent> {
        let Run { plan, file, buffers, .. } = self;
        let mut events: Vec<_> = gathered
            .parts
            .iter()
            .map(|(event, part)| plan.render(*event, part, file.as_deref(), &mut buffers.json))
            .collect();
        events.sort();
        events
    }

    /// Lets the staged events count.
    pub(super) fn commit(&mut self, groups: &mut Groups, feed: &mut Feed<'_>) -> Result<(), ImportError> {
        let Run { plan, file, staged, active, open, buffers } = self;
        for &event in active.iter() {
            let Staged { part, group, joins } = &mut staged[event];
            let open = &mut open[event];
            if plan.events[event].group_by.is_none() {
                let rendered = plan.render(event, part, file.as_deref(), &mut buffers.json);
                feed.event(&plan.events[event].name, rendered)?;
                continue;
            }
            match open {
                Some((_, earlier)) if *joins => earlier.absorb(part),
                Some((open_group, earlier)) => {
                    groups.push(open_group, earlier)?;
                    // The closed part's buffers serve the next row.
                    std::mem::swap(open_group, group);
                    std::mem::swap(earlier, part);
                }
                None => *open = Some((std::mem::take(group), std::mem::take(part))),
            }
        }
        Ok(())
    }

    /// Delivers the groups, which are complete now.
    pub(super) fn finish(self, mut groups: Groups, feed: &mut Feed<'_>) -> Result<(), ImportError> {
        let Run { plan, file, open, mut buffers, .. } = self;
        for (group, part) in open.iter().flatten() {
            groups.push(group, part)?;
        }
        groups.finish(|event, part| {
            let rendered = plan.render(event, part, file.as_deref(), &mut buffers.json);
            feed.event(&plan.events[event].name, rendered)
        })
    }
}

fn all_hold(conditions: &[Condition], row: &dyn Source, reading: &Reading) -> Result<bool, BadRowReason> {
    for condition in conditions {
        if !condition.holds(row, reading)? {
            return Ok(false);
        }
    }
    Ok(true)
}

impl EventPlan {
    /// Whether the event is about a person, and not about operations or an order whose owner is known elsewhere.
    pub(super) fn needs_person(&self) -> bool {
        self.kind != "track" || !self.event.as_deref().is_some_and(model::may_name_nobody)
    }

    /// Whom the event is about.
    fn push_identifiers(
        &mut self,
        row: &dyn Source,
        reading: &Reading,
        part: &mut Part,
    ) -> Result<(), BadRowReason> {
        let push = |scalar: &mut Option<Scalar>, out: &mut String| match scalar {
            Some(scalar) => scalar.push_text(row, reading, out),
            None => Ok(()),
        };
        part.user_id.clear();
        part.anonymous_id.clear();
        push(&mut self.user_id, &mut part.user_id)?;
        push(&mut self.anonymous_id, &mut part.anonymous_id)?;
        if part.user_id.is_empty() && part.anonymous_id.is_empty() {
            push(&mut self.fallback_anonymous_id, &mut part.anonymous_id)?;
        }
        if part.user_id.is_empty() && part.anonymous_id.is_empty() && self.needs_person() {
            return Err(BadRowReason::NoIdentifier);
        }
        Ok(())
    }

    /// What a group takes from its first row.
    fn push_head(
        &mut self,
        row: &dyn Source,
        reading: &Reading,
        scratch: &mut String,
        part: &mut Part,
    ) -> Result<(), BadRowReason> {
        part.key.clear();
        self.push_key(row, reading, &mut part.key)?;
        part.at = self.time_of(row, reading)?;
        push_values(&mut self.scalars, row, reading, scratch, &mut part.values)
    }

    /// The first name that the row has; nothing where the event may go without one.
    fn push_key(&self, row: &dyn Source, reading: &Reading, out: &mut String) -> Result<(), BadRowReason> {
        match self.keys.iter().find(|key| key.is_whole(row, reading)).or(self.keys.first()) {
            Some(key) if !self.may_be_nameless || key.is_whole(row, reading) => {
                key.push_whole(row, reading, out)
            }
            _ => Ok(()),
        }
    }

    /// The first time that the row has.
    fn time_of(&mut self, row: &dyn Source, reading: &Reading) -> Result<Timestamp, BadRowReason> {
        let told = self.times.iter().position(|(field, _)| reading.text(row, *field).is_some());
        let (field, time_reader) = &mut self.times[told.unwrap_or(0)];
        let at = reading.needed_text(row, *field)?;
        time_reader.instant(at).ok_or_else(|| BadRowReason::Time {
            column: reading.name(*field).to_owned(),
            value: at.to_owned(),
        })
    }

    /// What every row of a group adds.
    fn push_addends(
        &mut self,
        row: &dyn Source,
        reading: &Reading,
        buffers: &mut Buffers,
        part: &mut Part,
    ) -> Result<(), BadRowReason> {
        part.line = row.line();
        part.sums.clear();
        part.lists.clear();
        if !row.has_element() {
            part.rows = 0;
            part.sums.resize(self.sums.len(), Decimal::whole(0));
            part.lists.resize_with(self.lists.len(), String::new);
            return Ok(());
        }
        part.rows = 1;
        for sum in &self.sums {
            part.sums.push(sum.addend(row, reading)?);
        }
        part.lists.resize_with(self.lists.len(), String::new);
        for (List { nodes, scalars }, out) in self.lists.iter_mut().zip(&mut part.lists) {
            push_values(scalars, row, reading, &mut buffers.text, &mut buffers.values)?;
            buffers.json.open_object();
            write_nodes(nodes, &buffers.values, None, &mut buffers.json);
            buffers.json.close_object();
            out.clear();
            buffers.json.drain_into(out);
        }
        Ok(())
    }
}

fn push_values(
    scalars: &mut [Scalar],
    row: &dyn Source,
    reading: &Reading,
    scratch: &mut String,
    values: &mut Values,
) -> Result<(), BadRowReason> {
    values.clear();
    for scalar in scalars {
        values.push(|out| scalar.push_json(row, reading, scratch, out))?;
    }
    Ok(())
}

impl Sum {
    /// What a row adds. It is checked here, where a row can still be left out: later the sum is past mending.
    fn addend(&self, row: &dyn Source, reading: &Reading) -> Result<Decimal, BadRowReason> {
        let number = self.product.of(row, reading)?;
        let bad = || BadRowReason::Number { column: self.label.clone(), value: number.to_string() };
        if matches!(self.kind, Kind::Integer) {
            number.to_integer().ok_or_else(bad)?;
        }
        if !number.is_within(ADDEND_MAX) {
            return Err(BadRowReason::Range {
                column: self.label.clone(),
                value: number.to_string(),
                expected: "a number from -10^12 to 10^12",
            });
        }
        number.at_most(SUM_SCALE).ok_or_else(bad)
    }
}

impl Plan {
    fn render(&self, event: usize, part: &Part, file: Option<&str>, json: &mut Json) -> ImportEvent {
        let plan = &self.events[event];
        json.open_object();
        json.plain_field("type", &plan.kind);
        if let Some(name) = &plan.event {
            json.text_field(if plan.kind == "track" { "event" } else { "name" }, name);
        }
        json.optional_text_field("userId", &part.user_id);
        json.optional_text_field("anonymousId", &part.anonymous_id);
        json.plain_field("timestamp", part.at);
        for (name, nodes) in [("traits", &plan.traits), ("properties", &plan.properties)] {
            if (name == "traits") == (plan.kind == "identify") {
                json.name(name);
                json.open_object();
                write_nodes(nodes, &part.values, Some((part, plan)), json);
                json.close_object();
            }
        }
        json.name("context");
        json.open_object();
        if let Some(zone) = &self.time_zone {
            json.text_field("timezone", zone);
        }
        json.name("import");
        json.open_object();
        json.text_field("source", &self.source);
        if let Some(file) = file {
            json.text_field("file", file);
            json.raw_field("line", part.line);
        }
        if plan.group_by.is_some() {
            json.raw_field("rows", part.rows);
        }
        json.close_object();
        json.close_object();
        json.close_object();
        ImportEvent { at: part.at, rank: plan.rank, key: part.key.clone(), json: json.take() }
    }
}

/// Writes a body's fields. Sums and lists come from the part; an element of a list has none.
fn write_nodes(
    nodes: &[(String, Node)],
    values: &Values,
    grouped: Option<(&Part, &EventPlan)>,
    json: &mut Json,
) {
    for (name, node) in nodes.iter().filter(|(_, node)| is_present(node, values)) {
        json.name(name);
        match (node, grouped) {
            (Node::Constant(value), _) => json.raw(value),
            (Node::Scalar(index), _) => json.raw(values.get(*index)),
            (Node::Object(nodes), _) => {
                json.open_object();
                write_nodes(nodes, values, grouped, json);
                json.close_object();
            }
            (Node::List(index), Some((part, _))) => {
                json.open_list();
                json.raw(&part.lists[*index]);
                json.close_list();
            }
            (Node::Sum(index), Some((part, plan))) => {
                let (sum, kind) = (part.sums[*index], &plan.sums[*index].kind);
                match kind {
                    Kind::Money(decimals) => json.plain(sum.rounded(*decimals).unwrap_or(sum)),
                    Kind::Integer => json.raw(sum.rounded(0).unwrap_or(sum)),
                    _ => json.raw(sum),
                }
            }
            (Node::Count, Some((part, _))) => json.raw(part.rows),
            // The planner refuses these outside a group; a null keeps the JSON whole.
            (Node::List(_) | Node::Sum(_) | Node::Count, None) => json.raw("null"),
        }
    }
}

/// Whether a field is written. An object goes with its values: constants alone do not keep it.
fn is_present(node: &Node, values: &Values) -> bool {
    match node {
        Node::Scalar(index) => !values.get(*index).is_empty(),
        Node::Object(nodes) => {
            let varying = || nodes.iter().filter(|(_, node)| !matches!(node, Node::Constant(_)));
            varying().next().is_none() || varying().any(|(_, node)| is_present(node, values))
        }
        Node::Constant(_) | Node::List(_) | Node::Sum(_) | Node::Count => true,
    }
}
