//! A playbook in plain sentences: who is noticed how, what each strategy may do, what holds whatever it is worth, and
//! who answers for it.

use engine::playbook::{Experiment, GuardRails, NeedRule, Playbook, Strategies, ValueRule, money_text};
use model::connection::{NeedOrigin, Strategy};
use serde_json::{Value, json};

use crate::i18n::Messages;

/// Sections, each with a title and its sentences.
pub(super) fn explain(playbook: &Playbook, messages: &Messages) -> Value {
    let teller = Teller { messages };
    let title = playbook.title.in_language(messages.lang.tag());
    let intro = vec![
        teller.say(
            "about",
            &[("title", title), ("name", &playbook.playbook), ("category", &playbook.category)],
        ),
        teller.say(
            "owners",
            &[("marketing", &playbook.owners.marketing), ("operations", &playbook.owners.operations)],
        ),
        teller.say("no-default", &[]),
    ];
    let mut sections = vec![
        ("intro", intro),
        ("needs", playbook.needs.iter().map(|rule| teller.need(rule)).collect()),
        ("offer", teller.offer(playbook)),
        ("strategies", teller.strategies(&playbook.strategies)),
        ("messages", teller.templates(playbook)),
        ("guard-rails", teller.guard_rails(&playbook.guard_rails)),
        ("value", teller.value(&playbook.value)),
    ];
    if let Some(experiment) = &playbook.experiment {
        sections.push(("experiment", teller.experiment(experiment)));
    }
    let shown = sections.into_iter().map(|(name, lines)| {
        json!({ "section": name, "title": teller.say(&format!("section-{name}"), &[]), "lines": lines })
    });
    json!({ "playbook": playbook.playbook, "sections": shown.collect::<Vec<_>>() })
}

struct Teller<'a> {
    messages: &'a Messages,
}

/// A share as per cent, with a decimal only where it has one.
fn percent(share: f64) -> String {
    let percent = (share * 1_000.0).round() / 10.0;
    format!("{percent} %")
}

