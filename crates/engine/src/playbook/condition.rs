//! Conditions of playbooks, in the Common Expression Language.

use std::fmt;
use std::sync::{Arc, OnceLock};

use cel::common::ast::{EntryExpr, Expr, IdedEntryExpr, IdedExpr};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

/// What a condition may look at: names such as `event`, `device`, `slot`, `customer`, `now`.
pub type Facts = Map<String, Value>;

/// The names that conditions know, each with its members; what `event` has is its sender's to say.
pub const CONDITION_NAMES: [(&str, &[&str]); 5] = [
    ("event", &[]),
    ("device", &["model", "site"]),
    ("slot", &["level", "days_in_use"]),
    ("customer", &["traits", "orders", "days_since_order"]),
    ("now", &["hour", "weekday", "month"]),
];

/// The functions that conditions may call, beside operators and `has`, `all`, `exists`, `exists_one`, `map`, `filter`.
pub const CONDITION_FUNCTIONS: [&str; 9] =
    ["contains", "startsWith", "endsWith", "size", "string", "int", "uint", "double", "bool"];

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConditionError {
    #[error("`{text}` is no condition: {why}")]
    Malformed { text: String, why: String },
    /// Something in it is not there, or has another type than it needs.
    #[error("`{text}` cannot be told: {why}")]
    Failed { text: String, why: String },
    #[error("`{text}` is neither true nor false")]
    NotABool { text: String },
}

/// A condition by its text; it is compiled once.
#[derive(Clone)]
pub struct Condition {
    text: String,
    program: OnceLock<Result<Arc<cel::Program>, String>>,
}

impl Condition {
    pub fn new(text: &str) -> Self {
        Condition { text: text.to_owned(), program: OnceLock::new() }
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    fn program(&self) -> Result<&cel::Program, ConditionError> {
        let compiled = self.program.get_or_init(|| {
            cel::Program::compile(&self.text).map(Arc::new).map_err(|error| error.to_string())
        });
        match compiled {
            Ok(program) => Ok(program),
            Err(why) => Err(ConditionError::Malformed { text: self.text.clone(), why: why.clone() }),
        }
    }

    /// Whether it can be read at all, and which names it looks at.
    pub fn names(&self) -> Result<Vec<String>, ConditionError> {
        let program = self.program()?;
        let references = program.references();
        let mut names: Vec<String> = references.variables().into_iter().map(str::to_owned).collect();
        names.sort();
        Ok(names)
    }

    /// What it looks at or calls that nobody knows, as it is written: `devise`, `now.our`, `strip()`.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn unknown(&self) -> Result<Vec<String>, ConditionError> {
        let mut unknown = Vec::new();
        look_up(self.program()?.expression(), &mut Vec::new(), &mut unknown);
        unknown.sort();
        unknown.dedup();
        Ok(unknown)
    }

    /// Whether it holds.
    ///
    /// # Errors
    /// If it cannot be read, looks at what is not there, or is neither true nor false.
    pub fn holds(&self, facts: &Facts) -> Result<bool, ConditionError> {
        let program = self.program()?;
        let failed = |why: String| ConditionError::Failed { text: self.text.clone(), why };
        let mut context = cel::Context::default();
        for (name, value) in facts {
            context.add_variable(name.as_str(), value).map_err(|error| failed(error.to_string()))?;
        }
        match program.execute(&context) {
            Ok(cel::Value::Bool(holds)) => Ok(holds),
            Ok(_) => Err(ConditionError::NotABool { text: self.text.clone() }),
            Err(error) => Err(failed(error.to_string())),
        }
    }
}

/// Gathers what is unknown below an expression; `bound` are the names that macros such as `exists` bring.
fn look_up<'a>(expression: &'a IdedExpr, bound: &mut Vec<&'a str>, unknown: &mut Vec<String>) {
    match &expression.expr {
        Expr::Unspecified | Expr::Literal(_) => {}
        Expr::Ident(name) => {
            let known = CONDITION_NAMES.iter().any(|(known, _)| known == name);
            if !known && !name.starts_with('@') && !bound.contains(&name.as_str()) {
                unknown.push(name.clone());
            }
        }
        Expr::Select(select) => {
            if let Expr::Ident(name) = &select.operand.expr
                && !bound.contains(&name.as_str())
                && let Some((_, members)) = CONDITION_NAMES.iter().find(|(known, _)| known == name)
                && !members.is_empty()
                && !members.contains(&select.field.as_str())
            {
                unknown.push(format!("{name}.{}", select.field));
            }
            look_up(&select.operand, bound, unknown);
        }
        Expr::Call(call) => {
            let name = call.func_name.as_str();
            // Operators are named by their signs.
            let is_word = name.starts_with(|first: char| first.is_ascii_alphabetic());
            if is_word && !CONDITION_FUNCTIONS.contains(&name) {
                unknown.push(format!("{name}()"));
            }
            call.target.iter().for_each(|target| look_up(target, bound, unknown));
            call.args.iter().for_each(|argument| look_up(argument, bound, unknown));
        }
        Expr::List(list) => list.elements.iter().for_each(|element| look_up(element, bound, unknown)),
        Expr::Map(map) => map.entries.iter().for_each(|entry| look_up_entry(entry, bound, unknown)),
        Expr::Struct(made) => {
            unknown.push(made.type_name.clone());
            made.entries.iter().for_each(|entry| look_up_entry(entry, bound, unknown));
        }
        Expr::Comprehension(each) => {
            look_up(&each.iter_range, bound, unknown);
            let before = bound.len();
            bound.extend([each.iter_var.as_str(), each.accu_var.as_str()]);
            bound.extend(each.iter_var2.as_deref());
            for part in [&each.accu_init, &each.loop_cond, &each.loop_step, &each.result] {
                look_up(part, bound, unknown);
            }
            bound.truncate(before);
        }
    }
}

