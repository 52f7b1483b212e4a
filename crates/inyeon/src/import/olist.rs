//! The public Olist layout: orders of a Brazilian marketplace with the promised and the actual day of delivery.
//!
//! The files are joined in memory, some hundred bytes an order. `docs/import.md` says what becomes of each
//! column; the decisions that are not plain from the data:
//!
//! - A cancellation has no time of its own in the files. It is dated at the last time known of its order that
//!   does not lie after the promised day, and marked `time_inferred`.
//! - An order that is `canceled` or `unavailable` and yet has a delivery date *was* delivered: its promise was
//!   kept or broken on that day, and a cancellation placed before it would hide that. Only the delivery is told,
//!   with the file's word in `order_status`; what was undone afterwards has no time here, and none is made up.
//! - A row is used whole or not at all. An order with a delivery date that cannot be read would otherwise look
//!   like one that is still open.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::civil::Date;

use super::decimal::{Decimal, NumberStyle};
use super::json::Json;
use super::lines::{Meter, reported_name};
use super::local_time::{self, TimeFormat, TimeReader};
use super::progress::Feed;
use super::table::{Dialect, Row, Rows};
use super::{BadRowReason, ErrorKind, ImportError, ImportEvent, Rank, Sink, Summary};

/// The id of the source.
pub const SOURCE: &str = "olist";
/// The zone of the times in the files.
pub const TIME_ZONE: &str = "America/Sao_Paulo";

const CURRENCY: &str = "BRL";
/// More than any order is worth; what lies above is a slip of the keyboard, not an amount.
const AMOUNT_MAX: Decimal = Decimal::whole(1_000_000_000_000);

/// Reads a folder with the Olist files, each plain, `.gz` or `.zst`, and delivers its events in the order of the
/// files. Payments, sellers, the translation of categories and reviews may be missing.
pub fn read(dir: &Path, sink: &mut dyn Sink) -> Result<Summary, ImportError> {
    let files = Files::find(dir)?;
    let meter = Meter::over(&files.all())?;
    let mut import = Import {
        time_reader: TimeReader::new(local_time::zone(TIME_ZONE)?, TimeFormat::Iso),
        feed: Feed::new(sink, meter.clone()),
        meter,
        json: Json::default(),
        shop: Shop::default(),
        notes: Notes::default(),
    };
    if let Some(path) = &files.translation {
        import.read_translation(path)?;
    }
    import.read_products(&files.products)?;
    if let Some(path) = &files.sellers {
        import.read_sellers(path)?;
    }
    import.read_customers(&files.customers)?;
    import.read_orders(&files.orders)?;
    import.read_items(&files.items)?;
    if let Some(path) = &files.payments {
        import.read_payments(path)?;
    }
    import.tell_orders(&reported_name(&files.orders))?;
    if let Some(path) = &files.reviews {
        import.read_reviews(path)?;
    }
    Ok(import.finish())
}

/// Where the files are.
struct Files {
    customers: PathBuf,
    orders: PathBuf,
    items: PathBuf,
    products: PathBuf,
    payments: Option<PathBuf>,
    sellers: Option<PathBuf>,
    translation: Option<PathBuf>,
    reviews: Option<PathBuf>,
}

impl Files {
    fn find(dir: &Path) -> Result<Files, ImportError> {
        let find = |name: &str| {
            let packed = ["", ".zst", ".gz"].map(|ending| dir.join(format!("{name}{ending}")));
            packed.into_iter().find(|path| path.is_file())
        };
        let need = |name: &str| {
            find(name).ok_or_else(|| {
                ImportError::new(
                    ErrorKind::MissingFile,
                    format!("the file {name} is missing"),
                    dir.display().to_string(),
                    "Name the folder with the unpacked Olist files (each may be .csv, .csv.gz or .csv.zst)",
                )
            })
        };
        Ok(Files {
            customers: need("olist_customers_dataset.csv")?,
            orders: need("olist_orders_dataset.csv")?,
            items: need("olist_order_items_dataset.csv")?,
            products: need("olist_products_dataset.csv")?,
            payments: find("olist_order_payments_dataset.csv"),
            sellers: find("olist_sellers_dataset.csv"),
            translation: find("product_category_name_translation.csv"),
            reviews: find("olist_order_reviews_dataset.csv"),
        })
    }

