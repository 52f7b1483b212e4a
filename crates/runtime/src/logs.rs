//! Reading both logs back, and what may be found there.

use model::codec::{CodecError, Stored};
use model::{Entry, IntakeRecord, Outcome, Sealed};
use store::{Keys, LogError, LogReader, OpenError};

/// Why history could not be read.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error("{log} entry {seq} cannot be read")]
    Codec { log: &'static str, seq: u64, source: CodecError },
    #[error("{log} entry {seq} is missing; the log ends before it")]
    Missing { log: &'static str, seq: u64 },
}

/// The two logs of a partition, to read.
pub enum Logs {
    Disk {
        intake: LogReader,
        journal: LogReader,
    },
    /// Encoded entries by sequence, the first at index 0. For simulations.
    Memory {
        intake: Vec<Vec<u8>>,
        journal: Vec<Vec<u8>>,
    },
}

impl Logs {
    /// Hands the intake record with this sequence to `with`.
    pub fn intake<T>(
        &mut self,
        seq: u64,
        with: impl FnOnce(IntakeRecord<'_>) -> T,
    ) -> Result<T, HistoryError> {
        let missing = HistoryError::Missing { log: "intake", seq };
        let bytes = match self {
            Logs::Disk { intake, .. } => intake.read(seq)?.ok_or(missing)?.body,
            Logs::Memory { intake, .. } => intake.get(seq as usize - 1).ok_or(missing)?,
        };
        let record = IntakeRecord::decode(bytes).map_err(|source| HistoryError::Codec {
            log: "intake",
            seq,
            source,
        })?;
        Ok(with(record))
    }

    /// Hands the journal entry with this sequence to `with`.
    pub fn journal<T>(&mut self, seq: u64, with: impl FnOnce(Entry<'_>) -> T) -> Result<T, HistoryError> {
        let missing = HistoryError::Missing { log: "journal", seq };
        let bytes = match self {
            Logs::Disk { journal, .. } => journal.read(seq)?.ok_or(missing)?.body,
            Logs::Memory { journal, .. } => journal.get(seq as usize - 1).ok_or(missing)?,
        };
        let entry =
            Entry::decode(bytes).map_err(|source| HistoryError::Codec { log: "journal", seq, source })?;
        Ok(with(entry))
    }

    /// The last sequence of each log, intake first.
    pub fn ends(&self) -> (u64, u64) {
        match self {
            Logs::Disk { intake, journal } => (intake.durable().seq(), journal.durable().seq()),
            Logs::Memory { intake, journal } => (intake.len() as u64, journal.len() as u64),
        }
    }
}

/// A sealed body that could not be used.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Codec(#[from] CodecError),
}

pub(crate) fn open_outcomes(keys: &Keys, body: &Sealed<'_>) -> Result<Vec<Outcome>, BodyError> {
    Ok(Vec::<Outcome>::decode(&keys.open_sealed(body)?)?)
}
