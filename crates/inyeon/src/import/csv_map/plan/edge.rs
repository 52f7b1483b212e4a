//! What ties a map to where its rows come from: signatures, topics, and how events are named and dated.

use std::collections::BTreeSet;

use serde_saphyr::{Location, Spanned};

use super::{FieldIndex, Planner, Rule};
use crate::import::ImportError;
use crate::import::csv_map::message::{TOPIC_PART, TopicPattern};
use crate::import::csv_map::signature::{Algorithm, Encoding, Signature};
use crate::import::csv_map::spec::{FullSpec, OneOrMore, RuleSpec, SignatureSpec, ValueSpec};
use crate::import::csv_map::value::{Part, Template};
use crate::import::local_time::TimeReader;

impl Planner<'_> {
    pub(super) fn signature(&self, spec: &Spanned<SignatureSpec>) -> Result<Signature, ImportError> {
        let (at, spec) = (spec.referenced, &spec.value);
        let algorithm = Algorithm::from_name(&spec.algorithm).ok_or_else(|| {
            self.error(
                at,
                format!("{:?} is no algorithm of signatures that is known", spec.algorithm),
                "Use hmac-sha1, hmac-sha256, hmac-sha512, or token where the header holds the secret itself",
            )
        })?;
        let encoding = match spec.encoding.as_deref() {
            None | Some("hex") => Encoding::Hex,
            Some("base64") => Encoding::Base64,
            Some(other) => {
                return Err(self.error(
                    at,
                    format!("{other:?} is no way to write a signature that is known"),
                    "Use hex or base64",
                ));
            }
        };
        let over = spec.over.clone().unwrap_or_else(|| "{body}".to_owned());
        if !over.contains("{body}") {
            return Err(self.error(
                at,
                format!("{over:?} does not sign the body"),
                "Say under over what is signed, with {body} in it; {header.NAME} stands for a header",
            ));
        }
        let prefix = spec.prefix.clone().unwrap_or_default();
        Ok(Signature { header: spec.header.to_ascii_lowercase(), algorithm, encoding, prefix, over })
    }

    /// The topics that a rule takes.
    pub(super) fn topic(&self, rule: &Spanned<RuleSpec>) -> Result<Option<TopicPattern>, ImportError> {
        let Some(topic) = &rule.value.topic else { return Ok(None) };
        let pattern = TopicPattern::parse(&topic.value).map_err(|cause| {
            self.error(
                topic.referenced,
                format!("{:?} is no pattern of topics: {cause}", topic.value),
                "Write it like plant/{device}/level: {name} stands for a level and names it, + for one without \
                 a name, # at the end for all below",
            )
        })?;
        Ok(Some(pattern))
    }

    /// A part of a topic that no rule's pattern names would be empty for ever.
    pub(super) fn check_captures(&self, rules: &[Rule]) -> Result<(), ImportError> {
        let named: BTreeSet<&str> =
            rules.iter().filter_map(|rule| rule.topic.as_ref()).flat_map(TopicPattern::names).collect();
        let mut parts = self.fields.iter().filter_map(|field| field.name().strip_prefix(TOPIC_PART));
        match parts.find(|part| !named.contains(part)) {
            Some(part) => Err(self.error(
                Location::UNKNOWN,
                format!("{TOPIC_PART}{part} is used, and no topic of the map has {{{part}}}"),
                "Name that level in the rule's topic, or correct the column's name",
            )),
            None => Ok(()),
        }
    }

    /// The names that an event may go by, and whether it may go without one: a list says so.
    pub(super) fn keys(
        &mut self,
        key: &Spanned<OneOrMore<String>>,
        group: Option<&[FieldIndex]>,
    ) -> Result<(Vec<Template>, bool), ImportError> {
        let at = key.referenced;
        let many = matches!(key.value, OneOrMore::More(_));
        if many && (group.is_some() || key.value.as_slice().is_empty()) {
            return Err(self.error(
                at,
                "the key is a list, and this event needs exactly one",
                "Write one key as a text; only an event without group_by may have several to choose from",
            ));
        }
        let keys: Result<_, _> = key.value.as_slice().iter().map(|key| self.key(key, at, group)).collect();
        Ok((keys?, many))
    }

    /// A key's template. A key that misses a column of its group would be shared by several events, and one
    /// with a column more would depend on which row of the group comes first.
    fn key(
        &mut self,
        key: &str,
        at: Location,
        group: Option<&[FieldIndex]>,
    ) -> Result<Template, ImportError> {
        let template = self.template(key, at)?;
        let fields: BTreeSet<FieldIndex> = template.fields().collect();
        let by_line = template.0.iter().any(|part| matches!(part, Part::Line));
        match group {
            None if fields.is_empty() && !by_line => Err(self.error(
                at,
                "the key is the same for every row",
                "Name the columns that tell one event from another, such as \"order:{OrderId}:placed\"",
            )),
            Some(group) if by_line || fields != group.iter().copied().collect() => Err(self.error(
                at,
                "the key does not name exactly the columns of group_by",
                "Use every column of group_by in the key, and no other",
            )),
            _ => Ok(template),
        }
    }

    /// The columns that may hold an event's time, the preferred one first.
    pub(super) fn event_times(
        &mut self,
        at: &Spanned<OneOrMore<ValueSpec>>,
    ) -> Result<Vec<(FieldIndex, TimeReader)>, ImportError> {
        let times: Result<Vec<_>, _> =
            at.value.as_slice().iter().map(|spec| self.event_time(spec, at.referenced)).collect();
        match times? {
            times if times.is_empty() => Err(self.error(at.referenced, "at names no column", "Name one")),
            times => Ok(times),
        }
    }

    fn event_time(
        &mut self,
        spec: &ValueSpec,
        at: Location,
    ) -> Result<(FieldIndex, TimeReader), ImportError> {
        let (column, time_reader) = match spec {
            ValueSpec::Column(column) => (column.clone(), self.time_reader(&FullSpec::default(), at)?),
            ValueSpec::Full(full) => match (&full.from, full.kind_names().as_slice()) {
                (Some(column), ["from"]) if full.r#as.is_none() && full.default.is_none() => {
                    (column.clone(), self.time_reader(full, at)?)
                }
                _ => {
                    return Err(self.error(
                        at,
                        "at is not a column with a time",
                        "Name the column, or write { from: Column, format: \"%d/%m/%Y\", time_zone: Europe/Rome }",
                    ));
                }
            },
        };
        Ok((self.field(&column), time_reader))
    }
}