    fn all(&self) -> Vec<&Path> {
        let needed = [&self.customers, &self.orders, &self.items, &self.products];
        let optional = [&self.payments, &self.sellers, &self.translation, &self.reviews];
        needed.into_iter().chain(optional.into_iter().flatten()).map(PathBuf::as_path).collect()
    }
}

/// What the files say, as far as later files refer to it.
#[derive(Default)]
struct Shop {
    /// Category names in English by their Portuguese names.
    translation: HashMap<String, String>,
    /// With their categories.
    products: Catalogue,
    /// With their states.
    sellers: Catalogue,
    sellers_given: bool,
    customers: Index,
    addresses: Vec<Address>,
    people: Vec<Person>,
    people_by_id: HashMap<String, u32>,
    orders_by_id: Index,
    orders: Vec<Order>,
    items: Vec<Item>,
    payments: Vec<Payment>,
}

/// Products or sellers: what items refer to, whether or not its own file knows of it.
#[derive(Default)]
struct Catalogue {
    by_id: HashMap<String, u32>,
    entries: Vec<CatalogueEntry>,
}

struct CatalogueEntry {
    id: String,
    /// Where it stands in its own file, if it does.
    line: Option<u64>,
    /// The one thing we keep of it; empty where not known.
    detail: String,
}

impl Catalogue {
    fn insert(&mut self, id: &str, line: u64, detail: &str) -> Result<(), BadRowReason> {
        let at = self.intern(id) as usize;
        let entry = &mut self.entries[at];
        if let Some(first_line) = entry.line {
            return Err(BadRowReason::Duplicate { id: id.to_owned(), first_line });
        }
        entry.line = Some(line);
        entry.detail = detail.to_owned();
        Ok(())
    }

    fn intern(&mut self, id: &str) -> u32 {
        if let Some(at) = self.by_id.get(id) {
            return *at;
        }
        let at = self.entries.len() as u32;
        self.by_id.insert(id.to_owned(), at);
        self.entries.push(CatalogueEntry { id: id.to_owned(), line: None, detail: String::new() });
        at
    }

    fn get(&self, at: u32) -> &CatalogueEntry {
        &self.entries[at as usize]
    }
}

/// A row of the customers file: one order's customer, and where that order went.
struct Address {
    person: u32,
    zip_prefix: String,
    city: String,
    state: String,
}

/// The person behind one or more customer rows.
struct Person {
    unique_id: String,
    /// Purchase and index of the first order.
    first_order: Option<(Timestamp, u32)>,
}

struct Order {
    id: String,
    line: u64,
    address: u32,
    status: String,
    purchased: Timestamp,
    approved: Option<Timestamp>,
    handed_over: Option<Timestamp>,
    delivered: Option<Timestamp>,
    due: Option<Date>,
    /// The latest day of the order's items by which the seller was to hand over.
    hand_over_by: Option<Timestamp>,
}

struct Item {
    order: u32,
    number: i64,
    product: u32,
    seller: u32,
    price: Decimal,
    freight: Decimal,
}

struct Payment {
    order: u32,
    number: i64,
    method: String,
    installments: Option<i64>,
    amount: Decimal,
}

/// Ids of one file, each with the line it stands on and what became of it.
#[derive(Default)]
struct Index {
    file: String,
    entries: HashMap<String, IndexEntry>,
}

struct IndexEntry {
    line: u64,
    /// Nothing for a row that was itself left out.
    at: Option<u32>,
}

impl Index {
    fn check_new(&self, id: &str) -> Result<(), BadRowReason> {
        match self.entries.get(id) {
            Some(IndexEntry { line, at: Some(_) }) => {
                Err(BadRowReason::Duplicate { id: id.to_owned(), first_line: *line })
            }
            _ => Ok(()),
        }
    }

    fn insert(&mut self, id: &str, line: u64, at: usize) {
        self.entries.insert(id.to_owned(), IndexEntry { line, at: Some(at as u32) });
    }

    /// Keeps in mind that a row was left out, so that the rows which refer to it can say so.
    fn refuse(&mut self, id: &str, line: u64) {
        if !id.is_empty() {
            self.entries.entry(id.to_owned()).or_insert(IndexEntry { line, at: None });
        }
    }

