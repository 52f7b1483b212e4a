//! Conditions of playbooks, in the Common Expression Language.

use std::fmt;
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

/// What a condition may look at: names such as `event`, `device`, `slot`, `customer`, `now`.
pub type Facts = Map<String, Value>;

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
    fn the_names_that_it_looks_at_are_known() {
        let names = Condition::new("event.level < 10 && device.model == 'P-1'").names();
        assert_eq!(names, Ok(vec!["device".to_owned(), "event".to_owned()]));
    }
}
