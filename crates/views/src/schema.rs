//! The tables. A change of them is a new [`VERSION`]: the file is dropped and folded again, never migrated.

/// Kept in the file as `PRAGMA user_version`.
pub(crate) const VERSION: i64 = 10;

/// A table, the columns that order it, and whether its rows belong to an entity.
pub(crate) struct Table {
    pub(crate) name: &'static str,
    pub(crate) key: &'static str,
    pub(crate) owned: bool,
}

const fn owned(name: &'static str, key: &'static str) -> Table {
    Table { name, key, owned: true }
}

const fn common(name: &'static str, key: &'static str) -> Table {
    Table { name, key, owned: false }
}

/// Every table that holds something to show.
pub(crate) const TABLES: [Table; 23] = [
    owned("profiles", "entity"),
    owned("orders", "entity, order_id"),
    owned("order_lines", "entity, order_id, line"),
    owned("payments", "entity, order_id, seq, ordinal"),
    owned("returns", "entity, order_id, return_id"),
    owned("reviews", "entity, order_id, review_id"),
    owned("promises", "entity, promise_id"),
    owned("promise_revisions", "entity, promise_id, version"),
    owned("promise_history", "entity, seq, ordinal"),
    owned("effects", "entity, key"),
    owned("items", "entity"),
    owned("stock", "entity"),
    owned("resources", "entity"),
    owned("remedies", "entity, seq, ordinal"),
    owned("needs", "entity, need_id"),
    owned("decisions", "entity, decision_id"),
    owned("auto_orders", "entity, action_id"),
    common("dead_letters", "seq"),
    common("violations", "source, event, sender, plan, pointer, rule, blocked"),
    common("sources", "source"),
    common("imports", "timeline"),
    common("settings", "key"),
    common("clocks", "timeline"),
];

/// Keys begin with the owner, so that everything about a person lies together: a profile's page and an erasure
/// read few pages, and a report walks all tables side by side. Instants are microseconds of UTC; entities are the
/// eleven bytes that sort as their ids do. There is no `ANALYZE`: its samples would be copies of personal data.
pub(crate) const CREATE: &str = "
CREATE TABLE meta (
    id INTEGER PRIMARY KEY CHECK (id = 0),
    position INTEGER NOT NULL,      -- the journal sequence that the rows reflect
    scrub_owed INTEGER NOT NULL,    -- rows were erased and their bytes may still be in the file
    syncs INTEGER NOT NULL          -- counts commits made only to be synced
);
INSERT INTO meta VALUES (0, 0, 0, 0);

CREATE TABLE profiles (
    entity BLOB NOT NULL PRIMARY KEY,
    user_id TEXT,
    anonymous_ids TEXT NOT NULL,
    name TEXT,
    email TEXT,
    first_seen INTEGER NOT NULL,
    last_seen INTEGER NOT NULL,
    event_count INTEGER NOT NULL,
    orders INTEGER NOT NULL,
    promises_made INTEGER NOT NULL,
    promises_open INTEGER NOT NULL,
    promises_kept INTEGER NOT NULL,
    promises_broken INTEGER NOT NULL,
    promises_withdrawn INTEGER NOT NULL,
    merged_into BLOB,
    traits TEXT
) WITHOUT ROWID;

CREATE INDEX profiles_merged ON profiles (merged_into) WHERE merged_into IS NOT NULL;

CREATE TABLE orders (
    entity BLOB NOT NULL,
    order_id TEXT NOT NULL,
    timeline INTEGER NOT NULL,
    state TEXT NOT NULL,
    region TEXT,
    placed_at INTEGER,
    total_minor INTEGER,
    currency TEXT,
    shipped_at INTEGER,             -- the first report that it left
    delivered_at INTEGER,           -- all of it, by the earliest report
    delivered_fraction REAL,        -- the most that was reported delivered
    damaged INTEGER NOT NULL DEFAULT 0,
    cancelled_at INTEGER,
    cancelled_by TEXT,
    cancel_reason TEXT,
    cancel_time_inferred INTEGER,
    refunded_at INTEGER,
    PRIMARY KEY (entity, order_id)
) WITHOUT ROWID;

CREATE TABLE order_lines (
    entity BLOB NOT NULL,
    order_id TEXT NOT NULL,
    line INTEGER NOT NULL,
    product_id TEXT NOT NULL,
    category TEXT,
    seller_id TEXT,
    quantity REAL NOT NULL,
    price_minor INTEGER,
    currency TEXT,
    exchange TEXT NOT NULL,         -- direct, mediated or financial
    partner TEXT,                   -- who delivers what is mediated
    terms TEXT,                     -- how what is financial is paid
    PRIMARY KEY (entity, order_id, line)
) WITHOUT ROWID;

CREATE TABLE payments (
    entity BLOB NOT NULL,
    order_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    kind TEXT NOT NULL,             -- captured or refunded
    at INTEGER NOT NULL,
    amount_minor INTEGER,
    currency TEXT,
    method TEXT,
    installments INTEGER,
    PRIMARY KEY (entity, order_id, seq, ordinal)
) WITHOUT ROWID;

