//! How fast the views fold, report and erase: `measure [promises [returning-percent [batch]]]`; a million, 20 and
//! 4,000 unless told.
//!
//! Each order is placed, promised, shipped, delivered, kept and reviewed while others are on their way, and the
//! profile is written anew with each batch, as a running engine would hand it over.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use model::{
    EntityId, Fact, FulfillmentState, OrderLine, OrderState, PartitionId, PromiseKind, PromiseTerms, Time,
    TimelineId,
};
use views::{Change, GroupBy, ProfileRow, PromiseCounts, Reader, ReportQuery, Views};

const MINUTE: i64 = 60_000_000;
/// Orders that are on their way at a time.
const ON_THE_WAY: u64 = 20_000;
const BATCH: u64 = 4_000;
/// Orders by customers who have ordered before, however long ago; the others' customers are new.
static RETURNING_PERCENT: AtomicU64 = AtomicU64::new(20);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1).map(|n| n.parse::<u64>());
    let promises = args.next().unwrap_or(Ok(1_000_000))?;
    RETURNING_PERCENT.store(args.next().unwrap_or(Ok(20))?, Relaxed);
    let batch_size = args.next().unwrap_or(Ok(BATCH))? as usize;
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("views.db");
    let mut views = Views::open(&path)?.views;

    let mut folding = std::time::Duration::ZERO;
    let (mut seq, mut changes) = (0, 0);
    let mut batch = Vec::new();
    for tick in 0..promises + ON_THE_WAY {
        let steps = (tick < promises).then(|| begin(tick)).into_iter().flatten();
        let steps = steps.chain(tick.checked_sub(ON_THE_WAY).map(end).into_iter().flatten());
        for change in steps {
            seq += 1;
            batch.push((seq, change));
        }
        if batch.len() >= batch_size || tick + 1 == promises + ON_THE_WAY {
            changes += batch.len();
            let start = Instant::now();
            views.apply(seq, &batch)?;
            folding += start.elapsed();
            batch.clear();
        }
    }
    let rate = changes as f64 / folding.as_secs_f64();
    println!("{changes} changes folded in {folding:.1?}: {rate:.0} a second");
    timed("make durable", || views.make_durable())?;
    println!("{} MB", std::fs::metadata(&path)?.len() / 1_000_000);

    let reader = Reader::open(&path)?;
    for group_by in
        [None, Some(GroupBy::Month), Some(GroupBy::Region), Some(GroupBy::Category), Some(GroupBy::Seller)]
    {
        let query = ReportQuery { group_by, ..Default::default() };
        let name = format!("report by {}", group_by.map_or("nothing", GroupBy::name));
        let report = timed(&name, || reader.promise_report(&query))?;
        assert_eq!(report.total.kept, promises);
    }
    timed("profiles, the latest 50", || reader.profiles(None, 50))?;
    timed("profiles, searched", || reader.profiles(Some("person 4711 "), 50))?;
    timed("one customer's page", || reader.promises_of(customer(17)))?;
    drop(reader);
    timed("erase", || views.erase(customer(17)))?;
    drop(views);
    timed("open", || Views::open(&path))?;
    Ok(())
}

fn timed<T, E>(what: &str, run: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    let start = Instant::now();
    let done = run()?;
    println!("{what}: {:.0?}", start.elapsed());
    Ok(done)
}

fn customer(order: u64) -> EntityId {
    let luck = order.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 20;
    let returning = luck % 100 < RETURNING_PERCENT.load(Relaxed);
    EntityId::customer(PartitionId(0), if returning { luck / 100 % (order + 1) } else { order })
}

fn fact(order: u64, fact: Fact) -> Change {
    Change::Fact { entity: customer(order), timeline: TimelineId::LIVE, fact }
}

fn begin(order: u64) -> Vec<Change> {
    let at = Time(order as i64 * MINUTE);
    let order_id = format!("order-{order:08}");
    let terms = PromiseTerms {
        promise_id: format!("order:{order_id}"),
        order_id: Some(order_id.clone()),
        kind: PromiseKind::Order,
        attribute: "delivery".into(),
        due_at: at.plus_micros(30 * 1440 * MINUTE),
        time_zone: "America/Sao_Paulo".into(),
        tolerance_micros: 0,
        target: None,
        hand_over_by: Some(at.plus_micros(3 * 1440 * MINUTE)),
        probability: Some(0.9),
        basis: None,
        reasons: vec![],
        marketing_owner: Some("marketing".into()),
        operations_owner: Some("operations".into()),
    };
    let line = OrderLine {
        product_id: format!("sku-{}", order % 5_000),
        category: Some(format!("category-{}", order % 70)),
        seller_id: Some(format!("seller-{}", order % 3_000)),
        quantity: 1.0,
        price: None,
        exchange: Default::default(),
    };
    let region = Some(format!("S{}", order % 27));
    vec![
        fact(order, Fact::OrderPlaced { order_id, at, region, total: None, lines: vec![line] }),
        fact(order, Fact::PromiseMade { terms, at }),
        profile(order, at),
    ]
}

fn end(order: u64) -> Vec<Change> {
    let placed = order as i64 * MINUTE;
    let at = Time(placed + (1 + order as i64 * 31 % 20_000) * MINUTE);
    let order_id = format!("order-{order:08}");
    let moved = |state| Fact::FulfillmentMoved {
        order_id: order_id.clone(),
        state,
        at,
        fraction: 1.0,
        damaged: false,
    };
    let rating = 1 + (order % 5) as u8;
    vec![
        fact(order, moved(FulfillmentState::Shipped)),
        fact(order, moved(FulfillmentState::Delivered)),
        fact(order, Fact::OrderMoved { order_id: order_id.clone(), state: OrderState::Delivered, at }),
        fact(order, Fact::PromiseKept { promise_id: format!("order:{order_id}"), at, actual: None }),
        fact(
            order,
            Fact::ReviewGiven { review_id: format!("r{order}"), order_id: order_id.clone(), at, rating },
        ),
        profile(order, at),
    ]
}

fn profile(order: u64, at: Time) -> Change {
    Change::Profile(Box::new(ProfileRow {
        entity: customer(order),
        user_id: Some(format!("user-{}", customer(order).number)),
        anonymous_ids: vec![],
        name: Some(format!("person {} of many", customer(order).number)),
        email: None,
        first_seen: Time(0),
        last_seen: at,
        event_count: order,
        orders: 1,
        promises: PromiseCounts::default(),
        merged_into: None,
        traits: Some(r#"{"plan":"free"}"#.into()),
    }))
}
