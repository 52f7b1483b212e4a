//! A map made ready: names looked up, formats checked, every mistake told with its line.

mod edge;

use std::cmp::Ordering;

use jiff::civil;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;
use serde_saphyr::{Location, Spanned};

use super::Field;
use super::message::TopicPattern;
use super::signature::Signature;
use super::spec::{ConditionSpec, EventSpec, Fields, FullSpec, MapSpec, RuleSpec, ValueSpec};
use super::value::{Condition, FieldIndex, Kind, Origin, Part, Product, Reading, Scalar, Template, Test};
use crate::import::decimal::{Decimal, NumberStyle};
use crate::import::local_time::{TimeFormat, TimeReader};
use crate::import::table::{Dialect, Encoding};
use crate::import::{ErrorKind, ImportError, Rank};

/// The name of the line number in templates.
const LINE: &str = "@line";
/// Digits of the minor unit of most currencies.
const MONEY_DECIMALS: u32 = 2;
const MONEY_DECIMALS_MAX: u32 = 6;

#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) source: String,
    pub(super) dialect: Dialect,
    /// As it was named; told with every event.
    pub(super) time_zone: Option<String>,
    pub(super) reading: Reading,
    pub(super) rules: Vec<Rule>,
    pub(super) events: Vec<EventPlan>,
    pub(super) signature: Option<Signature>,
    /// How bodies begin that only try the address.
    pub(super) pings: Vec<String>,
}

/// Rows of one kind.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) when: Vec<Condition>,
    /// The list in a webhook's body whose elements are the rows.
    pub(super) each: Option<String>,
    /// The topics of the messages that it takes; any where there is none.
    pub(super) topic: Option<TopicPattern>,
    /// What a payload is called that is no JSON object.
    pub(super) bare: Option<String>,
    /// Indexes of [`Plan::events`]; none for rows that are skipped.
    pub(super) events: Vec<usize>,
}

#[derive(Clone, Debug)]
pub(super) struct EventPlan {
    pub(super) when: Vec<Condition>,
    pub(super) kind: String,
    /// What it is counted under.
    pub(super) name: String,
    pub(super) event: Option<String>,
    pub(super) rank: Rank,
    pub(super) group_by: Option<Vec<FieldIndex>>,
    /// Names of the event; the first counts whose fields are all there.
    pub(super) keys: Vec<Template>,
    /// Whether it may go without a name where none of them can be had.
    pub(super) may_be_nameless: bool,
    /// Columns with its time; the first counts that is not empty.
    pub(super) times: Vec<(FieldIndex, TimeReader)>,
    pub(super) user_id: Option<Scalar>,
    pub(super) anonymous_id: Option<Scalar>,
    pub(super) fallback_anonymous_id: Option<Scalar>,
    pub(super) traits: Vec<(String, Node)>,
    pub(super) properties: Vec<(String, Node)>,
    pub(super) scalars: Vec<Scalar>,
    pub(super) sums: Vec<Sum>,
    pub(super) lists: Vec<List>,
}

/// A place in an event's body.
#[derive(Clone, Debug)]
pub(super) enum Node {
    /// Its JSON.
    Constant(String),
    Scalar(usize),
    Object(Vec<(String, Node)>),
    List(usize),
    Sum(usize),
    Count,
}

#[derive(Clone, Debug)]
pub(super) struct Sum {
    pub(super) product: Product,
    pub(super) kind: Kind,
    pub(super) label: String,
}

/// One element a row.
#[derive(Clone, Debug)]
pub(super) struct List {
    pub(super) nodes: Vec<(String, Node)>,
    pub(super) scalars: Vec<Scalar>,
}