CREATE TABLE returns (
    entity BLOB NOT NULL,
    order_id TEXT NOT NULL,
    return_id TEXT NOT NULL,
    timeline INTEGER NOT NULL,
    state TEXT NOT NULL,
    asked_at INTEGER NOT NULL,
    day INTEGER NOT NULL,           -- since the delivery, by the customer's calendar
    lines TEXT NOT NULL,            -- as JSON; none where it is the whole order
    asked_reason TEXT,
    reason TEXT,                    -- of the latest step
    moved_at INTEGER NOT NULL,
    PRIMARY KEY (entity, order_id, return_id)
) WITHOUT ROWID;

CREATE INDEX returns_open ON returns (state, asked_at) WHERE state = 'discretion';
CREATE INDEX returns_by_id ON returns (return_id);

CREATE TABLE reviews (
    entity BLOB NOT NULL,
    order_id TEXT NOT NULL,
    review_id TEXT NOT NULL,        -- one review may be about several orders
    timeline INTEGER NOT NULL,
    at INTEGER NOT NULL,
    rating INTEGER NOT NULL,
    PRIMARY KEY (entity, order_id, review_id)
) WITHOUT ROWID;

CREATE TABLE promises (
    entity BLOB NOT NULL,
    promise_id TEXT NOT NULL,
    timeline INTEGER NOT NULL,
    order_id TEXT,
    kind TEXT NOT NULL,
    attribute TEXT NOT NULL,
    status TEXT NOT NULL,
    version INTEGER NOT NULL,
    first_due_at INTEGER NOT NULL,  -- as made; no revision moves it
    due_at INTEGER NOT NULL,
    due_month TEXT NOT NULL,        -- of due_at, where the customer reads it
    time_zone TEXT NOT NULL,
    tolerance_micros INTEGER NOT NULL,
    comparator TEXT,
    target_value REAL,
    target_tolerance REAL,
    target_unit TEXT,
    hand_over_by INTEGER,
    probability REAL,
    basis TEXT,
    reasons TEXT NOT NULL,
    marketing_owner TEXT,
    operations_owner TEXT,
    inquired_at INTEGER,
    quoted_at INTEGER,
    expires_at INTEGER,
    made_at INTEGER,
    fulfilled_at INTEGER,
    actual REAL,
    broken_at INTEGER,              -- stays when the verdict is corrected
    cause TEXT,
    corrected_at INTEGER,
    withdrawn_at INTEGER,
    withdrawn_by TEXT,
    withdrawn_reason TEXT,
    expired_at INTEGER,
    ever_at_risk INTEGER NOT NULL DEFAULT 0,
    risk_reason TEXT,               -- the latest
    risk_detail TEXT,
    risk_at INTEGER,
    probability_now REAL,           -- that it will be kept, as last computed
    act_by INTEGER,                 -- the last instant at which acting still helps
    PRIMARY KEY (entity, promise_id)
) WITHOUT ROWID;

CREATE INDEX promises_at_risk ON promises (entity) WHERE status = 'at_risk';

-- From version 2 on; the first stands with the promise.
CREATE TABLE promise_revisions (
    entity BLOB NOT NULL,
    promise_id TEXT NOT NULL,
    version INTEGER NOT NULL,
    at INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    reason TEXT,
    PRIMARY KEY (entity, promise_id, version)
) WITHOUT ROWID;

CREATE TABLE promise_history (
    entity BLOB NOT NULL,
    seq INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    promise_id TEXT NOT NULL,
    fact TEXT NOT NULL,
    status TEXT NOT NULL,
    at INTEGER NOT NULL,
    detail TEXT,
    PRIMARY KEY (entity, seq, ordinal)
) WITHOUT ROWID;

CREATE TABLE effects (
    entity BLOB NOT NULL,
    key TEXT NOT NULL,
    seq INTEGER NOT NULL,           -- of the latest step
    kind TEXT,
    promise_id TEXT,
    order_id TEXT,
    reason TEXT,
    detail TEXT,
    state TEXT NOT NULL,
    first_at INTEGER NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (entity, key)
) WITHOUT ROWID;
CREATE INDEX effects_by_seq ON effects (seq);

CREATE TABLE remedies (
    entity BLOB NOT NULL,
    seq INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    promise_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    at INTEGER NOT NULL,
    before_the_break INTEGER NOT NULL,
    probability REAL NOT NULL,      -- that the promise is kept by the date that holds afterwards
    cost_minor INTEGER,
    cost_currency TEXT,
    new_due INTEGER,
    compensation_minor INTEGER,
    compensation_currency TEXT,
    PRIMARY KEY (entity, seq, ordinal)
) WITHOUT ROWID;

CREATE TABLE dead_letters (
    seq INTEGER PRIMARY KEY,
    source TEXT,
    code TEXT NOT NULL,
    place TEXT,
    reason TEXT NOT NULL,
    received_at INTEGER,
    replayed_at INTEGER
);