fn look_up_entry<'a>(entry: &'a IdedEntryExpr, bound: &mut Vec<&'a str>, unknown: &mut Vec<String>) {
    match &entry.expr {
        EntryExpr::StructField(field) => look_up(&field.value, bound, unknown),
        EntryExpr::MapEntry(entry) => {
            look_up(&entry.key, bound, unknown);
            look_up(&entry.value, bound, unknown);
        }
    }
}

impl PartialEq for Condition {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Condition({:?})", self.text)
    }
}

impl Serialize for Condition {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Condition {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from).map(|text| Condition::new(&text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        let facts =
            serde_json::json!({"event": {"level": 7.5}, "device": {"model": "P-1"}, "slot": {"days": 3}});
        facts.as_object().cloned().unwrap()
    }

    #[test]
    fn a_condition_holds_or_does_not() {
        assert_eq!(Condition::new("event.level < 10.0 && device.model == 'P-1'").holds(&facts()), Ok(true));
        assert_eq!(Condition::new("slot.days > 3").holds(&facts()), Ok(false));
    }

    #[test]
    fn what_cannot_be_told_is_an_error_and_no_panic() {
        let told = |text: &str| Condition::new(text).holds(&facts());
        assert!(matches!(told("event."), Err(ConditionError::Malformed { .. })));
        assert!(matches!(told("nothing.level < 10"), Err(ConditionError::Failed { .. })));
        assert!(matches!(told("event.level"), Err(ConditionError::NotABool { .. })));
    }

    #[test]
    fn numbers_compare_whatever_way_they_are_written() {
        for text in [
            "event.level < 10",
            "event.level == 7.5",
            "slot.days < 3.5",
            "slot.days == 3.0",
            "event.level > 7",
        ] {
            assert_eq!(Condition::new(text).holds(&facts()), Ok(true), "{text}");
        }
    }

    #[test]
    fn what_nobody_knows_is_named() {
        let unknown = |text: &str| Condition::new(text).unknown().unwrap();
        assert_eq!(unknown("devise.model == 'P-1' && now.our < 8"), ["devise", "now.our"]);
        assert_eq!(unknown("event.any.thing > 1 && device.site.startsWith('A')"), [""; 0]);
        assert_eq!(unknown("event.tags.exists(tag, tag == 'low' && tog == 1)"), ["tog"]);
        assert_eq!(unknown("tag == 1 || [1].all(tag, tag > 0)"), ["tag"]);
        assert_eq!(unknown("has(customer.traits.size) && has(slot.levle)"), ["slot.levle"]);
        assert_eq!(
            unknown("event.name.startWith('a') || strip(event.name) in ['a']"),
            ["startWith()", "strip()"]
        );
        assert_eq!(unknown("{'a': b}.a == 1"), ["b"]);
        assert!(Condition::new("event.").unknown().is_err());
    }

    #[test]
    fn every_function_that_is_known_can_be_called() {
        let calls = [
            "'ab'.contains('a')",
            "'ab'.startsWith('a')",
            "'ab'.endsWith('b')",
            "size('ab') == 2",
            "string(7) == '7'",
            "int('7') == 7",
            "uint(7) == 7u",
            "double('7.5') == 7.5",
            "bool('true')",
        ];
        assert_eq!(calls.len(), CONDITION_FUNCTIONS.len());
        for (call, name) in calls.iter().zip(CONDITION_FUNCTIONS) {
            assert!(call.contains(name));
            assert_eq!(Condition::new(call).holds(&facts()), Ok(true), "{call}");
            assert_eq!(Condition::new(call).unknown(), Ok(Vec::new()), "{call}");
        }
        assert_eq!(Condition::new("has(event.level) && !has(event.low)").holds(&facts()), Ok(true));
    }

    #[test]
    fn the_names_that_it_looks_at_are_known() {
        let names = Condition::new("event.level < 10 && device.model == 'P-1'").names();
        assert_eq!(names, Ok(vec!["device".to_owned(), "event".to_owned()]));
    }
}
