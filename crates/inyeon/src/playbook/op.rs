//! What is asked of a store about playbooks. They are part of the reference data: published through the log, each
//! version kept, so that a need runs to its end by the version that it began with.

use std::collections::BTreeMap;

use engine::playbook::check::{Problem, check, check_items};
use engine::playbook::{Playbook, Playbooks};
use engine::{Entity, Reference};
use model::SupplyName;
use runtime::{FoldError, Node};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::error::{Failure, Kind};

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "playbook", rename_all = "snake_case", deny_unknown_fields)]
pub enum PlaybookOp {
    /// Which models each of these items fits; what the catalogue does not know is left out.
    Items {
        items: Vec<String>,
    },
    /// All of them or none.
    Publish {
        playbooks: Vec<Playbook>,
    },
    List,
    Show {
        name: String,
        version: Option<u32>,
    },
    /// Lets an older version hold again; the one before the present one, where none is named.
    Rollback {
        name: String,
        to: Option<u32>,
    },
    /// No new needs; those that are open run to their ends.
    Off {
        name: String,
    },
}

pub fn run(node: &Node, op: PlaybookOp) -> Result<Value, Failure> {
    match op {
        PlaybookOp::Items { items } => Ok(json!(catalogue(node, items)?)),
        PlaybookOp::Publish { playbooks } => publish(node, playbooks),
        PlaybookOp::List => list(node),
        PlaybookOp::Show { name, version } => show(node, name, version),
        PlaybookOp::Rollback { name, to } => rollback(node, name, to),
        PlaybookOp::Off { name } => switch(node, name, None),
    }
}

fn catalogue(node: &Node, items: Vec<String>) -> Result<BTreeMap<String, Vec<String>>, Failure> {
    node.drain()?;
    let known = node.ask(move |fold| -> Result<_, FoldError> {
        let mut known = BTreeMap::new();
        for item in items {
            let Some(id) = fold.supply(&SupplyName::Item(item.clone()))? else { continue };
            if let Entity::Item(entity) = fold.entity(id)?
                && entity.item.is_some()
            {
                let fits = entity.item.as_ref().map(|known| known.fits.clone());
                known.insert(item, fits.unwrap_or_default());
            }
        }
        Ok(known)
    })??;
    Ok(known)
}

fn current(node: &Node) -> Result<Reference, Failure> {
    Ok(node.ask(|fold| fold.reference().clone())?)
}

/// Lets other playbooks hold from now on; what else the reference data say stays as it is.
fn hold(node: &Node, known: Reference, playbooks: Playbooks) -> Result<u32, Failure> {
    let reference = Reference { version: known.version + 1, playbooks, ..known };
    let version = reference.version;
    node.publish_reference(reference)?;
    // Answered when it is durable.
    node.act_and_wait(|_, _| Ok(()))?;
    Ok(version)
}

fn publish(node: &Node, playbooks: Vec<Playbook>) -> Result<Value, Failure> {
    let reference = current(node)?;
    let mut next = reference.playbooks.clone();
    let mut published = Vec::new();
    for playbook in playbooks {
        // Whoever asks has checked it; a store takes nobody's word for it.
        let errors: Vec<Problem> = check(&playbook);
        let is_error = |problem: &&Problem| problem.severity == engine::playbook::check::Severity::Error;
        if let Some(problem) = errors.iter().find(is_error) {
            return Err(Failure::new(Kind::Usage, "playbook-unsound")
                .with("playbook", &playbook.playbook)
                .with("detail", problem));
        }
        let other = next
            .current()
            .find(|(_, other)| other.category == playbook.category && other.playbook != playbook.playbook);
        if let Some((_, other)) = other {
            return Err(Failure::new(Kind::Conflict, "playbook-category")
                .with("playbook", &playbook.playbook)
                .with("category", &playbook.category)
                .with("other", &other.playbook));
        }
        let known = catalogue(node, playbook.offer.items.clone())?;
        let warnings: Vec<Value> = check_items(&playbook, &known).iter().map(warned).collect();
        let name = playbook.playbook.clone();
        let before = next.by_name.get(&name).and_then(|known| known.current);
        let version = next.publish(playbook);
        published.push(json!({
            "playbook": name, "version": version, "before": before,
            "published": before != Some(version), "warnings": warnings,
        }));
    }
    let changed = next != reference.playbooks;
    let version = if changed { hold(node, reference, next)? } else { reference.version };
    Ok(json!({ "reference": version, "published": published }))
}

