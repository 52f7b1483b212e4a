//! Who is who, for people to ask and to correct: `inyeon identity`.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use engine::identity::Rules;
use model::identity::Evidence;
use model::{Cause, Command, EntityId, Event, Identifier};
use runtime::{Explanation, Fold, FoldError, Item, Joined, Lineage, Named, Node};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::error::{Failure, Kind};
use crate::i18n::Messages;
use crate::render::{array, heads, or_dash, plain, table};

#[derive(Args)]
pub struct IdentityArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    Explain {
        id: String,
    },
    Unmerge {
        id: String,
        #[arg(long, value_name = "ID")]
        from: Option<String>,
    },
    Merge {
        id: String,
        with: String,
    },
    Rules(RulesArgs),
}

#[derive(Args)]
struct RulesArgs {
    #[command(subcommand)]
    what: RulesWhat,
}

#[derive(Subcommand)]
enum RulesWhat {
    Show,
    Check { file: PathBuf },
    Apply { file: PathBuf },
}

/// What is asked of a store.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "identity", rename_all = "snake_case")]
pub enum IdentityOp {
    Explain {
        id: String,
    },
    /// These are two people: `id` and `from`, or `id` and everybody it was one with.
    Unmerge {
        id: String,
        from: Option<String>,
    },
    /// These are one person.
    Merge {
        id: String,
        with: String,
    },
    Rules,
    /// The rules in their JSON form.
    ApplyRules {
        rules: String,
    },
}

/// What the command asks, and how its answer is shown; a check of a file asks nothing of any store.
pub enum Asked {
    Store(IdentityOp, fn(&Value, &Messages) -> String),
    Answered(Value, fn(&Value, &Messages) -> String),
}

impl IdentityArgs {
    pub fn asked(self) -> Result<Asked, Failure> {
        Ok(match self.what {
            What::Explain { id } => Asked::Store(IdentityOp::Explain { id }, explained),
            What::Unmerge { id, from } => Asked::Store(IdentityOp::Unmerge { id, from }, said),
            What::Merge { id, with } => Asked::Store(IdentityOp::Merge { id, with }, said),
            What::Rules(RulesArgs { what }) => match what {
                RulesWhat::Show => Asked::Store(IdentityOp::Rules, rules_shown),
                RulesWhat::Check { file } => {
                    let (_, rules) = read_rules(&file)?;
                    Asked::Answered(json!({ "version": null, "rules": rules }), rules_shown)
                }
                RulesWhat::Apply { file } => {
                    Asked::Store(IdentityOp::ApplyRules { rules: read_rules(&file)?.0 }, rules_shown)
                }
            },
        })
    }
}

/// Rules from a YAML or JSON file: as JSON, and as they are read.
fn read_rules(file: &Path) -> Result<(String, Rules), Failure> {
    let text = std::fs::read_to_string(file).map_err(|error| Failure::io("read", file, &error))?;
    let wrong = |detail: String| {
        Failure::new(Kind::Usage, "identity-rules").with("path", file.display()).with("detail", detail)
    };
    let value: Value = serde_saphyr::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    let json = value.to_string();
    let rules = Rules::parse(&json).map_err(|error| wrong(error.to_string()))?;
    Ok((json, rules))
}

/// What a person typed: `type:value`, or a value alone, which is a user's id before it is a device's or an address.
fn readings<'a>(rules: &Rules, text: &'a str) -> Vec<Identifier<'a>> {
    if let Some((kind, value)) = text.split_once(':')
        && rules.types().any(|(known, _)| known == kind)
    {
        return vec![Identifier::of(kind, value), Identifier::User(text)];
    }
    let mut readings = vec![Identifier::User(text), Identifier::Anonymous(text)];
    if text.contains('@') {
        readings.push(Identifier::of("email", text));
    }
    readings
}

