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
use std::path::Path;

use super::decimal::{Decimal, NumberStyle};
use super::json::Json;
use super::lines::{Meter, reported_name};
use super::local_time::{self, TimeFormat, TimeReader};
use super::progress::Feed;
use super::table::{Dialect, Row, Rows};
use super::{BadRowReason, ImportError, Sink, Summary};

mod column;
mod files;
mod shop;
mod story;

use column::{Column, columns};
use files::Files;
use shop::{Address, Catalogue, Item, Order, Payment, Person, Shop};
use story::{Review, Story, Told};

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
        let weight = Column::optional(&rows, "product_weight_g")?;
        let Shop { translation, products, .. } = &mut self.shop;
        each_row(&mut rows, &mut self.feed, |row| {
            let category = category.text(row);
            let category = translation.get(category).map_or(category, String::as_str);
            // A weight that cannot be read is not worth a product.
            let weight = weight.and_then(|weight| whole_number(weight.text(row)));
            let known = [category.to_owned(), weight.unwrap_or_default()];
            products.insert(id.needed(row)?, row.line(), known)
        })
    }

    fn read_sellers(&mut self, path: &Path) -> Result<(), ImportError> {
        let mut rows = self.open(path)?;
        let [id, state] = columns(&rows, ["seller_id", "seller_state"])?;
        let zip_prefix = Column::optional(&rows, "seller_zip_code_prefix")?;
        let sellers = &mut self.shop.sellers;
        each_row(&mut rows, &mut self.feed, |row| {
            let zip_prefix = zip_prefix.map(|zip_prefix| zip_prefix_of(zip_prefix.text(row)));
            let known = [state.text(row).to_owned(), zip_prefix.unwrap_or_default()];
            sellers.insert(id.needed(row)?, row.line(), known)
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

/// The digits of a whole number above zero; copies that went through a spreadsheet say 225.0.
fn whole_number(text: &str) -> Option<String> {
    let whole = Decimal::parse(text, NumberStyle::default()).and_then(Decimal::to_integer)?;
    (whole > 0).then(|| whole.to_string())
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