fn warned(problem: &Problem) -> Value {
    let mut told = json!({ "code": problem.code, "pointer": problem.pointer });
    problem.values.iter().for_each(|(name, value)| told[*name] = json!(value));
    told
}

fn list(node: &Node) -> Result<Value, Failure> {
    let playbooks = current(node)?.playbooks;
    let row = |(name, known): (&String, &engine::playbook::Versions)| {
        let shown = known.current.or_else(|| known.versions.keys().next_back().copied());
        let playbook = shown.and_then(|version| known.versions.get(&version));
        json!({
            "playbook": name,
            "current": known.current,
            "versions": known.versions.keys().collect::<Vec<_>>(),
            "category": playbook.map(|playbook| &playbook.category),
            "title": playbook.map(|playbook| json!(playbook.title)),
            "owners": playbook.map(|playbook| json!(playbook.owners)),
        })
    };
    Ok(playbooks.by_name.iter().map(row).collect())
}

fn unknown(name: &str) -> Failure {
    Failure::new(Kind::NotFound, "no-such-playbook").with("playbook", name)
}

fn no_version(name: &str, version: u32) -> Failure {
    let failure = Failure::new(Kind::NotFound, "no-such-playbook-version");
    failure.with("playbook", name).with("version", version)
}

fn show(node: &Node, name: String, version: Option<u32>) -> Result<Value, Failure> {
    let playbooks = current(node)?.playbooks;
    let known = playbooks.by_name.get(&name).ok_or_else(|| unknown(&name))?;
    let last = known.versions.keys().next_back().copied();
    let version = version.or(known.current).or(last).ok_or_else(|| unknown(&name))?;
    let playbook = known.versions.get(&version).ok_or_else(|| no_version(&name, version))?;
    Ok(json!({
        "playbook": name, "version": version, "current": known.current, "document": playbook,
    }))
}

fn rollback(node: &Node, name: String, to: Option<u32>) -> Result<Value, Failure> {
    let playbooks = current(node)?.playbooks;
    let known = playbooks.by_name.get(&name).ok_or_else(|| unknown(&name))?;
    // One that is switched off comes back as it was last.
    let before = match known.current {
        Some(current) => known.versions.range(..current).next_back().map(|(version, _)| *version),
        None => known.versions.keys().next_back().copied(),
    };
    let to = to
        .or(before)
        .ok_or_else(|| Failure::new(Kind::Conflict, "playbook-no-older").with("playbook", &name))?;
    if !known.versions.contains_key(&to) {
        return Err(no_version(&name, to));
    }
    switch(node, name, Some(to))
}

fn switch(node: &Node, name: String, to: Option<u32>) -> Result<Value, Failure> {
    let reference = current(node)?;
    let mut next = reference.playbooks.clone();
    let before = next.by_name.get(&name).ok_or_else(|| unknown(&name))?.current;
    let category = to.and_then(|to| next.get(&name, to)).map(|playbook| playbook.category.clone());
    let taken = next.current().find(|(_, other)| {
        other.playbook != name && category.as_ref().is_some_and(|category| *category == other.category)
    });
    if let Some((_, other)) = taken {
        return Err(Failure::new(Kind::Conflict, "playbook-category")
            .with("playbook", &name)
            .with("category", &other.category)
            .with("other", &other.playbook));
    }
    next.switch(&name, to);
    let changed = next != reference.playbooks;
    let version = if changed { hold(node, reference, next)? } else { reference.version };
    Ok(json!({ "playbook": name, "before": before, "current": to, "reference": version, "changed": changed }))
}