pub(super) fn plan(yaml: &str, file: &str) -> Result<Plan, ImportError> {
    let spec: MapSpec = serde_saphyr::from_str(yaml).map_err(|error| {
        let place = match error.location() {
            Some(at) => format!("{file}:{}:{}", at.line(), at.column()),
            None => file.to_owned(),
        };
        let message = error.without_snippet().render_with_formatter(&serde_saphyr::UserMessageFormatter);
        // The place is told once, in our own way.
        let message = message.split(" at line ").next().unwrap_or(&message).to_owned();
        ImportError::new(
            ErrorKind::Map,
            format!("the map cannot be read: {message}"),
            place,
            "docs/import.md describes the format and every key",
        )
    })?;
    Planner::new(file, &spec)?.plan(spec)
}

struct Planner<'f> {
    file: &'f str,
    zone: TimeZone,
    times: TimeFormat,
    numbers: NumberStyle,
    fields: Vec<Field>,
    /// Where each event of the plan is written.
    planned: Vec<Location>,
}

/// The scalars and aggregates of a body under construction.
#[derive(Default)]
struct Body {
    scalars: Vec<Scalar>,
    sums: Vec<Sum>,
    lists: Vec<List>,
    grouped: bool,
    within_list: bool,
}

impl<'f> Planner<'f> {
    fn new(file: &'f str, spec: &MapSpec) -> Result<Self, ImportError> {
        let mut planner = Planner {
            file,
            zone: TimeZone::UTC,
            times: TimeFormat::Iso,
            numbers: NumberStyle::default(),
            fields: Vec::new(),
            planned: Vec::new(),
        };
        if let Some(name) = &spec.time_zone {
            planner.zone = planner.zone_of(&name.value, name.referenced)?;
        }
        if let Some(times) = &spec.times {
            planner.times = planner.format_of(&times.value, times.referenced)?;
        }
        if let Some(numbers) = &spec.numbers {
            planner.numbers = NumberStyle::by_example(&numbers.value).ok_or_else(|| {
                planner.error(
                    numbers.referenced,
                    format!("{:?} is no way to write numbers that is known", numbers.value),
                    "Write it as the table writes 1234.5: \"1234.5\", \"1,234.5\", \"1234,5\" or \"1.234,5\"",
                )
            })?;
        }
        Ok(planner)
    }

    fn plan(mut self, spec: MapSpec) -> Result<Plan, ImportError> {
        let source = &spec.source;
        let is_id = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
        if source.value.is_empty() || !source.value.bytes().all(is_id) {
            return Err(self.error(
                source.referenced,
                format!("{:?} cannot be the id of a source", source.value),
                "Use letters, digits, and _ - . only; the keys of all events belong to this id",
            ));
        }
        if spec.rows.value.is_empty() {
            return Err(self.error(
                spec.rows.referenced,
                "the map has no rules",
                "Say under rows what becomes of the table's rows",
            ));
        }
        let dialect = self.dialect(spec.delimiter.as_ref(), spec.encoding)?;
        let (signature, pings) =
            spec.webhook.map_or((None, Vec::new()), |webhook| (webhook.signature, webhook.pings));
        let signature = signature.map(|signature| self.signature(&signature)).transpose()?;
        let mut rules = Vec::new();
        let mut events = Vec::new();
        for rule in &spec.rows.value {
            rules.push(self.rule(rule, &mut events)?);
        }
        self.check_captures(&rules)?;
        Ok(Plan {
            source: spec.source.value,
            dialect,
            time_zone: spec.time_zone.map(|zone| zone.value),
            reading: Reading { numbers: self.numbers, empty_values: spec.empty_values, fields: self.fields },
            rules,
            events,
            signature,
            pings,
        })
    }

