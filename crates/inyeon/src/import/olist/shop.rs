//! What the files say, as far as later files refer to it.

use std::collections::HashMap;

use jiff::Timestamp;
use jiff::civil::Date;

use super::super::BadRowReason;
use super::super::decimal::Decimal;
use super::column::Column;

/// What the files say, as far as later files refer to it.
#[derive(Default)]
pub(super) struct Shop {
    /// Category names in English by their Portuguese names.
    pub(super) translation: HashMap<String, String>,
    /// With their categories and weights.
    pub(super) products: Catalogue,
    /// With their states and postal codes.
    pub(super) sellers: Catalogue,
    pub(super) sellers_given: bool,
    pub(super) customers: Index,
    pub(super) addresses: Vec<Address>,
    pub(super) people: Vec<Person>,
    pub(super) people_by_id: HashMap<String, u32>,
    pub(super) orders_by_id: Index,
    pub(super) orders: Vec<Order>,
    pub(super) items: Vec<Item>,
    pub(super) payments: Vec<Payment>,
}

/// Products or sellers: what items refer to, whether or not its own file knows of it.
#[derive(Default)]
pub(super) struct Catalogue {
    pub(super) by_id: HashMap<String, u32>,
    pub(super) entries: Vec<CatalogueEntry>,
}

pub(super) struct CatalogueEntry {
    pub(super) id: String,
    /// Where it stands in its own file, if it does.
    pub(super) line: Option<u64>,
    /// The product's category, the seller's state; empty where not known.
    pub(super) detail: String,
    /// The product's weight in grams, the beginning of the seller's postal code; empty where not known.
    pub(super) more: String,
}

impl Catalogue {
    pub(super) fn insert(&mut self, id: &str, line: u64, known: [String; 2]) -> Result<(), BadRowReason> {
        let at = self.intern(id) as usize;
        let entry = &mut self.entries[at];
        if let Some(first_line) = entry.line {
            return Err(BadRowReason::Duplicate { id: id.to_owned(), first_line });
        }
        entry.line = Some(line);
        [entry.detail, entry.more] = known;
        Ok(())
    }

    pub(super) fn intern(&mut self, id: &str) -> u32 {
        if let Some(at) = self.by_id.get(id) {
            return *at;
        }
        let at = self.entries.len() as u32;
        self.by_id.insert(id.to_owned(), at);
        self.entries.push(CatalogueEntry {
            id: id.to_owned(),
            line: None,
            detail: String::new(),
            more: String::new(),
        });
        at
    }

    pub(super) fn get(&self, at: u32) -> &CatalogueEntry {
        &self.entries[at as usize]
    }
}

/// A row of the customers file: one order's customer, and where that order went.
pub(super) struct Address {
    pub(super) person: u32,
    pub(super) zip_prefix: String,
    pub(super) city: String,
    pub(super) state: String,
}

/// The person behind one or more customer rows.
pub(super) struct Person {
    pub(super) unique_id: String,
    /// Purchase and index of the first order.
    pub(super) first_order: Option<(Timestamp, u32)>,
}

pub(super) struct Order {
    pub(super) id: String,
    pub(super) line: u64,
    pub(super) address: u32,
    pub(super) status: String,
    pub(super) purchased: Timestamp,
    pub(super) approved: Option<Timestamp>,
    pub(super) handed_over: Option<Timestamp>,
    pub(super) delivered: Option<Timestamp>,
    pub(super) due: Option<Date>,
    /// The latest day of the order's items by which the seller was to hand over.
    pub(super) hand_over_by: Option<Timestamp>,
}

pub(super) struct Item {
    pub(super) order: u32,
    pub(super) number: i64,
    pub(super) product: u32,
    pub(super) seller: u32,
    pub(super) price: Decimal,
    pub(super) freight: Decimal,
}

pub(super) struct Payment {
    pub(super) order: u32,
    pub(super) number: i64,
    pub(super) method: String,
    pub(super) installments: Option<i64>,
    pub(super) amount: Decimal,
}

/// Ids of one file, each with the line it stands on and what became of it.
#[derive(Default)]
pub(super) struct Index {
    pub(super) file: String,
    pub(super) entries: HashMap<String, IndexEntry>,
}

pub(super) struct IndexEntry {
    pub(super) line: u64,
    /// Nothing for a row that was itself left out.
    pub(super) at: Option<u32>,
}

impl Index {
    pub(super) fn check_new(&self, id: &str) -> Result<(), BadRowReason> {
        match self.entries.get(id) {
            Some(IndexEntry { line, at: Some(_) }) => {
                Err(BadRowReason::Duplicate { id: id.to_owned(), first_line: *line })
            }
            _ => Ok(()),
        }
    }

    pub(super) fn insert(&mut self, id: &str, line: u64, at: usize) {
        self.entries.insert(id.to_owned(), IndexEntry { line, at: Some(at as u32) });
    }

    /// Keeps in mind that a row was left out, so that the rows which refer to it can say so.
    pub(super) fn refuse(&mut self, id: &str, line: u64) {
        if !id.is_empty() {
            self.entries.entry(id.to_owned()).or_insert(IndexEntry { line, at: None });
        }
    }

    pub(super) fn find(&self, column: Column, id: &str) -> Result<u32, BadRowReason> {
        let (column, id, file) = (column.name.to_owned(), id.to_owned(), self.file.clone());
        match self.entries.get(&id) {
            Some(IndexEntry { at: Some(at), .. }) => Ok(*at),
            Some(IndexEntry { at: None, line }) => {
                Err(BadRowReason::Refused { column, id, file, line: *line })
            }
            None => Err(BadRowReason::Unknown { column, id, file }),
        }
    }
}