    fn find(&self, column: Column, id: &str) -> Result<u32, BadRowReason> {
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

/// A column by its name and its place in the rows.
#[derive(Clone, Copy)]
struct Column {
    name: &'static str,
    at: usize,
}

fn columns<const N: usize>(rows: &Rows, names: [&'static str; N]) -> Result<[Column; N], ImportError> {
    let mut columns = [Column { name: "", at: 0 }; N];
    for (column, name) in columns.iter_mut().zip(names) {
        *column = Column { name, at: rows.column(name)? };
    }
    Ok(columns)
}

impl Column {
    fn text(self, row: &Row) -> &str {
        row.get(self.at).trim()
    }

    fn needed(self, row: &Row) -> Result<&str, BadRowReason> {
        match self.text(row) {
            "" => Err(BadRowReason::Missing { column: self.name.to_owned() }),
            text => Ok(text),
        }
    }

    fn time(self, row: &Row, time_reader: &mut TimeReader) -> Result<Option<Timestamp>, BadRowReason> {
        match self.text(row) {
            "" => Ok(None),
            text => time_reader.instant(text).map(Some).ok_or_else(|| self.bad_time(text)),
        }
    }

    fn needed_time(self, row: &Row, time_reader: &mut TimeReader) -> Result<Timestamp, BadRowReason> {
        self.needed(row)?;
        self.time(row, time_reader)?.ok_or_else(|| BadRowReason::Missing { column: self.name.to_owned() })
    }

    fn date(self, row: &Row, time_reader: &TimeReader) -> Result<Option<Date>, BadRowReason> {
        match self.text(row) {
            "" => Ok(None),
            text => time_reader.date(text).map(Some).ok_or_else(|| self.bad_time(text)),
        }
    }

    /// An amount in centavos. Copies of the files that went through binary fractions have longer ones.
    fn amount(self, row: &Row) -> Result<Decimal, BadRowReason> {
        let text = self.needed(row)?;
        let amount = Decimal::parse(text, NumberStyle::default()).and_then(|amount| amount.rounded(2));
        let amount = amount.ok_or_else(|| self.bad_number(text))?;
        if amount.is_negative() || !amount.is_within(AMOUNT_MAX) {
            return Err(self.out_of_range(text, "an amount from 0 to 10^12"));
        }
        Ok(amount)
    }

    fn integer(self, row: &Row) -> Result<i64, BadRowReason> {
        let text = self.needed(row)?;
        let whole = Decimal::parse(text, NumberStyle::default()).and_then(Decimal::to_integer);
        whole.and_then(|whole| i64::try_from(whole).ok()).ok_or_else(|| self.bad_number(text))
    }

    fn bad_time(self, value: &str) -> BadRowReason {
        BadRowReason::Time { column: self.name.to_owned(), value: value.to_owned() }
    }

    fn bad_number(self, value: &str) -> BadRowReason {
        BadRowReason::Number { column: self.name.to_owned(), value: value.to_owned() }
    }

    fn out_of_range(self, value: &str, expected: &'static str) -> BadRowReason {
        BadRowReason::Range { column: self.name.to_owned(), value: value.to_owned(), expected }
    }
}

struct Import<'s> {
    time_reader: TimeReader,
    feed: Feed<'s>,
    meter: Meter,
    json: Json,
    shop: Shop,
    notes: Notes,
}

/// Gives each row to `take`, which uses it or says why not.
fn each_row(
    rows: &mut Rows,
    feed: &mut Feed<'_>,
    mut take: impl FnMut(&Row) -> Result<(), BadRowReason>,
) -> Result<(), ImportError> {
    feed.begin_file(rows.file());
    let mut row = Row::default();
    while let Some(read) = rows.next(&mut row)? {
        match read {
            Err(bad) => feed.bad_row(bad)?,
            Ok(()) => match take(&row) {
                Ok(()) => feed.used(),
                Err(reason) => feed.bad_row(rows.bad_row(&row, reason))?,
            },
        }
    }
    Ok(())
}

impl Import<'_> {
    fn open(&self, path: &Path) -> Result<Rows, ImportError> {
        Rows::open(path, Dialect::default(), &self.meter)
    }

    fn read_translation(&mut self, path: &Path) -> Result<(), ImportError> {
        let mut rows = self.open(path)?;
        let [from, to] = columns(&rows, ["product_category_name", "product_category_name_english"])?;
        let translation = &mut self.shop.translation;
        each_row(&mut rows, &mut self.feed, |row| {
            translation.insert(from.needed(row)?.to_owned(), to.needed(row)?.to_owned());
            Ok(())
        })
    }

    fn read_products(&mut self, path: &Path) -> Result<(), ImportError> {
        let mut rows = self.open(path)?;
        let [id, category] = columns(&rows, ["product_id", "product_category_name"])?;
        let Shop { translation, products, .. } = &mut self.shop;
        each_row(&mut rows, &mut self.feed, |row| {
            let category = category.text(row);
            let category = translation.get(category).map_or(category, String::as_str);
            products.insert(id.needed(row)?, row.line(), category)
        })
    }

    fn read_sellers(&mut self, path: &Path) -> Result<(), ImportError> {
        let mut rows = self.open(path)?;
        let [id, state] = columns(&rows, ["seller_id", "seller_state"])?;
        let sellers = &mut self.shop.sellers;
        each_row(&mut rows, &mut self.feed, |row| {
            sellers.insert(id.needed(row)?, row.line(), state.text(row))
        })?;
        self.shop.sellers_given = true;
        Ok(())
    }

    fn read_customers(&mut self, path: &Path) -> Result<(), ImportError> {
        let mut rows = self.open(path)?;
        let names = [
            "customer_id",
            "customer_unique_id",
            "customer_zip_code_prefix",
            "customer_city",
            "customer_state",
        ];
        let [id, unique_id, zip_prefix, city, state] = columns(&rows, names)?;
        let Shop { customers, addresses, people, people_by_id, .. } = &mut self.shop;
        customers.file = rows.file().to_owned();
        each_row(&mut rows, &mut self.feed, |row| {
            let id = id.needed(row)?;
            customers.check_new(id)?;
            let unique_id = unique_id.needed(row).inspect_err(|_| customers.refuse(id, row.line()))?;
            let person = match people_by_id.entry(unique_id.to_owned()) {
                Entry::Occupied(known) => *known.get(),
                Entry::Vacant(new) => {
                    people.push(Person { unique_id: unique_id.to_owned(), first_order: None });
                    *new.insert(people.len() as u32 - 1)
                }
            };
            customers.insert(id, row.line(), addresses.len());
            addresses.push(Address {
                person,
                zip_prefix: zip_prefix_of(zip_prefix.text(row)),
                city: city.text(row).to_owned(),
                state: state.text(row).to_owned(),
            });
            Ok(())
        })
    }

    fn read_orders(&mut self, path: &Path) -> Result<(), ImportError> {
        let mut rows = self.open(path)?;
        let names = [
            "order_id",
            "customer_id",
            "order_status",
            "order_purchase_timestamp",
            "order_approved_at",
            "order_delivered_carrier_date",
            "order_delivered_customer_date",
            "order_estimated_delivery_date",
        ];
        let [id, customer, status, purchased, approved, handed_over, delivered, due] = columns(&rows, names)?;
        let time_reader = &mut self.time_reader;
        let Shop { customers, addresses, people, orders_by_id, orders, .. } = &mut self.shop;
        orders_by_id.file = rows.file().to_owned();
        each_row(&mut rows, &mut self.feed, |row| {
            let order_id = id.needed(row)?;
            orders_by_id.check_new(order_id)?;
            let mut order = || {
                Ok(Order {
                    id: order_id.to_owned(),
                    line: row.line(),
                    address: customers.find(customer, customer.needed(row)?)?,
                    status: status.needed(row)?.to_owned(),
                    purchased: purchased.needed_time(row, time_reader)?,
                    approved: approved.time(row, time_reader)?,
                    handed_over: handed_over.time(row, time_reader)?,
                    delivered: delivered.time(row, time_reader)?,
                    due: due.date(row, time_reader)?,
                    hand_over_by: None,
                })
            };
            let order = order().inspect_err(|_| orders_by_id.refuse(order_id, row.line()))?;
            let index = orders.len() as u32;
            let person = &mut people[addresses[order.address as usize].person as usize];
            let earlier = person.first_order.is_none_or(|(at, first)| {
                (order.purchased, order_id) < (at, orders[first as usize].id.as_str())
            });
            if earlier {
                person.first_order = Some((order.purchased, index));
            }
            orders_by_id.insert(order_id, row.line(), orders.len());
            orders.push(order);
            Ok(())
        })
    }

    fn read_items(&mut self, path: &Path) -> Result<(), ImportError> {
        let mut rows = self.open(path)?;
        let names = [
            "order_id",
            "order_item_id",
            "product_id",
            "seller_id",
            "shipping_limit_date",
            "price",
            "freight_value",
        ];
        let [order_id, number, product, seller, limit, price, freight] = columns(&rows, names)?;
        let time_reader = &mut self.time_reader;
        let Shop { products, sellers, orders_by_id, orders, items, .. } = &mut self.shop;
        let mut lines = HashMap::new();
        each_row(&mut rows, &mut self.feed, |row| {
            let id = order_id.needed(row)?;
            let order = orders_by_id.find(order_id, id)?;
            let item = Item {
                order,
                number: number.integer(row)?,
                product: products.intern(product.needed(row)?),
                seller: sellers.intern(seller.needed(row)?),
                price: price.amount(row)?,
                freight: freight.amount(row)?,
            };
            let limit = limit.time(row, time_reader)?;
            check_new(&mut lines, (order, item.number), id, row)?;
            let latest = &mut orders[order as usize].hand_over_by;
            *latest = (*latest).max(limit);
            items.push(item);
            Ok(())
        })?;
        items.sort_by_key(|item| (item.order, item.number));
        Ok(())
    }

    fn read_payments(&mut self, path: &Path) -> Result<(), ImportError> {
        let mut rows = self.open(path)?;
        let names =
            ["order_id", "payment_sequential", "payment_type", "payment_installments", "payment_value"];
        let [order_id, number, method, installments, amount] = columns(&rows, names)?;
        let Shop { orders_by_id, payments, .. } = &mut self.shop;
        let mut lines = HashMap::new();
        each_row(&mut rows, &mut self.feed, |row| {
            let id = order_id.needed(row)?;
            let order = orders_by_id.find(order_id, id)?;
            let payment = Payment {
                order,
                number: number.integer(row)?,
                method: method.text(row).to_owned(),
                installments: match installments.text(row) {
                    "" => None,
                    _ => Some(installments.integer(row)?),
                },
                amount: amount.amount(row)?,
            };
            check_new(&mut lines, (order, payment.number), id, row)?;
            payments.push(payment);
            Ok(())
        })?;
        payments.sort_by_key(|payment| (payment.order, payment.number));
        Ok(())
    }

    /// Tells every order's events, now that its items and payments are known.
    fn tell_orders(&mut self, file: &str) -> Result<(), ImportError> {
        let Import { time_reader, feed, json, shop, notes, .. } = self;
        let mut told = Told { feed, json, file };
        let (mut items, mut payments) = (shop.items.as_slice(), shop.payments.as_slice());
        for (index, order) in (0_u32..).zip(&shop.orders) {
            let of_order;
            (of_order, items) = items.split_at(items.partition_point(|item| item.order <= index));
            let paid;
            (paid, payments) = payments.split_at(payments.partition_point(|payment| payment.order <= index));
            let story = Story { order, items: of_order, payments: paid, shop };
            if story.person().first_order.is_some_and(|(_, first)| first == index) {
                story.tell_person(&mut told)?;
            }
            story.tell_placed(&mut told)?;
            story.tell_payments(&mut told)?;
            story.tell_progress(&mut told)?;
            story.tell_cancelled(&mut told, time_reader)?;
            notes.count(&story);
        }
        Ok(())
    }

    fn read_reviews(&mut self, path: &Path) -> Result<(), ImportError> {
        let mut rows = self.open(path)?;
        let names = [
            "review_id",
            "order_id",
            "review_score",
            "review_comment_title",
            "review_comment_message",
            "review_creation_date",
            "review_answer_timestamp",
        ];
        let [review_id, order_id, score, title, message, asked, answered] = columns(&rows, names)?;
        let Import { time_reader, feed, json, shop, .. } = self;
        let file = rows.file().to_owned();
        feed.begin_file(&file);
        let mut lines = HashMap::new();
        let mut row = Row::default();
        while let Some(read) = rows.next(&mut row)? {
            let mut review = |row: &Row| {
                let (id, of) = (review_id.needed(row)?, order_id.needed(row)?);
                let order = shop.orders_by_id.find(order_id, of)?;
                let review = Review {
                    id,
                    order: &shop.orders[order as usize],
                    rating: score.integer(row)?,
                    title: title.text(row),
                    body: message.text(row),
                    asked: asked.date(row, time_reader)?,
                    answered: answered.needed_time(row, time_reader)?,
                };
                if !(1..=5).contains(&review.rating) {
                    return Err(score.out_of_range(score.text(row), "a score from 1 to 5"));
                }
                // A review may be of several orders and an order have several reviews, but each pair comes once.
                check_new(&mut lines, (order, id.to_owned()), id, row)?;
                Ok(review.event(json, shop, &file, row.line()))
            };
            match read {
                Err(bad) => feed.bad_row(bad)?,
                Ok(()) => match review(&row) {
                    Ok(event) => {
                        feed.used();
                        feed.event("product.reviewed", event)?;
                    }
                    Err(reason) => feed.bad_row(rows.bad_row(&row, reason))?,
                },
            }
        }
        Ok(())
    }

    fn finish(self) -> Summary {
        let Import { mut feed, shop, notes, .. } = self;
        let silent = shop.people.iter().filter(|person| person.first_order.is_none()).count() as u64;
        for (what, count) in [
            ("customers without an order: nothing is told of them", silent),
            ("orders without items", notes.without_items),
            ("orders without a promised day: no promise is made", notes.without_due),
            ("orders cancelled without a time: dated at the last time known of them", notes.cancelled),
            ("orders with a cancelled status and a delivery: told as delivered", notes.cancelled_delivered),
            ("payments of orders never approved: dated at the purchase", notes.unapproved_payments),
            ("items whose product is not in the products file: without a category", notes.unknown_products),
            (
                "items whose seller is not in the sellers file: without the seller's state",
                notes.unknown_sellers,
            ),
        ] {
            feed.note(what, count);
        }
        feed.finish()
    }
}

/// Refuses a second row of one number or id.
fn check_new<K: Eq + std::hash::Hash>(
    lines: &mut HashMap<K, u64>,
    key: K,
    id: &str,
    row: &Row,
) -> Result<(), BadRowReason> {
    match lines.entry(key) {
        Entry::Occupied(first) => {
            Err(BadRowReason::Duplicate { id: id.to_owned(), first_line: *first.get() })
        }
        Entry::Vacant(new) => {
            new.insert(row.line());
            Ok(())
        }
    }
}

/// Copies of the files that passed through a spreadsheet have lost the zeros in front.
fn zip_prefix_of(text: &str) -> String {
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        format!("{text:0>5}")
    } else {
        text.to_owned()
    }
}

