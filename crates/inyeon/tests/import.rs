//! The import readers: made-up tables for every rule, and the real ones where they are at hand.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use inyeon::import::csv_map::{self, Map, ReadOptions, Request};
use inyeon::import::{
    BadRow, BadRowReason, ErrorKind, ImportError, ImportEvent, Progress, Rank, Sink, Sorter, Summary, olist,
};
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};
use tempfile::TempDir;

// ---------------------------------------------------------------- helpers

#[derive(Default)]
struct Collected {
    events: Vec<ImportEvent>,
    bad: Vec<BadRow>,
    progress: Vec<(String, u64, u64, u64, u64, u64)>,
}

impl Sink for Collected {
    fn event(&mut self, event: ImportEvent) -> Result<(), ImportError> {
        self.events.push(event);
        Ok(())
    }

    fn bad_row(&mut self, row: BadRow) -> Result<(), ImportError> {
        self.bad.push(row);
        Ok(())
    }

    fn progress(&mut self, p: &Progress<'_>) {
        self.progress.push((p.file.to_owned(), p.bytes_read, p.bytes_total, p.rows, p.bad_rows, p.events));
    }
}

impl Collected {
    fn by_key(&self, key: &str) -> Value {
        let found: Vec<_> = self.events.iter().filter(|event| event.key == key).collect();
        assert_eq!(found.len(), 1, "events with the key {key}");
        parsed(found[0])
    }

    fn keys(&self) -> Vec<&str> {
        self.events.iter().map(|event| event.key.as_str()).collect()
    }

    /// `file:line code` of each bad row.
    fn complaints(&self) -> Vec<String> {
        self.bad.iter().map(|row| format!("{} {}", row.place(), row.reason.code())).collect()
    }
}

/// The event's JSON, with what holds for every event checked on the way.
fn parsed(event: &ImportEvent) -> Value {
    let value: Value = serde_json::from_str(&event.json).unwrap();
    assert_eq!(value["timestamp"], json!(event.at.to_string()), "{}", event.json);
    assert!(value.get("messageId").is_none(), "the key takes the place of a message id: {}", event.json);
    assert!(value["userId"].is_string() || value["anonymousId"].is_string(), "{}", event.json);
    assert!(value["context"]["import"]["source"].is_string(), "{}", event.json);
    value
}

fn check_rows_add_up(summary: &Summary) {
    for file in &summary.files {
        assert_eq!(file.rows, file.used + file.skipped + file.bad_rows, "{file:?}");
    }
}

fn noted(summary: &Summary, start: &str) -> u64 {
    summary.notes.iter().filter(|note| note.what.starts_with(start)).map(|note| note.count).sum()
}

/// The folder of the real tables, or nothing (and a line that says so) where they are not at hand.
fn real_data(folder: &str) -> Option<PathBuf> {
    let root = std::env::var_os("INYEON_DATA")
        .map(PathBuf::from)
        .unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"));
    let dir = root.join(folder);
    if dir.is_dir() {
        return Some(dir);
    }
    println!("skipped: the folder {folder} is not in INYEON_DATA (see docs/import.md for where to get it)");
    None
}

// ---------------------------------------------------------------- a small Olist

const CUSTOMERS: &str = "\
customer_id,customer_unique_id,customer_zip_code_prefix,customer_city,customer_state
c1,ana,1151,sao paulo,SP
c2,ana,22041,rio de janeiro,RJ
c3,bia,30110,belo horizonte,MG
c4,caio,40010,salvador,BA
c5,duda,50010,recife,PE
c6,edu,60010,fortaleza,CE
c7,never,70010,brasilia,DF
";

const ORDERS: &str = "\
order_id,customer_id,order_status,order_purchase_timestamp,order_approved_at,order_delivered_carrier_date,order_delivered_customer_date,order_estimated_delivery_date
o2,c2,shipped,2018-03-05 10:00:00,2018-03-05 11:00:00,2018-03-06 09:00:00,,2018-03-20 00:00:00
o1,c1,delivered,2018-01-10 10:00:00,2018-01-10 10:00:00,2018-01-11 08:00:00,2018-01-20 15:30:00,2018-01-19 00:00:00
o3,c3,canceled,2018-02-01 12:00:00,2018-02-01 13:00:00,2018-03-01 09:00:00,,2018-02-10 00:00:00
o4,c4,unavailable,2018-02-02 12:00:00,2018-02-02 12:30:00,,,2018-02-20 00:00:00
o5,c5,canceled,2018-02-03 12:00:00,2018-02-03 12:30:00,2018-02-04 10:00:00,2018-02-12 10:00:00,2018-02-20 00:00:00
o6,c6,canceled,2018-02-25 12:00:00,,,,2018-02-20 00:00:00
";

const ITEMS: &str = "\
order_id,order_item_id,product_id,seller_id,shipping_limit_date,price,freight_value
o1,2,p2,s1,2018-01-13 10:00:00,10.00,2.5
o1,1,p1,s1,2018-01-12 10:00:00,100.1,7.40
o2,1,p3,s9,2018-03-08 10:00:00,50.00,5.00
o6,1,p9,s1,,20.00,1.999
";

const PRODUCTS: &str = "\
product_id,product_category_name,product_weight_g
p1,perfumaria,225.0
p2,pc_gamer,heavy
p3,,
";

const PAYMENTS: &str = "\
order_id,payment_sequential,payment_type,payment_installments,payment_value
o1,1,credit_card,3,110.00
o1,2,voucher,1,10.00
o5,1,boleto,1,33.00
";

const SELLERS: &str = "\
seller_id,seller_zip_code_prefix,seller_city,seller_state
s1,13023,campinas,SP
";

const TRANSLATION: &str = "\
product_category_name,product_category_name_english
perfumaria,perfumery
";

const REVIEWS: &str = "\
review_id,order_id,review_score,review_comment_title,review_comment_message,review_creation_date,review_answer_timestamp
r1,o1,5,,\"Chegou \"\"antes\"\",
muito bom

recomendo\",2018-01-21 00:00:00,2018-01-22 09:00:00
r1,o2,2,Atraso,,2018-03-21 00:00:00,2018-03-22 10:00:00
";

const OLIST: [(&str, &str); 8] = [
    ("olist_customers_dataset.csv", CUSTOMERS),
    ("olist_orders_dataset.csv", ORDERS),
    ("olist_order_items_dataset.csv", ITEMS),
    ("olist_products_dataset.csv", PRODUCTS),
    ("olist_order_payments_dataset.csv", PAYMENTS),
    ("olist_sellers_dataset.csv", SELLERS),
    ("product_category_name_translation.csv", TRANSLATION),
    ("olist_order_reviews_dataset.csv", REVIEWS),
];

fn olist_folder() -> TempDir {
    let dir = TempDir::new().unwrap();
    for (name, text) in OLIST {
        fs::write(dir.path().join(name), text).unwrap();
    }
    dir
}

