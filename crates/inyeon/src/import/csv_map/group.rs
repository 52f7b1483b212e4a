//! Parts of events on their way to one another, and the sort that brings them together.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ReadOptions;
use crate::import::decimal::Decimal;
use crate::import::sort::{Record, RecordSorter};
use crate::import::{ErrorKind, ImportError};

/// What some rows of a group make of an event. A part of a single row is an event of its own where nothing is
/// grouped.
#[derive(Clone, Default, Debug, Serialize, Deserialize)]
pub(super) struct Part {
    pub(super) at: Timestamp,
    pub(super) key: String,
    pub(super) user_id: String,
    pub(super) anonymous_id: String,
    /// The first row's.
    pub(super) values: Values,
    pub(super) sums: Vec<Decimal>,
    /// By list: the JSON of its elements, with commas between.
    pub(super) lists: Vec<String>,
    pub(super) rows: u64,
    /// The first row's.
    pub(super) line: u64,
}

impl Part {
    /// Takes in what later rows add.
    pub(super) fn absorb(&mut self, later: &Part) {
        for (sum, more) in self.sums.iter_mut().zip(&later.sums) {
            *sum = sum
                .checked_add(*more)
                .expect("a row adds at most 10^12 with nine decimals, and an i128 holds 10^38");
        }
        for (list, more) in self.lists.iter_mut().zip(&later.lists) {
            list.push(',');
            list.push_str(more);
        }
        self.rows += later.rows;
    }

    /// Bytes of its texts.
    pub(super) fn bytes(&self) -> usize {
        let lists: usize = self.lists.iter().map(String::len).sum();
        self.key.len() + self.values.text.len() + lists
    }

    pub(super) fn is_of(&self, other: &Part) -> bool {
        self.user_id == other.user_id && self.anonymous_id == other.anonymous_id
    }
}

/// JSON of the single values of an event, one behind the other; an empty one is absent.
#[derive(Clone, Default, Debug, Serialize, Deserialize)]
pub(super) struct Values {
    text: String,
    ends: Vec<usize>,
}

impl Values {
    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
    }

    /// Adds what `write` appends as one value.
    pub(super) fn push<E>(&mut self, write: impl FnOnce(&mut String) -> Result<(), E>) -> Result<(), E> {
        write(&mut self.text)?;
        self.ends.push(self.text.len());
        Ok(())
    }

    pub(super) fn get(&self, index: usize) -> &str {
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        &self.text[start..self.ends[index]]
    }
}

/// Names a group within a map: the event's index and the values of its columns, each with its length before it
/// so that no two groups share a name.
#[derive(Clone, Default, PartialEq, Eq, Hash, Debug)]
pub(super) struct GroupId(Vec<u8>);

impl GroupId {
    pub(super) fn begin(&mut self, event: usize) {
        self.0.clear();
        self.0.extend_from_slice(&(event as u32).to_be_bytes());
    }

    pub(super) fn push(&mut self, value: &str) {
        self.0.extend_from_slice(&(value.len() as u32).to_be_bytes());
        self.0.extend_from_slice(value.as_bytes());
    }

    /// The name of those rows of the group that are about the part's person.
    pub(super) fn of(&self, part: &Part) -> GroupId {
        let mut of = self.clone();
        of.push(&part.user_id);
        of.push(&part.anonymous_id);
        of
    }
}

/// Bytes of the line number behind a group's name in the sort.
const LINE_BYTES: usize = 8;

/// Brings the parts of each group together.
pub(super) struct Groups {
    sorter: RecordSorter,
    order: Vec<u8>,
}

impl Groups {
    pub(super) fn new(options: &ReadOptions) -> Self {
        Groups {
            sorter: RecordSorter::new(options.temp_dir.clone(), options.memory_bytes),
            order: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, group: &GroupId, part: &Part) -> Result<(), ImportError> {
        self.order.clear();
        self.order.extend_from_slice(&group.0);
        self.order.extend_from_slice(&part.line.to_be_bytes());
        let payload = postcard::to_stdvec(part).map_err(unreadable)?;
        self.sorter.push(&self.order, &payload)
    }

    /// Gives each group to `deliver`, made whole in the order of its lines. Rows of one group that are of
    /// different people are not laid together: the second person's event has `#2` behind its key.
    pub(super) fn finish(
        self,
        mut deliver: impl FnMut(usize, &Part) -> Result<(), ImportError>,
    ) -> Result<(), ImportError> {
        let mut group = Vec::new();
        let mut parts: Vec<Part> = Vec::new();
        for record in self.sorter.finish()? {
            let Record { mut order, payload } = record?;
            order.truncate(order.len().saturating_sub(LINE_BYTES));
            let part: Part = postcard::from_bytes(&payload).map_err(unreadable)?;
            if order != group {
                deliver_all(&group, &mut parts, &mut deliver)?;
                group = order;
            }
            match parts.iter_mut().find(|earlier| earlier.is_of(&part)) {
                Some(earlier) => earlier.absorb(&part),
                None => parts.push(part),
            }
        }
        deliver_all(&group, &mut parts, &mut deliver)
    }
}

fn deliver_all(
    group: &[u8],
    parts: &mut Vec<Part>,
    deliver: &mut impl FnMut(usize, &Part) -> Result<(), ImportError>,
) -> Result<(), ImportError> {
    let Some(event) = group.first_chunk().map(|bytes| u32::from_be_bytes(*bytes) as usize) else {
        return Ok(());
    };
    for (number, mut part) in (1_u32..).zip(parts.drain(..)) {
        if number > 1 {
            part.key.push_str(&format!("#{number}"));
        }
        deliver(event, &part)?;
    }
    Ok(())
}

fn unreadable(source: postcard::Error) -> ImportError {
    ImportError::new(
        ErrorKind::Spill,
        "a part of a group cannot be written or read back",
        "the sort of the table's groups",
        "Import again; if it happens again, report it",
    )
    .because(source)
}