#[derive(Default)]
struct Notes {
    without_items: u64,
    without_due: u64,
    cancelled: u64,
    cancelled_delivered: u64,
    unapproved_payments: u64,
    unknown_products: u64,
    unknown_sellers: u64,
}

impl Notes {
    fn count(&mut self, story: &Story<'_>) {
        let Story { order, items, payments, shop } = story;
        self.without_items += u64::from(items.is_empty());
        self.without_due += u64::from(order.due.is_none());
        if order.ended().is_some() {
            *(if order.delivered.is_some() { &mut self.cancelled_delivered } else { &mut self.cancelled }) +=
                1;
        }
        if order.approved.is_none() {
            self.unapproved_payments += payments.len() as u64;
        }
        let unknown = |catalogue: &Catalogue, at| u64::from(catalogue.get(at).line.is_none());
        for item in *items {
            self.unknown_products += unknown(&shop.products, item.product);
            if shop.sellers_given {
                self.unknown_sellers += unknown(&shop.sellers, item.seller);
            }
        }
    }
}

/// Where told events go.
struct Told<'a, 's> {
    feed: &'a mut Feed<'s>,
    json: &'a mut Json,
    file: &'a str,
}

impl Told<'_, '_> {
    /// Sends a track event of an order, whose own properties `body` writes.
    fn track(
        &mut self,
        story: &Story<'_>,
        event: &'static str,
        at: Timestamp,
        key: String,
        body: impl FnOnce(&mut Json),
    ) -> Result<(), ImportError> {
        let json = &mut *self.json;
        open_event(json, "track", Some(event), &story.person().unique_id, at);
        json.name("properties");
        json.open_object();
        json.text_field("order_id", &story.order.id);
        body(json);
        json.close_object();
        close_event(json, self.file, story.order.line);
        let rank = Rank::of("track", event);
        self.feed.event(event, ImportEvent { at, rank, key, json: json.take() })
    }
}