fn append(dir: &Path, file: &str, bytes: &[u8]) {
    let mut file = fs::OpenOptions::new().append(true).open(dir.join(file)).unwrap();
    file.write_all(bytes).unwrap();
}

fn read_olist(dir: &Path) -> (Collected, Summary) {
    let mut collected = Collected::default();
    let summary = olist::read(dir, &mut collected).unwrap();
    check_rows_add_up(&summary);
    assert_eq!(summary.event_count(), collected.events.len() as u64);
    assert_eq!(summary.bad_rows(), collected.bad.len() as u64);
    (collected, summary)
}

#[test]
fn an_order_is_told_from_purchase_to_review() {
    let dir = olist_folder();
    let (told, summary) = read_olist(dir.path());
    assert_eq!(told.complaints(), Vec::<String>::new());

    assert_eq!(
        told.by_key("order:o1:placed"),
        json!({
            "type": "track", "event": "order.placed", "userId": "ana", "timestamp": "2018-01-10T12:00:00Z",
            "properties": {
                "order_id": "o1", "currency": "BRL", "total": "120.00", "region": "SP", "postal_code": "01151",
                "products": [
                    {"product_id": "p1", "category": "perfumery", "weight_grams": 225, "seller_id": "s1",
                     "seller_state": "SP", "seller_postal_code": "13023", "quantity": 1, "price": "100.10", "freight": "7.40"},
                    {"product_id": "p2", "category": "pc_gamer", "seller_id": "s1", "seller_state": "SP",
                     "seller_postal_code": "13023", "quantity": 1, "price": "10.00", "freight": "2.50"},
                ],
                "promise": {"due": "2018-01-19", "time_zone": "America/Sao_Paulo",
                            "hand_over_by": "2018-01-13T12:00:00Z", "basis": "policy"},
            },
            "context": {"timezone": "America/Sao_Paulo",
                        "import": {"source": "olist", "file": "olist_orders_dataset.csv", "line": 3}},
        })
    );
    let payment = told.by_key("order:o1:payment:1");
    assert_eq!(
        payment["properties"],
        json!({"order_id": "o1", "amount": "110.00", "currency": "BRL", "method": "credit_card", "installments": 3})
    );
    assert_eq!(payment["timestamp"], "2018-01-10T12:00:00Z", "when the order was approved");
    assert_eq!(told.by_key("order:o1:payment:2")["properties"]["method"], "voucher");
    assert_eq!(told.by_key("order:o1:confirmed")["event"], "order.confirmed");
    assert_eq!(told.by_key("order:o1:shipped")["timestamp"], "2018-01-11T10:00:00Z");
    let delivered = told.by_key("order:o1:delivered");
    assert_eq!(delivered["timestamp"], "2018-01-20T17:30:00Z");
    assert_eq!(delivered["properties"], json!({"order_id": "o1"}));
    let review = told.by_key("review:r1:o1");
    assert_eq!(
        review["properties"],
        json!({"order_id": "o1", "review_id": "r1", "rating": 5,
               "review_body": "Chegou \"antes\",\nmuito bom\n\nrecomendo", "asked_on": "2018-01-21"})
    );
    assert_eq!(review["context"]["import"]["line"], 2);
    // Review ids repeat; the order makes the key.
    let other = told.by_key("review:r1:o2");
    assert_eq!(other["properties"]["title"], "Atraso");
    assert_eq!(other["context"]["import"]["line"], 6, "behind the four lines of the first review");

    // One identify a person, at the first order by time, though it stands second in the file.
    assert_eq!(told.keys().iter().filter(|key| key.starts_with("customer:")).count(), 5);
    let ana = told.by_key("customer:ana");
    assert_eq!(ana["timestamp"], "2018-01-10T12:00:00Z");
    assert_eq!(ana["traits"], json!({"city": "sao paulo", "state": "SP", "zip_prefix": "01151"}));
    assert_eq!(noted(&summary, "customers without an order"), 1);

    // Without a payment the total is what the items and their freight come to.
    let unpaid = told.by_key("order:o2:placed");
    assert_eq!(unpaid["userId"], "ana");
    assert_eq!(unpaid["properties"]["region"], "RJ");
    assert_eq!(unpaid["properties"]["total"], "55.00");
    assert_eq!(
        unpaid["properties"]["products"],
        json!([{"product_id": "p3", "seller_id": "s9", "quantity": 1, "price": "50.00", "freight": "5.00"}])
    );
    assert_eq!(noted(&summary, "items whose seller"), 1);
    assert_eq!(noted(&summary, "items whose product"), 1);
}

#[test]
fn cancellations_are_dated_at_the_last_known_time_before_the_promised_day() {
    let dir = olist_folder();
    let (told, summary) = read_olist(dir.path());
    // Handed over after the promised day: the approval is the last time that counts.
    let cancelled = told.by_key("order:o3:cancelled");
    assert_eq!(cancelled["timestamp"], "2018-02-01T15:00:00Z");
    assert_eq!(
        cancelled["properties"],
        json!({"order_id": "o3", "cancelled_by": "unknown", "time_inferred": true})
    );
    let unavailable = told.by_key("order:o4:cancelled");
    assert_eq!(unavailable["timestamp"], "2018-02-02T14:30:00Z");
    assert_eq!(
        unavailable["properties"],
        json!({"order_id": "o4", "cancelled_by": "company", "reason": "item_unavailable", "time_inferred": true})
    );
    // Cancelled by its status and delivered all the same: the delivery is told.
    assert!(!told.keys().contains(&"order:o5:cancelled"));
    let delivered = told.by_key("order:o5:delivered");
    assert_eq!(delivered["properties"], json!({"order_id": "o5", "order_status": "canceled"}));
    // Bought after its own promised day, so nothing but the purchase is left.
    assert_eq!(told.by_key("order:o6:cancelled")["timestamp"], "2018-02-25T15:00:00Z");
    assert_eq!(noted(&summary, "orders cancelled without a time"), 3);
    assert_eq!(noted(&summary, "orders with a cancelled status"), 1);
}

#[test]
fn a_payment_without_approval_is_dated_at_the_purchase() {
    let dir = olist_folder();
    append(dir.path(), "olist_order_payments_dataset.csv", b"o6,1,boleto,,22.00\n");
    let (told, summary) = read_olist(dir.path());
    let payment = told.by_key("order:o6:payment:1");
    assert_eq!(payment["timestamp"], "2018-02-25T15:00:00Z");
    assert_eq!(
        payment["properties"],
        json!({"order_id": "o6", "amount": "22.00", "currency": "BRL", "method": "boleto", "time_inferred": true})
    );
    assert_eq!(noted(&summary, "payments of orders never approved"), 1);
}