CREATE TABLE items (
    entity BLOB NOT NULL PRIMARY KEY,
    item_id TEXT NOT NULL,
    kind TEXT,
    name TEXT,
    category TEXT,
    unit TEXT,
    price_minor INTEGER,
    price_currency TEXT,
    cost_minor INTEGER,
    cost_currency TEXT,
    stocked INTEGER NOT NULL,
    retired INTEGER NOT NULL,
    places TEXT NOT NULL,           -- a JSON list
    published_at INTEGER
) WITHOUT ROWID;
CREATE INDEX items_by_id ON items (item_id);

-- Quantities are thousandths of a unit.
CREATE TABLE stock (
    entity BLOB NOT NULL PRIMARY KEY,
    item_id TEXT NOT NULL,
    place TEXT NOT NULL,
    on_hand INTEGER NOT NULL,
    quarantined INTEGER NOT NULL,
    expected INTEGER NOT NULL,
    next_receipt_at INTEGER,
    counted_at INTEGER
) WITHOUT ROWID;
CREATE INDEX stock_by_item ON stock (item_id, place);

CREATE TABLE resources (
    entity BLOB NOT NULL PRIMARY KEY,
    resource TEXT NOT NULL,
    time_zone TEXT,
    shifts INTEGER NOT NULL,
    downtimes INTEGER NOT NULL,
    calendar_at INTEGER
) WITHOUT ROWID;
CREATE INDEX resources_by_name ON resources (resource);

-- Events that broke one rule of the tracking plan at one place, counted.
CREATE TABLE violations (
    source TEXT NOT NULL,
    event TEXT NOT NULL,
    sender TEXT NOT NULL,           -- the sender's version, empty where it says none
    plan INTEGER NOT NULL,
    pointer TEXT NOT NULL,
    rule TEXT NOT NULL,
    blocked INTEGER NOT NULL,
    expected TEXT NOT NULL,         -- by the latest
    count INTEGER NOT NULL,
    first_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    PRIMARY KEY (source, event, sender, plan, pointer, rule, blocked)
) WITHOUT ROWID;

CREATE TABLE sources (
    source TEXT NOT NULL PRIMARY KEY,
    key_hash BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    revoked_at INTEGER,
    promises INTEGER NOT NULL,      -- whether its key may ask for promises
    orders INTEGER NOT NULL,        -- whether it may order for customers
    only_customers INTEGER NOT NULL -- whether it may send only what customers do
) WITHOUT ROWID;

CREATE TABLE imports (
    timeline INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    finished_at INTEGER,
    events INTEGER,
    bad_rows INTEGER
);

CREATE TABLE needs (
    entity BLOB NOT NULL,
    need_id TEXT NOT NULL,
    timeline INTEGER NOT NULL,
    category TEXT NOT NULL,
    device_id TEXT,
    slot TEXT,
    origin TEXT NOT NULL,
    rule TEXT NOT NULL,
    playbook TEXT NOT NULL,
    version INTEGER NOT NULL,
    arm TEXT,
    strategy TEXT NOT NULL,
    instead TEXT,                   -- what the chosen strategy lacked
    confidence REAL NOT NULL,
    arose_at INTEGER NOT NULL,
    known_at INTEGER NOT NULL,
    unmet_from INTEGER,             -- from when on it stood in the customer's way
    stage TEXT NOT NULL,
    moved_at INTEGER NOT NULL,
    order_id TEXT,
    met_at INTEGER,
    why TEXT,
    minutes REAL NOT NULL DEFAULT 0,
    steps INTEGER NOT NULL DEFAULT 0,
    inputs INTEGER NOT NULL DEFAULT 0,
    contacts INTEGER NOT NULL DEFAULT 0,
    efforts INTEGER NOT NULL DEFAULT 0, -- how often the four before were told
    frictions TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (entity, need_id)
) WITHOUT ROWID;

-- Large rows, so they lie in the order in which they come; what was seen and chosen is packed.
CREATE TABLE decisions (
    entity BLOB NOT NULL,
    decision_id TEXT NOT NULL,
    need_id TEXT,
    at INTEGER NOT NULL,
    playbook TEXT NOT NULL,
    version INTEGER NOT NULL,
    seen BLOB NOT NULL,
    choice BLOB NOT NULL,
    PRIMARY KEY (entity, decision_id)
);

CREATE INDEX decisions_latest ON decisions (at);

CREATE TABLE auto_orders (
    entity BLOB NOT NULL,
    action_id TEXT NOT NULL,
    mandate_id TEXT NOT NULL,
    need_id TEXT NOT NULL,
    item_id TEXT NOT NULL,
    state TEXT NOT NULL,
    why TEXT,
    order_id TEXT,
    price_minor INTEGER,
    currency TEXT,
    proposed_at INTEGER NOT NULL,
    execute_at INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    moved_at INTEGER NOT NULL,
    PRIMARY KEY (entity, action_id)
) WITHOUT ROWID;

CREATE INDEX auto_orders_latest ON auto_orders (moved_at);

CREATE TABLE settings (
    key TEXT NOT NULL PRIMARY KEY,
    value INTEGER NOT NULL,
    at INTEGER NOT NULL,
    reason TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE clocks (
    timeline INTEGER PRIMARY KEY,
    at INTEGER NOT NULL
);
";