fn open_event(json: &mut Json, kind: &str, event: Option<&str>, user_id: &str, at: Timestamp) {
    json.open_object();
    json.plain_field("type", kind);
    if let Some(event) = event {
        json.plain_field("event", event);
    }
    json.text_field("userId", user_id);
    json.plain_field("timestamp", at);
}

fn close_event(json: &mut Json, file: &str, line: u64) {
    json.name("context");
    json.open_object();
    json.plain_field("timezone", TIME_ZONE);
    json.name("import");
    json.open_object();
    json.plain_field("source", SOURCE);
    json.text_field("file", file);
    json.raw_field("line", line);
    json.close_object();
    json.close_object();
    json.close_object();
}

/// How an order that was not fulfilled ended.
#[derive(Clone, Copy)]
enum Ended {
    /// By whom, the files do not say.
    Cancelled,
    /// The company could not supply it.
    Unavailable,
}

impl Order {
    fn ended(&self) -> Option<Ended> {
        match self.status.as_str() {
            "canceled" => Some(Ended::Cancelled),
            "unavailable" => Some(Ended::Unavailable),
            _ => None,
        }
    }

    /// The last time known of an order that does not lie after its promised day. The purchase stands in where
    /// even that lies after it.
    fn last_known(&self, time_reader: &TimeReader) -> Timestamp {
        let in_time = |at: &Timestamp| self.due.is_none_or(|due| time_reader.day(*at) <= due);
        let later = [self.approved, self.handed_over].into_iter().flatten().filter(in_time);
        later.fold(self.purchased, Timestamp::max)
    }
}