#[test]
fn times_at_the_change_of_clocks() {
    // Sao Paulo skipped 00:00 to 01:00 on 2017-10-15 and had 23:00 to 24:00 of 2018-02-17 twice.
    for (local, utc) in [
        ("2017-10-14 23:59:59", "2017-10-15T02:59:59Z"),
        ("2017-10-15 00:30:00", "2017-10-15T03:30:00Z"),
        ("2017-10-15 01:00:00", "2017-10-15T03:00:00Z"),
        ("2018-02-17 23:30:00", "2018-02-18T01:30:00Z"),
        ("2018-02-18 00:00:00", "2018-02-18T03:00:00Z"),
    ] {
        let dir = olist_folder();
        let line = format!("o9,c7,created,{local},,,,2017-10-15 00:00:00\n");
        append(dir.path(), "olist_orders_dataset.csv", line.as_bytes());
        let (told, _) = read_olist(dir.path());
        let placed = told.by_key("order:o9:placed");
        assert_eq!(placed["timestamp"], utc, "{local}");
        assert_eq!(placed["properties"]["promise"]["due"], "2017-10-15", "a day is not moved by its clocks");
    }
}

#[test]
fn plain_and_packed_files_give_the_same_events() {
    let plain = olist_folder();
    let (expected, expected_summary) = read_olist(plain.path());
    for ending in ["gz", "zst"] {
        let dir = TempDir::new().unwrap();
        for (name, text) in OLIST {
            let path = dir.path().join(format!("{name}.{ending}"));
            // Two frames, as tools that pack in parallel write them.
            let (head, tail) = text.split_at(text.len() / 2);
            let mut packed = packed(ending, head);
            packed.extend(self::packed(ending, tail));
            fs::write(path, packed).unwrap();
        }
        let (told, summary) = read_olist(dir.path());
        assert_eq!(told.events, expected.events, "{ending}");
        assert_eq!(summary, expected_summary, "{ending}");
        let last = told.progress.last().unwrap();
        assert_eq!(last.1, last.2, "all packed bytes were read");
    }
}

fn packed(ending: &str, text: &str) -> Vec<u8> {
    if ending == "gz" {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    } else {
        zstd::encode_all(text.as_bytes(), 3).unwrap()
    }
}

#[test]
fn windows_line_ends_byte_order_marks_and_optional_files() {
    let plain = olist_folder();
    let (expected, _) = read_olist(plain.path());
    let dir = TempDir::new().unwrap();
    for (name, text) in OLIST {
        let text = if name.contains("reviews") { text.to_owned() } else { text.replace('\n', "\r\n") };
        fs::write(dir.path().join(name), format!("\u{feff}{text}")).unwrap();
    }
    let (told, _) = read_olist(dir.path());
    assert_eq!(told.events, expected.events);

    for optional in [
        "olist_order_payments_dataset.csv",
        "olist_sellers_dataset.csv",
        "product_category_name_translation.csv",
        "olist_order_reviews_dataset.csv",
    ] {
        fs::remove_file(dir.path().join(optional)).unwrap();
    }
    let (told, summary) = read_olist(dir.path());
    let placed = told.by_key("order:o1:placed");
    assert_eq!(placed["properties"]["total"], "120.00", "100.10 + 7.40 + 10.00 + 2.50");
    assert_eq!(placed["properties"]["products"][0]["category"], "perfumaria");
    assert_eq!(placed["properties"]["products"][0].get("seller_state"), None);
    assert_eq!(summary.events.get("payment.captured"), None);
    assert_eq!(noted(&summary, "items whose seller"), 0, "no sellers file, nothing to miss");
}

#[test]
fn bad_rows_name_file_line_and_reason_and_the_rest_goes_on() {
    let dir = olist_folder();
    let (clean, _) = read_olist(dir.path());
    let at = dir.path();
    append(
        at,
        "olist_customers_dataset.csv",
        b"c8,,1,x,SP\nc9,fay,1,x,SP,more\nc1,again,1,x,SP\n,gus,1,x,SP\n",
    );
    append(
        at,
        "olist_orders_dataset.csv",
        b"o7,nobody,created,2018-01-01 00:00:00,,,,\n\
          o8,c8,created,2018-01-01 00:00:00,,,,\n\
          o9,c7,delivered,2018-02-30 00:00:00,,,,\n\
          o10,c7,delivered,2018-01-01 00:00:00,,,yesterday,\n\
          o1,c7,created,2018-01-01 00:00:00,,,,\n\
          ,c7,created,2018-01-01 00:00:00,,,,\n\
          o11,c7,created,,,,,\n\
          o12,c7,created\n",
    );
    append(
        at,
        "olist_order_items_dataset.csv",
        b"o99,1,p1,s1,,1.00,0.00\n\
          o9,1,p1,s1,,1.00,0.00\n\
          o4,1,p1,s1,,1,99,0.00\n\
          o4,1,p1,s1,,ten,0.00\n\
          o4,1,p1,s1,,-1.00,0.00\n\
          o4,1,,s1,,1.00,0.00\n\
          o1,1,p1,s1,,1.00,0.00\n",
    );
    append(
        at,
        "olist_order_reviews_dataset.csv",
        b"r2,o4,6,,,,2018-03-01 00:00:00\n\
          r3,o4,3,,ol\xe9 \\o/,,2018-03-01 00:00:00\n\
          r4,o4,3,,\"never closed,,2018-03-01 00:00:00\n\
          r5,o4,3,,\"closed\" too early,,2018-03-01 00:00:00\n\
          r6,o4,3,,,,\n\
          \n\
          r1,o1,4,,,,2018-03-01 00:00:00\n\
          r7,o4,4,,fine,,2018-03-01 00:00:00\n",
    );
    let (told, summary) = read_olist(at);
    assert_eq!(
        told.complaints(),
        [
            "olist_customers_dataset.csv:9 missing",
            "olist_customers_dataset.csv:10 column_count",
            "olist_customers_dataset.csv:11 duplicate",
            "olist_customers_dataset.csv:12 missing",
            "olist_orders_dataset.csv:8 unknown",
            "olist_orders_dataset.csv:9 refused",
            "olist_orders_dataset.csv:10 time",
            "olist_orders_dataset.csv:11 time",
            "olist_orders_dataset.csv:12 duplicate",
            "olist_orders_dataset.csv:13 missing",
            "olist_orders_dataset.csv:14 missing",
            "olist_orders_dataset.csv:15 column_count",
            "olist_order_items_dataset.csv:6 unknown",
            "olist_order_items_dataset.csv:7 refused",
            "olist_order_items_dataset.csv:8 column_count",
            "olist_order_items_dataset.csv:9 number",
            "olist_order_items_dataset.csv:10 range",
            "olist_order_items_dataset.csv:11 missing",
            "olist_order_items_dataset.csv:12 duplicate",
            "olist_order_reviews_dataset.csv:7 range",
            "olist_order_reviews_dataset.csv:8 encoding",
            "olist_order_reviews_dataset.csv:9 quotes",
            "olist_order_reviews_dataset.csv:10 quotes",
            "olist_order_reviews_dataset.csv:11 missing",
            "olist_order_reviews_dataset.csv:13 duplicate",
        ]
    );
    assert_eq!(told.events.len(), clean.events.len() + 1, "the good review behind the bad ones");
    assert_eq!(told.by_key("review:r7:o4")["context"]["import"]["line"], 14);
    assert_eq!(summary.bad_rows(), 25);

    let row = |place: &str| told.bad.iter().find(|row| row.place().ends_with(place)).unwrap();
    let refused = row("items_dataset.csv:7");
    assert_eq!(refused.raw, "o9,1,p1,s1,,1.00,0.00");
    assert_eq!(
        refused.reason,
        BadRowReason::Refused {
            column: "order_id".into(),
            id: "o9".into(),
            file: "olist_orders_dataset.csv".into(),
            line: 10,
        }
    );
    assert_eq!(
        row("orders_dataset.csv:8").reason.to_string(),
        "customer_id nobody is not in olist_customers_dataset.csv"
    );
    assert_eq!(row("orders_dataset.csv:12").reason.to_string(), "o1 was already on line 3");
    let bytes = row("reviews_dataset.csv:8");
    assert!(bytes.raw_escaped, "the bytes can be had back");
    assert_eq!(bytes.raw, "r3,o4,3,,ol\\xE9 \\\\o/,,2018-03-01 00:00:00");
    let quotes = row("reviews_dataset.csv:9");
    assert_eq!(
        (quotes.raw.as_str(), quotes.raw_escaped),
        ("r4,o4,3,,\"never closed,,2018-03-01 00:00:00", false)
    );
}