impl Teller<'_> {
    fn say(&self, key: &str, values: &[(&str, &str)]) -> String {
        let values: Vec<(&str, String)> =
            values.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        self.messages.with(&format!("playbook-explain-{key}"), &values)
    }

    fn need(&self, rule: &NeedRule) -> String {
        let on = rule.on.join(", ");
        let mut text = match (rule.origin, &rule.forecast) {
            (NeedOrigin::Predicted, Some(forecast)) => {
                let values = [
                    ("id", rule.id.as_str()),
                    ("empty", &percent(forecast.empty_at)),
                    ("service", &percent(forecast.service)),
                    ("days", &forecast.buffer_days.to_string()),
                ];
                self.say("need-predicted", &values)
            }
            (NeedOrigin::Stated, _) => self.say("need-stated", &[("id", &rule.id)]),
            (NeedOrigin::Reported | NeedOrigin::Predicted, _) => {
                self.say("need-reported", &[("id", &rule.id), ("on", &on)])
            }
        };
        if let Some(when) = rule.when.as_ref().filter(|_| rule.origin != NeedOrigin::Stated) {
            text = format!("{text} {}", self.say("need-when", &[("when", when.text())]));
        }
        if rule.confidence < 1.0 {
            let confidence = percent(rule.confidence);
            text = format!("{text} {}", self.say("need-confidence", &[("confidence", &confidence)]));
        }
        text
    }

    fn offer(&self, playbook: &Playbook) -> Vec<String> {
        let offer = &playbook.offer;
        let (quantity, days) = (offer.quantity.to_string(), offer.lead_days.to_string());
        let mut lines = vec![
            self.say("offer-items", &[("items", &offer.items.join(", ")), ("quantity", &quantity)]),
            self.say("offer-lead", &[("days", &days)]),
        ];
        if offer.fits_device {
            lines.push(self.say("offer-fits", &[]));
        }
        if offer.relevance_loss > 0.0 {
            lines.push(self.say("offer-loss", &[("loss", &percent(offer.relevance_loss))]));
        }
        if let Some(service) = playbook.promise.service {
            lines.push(self.say("offer-service", &[("service", &percent(service))]));
        }
        if let Some(class) = &playbook.promise.class {
            lines.push(self.say("offer-class", &[("class", class)]));
        }
        lines
    }

    fn strategies(&self, strategies: &Strategies) -> Vec<String> {
        let mut lines = Vec::new();
        for strategy in Strategy::ALL.into_iter().filter(|strategy| *strategy != Strategy::Wait) {
            let name = self.messages.get(&format!("strategy-{}", strategy.name()));
            let Some(share) = strategies.share(strategy) else {
                lines.push(self.say("strategy-none", &[("strategy", &name)]));
                continue;
            };
            let share = self.messages.get(&format!("share-{share}"));
            let mut text =
                self.say(&format!("strategy-{}", strategy.name()), &[("strategy", &name), ("share", &share)]);
            match strategy {
                Strategy::Curate => {
                    let choices = strategies.curate.as_ref().map_or(1, |rule| rule.choices).to_string();
                    text = format!("{text} {}", self.say("choices", &[("choices", &choices)]));
                }
                Strategy::Coach => {
                    if let Some(rule) = &strategies.coach {
                        text = format!("{text} {}", self.coach(rule));
                    }
                }
                Strategy::Automate => {
                    if let Some(money) = strategies.automate.as_ref().and_then(|rule| rule.compensation) {
                        let amount = money_text(money);
                        text = format!("{text} {}", self.say("compensation", &[("amount", &amount)]));
                    }
                }
                Strategy::Wait | Strategy::Respond => {}
            }
            lines.push(text);
        }
        lines
    }

    fn coach(&self, rule: &engine::playbook::CoachRule) -> String {
        let mut parts = vec![self.say("coach-snooze", &[("days", &rule.snooze_days.to_string())])];
        if let Some(again) = rule.again {
            let (days, times) = (again.days.to_string(), again.times.to_string());
            parts.push(self.say("coach-again", &[("days", &days), ("times", &times)]));
        }
        if rule.send_probability < 1.0 {
            let without = percent(1.0 - rule.send_probability);
            parts.push(self.say("coach-without", &[("without", &without)]));
        }
        let language = self.messages.lang.tag();
        for step in &rule.steps {
            let text = step.text.in_language(language);
            let mut said = self.say("coach-step", &[("text", text)]);
            if let Some(when) = &step.when {
                said = format!("{said} {}", self.say("need-when", &[("when", when.text())]));
            }
            parts.push(said);
        }
        parts.join(" ")
    }

    fn templates(&self, playbook: &Playbook) -> Vec<String> {
        let language = self.messages.lang.tag();
        let line = |(name, template): (&String, &engine::playbook::MessageTemplate)| {
            let class = self.messages.get(&format!("message-class-{}", template.class.name()));
            let values = [
                ("name", name.as_str()),
                ("class", &class),
                ("channel", &template.channel),
                ("subject", template.subject.in_language(language)),
            ];
            self.say("message", &values)
        };
        playbook.messages.iter().map(line).collect()
    }

    fn guard_rails(&self, rails: &GuardRails) -> Vec<String> {
        let mut lines = Vec::new();
        for cap in &rails.caps {
            let values = [("messages", &*cap.messages.to_string()), ("days", &cap.days.to_string())];
            lines.push(self.say("rail-cap", &values));
        }
        if let Some(hours) = &rails.quiet_hours {
            lines.push(self.say("rail-quiet", &[("from", &hours.from), ("to", &hours.to)]));
        }
        if let Some(floor) = rails.margin_floor {
            lines.push(self.say("rail-margin", &[("floor", &percent(floor))]));
        }
        for cap in &rails.auto_orders {
            let values = [("orders", &*cap.orders.to_string()), ("days", &cap.days.to_string())];
            lines.push(self.say("rail-orders", &values));
        }
        if lines.is_empty() {
            lines.push(self.say("rail-none", &[]));
        }
        lines
    }

    fn value(&self, value: &ValueRule) -> Vec<String> {
        let accept = [("accept", &*percent(value.accept)), ("weight", &value.weight.to_string())];
        let costs = [
            ("worth", &*money_text(value.worth)),
            ("contact", &money_text(value.contact_cost)),
            ("fatigue", &money_text(value.fatigue)),
        ];
        let mut lines = vec![self.say("value-accept", &accept), self.say("value-costs", &costs)];
        if value.explore > 0.0 {
            lines.push(self.say("value-explore", &[("explore", &percent(value.explore))]));
        }
        lines
    }

    fn experiment(&self, experiment: &Experiment) -> Vec<String> {
        let holdout = percent(experiment.holdout);
        let mut lines = vec![self.say("experiment", &[("name", &experiment.name), ("holdout", &holdout)])];
        let all: f64 = experiment.arms.iter().map(|arm| arm.weight).sum();
        for arm in &experiment.arms {
            let share = percent(arm.weight / all);
            let mut changes = Vec::new();
            changes
                .extend(arm.choices.map(|choices| self.say("choices", &[("choices", &choices.to_string())])));
            changes.extend(arm.message.as_ref().map(|name| self.say("arm-message", &[("name", name)])));
            changes
                .extend(arm.send_probability.map(|send| self.say("arm-send", &[("send", &percent(send))])));
            let change = if changes.is_empty() { self.say("arm-same", &[]) } else { changes.join(" ") };
            lines.push(self.say("arm", &[("id", &arm.id), ("share", &share), ("change", &change)]));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::i18n::Lang;

    fn told(lang: Lang) -> String {
        let text = include_str!("../../../../playbooks/toner.yaml");
        let playbook: Playbook = serde_saphyr::from_str(text).unwrap();
        let told = explain(&playbook, &Messages::new(lang));
        super::super::shown::explained(&told, &Messages::new(lang))
    }

    #[test]
    fn a_playbook_is_told_in_plain_sentences() {
        let text = told(Lang::En);
        for part in
            ["mina.kim", "jun.park", "slot.low", "95 %", "toner-tn760", "21:00", "₩5,000", "8 %", "5 %"]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(text.contains("each customer chooses"), "{text}");
        // Every sentence has its text.
        assert!(!text.contains("playbook-explain") && !text.contains("share-"), "{text}");
        let korean = told(Lang::Ko);
        assert!(korean.contains("실행자동화") && !korean.contains("playbook-explain"), "{korean}");
        assert_eq!(korean.lines().count(), text.lines().count(), "{korean}");
    }
}