    fn dialect(
        &self,
        delimiter: Option<&Spanned<String>>,
        encoding: Encoding,
    ) -> Result<Dialect, ImportError> {
        let delimiter = match delimiter.map(|text| (text.value.as_str(), text)) {
            None => b',',
            Some(("tab", _)) => b'\t',
            Some((text, spanned)) => match text.as_bytes() {
                [byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\r' | b'\n') => *byte,
                _ => {
                    return Err(self.error(
                        spanned.referenced,
                        format!("{text:?} cannot be the delimiter"),
                        "Use one character, such as \",\" or \";\", or the word tab",
                    ));
                }
            },
        };
        Ok(Dialect { delimiter, encoding })
    }

    fn rule(&mut self, rule: &Spanned<RuleSpec>, events: &mut Vec<EventPlan>) -> Result<Rule, ImportError> {
        let spec = &rule.value;
        if spec.skip.is_some() != spec.events.is_empty() {
            return Err(self.error(
                rule.referenced,
                format!("the rule {:?} must either skip its rows or make events of them", spec.name),
                "Give it events, or say under skip why its rows are left out",
            ));
        }
        let when = self.conditions(&spec.when)?;
        let mut of_rule = Vec::new();
        for event in &spec.events {
            // An event that several rules name through an alias is one event: rows of all of them fold into it.
            let same = self.planned.iter().position(|defined| *defined == event.defined);
            of_rule.push(match same.filter(|_| event.defined != Location::UNKNOWN) {
                Some(index) => index,
                None => {
                    events.push(self.event(event)?);
                    self.planned.push(event.defined);
                    events.len() - 1
                }
            });
        }
        let each = spec.each.as_ref().map(|each| each.value.clone());
        let topic = self.topic(rule)?;
        if topic.is_none() && of_rule.iter().any(|event| events[*event].may_be_nameless) {
            return Err(self.error(
                rule.referenced,
                format!("the rule {:?} has no topic, and its key is a list", spec.name),
                "Only a device's message may go without a name; write one key as a text",
            ));
        }
        Ok(Rule { when, each, topic, bare: spec.bare.clone(), events: of_rule })
    }

    fn conditions(&mut self, specs: &[Spanned<ConditionSpec>]) -> Result<Vec<Condition>, ImportError> {
        specs.iter().map(|spec| self.condition(&spec.value, spec.referenced)).collect()
    }

    fn condition(&mut self, spec: &ConditionSpec, at: Location) -> Result<Condition, ImportError> {
        let tests = self.tests(spec, at)?;
        match (&spec.any, &spec.column) {
            (Some(any), None) if tests.is_empty() && !any.is_empty() => {
                Ok(Condition::Any(self.conditions(any)?))
            }
            (None, Some(column)) if !tests.is_empty() => Ok(Condition::Column(self.field(column), tests)),
            _ => Err(self.error(
                at,
                "a condition needs a column and a test of it, or a list under any",
                "For example: { column: InvoiceNo, starts_with: C }",
            )),
        }
    }

    fn tests(&self, spec: &ConditionSpec, at: Location) -> Result<Vec<Test>, ImportError> {
        let mut tests = Vec::new();
        let one = |text: &String| vec![text.clone()];
        tests.extend(spec.equals.as_ref().map(one).map(Test::OneOf));
        tests.extend(spec.not.as_ref().map(one).map(Test::NoneOf));
        tests.extend(spec.one_of.clone().map(Test::OneOf));
        tests.extend(spec.none_of.clone().map(Test::NoneOf));
        tests.extend(spec.starts_with.clone().map(Test::StartsWith));
        tests.extend(spec.not_starts_with.clone().map(Test::NotStartsWith));
        tests.extend(spec.ends_with.clone().map(Test::EndsWith));
        tests.extend(spec.contains.clone().map(Test::Contains));
        tests.extend(spec.empty.map(Test::Empty));
        let limits = [
            (&spec.above, [Ordering::Greater; 2]),
            (&spec.below, [Ordering::Less; 2]),
            (&spec.at_least, [Ordering::Greater, Ordering::Equal]),
            (&spec.at_most, [Ordering::Less, Ordering::Equal]),
        ];
        for (limit, orders) in limits {
            if let Some(text) = limit {
                let limit = Decimal::parse(text, NumberStyle::default()).ok_or_else(|| {
                    self.error(at, format!("{text:?} is not a number"), "Write the limit like 1234.5")
                })?;
                tests.push(Test::Compare(limit, orders));
            }
        }
        Ok(tests)
    }

    fn event(&mut self, event: &Spanned<EventSpec>) -> Result<EventPlan, ImportError> {
        let spec = &event.value;
        let kind = self.kind_of_event(event)?;
        let event_name = spec.event.as_ref().map(|name| name.value.clone());
        let group_by = match &spec.group_by {
            Some(columns) if columns.value.is_empty() => {
                return Err(self.error(
                    columns.referenced,
                    "group_by names no column",
                    "Name the columns whose rows make one event",
                ));
            }
            Some(columns) => Some(columns.value.iter().map(|name| self.field(name)).collect::<Vec<_>>()),
            None => None,
        };
        let (keys, may_be_nameless) = self.keys(&spec.key, group_by.as_deref())?;
        let times = self.event_times(&spec.at)?;
        let mut body = Body { grouped: group_by.is_some(), ..Body::default() };
        let traits = self.nodes(&spec.traits, &mut body)?;
        let properties = self.nodes(&spec.properties, &mut body)?;
        let plan = EventPlan {
            when: self.conditions(&spec.when)?,
            rank: Rank::of(&kind, event_name.as_deref().unwrap_or("")),
            name: event_name.clone().unwrap_or_else(|| kind.clone()),
            kind,
            event: event_name,
            group_by,
            keys,
            may_be_nameless,
            times,
            user_id: self.identifier("user_id", spec.user_id.as_ref())?,
            anonymous_id: self.identifier("anonymous_id", spec.anonymous_id.as_ref())?,
            fallback_anonymous_id: self
                .identifier("fallback_anonymous_id", spec.fallback_anonymous_id.as_ref())?,
            traits,
            properties,
            scalars: body.scalars,
            sums: body.sums,
            lists: body.lists,
        };
        let named =
            [&plan.user_id, &plan.anonymous_id, &plan.fallback_anonymous_id].into_iter().any(Option::is_some);
        if !named && plan.needs_person() {
            return Err(self.error(
                event.referenced,
                "the event is about nobody",
                "Give it user_id, anonymous_id or fallback_anonymous_id",
            ));
        }
        Ok(plan)
    }

    /// The Segment type, checked against what else the event has.
    fn kind_of_event(&self, event: &Spanned<EventSpec>) -> Result<String, ImportError> {
        let spec = &event.value;
        let (kind, at) = match &spec.r#type {
            Some(kind) => (kind.value.as_str(), kind.referenced),
            None => ("track", event.referenced),
        };
        let trouble = match kind {
            "track" if spec.event.is_none() => Some("a track event needs the name of the event under event"),
            "identify" if spec.event.is_some() => Some("an identify event has no name"),
            "identify" if !spec.properties.0.is_empty() => {
                Some("an identify event has traits, not properties")
            }
            "track" | "page" | "screen" if !spec.traits.0.is_empty() => {
                Some("only an identify event has traits")
            }
            "track" | "identify" | "page" | "screen" => None,
            _ => Some("the type of an event is track, identify, page or screen"),
        };
        match trouble {
            Some(cause) => Err(self.error(at, cause, "docs/import.md describes the keys of an event")),
            None => Ok(kind.to_owned()),
        }
    }