#[test]
fn a_quote_that_is_never_closed_costs_one_line() {
    let dir = olist_folder();
    append(dir.path(), "olist_order_reviews_dataset.csv", b"r4,o4,3,,\"never closed,,2018-03-01 00:00:00\n");
    let many: String = (0..20_000).map(|n| format!("r{n}x,o4,3,,fine,,2018-03-01 00:00:00\r\n")).collect();
    append(dir.path(), "olist_order_reviews_dataset.csv", many.as_bytes());
    let (told, summary) = read_olist(dir.path());
    assert_eq!(told.complaints(), ["olist_order_reviews_dataset.csv:7 quotes"]);
    assert_eq!(summary.events["product.reviewed"], 20_002);
    assert_eq!(told.by_key("review:r19999x:o4")["context"]["import"]["line"], 20_007);
}

#[test]
fn what_stops_an_olist_import_says_what_where_and_what_to_do() {
    let stop = |dir: &Path| olist::read(dir, &mut Collected::default()).unwrap_err();
    let dir = olist_folder();
    let orders = dir.path().join("olist_orders_dataset.csv");

    fs::write(&orders, ORDERS.replace("order_approved_at", "approved")).unwrap();
    let error = stop(dir.path());
    assert_eq!(error.kind, ErrorKind::MissingColumn);
    assert_eq!(error.cause, "the column order_approved_at is missing");
    assert_eq!(error.place, format!("{}:1", orders.display()));
    assert!(error.remedy.contains("approved, order_delivered_carrier_date"), "{error}");

    fs::write(&orders, "").unwrap();
    assert_eq!(stop(dir.path()).cause, "the file is empty");
    fs::write(&orders, [0xff, 0xfe, b'o', 0]).unwrap();
    assert_eq!(stop(dir.path()).cause, "the file is written in UTF-16");

    let mut cut = packed("gz", &ORDERS.repeat(200));
    cut.truncate(cut.len() - 20);
    fs::write(&orders, cut).unwrap();
    let error = stop(dir.path());
    assert_eq!(error.kind, ErrorKind::Read);
    assert!(error.place.starts_with(orders.to_str().unwrap()), "{error}");
    assert!(std::error::Error::source(&error).is_some());

    fs::remove_file(&orders).unwrap();
    let error = stop(dir.path());
    assert_eq!(error.kind, ErrorKind::MissingFile);
    assert_eq!(error.cause, "the file olist_orders_dataset.csv is missing");
    assert_eq!(error.place, dir.path().display().to_string());
}

#[test]
fn a_sink_that_fails_stops_the_import() {
    struct Full;
    impl Sink for Full {
        fn event(&mut self, _: ImportEvent) -> Result<(), ImportError> {
            Err(ImportError::sink(std::io::Error::from(std::io::ErrorKind::StorageFull)))
        }
        fn bad_row(&mut self, _: BadRow) -> Result<(), ImportError> {
            Ok(())
        }
    }
    let dir = olist_folder();
    let error = olist::read(dir.path(), &mut Full).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Sink);
}

#[test]
fn progress_counts_up_to_the_whole() {
    let dir = olist_folder();
    let many: String = (0..9_000).map(|n| format!("r{n}x,o4,3,,fine,,2018-03-01 00:00:00\n")).collect();
    append(dir.path(), "olist_order_reviews_dataset.csv", many.as_bytes());
    append(dir.path(), "olist_order_reviews_dataset.csv", b"bad\n");
    let (told, summary) = read_olist(dir.path());
    assert!(told.progress.len() > 3);
    for pair in told.progress.windows(2) {
        assert!(pair[0].1 <= pair[1].1 && pair[0].3 <= pair[1].3 && pair[0].5 <= pair[1].5);
    }
    let total: u64 = OLIST.iter().map(|(name, _)| fs::metadata(dir.path().join(name)).unwrap().len()).sum();
    let last = told.progress.last().unwrap();
    let file = "olist_order_reviews_dataset.csv".to_owned();
    assert_eq!(*last, (file, total, total, summary.rows(), 1, summary.event_count()));
}

// ---------------------------------------------------------------- order and sorting

fn event(at: &str, name: &str, key: &str) -> ImportEvent {
    ImportEvent { at: at.parse().unwrap(), rank: Rank::of("track", name), key: key.into(), json: "{}".into() }
}

#[test]
fn events_of_one_instant_come_in_causal_order() {
    let at = "2018-01-01T00:00:00Z";
    let identify = ImportEvent { rank: Rank::of("identify", ""), ..event(at, "", "z") };
    let expected = [
        identify,
        event(at, "Order Completed", "y"),
        event(at, "payment.captured", "x"),
        event(at, "order.confirmed", "w"),
        event(at, "fulfillment.shipped", "v"),
        event(at, "fulfillment.delivered", "u"),
        event(at, "Order Cancelled", "t"),
        event(at, "order.refunded", "s"),
        event(at, "product.reviewed", "r"),
        event(at, "anything.else", "a"),
        event(at, "anything.else", "b"),
        event("2018-01-01T00:00:00.000000001Z", "order.placed", "a"),
    ];
    let mut shuffled = expected.to_vec();
    shuffled.reverse();
    shuffled.rotate_left(5);
    assert_eq!(sorted(&shuffled, 0), expected);
    shuffled.sort();
    assert_eq!(shuffled, expected);
}

