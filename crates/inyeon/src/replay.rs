//! Dead letters that are taken as events again, once the program or the tracking plan takes them.

use model::{EntityId, RejectedBody, TimelineId};
use runtime::Node;

use crate::dialect::segment;
use crate::dialect::{self, Code, Origin, Parsed};
use crate::error::Failure;
use crate::ops::{IMPORT_EVENT_BYTES_MAX, IMPORT_SOURCE};
use crate::plan::Plan;
use crate::plan::gate::{Admitted, Door, Named, admit};

/// The records of an event that may come in now, or why it may still not.
pub(crate) type Again = Result<Vec<Vec<u8>>, String>;

/// Reads a dead letter again, as what it was.
pub(crate) fn again(
    node: &Node,
    plan: Option<&Plan>,
    origin: Origin<'_>,
    body: &RejectedBody<'_>,
    seq: u64,
) -> Result<Again, Failure> {
    match origin.source.strip_prefix(IMPORT_SOURCE) {
        Some(import) if body.code == Code::PlanViolation.name() => {
            admit_again(node, plan, origin, import, &body.raw)
        }
        // Its natural key comes from the file and the map, and so does its time.
        Some(_) => Ok(Err("it came from a file: mend the file or its map and import it again".to_owned())),
        None => send_again(node, plan, origin, body, seq),
    }
}

/// A dead letter that came by HTTP.
fn send_again(
    node: &Node,
    plan: Option<&Plan>,
    origin: Origin<'_>,
    body: &RejectedBody<'_>,
    seq: u64,
) -> Result<Again, Failure> {
    let fresh = || format!("replay-{seq}");
    // An event that the plan blocked was understood, and is kept as it was understood.
    let parsed = match body.code == Code::PlanViolation.name() {
        true => segment::parse(&body.raw, None, segment::WRITTEN, origin.received_at, fresh),
        false => dialect::parse_again(&body.raw, origin.place, origin.received_at, fresh),
    };
    let mut records = Vec::new();
    let verdict = dialect::seal(node, plan, origin, &parsed, &mut records)?;
    Ok(verdict.map(|()| records).map_err(|(_, detail)| detail))
}

/// An import's event that the plan blocked, into the import's own line of time. Its place is its natural key.
fn admit_again(
    node: &Node,
    plan: Option<&Plan>,
    origin: Origin<'_>,
    import: &str,
    raw: &str,
) -> Result<Again, Failure> {
    let name = import.to_owned();
    let timeline = node.ask(move |fold| {
        fold.entity(EntityId::workspace())
            .map(|entity| entity.workspace().map(|workspace| workspace.timeline_of(&name)))
    })??;
    let Origin { source, place, received_at, .. } = origin;
    let event = match dialect::parse_line(raw, IMPORT_EVENT_BYTES_MAX, received_at, || place.to_owned()).1 {
        Parsed::Event { event, .. } => event,
        Parsed::Refused(refused) => return Ok(Err(refused.detail)),
    };
    let timeline = timeline.unwrap_or(TimelineId::LIVE);
    let door = Door { source, timeline, received_at, named: Named::Permanent(place) };
    Ok(match admit(node, plan, door, &event)? {
        Admitted::Taken { event, violation } => Ok([event].into_iter().chain(violation).collect()),
        Admitted::Blocked { detail, .. } => Err(detail),
    })
}