    fn identifier(
        &mut self,
        name: &str,
        spec: Option<&Spanned<ValueSpec>>,
    ) -> Result<Option<Scalar>, ImportError> {
        let Some(spec) = spec else { return Ok(None) };
        let mut body = Body { within_list: true, ..Body::default() };
        let node = self.node(name, spec, &mut body)?;
        match (node, body.scalars.pop()) {
            (Node::Scalar(_), Some(scalar)) => Ok(Some(scalar)),
            (Node::Constant(json), _) => match serde_json::from_str(&json) {
                Ok(serde_json::Value::String(text)) => Ok(Some(Scalar {
                    origin: Origin::Text(Template(vec![Part::Text(text)])),
                    kind: Kind::Text,
                    translate: Vec::new(),
                    default: None,
                    required: false,
                    label: name.to_owned(),
                })),
                _ => Err(self.error(spec.referenced, format!("{name} is not a text"), "Write it in quotes")),
            },
            _ => Err(self.error(
                spec.referenced,
                format!("{name} is not a single value"),
                "Name a column, or write { text: \"till:{InvoiceNo}\" }",
            )),
        }
    }

    fn nodes(&mut self, fields: &Fields, body: &mut Body) -> Result<Vec<(String, Node)>, ImportError> {
        fields.0.iter().map(|(name, spec)| Ok((name.clone(), self.node(name, spec, body)?))).collect()
    }

