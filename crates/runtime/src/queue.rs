//! What waits to be written, by source: bounded in all, and shared so that nobody is crowded out.
//!
//! A source may hold as much as stays free. With `n` sources that send without end each holds 1 / (n + 1) of the
//! room, and as much is left for whoever comes next; a source alone may hold half of it. Sources take turns in the
//! order of writing, so that what a small one sends does not wait behind all that a large one has waiting; what one
//! source sends keeps its order.

use std::collections::VecDeque;
use std::sync::Arc;

use rustc_hash::FxHashMap;

/// Bytes that a source may give in one turn, and one item more.
const TURN_BYTES: usize = 64 << 10;

/// Why an item was not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Refused {
    /// Its source holds its share already.
    Share,
    /// There is no room for it, although its source holds nothing.
    Full,
}

/// An item that left the queue. It counts against its source until [`FairQueue::done`].
pub(crate) struct Turn<T> {
    pub(crate) source: Arc<str>,
    pub(crate) bytes: usize,
    pub(crate) item: T,
}

struct Held<T> {
    /// Bytes that wait and that are being written.
    bytes: usize,
    waiting: VecDeque<(usize, T)>,
}

/// A bounded queue with a share for each source.
pub(crate) struct FairQueue<T> {
    limit: usize,
    held: usize,
    /// Sources of which something waits or is being written.
    sources: FxHashMap<Arc<str>, Held<T>>,
    /// Sources of which something waits, in the order of their turns.
    turns: VecDeque<Arc<str>>,
}

impl<T> FairQueue<T> {
    /// A queue that holds up to `limit` bytes; a single item of any size where it holds nothing.
    pub(crate) fn new(limit: usize) -> Self {
        FairQueue { limit, held: 0, sources: FxHashMap::default(), turns: VecDeque::new() }
    }

    /// Bytes that wait and that are being written.
    pub(crate) fn held(&self) -> usize {
        self.held
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }

    /// Whether an item of so many bytes would be taken now.
    pub(crate) fn admits(&self, source: &str, bytes: usize) -> Result<(), Refused> {
        let own = self.sources.get(source).map_or(0, |held| held.bytes);
        let free = self.limit.saturating_sub(self.held);
        if self.held == 0
            || (own == 0 && bytes <= free)
            || own.saturating_add(bytes) <= free.saturating_sub(bytes)
        {
            return Ok(());
        }
        Err(if own == 0 { Refused::Full } else { Refused::Share })
    }

    /// Takes an item, or gives it back with the reason.
    pub(crate) fn push(&mut self, source: &str, bytes: usize, item: T) -> Result<(), (Refused, T)> {
        if let Err(why) = self.admits(source, bytes) {
            return Err((why, item));
        }
        self.held += bytes;
        if let Some(held) = self.sources.get_mut(source) {
            if held.waiting.is_empty() {
                self.turns.push_back(source.into());
            }
            held.bytes += bytes;
            held.waiting.push_back((bytes, item));
        } else {
            let source: Arc<str> = source.into();
            self.turns.push_back(source.clone());
            self.sources.insert(source, Held { bytes, waiting: VecDeque::from([(bytes, item)]) });
        }
        Ok(())
    }

    /// Moves what is written next to `out`, source by source in turn, until it holds so many bytes or items.
    pub(crate) fn take(&mut self, bytes_max: usize, items_max: usize, out: &mut Vec<Turn<T>>) {
        let mut taken = 0;
        while taken < bytes_max && out.len() < items_max {
            let Some(source) = self.turns.pop_front() else { return };
            let Some(held) = self.sources.get_mut(&source) else { continue };
            let mut given = 0;
            while given < TURN_BYTES && taken < bytes_max && out.len() < items_max {
                let Some((bytes, item)) = held.waiting.pop_front() else { break };
                given += bytes;
                taken += bytes;
                out.push(Turn { source: source.clone(), bytes, item });
            }
            if !held.waiting.is_empty() {
                self.turns.push_back(source);
            }
        }
    }