/// The profile that stands for whom a text names: a profile's own id, or an identifier.
pub fn find(fold: &mut Fold, text: &str) -> Result<Option<EntityId>, FoldError> {
    if let Ok(entity) = text.parse::<EntityId>()
        && fold.entity(entity)?.customer().is_some_and(|c| c.profile.events() > 0)
    {
        return Ok(Some(entity));
    }
    for identifier in readings(&fold.rules(), text) {
        if let Some(found) = fold.lookup(&identifier)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

fn unknown(id: &str) -> Failure {
    Failure::new(Kind::NotFound, "no-such-identifier").with("id", id)
}

pub fn run(node: &Node, op: IdentityOp) -> Result<Value, Failure> {
    match op {
        IdentityOp::Explain { id } => explain(node, &id),
        IdentityOp::Unmerge { id, from } => say(node, id, from, false),
        IdentityOp::Merge { id, with } => say(node, id, Some(with), true),
        IdentityOp::Rules => rules(node),
        IdentityOp::ApplyRules { rules: text } => {
            Rules::parse(&text)
                .map_err(|error| Failure::new(Kind::Usage, "refused").with("reason", error))?;
            node.command(EntityId::workspace(), Command::PublishIdentityRules { rules: text })?;
            node.drain()?;
            rules(node)
        }
    }
}

fn rules(node: &Node) -> Result<Value, Failure> {
    let (version, rules) = node.ask(|fold| {
        let workspace = fold.entity(EntityId::workspace())?.workspace();
        let version = workspace.and_then(|w| w.identity_rules.as_ref()).map(|published| published.version);
        Ok::<_, FoldError>((version, fold.rules()))
    })??;
    Ok(json!({ "version": version, "rules": *rules }))
}

/// Says that identifiers are one person or two, and tells what became of them.
fn say(node: &Node, id: String, other: Option<String>, joined: bool) -> Result<Value, Failure> {
    node.drain()?;
    let now = node.clock.now();
    let answer = node.ask(move |fold| -> Result<Result<(String, usize), Failure>, FoldError> {
        let Some(one) = known(fold, &id)? else { return Ok(Err(unknown(&id))) };
        let others = match &other {
            Some(text) => match known(fold, text)? {
                Some(other) => vec![fold.hashed(&identifier(&other))],
                None => return Ok(Err(unknown(text))),
            },
            None => fold.others_of(&identifier(&one))?.into_iter().map(Some).collect(),
        };
        let Some(hashed) = fold.hashed(&identifier(&one)) else { return Ok(Err(unknown(&id))) };
        let others: Vec<_> = others.into_iter().flatten().filter(|other| *other != hashed).collect();
        if others.is_empty() {
            let code = if joined { "identity-same" } else { "identity-alone" };
            return Ok(Err(Failure::new(Kind::Conflict, code).with("id", &id)));
        }
        for other in &others {
            if !fold.say_of(&hashed, other, joined, now)? {
                return Ok(Err(unknown(&id)));
            }
        }
        Ok(Ok((format!("{}:{}", one.0, one.1), others.len())))
    })??;
    let (id, others) = answer?;
    node.drain()?;
    let mut answer = explain(node, &id)?;
    answer["said"] = json!({ "joined": joined, "others": others });
    Ok(answer)
}

fn identifier((kind, value): &(String, String)) -> Identifier<'_> {
    Identifier::of(kind, value)
}

/// The reading of a text under which it was seen.
fn known(fold: &mut Fold, text: &str) -> Result<Option<(String, String)>, FoldError> {
    for identifier in readings(&fold.rules(), text) {
        if fold.explain(&identifier)?.is_some_and(|explanation| !explanation.blocked) {
            if let Some(Named { kind, value: Some(value) }) = fold.owner_name(&identifier)? {
                return Ok(Some((kind, value)));
            }
            return Ok(Some((identifier.type_name().to_owned(), identifier.value().to_owned())));
        }
    }
    Ok(None)
}

fn explain(node: &Node, id: &str) -> Result<Value, Failure> {
    node.drain()?;
    let wanted = id.to_owned();
    let found = node.ask(move |fold| -> Result<_, FoldError> {
        let mut blocked = None;
        for identifier in readings(&fold.rules(), &wanted) {
            match fold.explain(&identifier)? {
                Some(explanation) if explanation.blocked => blocked = blocked.or(Some(explanation)),
                Some(explanation) => return Ok(Some(explanation)),
                None => {}
            }
        }
        Ok(blocked)
    })??;
    let explanation = found.ok_or_else(|| unknown(id))?;
    let mut events = Events { log: node.history(1) };
    explanation_json(&mut events, &explanation)
}

/// Looks up the events that explanations name.
struct Events {
    log: runtime::History,
}

impl Events {
    fn of(&mut self, intake: u64) -> Result<Value, Failure> {
        let Item::Applied(applied) = self.log.input(intake, 0)? else {
            return Ok(json!({ "position": intake, "erased": true }));
        };
        let Event { kind, name, message_id, timestamp, .. } = &applied.event;
        Ok(json!({
            "position": intake,
            "type": kind.name(),
            "event": Some(name).filter(|name| !name.is_empty()),
            "messageId": message_id,
            "source": applied.source,
            "timestamp": timestamp.to_string(),
            "receivedAt": applied.received_at.to_string(),
        }))
    }

    fn evidence(&mut self, evidence: Evidence) -> Result<Value, Failure> {
        match evidence {
            Evidence::Input(seq) => self.of(seq),
            Evidence::Journal(seq) => Ok(json!({ "command": seq })),
        }
    }

    fn cause(&mut self, cause: Cause) -> Result<Value, Failure> {
        match cause {
            Cause::Input(seq) => self.of(seq),
            Cause::Command(seq) => Ok(json!({ "command": seq })),
            other => Ok(json!({ "other": format!("{other:?}") })),
        }
    }
}

fn name(named: &Named) -> Value {
    json!(format!("{}:{}", named.kind, named.value.as_deref().unwrap_or("?")))
}

fn explanation_json(events: &mut Events, explanation: &Explanation) -> Result<Value, Failure> {
    let profiles: Vec<Value> = explanation
        .homes
        .iter()
        .map(|home| {
            json!({
                "profile": home.profile.to_string(),
                "identifiers": home.identifiers.iter().map(name).collect::<Vec<_>>(),
                "events": home.events,
                "stands_for_all": Some(home.profile) == explanation.head,
            })
        })
        .collect();
    let mut ties = Vec::new();
    for Joined { one, other, verdict, said, at, evidence } in &explanation.ties {
        ties.push(json!({
            "one": name(one), "other": name(other), "state": verdict.name(), "said": said, "since": at.to_string(),
            "by": events.evidence(*evidence)?,
        }));
    }
    let mut lineage = Vec::new();
    for Lineage { at, profile, merged_into, parted_from, cause, .. } in &explanation.lineage {
        lineage.push(json!({
            "at": at.to_string(), "profile": profile.to_string(),
            "merged_into": merged_into.map(|id| id.to_string()),
            "parted_from": parted_from.map(|id| id.to_string()),
            "by": events.cause(*cause)?,
        }));
    }
    Ok(json!({
        "identifier": name(&explanation.identifier),
        "blocked": explanation.blocked,
        "profile": explanation.head.map(|head| head.to_string()),
        "profiles": profiles,
        "ties": ties,
        "lineage": lineage,
        "cut_short": explanation.cut_short,
    }))
}

// ---- for people ---------------------------------------------------------------------------------------------------

fn explained(answer: &Value, messages: &Messages) -> String {
    let values = [("id", plain(&answer["identifier"])), ("profile", plain(&answer["profile"]))];
    let key = match (&answer["blocked"], &answer["profile"]) {
        (Value::Bool(true), _) => "identity-blocked",
        (_, Value::Null) => "identity-nobody",
        _ => "identity-somebody",
    };
    let mut out = messages.with(key, &values);
    let rows: Vec<Vec<String>> = array(&answer["profiles"])
        .iter()
        .map(|row| {
            let names: Vec<String> = array(&row["identifiers"]).iter().map(plain).collect();
            vec![plain(&row["profile"]), names.join(", "), or_dash(&row["events"])]
        })
        .collect();
    if !rows.is_empty() {
        let _ = write!(out, "\n\n{}", table(&heads(messages, &["profile", "identifiers", "events"]), &rows));
    }
    let ties = array(&answer["ties"]);
    if !ties.is_empty() {
        let rows: Vec<Vec<String>> = ties.iter().map(|tie| tie_row(tie, messages)).collect();
        let head = heads(messages, &["one", "other", "state", "since", "by"]);
        let _ = write!(out, "\n{}\n{}", messages.get("identity-ties"), table(&head, &rows));
    }
    let lineage = array(&answer["lineage"]);
    if !lineage.is_empty() {
        let _ = write!(out, "\n{}", messages.get("identity-lineage"));
        for step in lineage {
            let merged = step["merged_into"].is_string();
            let key = if merged { "identity-merged" } else { "identity-parted" };
            let other = if merged { &step["merged_into"] } else { &step["parted_from"] };
            let values = [
                ("at", or_dash(&step["at"])),
                ("profile", plain(&step["profile"])),
                ("other", plain(other)),
                ("by", by(&step["by"], messages)),
            ];
            let _ = write!(out, "\n  {}", messages.with(key, &values));
        }
    }
    if answer["cut_short"] == true {
        let _ = write!(out, "\n{}", messages.get("identity-cut-short"));
    }
    out
}

fn tie_row(tie: &Value, messages: &Messages) -> Vec<String> {
    let state = messages.get(&format!("identity-tie-{}", plain(&tie["state"])));
    vec![plain(&tie["one"]), plain(&tie["other"]), state, or_dash(&tie["since"]), by(&tie["by"], messages)]
}

/// The event or command that something came by, in a few words.
fn by(by: &Value, messages: &Messages) -> String {
    if by["command"].is_u64() {
        return messages.get("identity-by-hand");
    }
    if by["erased"] == true {
        return messages.get("identity-by-erased");
    }
    let what = if by["event"].is_string() { plain(&by["event"]) } else { plain(&by["type"]) };
    let values = [("event", what), ("source", plain(&by["source"])), ("position", plain(&by["position"]))];
    messages.with("identity-by-event", &values)
}

fn said(answer: &Value, messages: &Messages) -> String {
    let key = if answer["said"]["joined"] == true { "identity-joined" } else { "identity-unmerged" };
    let values = [("id", plain(&answer["identifier"])), ("others", plain(&answer["said"]["others"]))];
    format!("{}\n{}", messages.with(key, &values), explained(answer, messages))
}

fn rules_shown(answer: &Value, messages: &Messages) -> String {
    let version = &answer["version"];
    let mut out = match version.as_u64() {
        Some(_) => messages.with("identity-rules-version", &[("version", plain(version))]),
        None => messages.get("identity-rules-built-in"),
    };
    let types = answer["rules"]["types"].as_object().cloned().unwrap_or_default();
    let mut rows: Vec<(u64, Vec<String>)> = types
        .iter()
        .filter(|(kind, _)| !matches!(kind.as_str(), "order" | "promise"))
        .map(|(kind, rule)| {
            let from: Vec<String> = array(&rule["from"]).iter().map(plain).collect();
            let row = vec![kind.clone(), plain(&rule["priority"]), plain(&rule["limit"]), from.join(", ")];
            (rule["priority"].as_u64().unwrap_or_default(), row)
        })
        .collect();
    rows.sort();
    let rows: Vec<Vec<String>> = rows.into_iter().map(|(_, row)| row).collect();
    let head = heads(messages, &["type", "priority", "limit", "from"]);
    let blocked: Vec<String> = array(&answer["rules"]["blocked"]).iter().map(plain).collect();
    let values = [("values", blocked.join(", "))];
    let _ = write!(out, "\n{}\n{}", table(&head, &rows), messages.with("identity-rules-blocked", &values));
    out
}