    fn node(&mut self, name: &str, spec: &Spanned<ValueSpec>, body: &mut Body) -> Result<Node, ImportError> {
        let at = spec.referenced;
        let full = match &spec.value {
            ValueSpec::Column(column) => FullSpec { from: Some(column.clone()), ..FullSpec::default() },
            ValueSpec::Full(full) => (**full).clone(),
        };
        let kinds = full.kind_names();
        let [kind] = kinds.as_slice() else {
            return Err(self.error(
                at,
                format!("{name} must say once where its value comes from"),
                "Use one of from, text, product, value, object, list, sum, count",
            ));
        };
        let aggregate = matches!(*kind, "list" | "sum" | "count");
        if aggregate && (!body.grouped || body.within_list) {
            return Err(self.error(
                at,
                format!("{name} adds up rows, and there is no group of them here"),
                "Use list, sum and count in the properties or traits of an event with group_by",
            ));
        }
        if *kind != "from" && *kind != "text" && *kind != "product" {
            self.check_plain(name, &full, at)?;
        }
        if let Some(value) = &full.value {
            if value.is_null() {
                return Err(self.error(at, format!("{name} has no value"), "Write a value or leave it out"));
            }
            return Ok(Node::Constant(value.to_string()));
        }
        if let Some(fields) = &full.object {
            return Ok(Node::Object(self.nodes(fields, body)?));
        }
        if let Some(fields) = &full.list {
            let mut element = Body { grouped: true, within_list: true, ..Body::default() };
            let nodes = self.nodes(fields, &mut element)?;
            body.lists.push(List { nodes, scalars: element.scalars });
            return Ok(Node::List(body.lists.len() - 1));
        }
        if let Some(product) = &full.sum {
            let product = self.product(product, at)?;
            let kind = self.number_kind(name, &full, at)?;
            body.sums.push(Sum { product, kind, label: name.to_owned() });
            return Ok(Node::Sum(body.sums.len() - 1));
        }
        if let Some(what) = &full.count {
            if what != "rows" {
                return Err(self.error(at, format!("{name} cannot count {what:?}"), "Write count: rows"));
            }
            return Ok(Node::Count);
        }
        let scalar = self.scalar(name, &full, at)?;
        body.scalars.push(scalar);
        Ok(Node::Scalar(body.scalars.len() - 1))
    }

    /// Refuses keys that would be passed over in silence.
    fn check_plain(&self, name: &str, full: &FullSpec, at: Location) -> Result<(), ImportError> {
        let typed = full.r#as.is_some() || full.decimals.is_some();
        let read = full.format.is_some() || full.time_zone.is_some() || full.translate.is_some();
        if read || full.default.is_some() || full.required || (typed && full.sum.is_none()) {
            return Err(self.error(
                at,
                format!("{name} has a key that means nothing beside its origin"),
                "as, format, time_zone, decimals, translate, default and required belong to from, text and product",
            ));
        }
        Ok(())
    }