fn sorted(events: &[ImportEvent], memory_bytes: usize) -> Vec<ImportEvent> {
    let dir = TempDir::new().unwrap();
    let mut sorter = Sorter::new(dir.path(), memory_bytes);
    for event in events {
        sorter.push(event).unwrap();
    }
    assert_eq!(sorter.len(), events.len() as u64);
    let sorted = sorter.finish().unwrap();
    assert_eq!(sorted.remaining(), events.len() as u64);
    let events = sorted.collect::<Result<_, _>>().unwrap();
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    events
}

fn any_event() -> impl Strategy<Value = ImportEvent> {
    let names = ["order.placed", "payment.captured", "fulfillment.delivered", "x"];
    // Before 1970 too, with and without a fraction; few enough values that ties are common.
    let nanosecond =
        prop_oneof![-3_i128..3, Just(-1_500_000_000), Just(1_500_000_000), any::<i64>().prop_map(i128::from)];
    (nanosecond, prop::sample::select(names.to_vec()), "[a-c]{0,3}|\\PC{0,12}", "\\PC{0,80}").prop_map(
        |(at, name, key, json)| ImportEvent {
            at: Timestamp::from_nanosecond(at).unwrap(),
            rank: Rank::of("track", name),
            key,
            json,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn sorting_on_disk_is_sorting(
        events in prop::collection::vec(any_event(), 0..300),
        memory_bytes in prop_oneof![Just(0_usize), 1_usize..4096, 4096_usize..65_536, Just(1 << 20)],
    ) {
        let mut expected = events.clone();
        expected.sort();
        prop_assert_eq!(sorted(&events, memory_bytes), expected);
    }
}

#[test]
fn a_sort_with_hardly_any_memory_merges_in_levels() {
    let events: Vec<_> = (0..5_000_u64)
        .map(|n| {
            let at = Timestamp::from_second((n.wrapping_mul(2_654_435_761) % 1_000) as i64).unwrap();
            let json = "x".repeat((n % 700) as usize);
            ImportEvent { at, rank: Rank::Other, key: format!("{n}"), json }
        })
        .collect();
    let mut expected = events.clone();
    expected.sort();
    for memory_bytes in [0, 10_000, 200_000] {
        assert_eq!(sorted(&events, memory_bytes), expected);
    }
}

/// The open files of this process that lie in `dir`, whether or not they have a name.
#[cfg(target_os = "linux")]
fn open_files(dir: &Path) -> Vec<PathBuf> {
    let dir = dir.canonicalize().unwrap();
    let descriptors = fs::read_dir("/proc/self/fd").unwrap().filter_map(|entry| Some(entry.ok()?.path()));
    descriptors.filter(|fd| fs::read_link(fd).is_ok_and(|target| target.starts_with(&dir))).collect()
}

#[cfg(target_os = "linux")]
#[test]
fn spilled_events_are_sealed_and_gone_afterwards() {
    let canary = b"joana.da.silva@example.test";
    let dir = TempDir::new().unwrap();
    let mut sorter = Sorter::new(dir.path(), 100_000);
    for n in 0..2_000 {
        let mut event =
            event("2018-01-01T00:00:00Z", "order.placed", &format!("{n}:joana.da.silva@example.test"));
        event.json = format!("{{\"email\":\"joana.da.silva@example.test\",\"n\":{n}}}");
        sorter.push(&event).unwrap();
    }
    assert!(sorter.spilled_bytes() > 50_000);
    let look = |least: usize| {
        let files = open_files(dir.path());
        assert!(files.len() >= least, "{} spill files", files.len());
        let mut bytes = 0;
        for file in &files {
            let content = fs::read(file).unwrap();
            bytes += content.len();
            assert!(!content.windows(canary.len()).any(|window| window == canary), "readable on disk");
        }
        assert!(bytes > 50_000);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "the files have no name");
    };
    look(2);
    let mut sorted = sorter.finish().unwrap();
    assert!(sorted.next().unwrap().unwrap().json.contains("joana"));
    look(2);
    drop(sorted);
    assert_eq!(open_files(dir.path()), Vec::<PathBuf>::new());
}

#[cfg(target_os = "linux")]
#[test]
fn a_spill_file_changed_on_disk_stops_the_import() {
    for damage in ["flip", "cut"] {
        let dir = TempDir::new().unwrap();
        let mut sorter = Sorter::new(dir.path(), 20_000);
        for n in 0..1_000 {
            sorter.push(&event("2018-01-01T00:00:00Z", "order.placed", &format!("{n}"))).unwrap();
        }
        let victim = fs::OpenOptions::new().read(true).write(true).open(&open_files(dir.path())[0]).unwrap();
        let length = victim.metadata().unwrap().len();
        if damage == "flip" {
            use std::os::unix::fs::FileExt;
            let mut byte = [0];
            victim.read_at(&mut byte, length / 2).unwrap();
            victim.write_at(&[byte[0] ^ 1], length / 2).unwrap();
        } else {
            victim.set_len(length - 7).unwrap();
        }
        let outcome = sorter.finish().and_then(|sorted| sorted.collect::<Result<Vec<_>, _>>());
        let error = outcome.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Spill, "{damage}");
        assert_eq!(error.place, dir.path().display().to_string());
    }
}

#[test]
fn a_missing_folder_for_spilling_is_named() {
    let mut sorter = Sorter::new("no/such/folder", 0);
    let first = event("2018-01-01T00:00:00Z", "order.placed", "a");
    sorter.push(&first).unwrap();
    let error = sorter.push(&first).unwrap_err();
    assert_eq!((error.kind, error.place.as_str()), (ErrorKind::Spill, "no/such/folder"));
    assert!(error.remedy.starts_with("Create the folder"));
}

// ---------------------------------------------------------------- maps

struct Table {
    dir: TempDir,
}

impl Table {
    fn new(bytes: impl AsRef<[u8]>) -> Table {
        let dir = TempDir::new().unwrap();
        fs::write(dir.path().join("table.csv"), bytes).unwrap();
        Table { dir }
    }

    fn read(&self, map: &Map) -> (Collected, Summary) {
        self.read_with(map, 1 << 20)
    }

    fn read_with(&self, map: &Map, memory_bytes: usize) -> (Collected, Summary) {
        let mut collected = Collected::default();
        let options = ReadOptions { memory_bytes, ..ReadOptions::in_dir(self.dir.path()) };
        let table = self.dir.path().join("table.csv");
        let summary = csv_map::read(&table, map, &options, &mut collected).unwrap();
        check_rows_add_up(&summary);
        assert_eq!(summary.event_count(), collected.events.len() as u64);
        (collected, summary)
    }

    fn error(&self, map: &Map) -> ImportError {
        let options = ReadOptions::in_dir(self.dir.path());
        csv_map::read(&self.dir.path().join("table.csv"), map, &options, &mut Collected::default())
            .unwrap_err()
    }
}

fn map(yaml: &str) -> Map {
    Map::parse(yaml, "test.yaml").unwrap_or_else(|error| panic!("{error}"))
}