fn sum(mut amounts: impl Iterator<Item = Decimal>) -> Option<Decimal> {
    amounts.try_fold(Decimal::ZERO, Decimal::checked_add)
}

/// One order with all that belongs to it.
struct Story<'a> {
    order: &'a Order,
    items: &'a [Item],
    payments: &'a [Payment],
    shop: &'a Shop,
}

impl Story<'_> {
    fn address(&self) -> &Address {
        &self.shop.addresses[self.order.address as usize]
    }

    fn person(&self) -> &Person {
        &self.shop.people[self.address().person as usize]
    }

    fn key(&self, what: &str) -> String {
        format!("order:{}:{what}", self.order.id)
    }

    /// What was paid; where no payment is known, what the items and their freight come to.
    fn total(&self) -> Option<Decimal> {
        if !self.payments.is_empty() {
            sum(self.payments.iter().map(|payment| payment.amount))
        } else if !self.items.is_empty() {
            sum(self.items.iter().flat_map(|item| [item.price, item.freight]))
        } else {
            None
        }
    }

    fn tell_person(&self, told: &mut Told<'_, '_>) -> Result<(), ImportError> {
        let (person, address, at) = (self.person(), self.address(), self.order.purchased);
        let json = &mut *told.json;
        open_event(json, "identify", None, &person.unique_id, at);
        json.name("traits");
        json.open_object();
        json.optional_text_field("city", &address.city);
        json.optional_text_field("state", &address.state);
        json.optional_text_field("zip_prefix", &address.zip_prefix);
        json.close_object();
        close_event(json, told.file, self.order.line);
        let key = format!("customer:{}", person.unique_id);
        let event = ImportEvent { at, rank: Rank::Identify, key, json: json.take() };
        told.feed.event("identify", event)
    }

    fn tell_placed(&self, told: &mut Told<'_, '_>) -> Result<(), ImportError> {
        told.track(self, "order.placed", self.order.purchased, self.key("placed"), |json| {
            json.plain_field("currency", CURRENCY);
            if let Some(total) = self.total() {
                json.plain_field("total", total);
            }
            json.optional_text_field("region", &self.address().state);
            json.name("products");
            json.open_list();
            for item in self.items {
                self.write_item(json, item);
            }
            json.close_list();
            if let Some(due) = self.order.due {
                json.name("promise");
                json.open_object();
                json.plain_field("due", due);
                json.plain_field("time_zone", TIME_ZONE);
                if let Some(limit) = self.order.hand_over_by {
                    json.plain_field("hand_over_by", limit);
                }
                json.plain_field("basis", "policy");
                json.close_object();
            }
        })
    }

    fn write_item(&self, json: &mut Json, item: &Item) {
        let (product, seller) = (self.shop.products.get(item.product), self.shop.sellers.get(item.seller));
        json.open_object();
        json.text_field("product_id", &product.id);
        json.optional_text_field("category", &product.detail);
        json.text_field("seller_id", &seller.id);
        json.optional_text_field("seller_state", &seller.detail);
        json.raw_field("quantity", 1);
        json.plain_field("price", item.price);
        json.plain_field("freight", item.freight);
        json.close_object();
    }

    /// The file of payments has no times: a payment was taken when the order was approved.
    fn tell_payments(&self, told: &mut Told<'_, '_>) -> Result<(), ImportError> {
        let at = self.order.approved.unwrap_or(self.order.purchased);
        for payment in self.payments {
            let key = self.key(&format!("payment:{}", payment.number));
            told.track(self, "payment.captured", at, key, |json| {
                json.plain_field("amount", payment.amount);
                json.plain_field("currency", CURRENCY);
                json.optional_text_field("method", &payment.method);
                if let Some(installments) = payment.installments {
                    json.raw_field("installments", installments);
                }
                if self.order.approved.is_none() {
                    json.raw_field("time_inferred", true);
                }
            })?;
        }
        Ok(())
    }

    fn tell_progress(&self, told: &mut Told<'_, '_>) -> Result<(), ImportError> {
        let order = self.order;
        if let Some(at) = order.approved {
            told.track(self, "order.confirmed", at, self.key("confirmed"), |_| ())?;
        }
        if let Some(at) = order.handed_over {
            told.track(self, "fulfillment.shipped", at, self.key("shipped"), |_| ())?;
        }
        if let Some(at) = order.delivered {
            told.track(self, "fulfillment.delivered", at, self.key("delivered"), |json| {
                if order.ended().is_some() {
                    json.text_field("order_status", &order.status);
                }
            })?;
        }
        Ok(())
    }

    fn tell_cancelled(&self, told: &mut Told<'_, '_>, time_reader: &TimeReader) -> Result<(), ImportError> {
        let Some(ended) = self.order.ended().filter(|_| self.order.delivered.is_none()) else {
            return Ok(());
        };
        let at = self.order.last_known(time_reader);
        told.track(self, "order.cancelled", at, self.key("cancelled"), |json| {
            match ended {
                Ended::Cancelled => json.plain_field("cancelled_by", "unknown"),
                Ended::Unavailable => {
                    json.plain_field("cancelled_by", "company");
                    json.plain_field("reason", "item_unavailable");
                }
            }
            json.raw_field("time_inferred", true);
        })
    }
}

struct Review<'a> {
    id: &'a str,
    order: &'a Order,
    rating: i64,
    title: &'a str,
    body: &'a str,
    asked: Option<Date>,
    answered: Timestamp,
}

impl Review<'_> {
    fn event(&self, json: &mut Json, shop: &Shop, file: &str, line: u64) -> ImportEvent {
        let person = &shop.people[shop.addresses[self.order.address as usize].person as usize];
        open_event(json, "track", Some("product.reviewed"), &person.unique_id, self.answered);
        json.name("properties");
        json.open_object();
        json.text_field("order_id", &self.order.id);
        json.text_field("review_id", self.id);
        json.raw_field("rating", self.rating);
        json.optional_text_field("title", self.title);
        json.optional_text_field("review_body", self.body);
        if let Some(asked) = self.asked {
            json.plain_field("asked_on", asked);
        }
        json.close_object();
        close_event(json, file, line);
        ImportEvent {
            at: self.answered,
            rank: Rank::Reviewed,
            key: format!("review:{}:{}", self.id, self.order.id),
            json: json.take(),
        }
    }
}