    fn scalar(&mut self, name: &str, full: &FullSpec, at: Location) -> Result<Scalar, ImportError> {
        let (origin, label) = if let Some(column) = &full.from {
            (Origin::Field(self.field(column)), column.clone())
        } else if let Some(text) = &full.text {
            (Origin::Text(self.template(text, at)?), name.to_owned())
        } else {
            let product = full.product.as_deref().unwrap_or_default();
            (Origin::Product(self.product(product, at)?), name.to_owned())
        };
        let kind = match (&origin, full.r#as.as_deref()) {
            (Origin::Product(_), _) | (_, Some("number" | "integer" | "money")) => {
                self.number_kind(name, full, at)?
            }
            (_, None | Some("text")) => Kind::Text,
            (_, Some("boolean")) => Kind::Boolean,
            (_, Some("json")) => Kind::Json,
            (_, Some("date")) => Kind::Date(self.time_reader(full, at)?),
            (_, Some("time")) => Kind::Time(self.time_reader(full, at)?),
            (_, Some(other)) => return Err(self.unknown_kind(name, other, at)),
        };
        self.check_decimals(name, full, &kind, at)?;
        let timed = matches!(kind, Kind::Date(_) | Kind::Time(_));
        if !timed && (full.format.is_some() || full.time_zone.is_some()) {
            return Err(self.error(
                at,
                format!("{name} is not read as a time, so a format or time_zone means nothing"),
                "Add as: time or as: date, or take the key away",
            ));
        }
        Ok(Scalar {
            origin,
            kind,
            translate: full.translate.clone().unwrap_or_default().0,
            default: full.default.clone(),
            required: full.required,
            label,
        })
    }

