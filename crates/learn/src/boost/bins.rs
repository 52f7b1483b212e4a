//! Features cut into at most 63 steps, so that a split is found by adding up instead of sorting.

use super::Table;

const STEPS: usize = 63;
/// Rows that the steps are chosen by, at most.
const LOOKED_AT: usize = 50_000;

/// A table by columns, each cell the number of its step; 0 is a value that is not known.
pub(super) struct Binned {
    pub(super) columns: Vec<Vec<u8>>,
    /// For each column the highest value of steps 1, 2, …; the last step is open.
    uppers: Vec<Vec<f32>>,
}

impl Binned {
    pub(super) fn of(table: &Table) -> Self {
        let uppers: Vec<Vec<f32>> = (0..table.width()).map(|column| uppers(table, column)).collect();
        let columns = uppers
            .iter()
            .enumerate()
            .map(|(column, uppers)| {
                (0..table.rows()).map(|row| step(uppers, table.row(row)[column])).collect()
            })
            .collect();
        Binned { columns, uppers }
    }

    /// Steps of a column, that of unknown values included.
    pub(super) fn steps(&self, column: usize) -> usize {
        self.uppers[column].len() + 2
    }

    /// The highest value that is at or below a step; −∞ for that of unknown values.
    pub(super) fn upper(&self, column: usize, step: usize) -> f32 {
        step.checked_sub(1)
            .map_or(f32::NEG_INFINITY, |at| self.uppers[column].get(at).copied().unwrap_or(f32::INFINITY))
    }
}

fn step(uppers: &[f32], value: f32) -> u8 {
    if value.is_nan() { 0 } else { uppers.partition_point(|upper| *upper < value) as u8 + 1 }
}

/// Cuts at even shares of the rows, between values that differ.
fn uppers(table: &Table, column: usize) -> Vec<f32> {
    let stride = table.rows().div_ceil(LOOKED_AT).max(1);
    let mut values: Vec<f32> = (0..table.rows())
        .step_by(stride)
        .map(|row| table.row(row)[column])
        .filter(|value| !value.is_nan())
        .collect();
    values.sort_by(f32::total_cmp);
    let mut uppers: Vec<f32> =
        (1..STEPS).filter_map(|k| values.get(k * values.len() / STEPS)).copied().collect();
    uppers.dedup();
    // Above the highest value nothing is left to cut off.
    if uppers.last() == values.last() {
        uppers.pop();
    }
    uppers
}
