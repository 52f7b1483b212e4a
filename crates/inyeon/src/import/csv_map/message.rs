//! A device's message as a map sees it: its topic in levels, its payload as a JSON value.

use serde_json::Value;

/// What the name of a topic's part begins with in a map.
pub(super) const TOPIC_PART: &str = "@topic.";

/// What a message has besides its payload's meaning.
#[derive(Clone, Copy, Debug)]
pub struct Envelope<'r> {
    pub topic: &'r str,
    /// The payload as it came.
    pub payload: &'r str,
    /// A short hash of the payload.
    pub digest: &'r str,
    /// Whether the broker had kept it, so that it may be old.
    pub retained: bool,
}

/// A payload as a JSON value. What is none is a text, and nothing at all is null; only what begins like an object or
/// a list must be one.
pub fn body_of(payload: &str) -> Result<Value, serde_json::Error> {
    match serde_json::from_str(payload) {
        Ok(body) => Ok(body),
        Err(error) if payload.trim_start().starts_with(['{', '[']) => Err(error),
        Err(_) if payload.is_empty() => Ok(Value::Null),
        Err(_) => Ok(Value::String(payload.to_owned())),
    }
}

/// A pattern of topics, like `plant/{device}/slots/{slot}`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct TopicPattern(Vec<Level>);

#[derive(Clone, PartialEq, Eq, Debug)]
enum Level {
    Literal(String),
    /// Any one level, under a name.
    Named(String),
    /// Any one level.
    Any,
    /// All levels from here on, also none.
    Rest,
}

impl TopicPattern {
    /// Reads a pattern; the error is its cause.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        if text.is_empty() {
            return Err("it is empty");
        }
        if text.starts_with("$share/") {
            return Err("a shared subscription gives some of the messages to others");
        }
        let levels: Vec<Level> = text.split('/').map(Level::parse).collect::<Result<_, _>>()?;
        let rest = levels.iter().position(|level| *level == Level::Rest);
        if rest.is_some_and(|at| at + 1 < levels.len()) {
            return Err("# stands for all levels below, so it is the last");
        }
        let pattern = TopicPattern(levels);
        let names: Vec<&str> = pattern.names().collect();
        if names.iter().enumerate().any(|(at, name)| names[..at].contains(name)) {
            return Err("two levels have one name");
        }
        Ok(pattern)
    }

    /// The names of its levels.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|level| match level {
            Level::Named(name) => Some(name.as_str()),
            _ => None,
        })
    }

    /// What a broker is asked for.
    pub(super) fn filter(&self) -> String {
        let levels: Vec<&str> = self
            .0
            .iter()
            .map(|level| match level {
                Level::Literal(text) => text.as_str(),
                Level::Named(_) | Level::Any => "+",
                Level::Rest => "#",
            })
            .collect();
        levels.join("/")
    }

    /// The named levels of a topic that it takes.
    pub(super) fn captures<'t>(&'t self, topic: &'t str) -> Option<Vec<(&'t str, &'t str)>> {
        let mut captures = Vec::new();
        let mut parts = topic.split('/');
        for level in &self.0 {
            match level {
                Level::Rest => return Some(captures),
                Level::Literal(text) => {
                    parts.next().filter(|part| part == text)?;
                }
                Level::Any => {
                    parts.next()?;
                }
                Level::Named(name) => captures.push((name.as_str(), parts.next()?)),
            }
        }
        parts.next().is_none().then_some(captures)
    }
}

impl Level {
    fn parse(text: &str) -> Result<Self, &'static str> {
        if let Some(name) = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) {
            let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
            return is_name
                .then(|| Level::Named(name.to_owned()))
                .ok_or("a level's name has letters, digits and _ only");
        }
        match text {
            "+" => Ok(Level::Any),
            "#" => Ok(Level::Rest),
            _ if text.contains(['+', '#', '{', '}', '\0']) => Err("a level is a word, {name}, + or #"),
            _ => Ok(Level::Literal(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_names_levels_and_is_a_filter() {
        let pattern = TopicPattern::parse("inyeon/{device}/slots/{slot}/level").unwrap();
        assert_eq!(pattern.filter(), "inyeon/+/slots/+/level");
        let captures = pattern.captures("inyeon/d-1/slots/검정/level");
        assert_eq!(captures, Some(vec![("device", "d-1"), ("slot", "검정")]));
        for other in
            ["inyeon/d-1/slots/black", "inyeon/d-1/slots/black/level/x", "x/d-1/slots/black/level", ""]
        {
            assert_eq!(pattern.captures(other), None, "{other}");
        }
        // A level may be empty, as brokers have it.
        assert!(pattern.captures("inyeon//slots//level").is_some());
    }

    #[test]
    fn what_is_below_may_be_anything() {
        let pattern = TopicPattern::parse("plant/+/{device}/#").unwrap();
        assert_eq!(pattern.filter(), "plant/+/+/#");
        for topic in ["plant/a/d", "plant/a/d/x", "plant/a/d/x/y"] {
            assert_eq!(pattern.captures(topic), Some(vec![("device", "d")]), "{topic}");
        }
        assert_eq!(pattern.captures("plant/a"), None);
    }

    #[test]
    fn a_pattern_that_cannot_be_meant_is_refused() {
        for bad in ["", "a/#/b", "a+/b", "{a}/{a}", "{}/x", "{a b}/x", "a/{b", "a#", "$share/g/a"] {
            assert!(TopicPattern::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_payload_is_json_or_a_text() {
        assert_eq!(body_of("37").unwrap(), serde_json::json!(37));
        assert_eq!(body_of("offline").unwrap(), serde_json::json!("offline"));
        assert_eq!(body_of("").unwrap(), Value::Null);
        assert_eq!(body_of(r#"{"a":1}"#).unwrap(), serde_json::json!({ "a": 1 }));
        assert!(body_of(r#"{"a":1"#).is_err());
        assert!(body_of("[1").is_err());
    }
}