    fn number_kind(&self, name: &str, full: &FullSpec, at: Location) -> Result<Kind, ImportError> {
        let kind = match full.r#as.as_deref() {
            None | Some("number") => Kind::Number,
            Some("integer") => Kind::Integer,
            Some("money") => Kind::Money(full.decimals.unwrap_or(MONEY_DECIMALS)),
            Some(other) => return Err(self.unknown_kind(name, other, at)),
        };
        self.check_decimals(name, full, &kind, at)?;
        Ok(kind)
    }

    fn check_decimals(
        &self,
        name: &str,
        full: &FullSpec,
        kind: &Kind,
        at: Location,
    ) -> Result<(), ImportError> {
        match (full.decimals, kind) {
            (None, _) | (Some(0..=MONEY_DECIMALS_MAX), Kind::Money(_)) => Ok(()),
            (Some(_), Kind::Money(_)) => Err(self.error(
                at,
                format!("{name} has more decimals than any currency"),
                format!("Use decimals from 0 to {MONEY_DECIMALS_MAX}"),
            )),
            (Some(_), _) => Err(self.error(
                at,
                format!("{name} is not money, so decimals means nothing"),
                "Add as: money, or take decimals away",
            )),
        }
    }

    fn unknown_kind(&self, name: &str, kind: &str, at: Location) -> ImportError {
        self.error(
            at,
            format!("{name} cannot be read as {kind:?}"),
            "Use text, number, integer, money, boolean, date, time or json; products and sums are numbers",
        )
    }

    fn time_reader(&self, full: &FullSpec, at: Location) -> Result<TimeReader, ImportError> {
        let zone = match &full.time_zone {
            Some(name) => self.zone_of(name, at)?,
            None => self.zone.clone(),
        };
        let format = match &full.format {
            Some(format) => self.format_of(format, at)?,
            None => self.times.clone(),
        };
        Ok(TimeReader::new(zone, format))
    }

    fn zone_of(&self, name: &str, at: Location) -> Result<TimeZone, ImportError> {
        TimeZone::get(name).map_err(|source| {
            self.error(
                at,
                format!("the time zone {name:?} is not known here"),
                "Use an IANA name such as Europe/London, and install the system's time zone data",
            )
            .because(source)
        })
    }

    fn format_of(&self, text: &str, at: Location) -> Result<TimeFormat, ImportError> {
        match text {
            "iso" => return Ok(TimeFormat::Iso),
            "unix_seconds" => return Ok(TimeFormat::UnixSeconds),
            "unix_milliseconds" => return Ok(TimeFormat::UnixMilliseconds),
            _ => {}
        }
        // A day written and read back shows whether the pattern is valid and says which day it is.
        let sample = civil::date(2018, 1, 31).at(13, 45, 7, 0).in_tz("UTC").ok();
        let written = sample.and_then(|sample| strtime::format(text, &sample).ok());
        let read = written.and_then(|written| strtime::parse(text, written).ok()?.to_date().ok());
        if read == Some(civil::date(2018, 1, 31)) {
            return Ok(TimeFormat::Pattern(text.to_owned()));
        }
        Err(self.error(
            at,
            format!("{text:?} is not a way to write a day and time"),
            "Use iso, unix_seconds, unix_milliseconds, or a pattern with year, month and day like \"%d/%m/%Y %H:%M\"",
        ))
    }

    fn template(&mut self, text: &str, at: Location) -> Result<Template, ImportError> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(brace) = rest.find(['{', '}']) {
            literal.push_str(&rest[..brace]);
            let tail = &rest[brace..];
            if let Some(doubled) = tail.strip_prefix("{{").or_else(|| tail.strip_prefix("}}")) {
                literal.push_str(&tail[..1]);
                rest = doubled;
                continue;
            }
            let name = tail.strip_prefix('{').and_then(|tail| tail.split_once('}'));
            let Some((name, tail)) = name.filter(|(name, _)| !name.trim().is_empty() && !name.contains('{'))
            else {
                return Err(self.error(
                    at,
                    format!("the braces of {text:?} do not match"),
                    "Write a column as {Column}, and a brace itself twice: {{ or }}",
                ));
            };
            if !literal.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut literal)));
            }
            parts.push(if name == LINE { Part::Line } else { Part::Field(self.field(name.trim())) });
            rest = tail;
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            parts.push(Part::Text(literal));
        }
        Ok(Template(parts))
    }

    fn product(&mut self, text: &str, at: Location) -> Result<Product, ImportError> {
        let mut product = Product { factor: Decimal::ONE, fields: Vec::new() };
        // Split at stars outside braces: a column's name may hold one.
        let mut within = false;
        let factors = text.split(|c: char| {
            within = if c == '{' { true } else { within && c != '}' };
            c == '*' && !within
        });
        for factor in factors.collect::<Vec<_>>() {
            let factor = factor.trim();
            let column = factor.strip_prefix('{').and_then(|factor| factor.strip_suffix('}'));
            let number = Decimal::parse(factor, NumberStyle::default());
            let number = number.and_then(|number| product.factor.checked_mul(number));
            match (column, number) {
                (Some(column), _) => product.fields.push(self.field(column.trim())),
                (None, Some(number)) => product.factor = number,
                (None, None) => {
                    return Err(self.error(
                        at,
                        format!("{factor:?} in {text:?} is neither a number nor a column in braces"),
                        "Write a product like \"-1 * {Quantity} * {UnitPrice}\"",
                    ));
                }
            }
        }
        if product.fields.is_empty() {
            return Err(self.error(at, format!("{text:?} names no column"), "Use value for a constant"));
        }
        Ok(product)
    }

    fn field(&mut self, name: &str) -> FieldIndex {
        if let Some(index) = self.fields.iter().position(|field| field.name() == name) {
            return index;
        }
        self.fields.push(Field::new(name, self.fields.len()));
        self.fields.len() - 1
    }

    fn error(&self, at: Location, cause: impl Into<String>, remedy: impl Into<String>) -> ImportError {
        let place = if at == Location::UNKNOWN {
            self.file.to_owned()
        } else {
            format!("{}:{}:{}", self.file, at.line(), at.column())
        };
        ImportError::new(ErrorKind::Map, cause, place, remedy)
    }
}

impl FullSpec {
    /// The origins it names; there should be one.
    fn kind_names(&self) -> Vec<&'static str> {
        [
            ("from", self.from.is_some()),
            ("text", self.text.is_some()),
            ("product", self.product.is_some()),
            ("value", self.value.is_some()),
            ("object", self.object.is_some()),
            ("list", self.list.is_some()),
            ("sum", self.sum.is_some()),
            ("count", self.count.is_some()),
        ]
        .into_iter()
        .filter_map(|(name, given)| given.then_some(name))
        .collect()
    }
}