const TYPES: &str = r#"
source: types
time_zone: Europe/Rome
delimiter: ";"
encoding: windows-1252
numbers: "1.234,5"
times: "%d/%m/%Y %H:%M"
empty_values: ["NULL", "n/a"]
rows:
  - name: everything
    events:
      - key: "row:{id}"
        at: when
        event: thing.happened
        user_id: { from: who, as: integer }
        properties:
          id: id
          amount: { from: amount, as: money }
          yen: { from: amount, as: money, decimals: 0 }
          exact: { from: amount, as: number }
          count: { from: count, as: integer, default: "1" }
          twice: { product: "2 * {count}", as: integer }
          flag: { from: flag, as: boolean }
          day: { from: when, as: date }
          instant: { from: unix, as: time, format: unix_seconds }
          state: { from: state, translate: { S: shipped, "7": seven } }
          both: { text: "{id} {{{state}}} line {@line}" }
          nothing: { text: "{note}{flag}" }
          fixed: { value: 5 }
          nested: { object: { kind: { value: x }, note: note } }
          only_constants: { object: { kind: { value: [1, true] } } }
          note: note
"#;

#[test]
fn fields_become_values_of_every_type() {
    let mut table = b"id;who;when;amount;count;flag;unix;state;note\n".to_vec();
    table.extend(b"a;17850,0;28/03/2021 02:30;1.234,565;NULL;Yes;1500000000;S;\x80uro\n");
    table.extend(b"b;2;31/10/2021 02:30;-0,005;3;;;7;\n");
    let (told, _) = Table::new(table).read(&map(TYPES));
    assert_eq!(told.complaints(), Vec::<String>::new());
    let first = told.by_key("row:a");
    assert_eq!(first["userId"], "17850");
    assert_eq!(first["timestamp"], "2021-03-28T01:30:00Z", "02:30 was skipped: moved on by the hour");
    assert_eq!(
        first["properties"],
        json!({
            "id": "a", "amount": "1234.57", "yen": "1235", "exact": 1234.565, "count": 1, "flag": true,
            "day": "2021-03-28", "instant": "2017-07-14T02:40:00Z", "state": "shipped",
            "both": "a {S} line 2", "nothing": "€uroYes", "fixed": 5, "nested": {"kind": "x", "note": "€uro"},
            "only_constants": {"kind": [1, true]}, "note": "€uro",
        })
    );
    let second = told.by_key("row:b");
    assert_eq!(second["timestamp"], "2021-10-31T00:30:00Z", "02:30 came twice: the first");
    assert_eq!(
        second["properties"],
        json!({
            "id": "b", "amount": "-0.01", "yen": "0", "exact": -0.005, "count": 3, "twice": 6,
            "day": "2021-10-31", "state": "seven", "both": "b {7} line 3", "fixed": 5,
            "only_constants": {"kind": [1, true]},
        })
    );
    let expected = json!({"timezone": "Europe/Rome",
        "import": {"source": "types", "file": "table.csv", "line": 3}});
    assert_eq!(second["context"], expected);
}

#[test]
fn bad_rows_of_a_mapped_table() {
    let table = "id;who;when;amount;count;flag;unix;state;note\n\
        a;1;01/01/2021 00:00;1,234.5;;;;;\n\
        b;1;01/01/2021 00:00;;2,5;;;;\n\
        c;1;01/01/2021 00:00;;;perhaps;;;\n\
        d;1;2021-01-01 00:00;;;;;;\n\
        e;1;;;;;;;\n\
        f;n/a;01/01/2021 00:00;;;;;;\n\
        ;1;01/01/2021 00:00;;;;;;\n\
        h;1;01/01/2021 00:00;;;;soon;;\n\
        i;1;01/01/2021 00:00;12.34;;;;;\n\
        good;1;01/01/2021 00:00;1.234,5;;;;;\n";
    let (told, summary) = Table::new(table).read(&map(TYPES));
    assert_eq!(
        told.complaints(),
        [
            "table.csv:2 number",
            "table.csv:3 number",
            "table.csv:4 boolean",
            "table.csv:5 time",
            "table.csv:6 missing",
            "table.csv:7 missing_identifier",
            "table.csv:8 missing",
            "table.csv:9 time",
            "table.csv:10 number",
        ]
    );
    assert_eq!(told.bad[3].reason.to_string(), "when is not a time: 2021-01-01 00:00");
    assert_eq!(told.keys(), ["row:good"]);
    assert_eq!(summary.files[0].used, 1);
}

#[test]
fn a_line_without_end_is_one_bad_row() {
    let mut table = b"id,who,when\n".to_vec();
    table.extend(std::iter::repeat_n(b'x', 5 << 20));
    table.extend(b"\nb,1,2021-01-01\n");
    let yaml = "source: t\nrows: [{name: all, events: [{key: \"{id}\", at: when, event: e, user_id: who}]}]";
    let (told, _) = Table::new(table).read(&map(yaml));
    assert_eq!(told.complaints(), ["table.csv:2 too_long"]);
    assert_eq!(told.bad[0].raw.len(), 64 << 10);
    assert_eq!(told.by_key("b")["context"]["import"]["line"], 3);
}

const INVOICES: &str = r#"
source: invoices
rows:
  - name: remarks
    when: [{ column: kind, equals: remark }]
    skip: remarks say nothing that happened
  - name: lines
    when:
      - any:
          - { column: kind, equals: line }
          - { column: kind, starts_with: li, ends_with: ne2, not: linne2 }
      - { column: quantity, above: 0 }
    events:
      - &who
        when: [{ column: who, empty: false }]
        type: identify
        group_by: [who]
        key: "who:{who}"
        at: at
        user_id: who
        traits: { country: country, lines: { count: rows } }
      - event: order.placed
        group_by: [shop, invoice]
        key: "{shop}/{invoice}"
        at: at
        user_id: who
        fallback_anonymous_id: { text: "{shop}/{invoice}" }
        properties:
          total: { sum: "{quantity} * {price}", as: money }
          pieces: { sum: "{quantity}", as: integer }
          lines: { count: rows }
          products: { list: { product_id: sku, price: { from: price, as: money } } }
  - name: returns
    when: [{ column: quantity, below: 0 }]
    events:
      - *who
"#;

const INVOICE_LINES: &str = "\
kind,shop,invoice,who,at,sku,quantity,price,country
line,A,1,ana,2021-01-01 10:00:00,x,2,1.005,PT
line,A,1,ana,2021-01-01 10:01:00,y,1,0.10,XX
remark,,,,,,,,
line,A,2,,2021-01-01 11:00:00,x,1,5,PT
line,B,1,ana,2021-01-01 12:00:00,x,1,5,PT
line,A,1,ana,2021-01-01 10:02:00,z,3,1,PT
line,A,1,bia,2021-01-01 10:03:00,z,4,1,ES
line,A,1,ana,2021-01-01 10:02:00,w,lots,1,PT
line2,A,3,bia,2021-01-01 09:00:00,w,1,1,PT
linne2,A,3,bia,2021-01-01 09:00:00,w,1,1,PT
any,A,3,caio,2021-01-01 09:00:00,w,-1,1,BR
line,A,4,bia,2021-01-01 09:00:00,w,0,1,ES
";

