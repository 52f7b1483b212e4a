//! Reading playbooks as people write them, and what is wrong with one: file, line, column, cause and remedy.

use std::path::Path;

use engine::playbook::Playbook;
use engine::playbook::check::{self, Severity};
use serde_json::{Value, json};
use serde_saphyr::UserMessageFormatter;

use super::places::{Place, Places, place_of};
use crate::cli::read_text;
use crate::error::Failure;
use crate::i18n::Messages;

/// Words by which somebody may want to choose a strategy for everybody.
const FOR_EVERYBODY: [&str; 5] =
    ["default", "default_strategy", "strategy", "default_preference", "preference"];

/// Something that is wrong with a file.
pub(super) struct Found {
    pub(super) place: Option<Place>,
    pub(super) pointer: String,
    pub(super) severity: Severity,
    pub(super) code: &'static str,
    pub(super) values: Vec<(&'static str, String)>,
}

/// A file that was read.
pub(super) struct Document {
    pub(super) file: String,
    /// None where it cannot be read at all.
    pub(super) playbook: Option<Playbook>,
    pub(super) found: Vec<Found>,
    places: Places,
}

impl Document {
    pub(super) fn load(file: &Path) -> Result<Self, Failure> {
        Ok(Document::read(&read_text(file)?, &file.display().to_string()))
    }

    /// Reads YAML, or JSON, which is YAML too.
    pub(super) fn read(text: &str, file: &str) -> Self {
        let places = Places::of(text);
        let mut document = Document { file: file.to_owned(), playbook: None, found: Vec::new(), places };
        match serde_saphyr::from_str::<Playbook>(text) {
            Ok(playbook) => {
                document.take(check::check(&playbook));
                document.playbook = Some(playbook);
            }
            Err(error) => {
                let detail = error.without_snippet().render_with_formatter(&UserMessageFormatter).to_string();
                let unknown = detail.contains("unknown field");
                let slip = document.places.named(&FOR_EVERYBODY).filter(|_| unknown);
                let found = match slip {
                    Some((pointer, place)) if detail.contains(&quoted(pointer)) => Found {
                        place: Some(place),
                        pointer: pointer.to_owned(),
                        severity: Severity::Error,
                        code: "strategy-for-everybody",
                        values: Vec::new(),
                    },
                    _ => Found {
                        place: error.location().and_then(place_of),
                        pointer: String::new(),
                        severity: Severity::Error,
                        code: "unreadable",
                        values: vec![("detail", detail.lines().next().unwrap_or_default().to_owned())],
                    },
                };
                document.found.push(found);
            }
        }
        document
    }

    /// Adds problems, each at its line.
    pub(super) fn take(&mut self, problems: Vec<check::Problem>) {
        for check::Problem { pointer, severity, code, values } in problems {
            let place = self.places.find(&pointer);
            self.found.push(Found { place, pointer, severity, code, values });
        }
        // As they are read.
        self.found.sort_by_key(|found| found.place);
    }

    pub(super) fn is_sound(&self) -> bool {
        self.found.iter().all(|found| found.severity == Severity::Warning)
    }

    pub(super) fn told(&self, messages: &Messages) -> Value {
        let found: Vec<Value> = self.found.iter().map(|found| found.told(messages)).collect();
        json!({
            "file": self.file,
            "playbook": self.playbook.as_ref().map(|playbook| playbook.playbook.clone()),
            "category": self.playbook.as_ref().map(|playbook| playbook.category.clone()),
            "sound": self.is_sound(),
            "problems": found,
        })
    }
}

fn quoted(pointer: &str) -> String {
    format!("`{}`", pointer.rsplit('/').next().unwrap_or_default())
}

impl Found {
    pub(super) fn told(&self, messages: &Messages) -> Value {
        let text = |part: &str| messages.with(&format!("playbook-{part}-{}", self.code), &self.values);
        json!({
            "severity": self.severity.name(),
            "line": self.place.map(|(line, _)| line),
            "column": self.place.map(|(_, column)| column),
            "pointer": self.pointer,
            "code": self.code,
            "cause": text("cause"),
            "remedy": text("remedy"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::i18n::Lang;

    const TONER: &str = include_str!("../../../../playbooks/toner.yaml");

    fn first(from: &str, to: &str, lang: Lang) -> Value {
        assert!(TONER.contains(from), "{from}");
        let document = Document::read(&TONER.replacen(from, to, 1), "toner.yaml");
        document.told(&Messages::new(lang))["problems"][0].clone()
    }

    fn line_of(text: &str) -> usize {
        TONER.lines().position(|line| line.contains(text)).unwrap() + 1
    }

    #[test]
    fn every_code_has_its_cause_and_its_remedy_in_both_languages() {
        let more = ["unreadable", "strategy-for-everybody", "category-twice", "name-twice"];
        for lang in Lang::ALL {
            let messages = Messages::new(lang);
            for code in check::CODES.into_iter().chain(more) {
                for part in ["cause", "remedy"] {
                    assert!(messages.has(&format!("playbook-{part}-{code}")), "{lang:?} {part} {code}");
                }
            }
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line_and_column() {
        let told = first("event.level <= 5", "evnt.level <= 5", Lang::En);
        assert_eq!((&told["pointer"], &told["code"]), (&json!("/needs/2/when"), &json!("condition-name")));
        assert_eq!((&told["line"], &told["column"]), (&json!(line_of("has(event.level)")), &json!(5)));
        assert!(told["cause"].as_str().unwrap().contains("evnt"), "{told}");
        assert!(told["remedy"].as_str().unwrap().contains("days_in_use"), "{told}");

        let told = first("share: 1,", "share: 7,", Lang::Ko);
        assert_eq!(told["line"], line_of("curate:"));
        assert!(told["cause"].as_str().unwrap().contains('7'), "{told}");
    }

    #[test]
    fn what_cannot_be_read_is_told_with_its_line_too() {
        let told = first("lead_days: 3", "lead_day: 3", Lang::En);
        assert_eq!((&told["code"], &told["line"]), (&json!("unreadable"), &json!(line_of("lead_days"))));
        assert!(told["cause"].as_str().unwrap().contains("lead_day"), "{told}");
        let told = first("origin: stated", "origin: guessed", Lang::En);
        assert_eq!(told["line"], line_of("origin: stated"));
        let told = first("lead_days: 3", "lead_days: 3\n  lead_days: 4", Lang::En);
        assert_eq!(told["code"], "unreadable");
    }

    #[test]
    fn nobody_chooses_a_strategy_for_everybody() {
        for slip in ["default_strategy: automate", "strategy: coach"] {
            let told = first("category: toner", &format!("category: toner\n{slip}"), Lang::En);
            assert_eq!(told["code"], "strategy-for-everybody", "{told}");
            assert_eq!(told["line"], line_of("category: toner") + 1);
            assert!(told["remedy"].as_str().unwrap().contains("customer"), "{told}");
        }
    }
}