    /// What a source gave was written or refused: its room is free again.
    pub(crate) fn done(&mut self, source: &str, bytes: usize) {
        self.held -= bytes;
        if let Some(held) = self.sources.get_mut(source) {
            held.bytes -= bytes;
            if held.bytes == 0 && held.waiting.is_empty() {
                self.sources.remove(source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(queue: &mut FairQueue<u32>, source: &str, bytes: usize) -> (u32, Refused) {
        for n in 0.. {
            if let Err((why, _)) = queue.push(source, bytes, n) {
                return (n, why);
            }
        }
        unreachable!("a queue is bounded")
    }

    fn take(queue: &mut FairQueue<u32>, bytes: usize, items: usize) -> Vec<Turn<u32>> {
        let mut out = Vec::new();
        queue.take(bytes, items, &mut out);
        out
    }

    fn order(turns: &[Turn<u32>]) -> Vec<(&str, u32)> {
        turns.iter().map(|turn| (turn.source.as_ref(), turn.item)).collect()
    }

    #[test]
    fn a_source_holds_no_more_than_stays_free() {
        let mut queue = FairQueue::new(1200);
        assert_eq!(fill(&mut queue, "flood", 10), (60, Refused::Share), "half of it");
        assert_eq!(fill(&mut queue, "second", 10).1, Refused::Share);
        for small in ["a", "b", "c"] {
            assert!(queue.push(small, 10, 0).is_ok(), "whoever holds nothing finds room");
        }
        assert!(queue.held() < 1200);
    }

    #[test]
    fn sources_that_never_stop_come_to_about_equal_shares() {
        let mut queue = FairQueue::new(4000);
        let sources = ["a", "b", "c"];
        for _ in 0..200 {
            for source in sources {
                fill(&mut queue, source, 10);
            }
            for turn in take(&mut queue, 500, 1000) {
                queue.done(&turn.source, turn.bytes);
            }
        }
        for source in sources {
            fill(&mut queue, source, 10);
        }
        for source in sources {
            let own = queue.sources[source].bytes;
            assert!((700..=1300).contains(&own), "{source} holds {own} of 4000");
        }
        assert!(queue.admits("new", 600).is_ok());
    }

    #[test]
    fn full_is_said_only_where_the_source_holds_nothing() {
        let mut queue = FairQueue::new(100);
        assert!(queue.push("large", 500, 0).is_ok(), "what finds it empty is taken, whatever its size");
        assert_eq!(queue.push("other", 1, 1).unwrap_err().0, Refused::Full);
        assert_eq!(queue.push("large", 1, 1).unwrap_err().0, Refused::Share);
        assert_eq!(queue.held(), 500);
    }

    #[test]
    fn room_is_free_again_once_it_is_written_not_once_it_is_taken() {
        let mut queue = FairQueue::new(100);
        fill(&mut queue, "a", 10);
        let turns = take(&mut queue, 1000, 1000);
        assert!(queue.is_empty());
        assert_eq!(queue.admits("a", 10), Err(Refused::Share));
        for turn in &turns {
            queue.done(&turn.source, turn.bytes);
        }
        assert_eq!((queue.held(), queue.sources.len()), (0, 0));
        assert!(queue.admits("a", 100).is_ok());
    }

    #[test]
    fn sources_take_turns_and_each_keeps_its_order() {
        let mut queue = FairQueue::new(100 * TURN_BYTES);
        for n in 0..6 {
            queue.push("flood", TURN_BYTES, n).unwrap();
        }
        for n in 0..3 {
            queue.push("small", 10, n).unwrap();
        }
        queue.push("other", 10, 0).unwrap();
        let first = take(&mut queue, 3 * TURN_BYTES, 100);
        assert_eq!(
            order(&first),
            [
                ("flood", 0),
                ("small", 0),
                ("small", 1),
                ("small", 2),
                ("other", 0),
                ("flood", 1),
                ("flood", 2)
            ]
        );
        assert_eq!(order(&take(&mut queue, 1, 100)), [("flood", 3)], "always at least one");
        assert_eq!(order(&take(&mut queue, usize::MAX, 1)), [("flood", 4)], "no more than were asked for");
        assert_eq!(order(&take(&mut queue, usize::MAX, 100)), [("flood", 5)]);
        assert!(queue.is_empty() && queue.held() > 0);
    }
}