#[test]
fn rows_fold_into_one_event_wherever_they_stand() {
    for memory_bytes in [0, 1 << 20] {
        let (told, summary) = Table::new(INVOICE_LINES).read_with(&map(INVOICES), memory_bytes);
        assert_eq!(told.complaints(), ["table.csv:9 number", "table.csv:11 no_rule", "table.csv:13 no_rule"]);
        assert_eq!((summary.files[0].used, summary.files[0].skipped), (8, 1));

        // The group goes on after other rows: one event with all its lines, its head from the first.
        let order = told.by_key("A/1");
        assert_eq!(order["timestamp"], "2021-01-01T10:00:00Z");
        assert_eq!(
            order["properties"],
            json!({
                "total": "5.11", "pieces": 6, "lines": 3,
                "products": [
                    {"product_id": "x", "price": "1.01"},
                    {"product_id": "y", "price": "0.10"},
                    {"product_id": "z", "price": "1.00"},
                ],
            })
        );
        assert_eq!(order["context"]["import"]["line"], 2);
        assert_eq!(order["context"]["import"]["rows"], 3);
        // A line of the same invoice for somebody else is not laid to the first person's account, nor lost.
        let other = told.by_key("A/1#2");
        assert_eq!((&other["userId"], &other["properties"]["pieces"]), (&json!("bia"), &json!(4)));
        assert_eq!(told.by_key("A/2")["anonymousId"], "A/2");
        assert_eq!(told.by_key("B/1")["userId"], "ana");

        // An event that several rules share through an alias is one event.
        let ana = told.by_key("who:ana");
        assert_eq!(ana["traits"], json!({"country": "PT", "lines": 4}));
        assert_eq!(told.by_key("who:bia")["timestamp"], "2021-01-01T10:03:00Z");
        assert_eq!(told.by_key("who:caio")["traits"]["country"], "BR");
        assert_eq!(told.events.len(), 8);
    }
}

#[test]
fn a_webhook_is_a_row_too() {
    let map = map(INVOICES);
    let body = |kind: &str| {
        json!({"kind": kind, "shop": "A", "invoice": "9", "at": "2021-01-01T10:00:00-03:00",
               "sku": "x", "quantity": "2", "price": "1.5"})
    };
    let events_of = |kind: &str| {
        let body = body(kind);
        map.events_of(&Request { body: &body, header: &|_| None, received_at: String::new(), message: None })
    };
    let events = events_of("line").unwrap();
    assert_eq!(events.len(), 1, "nobody to identify");
    let placed = parsed(&events[0]);
    assert_eq!(
        (placed["timestamp"].clone(), placed["anonymousId"].clone()),
        (json!("2021-01-01T13:00:00Z"), json!("A/9"))
    );
    assert_eq!(placed["properties"]["total"], "3.00");
    assert_eq!(placed["context"], json!({"import": {"source": "invoices", "rows": 1}}));
    assert_eq!(events_of("remark").unwrap(), []);
    assert_eq!(events_of("x").unwrap_err(), BadRowReason::NoRule);
}

#[test]
fn a_column_the_table_lacks_stops_the_import() {
    let error = Table::new("kind,shop\n").error(&map(INVOICES));
    assert_eq!(error.kind, ErrorKind::MissingColumn);
    assert_eq!(error.cause, "the column quantity is missing");
    assert!(error.remedy.starts_with("The map test.yaml reads it. The header has: kind, shop."), "{error}");
    let error = Table::new("kind,kind,shop\n").error(&map(INVOICES));
    assert_eq!(error.cause, "the header has the column kind twice");
}

#[test]
fn mistakes_in_a_map_are_named_with_their_line() {
    let good = "\
source: shop
time_zone: Europe/London
rows:
  - name: sales
    when:
      - { column: kind, equals: sale }
    events:
      - key: \"order:{id}\"
        at: { from: at, format: \"%d.%m.%Y\" }
        event: order.placed
        user_id: who
        properties:
          order_id: id
";
    map(good);
    let cases: &[(&str, &str, &str, &str)] = &[
        ("source: shop", "source: sh op", "test.yaml:1", "cannot be the id of a source"),
        ("source: shop", "sauce: shop", "test.yaml:1", "unknown field"),
        ("source: shop", "delimiter: \"||\"\nsource: shop", "test.yaml:1", "cannot be the delimiter"),
        ("source: shop", "encoding: ebcdic\nsource: shop", "test.yaml:1", "ebcdic"),
        ("source: shop", "numbers: \"1'234.5\"\nsource: shop", "test.yaml:1", "no way to write numbers"),
        ("source: shop", "times: \"%H:%M\"\nsource: shop", "test.yaml:1", "not a way to write a day"),
        ("Europe/London", "Europe/Londn", "test.yaml:2", "is not known here"),
        ("equals: sale", "equalls: sale", "test.yaml:6", "unknown field"),
        (", equals: sale", "", "test.yaml:6", "a condition needs a column and a test"),
        ("equals: sale", "above: many", "test.yaml:6", "is not a number"),
        ("order:{id}", "order", "test.yaml:8", "the key is the same for every row"),
        ("order:{id}", "order:{id", "test.yaml:8", "braces"),
        ("%d.%m.%Y", "%d.%m.%Q", "test.yaml:9", "not a way to write a day"),
        ("event: order.placed", "type: alias", "test.yaml:10", "track, identify, page or screen"),
        ("        event: order.placed\n", "", "test.yaml:8", "needs the name of the event"),
        (
            "        event: order.placed\n        user_id: who\n",
            "        event: seen\n",
            "test.yaml:8",
            "about nobody",
        ),
        (
            "order_id: id",
            "order_id: { from: id, text: x }",
            "test.yaml:13",
            "once where its value comes from",
        ),
        (
            "order_id: id",
            "order_id: { from: id, as: colour }",
            "test.yaml:13",
            "cannot be read as \"colour\"",
        ),
        ("order_id: id", "order_id: { from: id, format: iso }", "test.yaml:13", "not read as a time"),
        ("order_id: id", "order_id: { from: id, decimals: 2 }", "test.yaml:13", "decimals means nothing"),
        (
            "order_id: id",
            "order_id: { from: id, as: money, decimals: 9 }",
            "test.yaml:13",
            "more decimals than any",
        ),
        ("order_id: id", "order_id: { value: x, required: true }", "test.yaml:13", "means nothing"),
        ("order_id: id", "order_id: { sum: \"{id}\" }", "test.yaml:13", "no group of them"),
        (
            "order_id: id",
            "order_id: { product: \"{id} + 1\" }",
            "test.yaml:13",
            "neither a number nor a column",
        ),
        ("order_id: id", "order_id: id\n          order_id: who", "test.yaml:14", "uplicate"),
        (
            "      - key",
            "      - group_by: [id, who]\n        key",
            "test.yaml:9",
            "exactly the columns of group_by",
        ),
        ("      - key", "      - group_by: []\n        key", "test.yaml:8", "names no column"),
        (
            "    events:",
            "    skip: no reason\n    events:",
            "test.yaml:4",
            "either skip its rows or make events",
        ),
        ("user_id: who", "user_id: { object: {a: id} }", "test.yaml:11", "not a single value"),
        ("rows:", "rows: [", "test.yaml:", ""),
    ];
    for (from, to, place, cause) in cases {
        let yaml = good.replacen(from, to, 1);
        assert_ne!(yaml, good, "{from}");
        let Err(error) = Map::parse(&yaml, "test.yaml") else { panic!("{to} was taken") };
        assert_eq!(error.kind, ErrorKind::Map);
        assert!(error.place.starts_with(place), "{to}: {error}");
        assert!(error.cause.contains(cause), "{to}: {error}");
        assert!(!error.remedy.is_empty() && !error.cause.contains('\n'), "{to}: {error}");
    }
    let error = Map::load(Path::new("no/such/map.yaml")).unwrap_err();
    assert_eq!((error.kind, error.place.as_str()), (ErrorKind::Read, "no/such/map.yaml"));
}

// ---------------------------------------------------------------- any table at all

const PLAIN: &str = r#"
source: plain
rows:
  - name: all
    events:
      - { key: "{@line}", at: at, event: e, user_id: { value: u }, properties: { a: a, b: b } }
"#;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// What another writer of tables writes, we read, with the right line for each row.
    #[test]
    fn quoted_tables_come_through(
        rows in prop::collection::vec(("[a,\"\r\n é']{0,8}", "[a,\"\r\n é']{0,8}"), 0..12),
        windows in any::<bool>(),
        last_line_end in any::<bool>(),
    ) {
        let end = if windows { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') };
        let mut writer = csv::WriterBuilder::new().terminator(end).from_writer(Vec::new());
        writer.write_record(["a", "b", "at"]).unwrap();
        let mut expected = Vec::new();
        for (a, b) in &rows {
            writer.flush().unwrap();
            let line = 1 + writer.get_ref().iter().filter(|&&byte| byte == b'\n').count();
            expected.push((line as u64, a.clone(), b.clone()));
            writer.write_record([a.as_str(), b.as_str(), "2020-01-01"]).unwrap();
        }
        let mut table = writer.into_inner().unwrap();
        if !last_line_end {
            while matches!(table.last(), Some(b'\r' | b'\n')) {
                table.pop();
            }
        }
        let (told, _) = Table::new(table).read(&map(PLAIN));
        prop_assert_eq!(told.complaints(), Vec::<String>::new());
        let got: Vec<_> = told.events.iter().map(|event| {
            let value = parsed(event);
            let text = |name: &str| value["properties"][name].as_str().unwrap_or("").to_owned();
            (value["context"]["import"]["line"].as_u64().unwrap(), text("a"), text("b"))
        }).collect();
        // Blank texts count as empty.
        let blank = |text: &String| if text.trim().is_empty() { String::new() } else { text.clone() };
        let expected: Vec<_> = expected.iter().map(|(line, a, b)| (*line, blank(a), blank(b))).collect();
        prop_assert_eq!(got, expected);
    }

    /// Whatever the bytes are: no panic, every row accounted for, and every line told is a line of the file.
    #[test]
    fn any_bytes_are_rows_or_bad_rows(
        bytes in prop::collection::vec(prop_oneof![
            prop::sample::select(b"aa,,\"\"\n\n\r2020-01-01".to_vec()), any::<u8>(),
        ], 0..400),
    ) {
        let mut table = b"a,b,at\n".to_vec();
        table.extend(&bytes);
        let lines = 1 + table.iter().filter(|&&byte| byte == b'\n').count() as u64;
        let (told, _) = Table::new(table).read(&map(PLAIN));
        for row in &told.bad {
            prop_assert!((2..=lines).contains(&row.line), "{row:?}");
        }
        for event in &told.events {
            parsed(event);
        }
    }
}

// ---------------------------------------------------------------- the real tables

#[test]
fn the_real_olist_orders() {
    let Some(dir) = real_data("olist") else { return };
    let (told, summary) = read_olist(&dir);
    println!("{summary:#?}");
    assert_eq!(told.complaints(), Vec::<String>::new());
    let expected: BTreeMap<String, u64> = [
        ("identify", 18_926),
        ("order.placed", 19_112),
        ("payment.captured", 20_018),
        ("order.confirmed", 19_092),
        ("fulfillment.shipped", 18_855),
        ("fulfillment.delivered", 18_684),
        ("order.cancelled", 88 + 95),
        ("product.reviewed", 12_990),
    ]
    .map(|(name, count)| (name.to_owned(), count))
    .into();
    assert_eq!(summary.events, expected);
    let count = |party: &str| {
        let text = format!("\"cancelled_by\":\"{party}\"");
        told.events.iter().filter(|event| event.json.contains(&text)).count()
    };
    assert_eq!((count("unknown"), count("company")), (88, 95));

    let mut keys = told.keys();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), told.events.len(), "every event has its own key");
    let mut expected = told.events.clone();
    expected.sort();
    assert_eq!(sorted(&told.events, 4 << 20), expected);
}

#[test]
fn the_real_invoices_of_online_retail() {
    let Some(dir) = real_data("online_retail") else { return };
    let map =
        Map::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../maps/online_retail.yaml")).unwrap();
    let spill = TempDir::new().unwrap();
    let mut told = Collected::default();
    let table = dir.join("online_retail.csv.zst");
    let summary = csv_map::read(&table, &map, &ReadOptions::in_dir(spill.path()), &mut told).unwrap();
    println!("{summary:#?}");
    check_rows_add_up(&summary);
    assert_eq!(summary.rows(), 541_909);
    assert_eq!(told.complaints(), Vec::<String>::new());
    assert_eq!(summary.files[0].used, 541_909);

    // Every line of the table is a line of exactly one event beside the identify of its customer.
    let lines: u64 = told
        .events
        .iter()
        .filter(|event| event.rank != Rank::Identify)
        .map(|event| parsed(event)["context"]["import"]["rows"].as_u64().unwrap())
        .sum();
    assert_eq!(lines, 541_909);
    assert_eq!(summary.events["identify"], 4_372);
    // The one invoice whose lines do not stand together.
    let order = told.by_key("order:542806:placed");
    assert_eq!(order["context"]["import"]["rows"], order["properties"]["products"].as_array().unwrap().len());
    assert!(!told.keys().iter().any(|key| key.contains('#')));
    let mut keys = told.keys();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), told.events.len(), "every event has its own key");
}
