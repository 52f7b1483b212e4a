//! Orders for people and programs: placed in one action, undone, changed, called off, given back, and the systems
//! that are told of them.

pub mod cmd;
pub mod outlets;
mod shown;

use engine::promising::WantedLine;
use model::{CancelledBy, Identifier, OrderDefaults, Quantity, ReturnRequest, Time, Wanted};
use runtime::ordering::{Cannot, Changed, OrderAsk, Ordered, Wish};
use runtime::{Fold, FoldError, Node};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::error::{Failure, Kind};
use outlets::OutletSettings;

/// What is asked about orders.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "ordering", rename_all = "snake_case", deny_unknown_fields)]
pub enum OrderingOp {
    SetDefaults {
        user_id: String,
        defaults: Defaults,
    },
    Place(NewOrder),
    Show {
        order_id: String,
    },
    Undo {
        order_id: String,
    },
    Cancel {
        order_id: String,
        #[serde(flatten)]
        cancel: CancelOrder,
    },
    Change {
        order_id: String,
        #[serde(flatten)]
        change: ChangeOrder,
    },
    Return {
        order_id: String,
        #[serde(flatten)]
        back: NewReturn,
    },
    Returns {
        all: bool,
        limit: usize,
    },
    DecideReturn {
        return_id: String,
        order_id: Option<String>,
        accept: bool,
        reason: Option<String>,
    },
    Connect {
        name: String,
        settings: OutletSettings,
    },
    List {
        /// Those that carry messages to customers, in place of those that are told of orders.
        #[serde(default)]
        messages: bool,
    },
    Disconnect {
        name: String,
    },
}

/// What one action orders with from now on. What is not named stays as it was.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Defaults {
    /// The region that lanes lead to.
    pub to: Option<String>,
    /// Where it goes; any JSON that the receiver of orders understands.
    pub address: Option<Value>,
    /// IANA name of the zone in which the customer reads dates.
    #[schema(example = "Asia/Seoul")]
    pub time_zone: Option<String>,
    /// The allocation class that asks.
    pub class: Option<String>,
    /// The delivery service; any where none is named.
    pub service: Option<String>,
    /// By which the payment system knows how this customer pays. It is shown to nobody again.
    pub payment_token: Option<String>,
}

/// So much of an item.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Line {
    pub item_id: String,
    /// At most three decimals.
    #[serde(default = "one")]
    #[schema(value_type = f64)]
    pub quantity: Quantity,
}

fn one() -> Quantity {
    Quantity::ONE
}

/// An order in one action.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewOrder {
    pub user_id: String,
    pub lines: Vec<Line>,
    /// Your own name for this request: however often it is sent, it is one order.
    #[serde(default)]
    pub request_id: Option<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct CancelOrder {
    /// `customer` or `company`; a company's cancellation breaks the promise.
    #[schema(example = "customer")]
    pub by: Option<String>,
    pub reason: Option<String>,
}

/// What is to be another. Without `confirm_quote` it is planned and held, and nothing changes yet.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct ChangeOrder {
    /// All the lines as they are to be.
    pub lines: Option<Vec<Line>>,
    pub to: Option<String>,
    pub address: Option<Value>,
    /// By when it is wanted, as an RFC 3339 instant.
    pub wanted: Option<String>,
    pub service: Option<String>,
    /// The `quote_id` of a change that is held: it takes the order's place.
    pub confirm_quote: Option<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct NewReturn {
    /// Your own name for it: asked for twice, it is one return.
    pub return_id: Option<String>,
    /// What comes back; all of the order where none are named.
    pub lines: Vec<Line>,
    pub reason: Option<String>,
}

/// Why nothing was done, and what can be done instead.
#[derive(Clone, PartialEq, Debug)]
pub struct Refused {
    pub failure: Failure,
    pub instead: Vec<&'static str>,
    /// What stands in the way of a promise.
    pub binding: Vec<Value>,
}

pub type Done = Result<Value, Refused>;

impl Refused {
    pub(crate) fn new(kind: Kind, code: &str) -> Self {
        Refused { failure: Failure::new(kind, code), instead: Vec::new(), binding: Vec::new() }
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.failure = self.failure.with(name, value);
        self
    }

    fn infeasible(answer: &engine::promising::Answer) -> Self {
        let why: Vec<String> = answer.binding.iter().map(engine::promising::Binding::reason).collect();
        let mut refused = Refused::new(Kind::Conflict, "order-infeasible").with("why", &why.join(", "));
        refused.binding = answer.binding.iter().map(|binding| json!(binding)).collect();
        refused
    }
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Failure {
        refused.failure
    }
}

/// Runs an operation where the store is.
pub fn run(node: &Node, op: OrderingOp) -> Result<Value, Failure> {
    match op {
        OrderingOp::Returns { all, limit } => Ok(json!(node.reader()?.returns(!all, limit)?)),
        OrderingOp::DecideReturn { return_id, order_id, accept, reason } => {
            decide_return(node, return_id, order_id, accept, reason)
        }
        OrderingOp::Connect { name, settings } => outlets::connect(node, name, settings),
        OrderingOp::List { messages } => outlets::list(node, messages),
        OrderingOp::Disconnect { name } => outlets::disconnect(node, &name),
        op => {
            let fresh = fresh_id();
            Ok(node.act_and_wait(move |fold, now| act(fold, now, &op, &fresh))??)
        }
    }
}

/// A number that no order or quote has yet.
pub fn fresh_id() -> String {
    crate::keys::random_hex(8)
}

/// Works on the fold; what it gives is to be told once it is durable.
pub fn act(fold: &mut Fold, now: Time, op: &OrderingOp, fresh: &str) -> Result<Done, FoldError> {
    match op {
        OrderingOp::SetDefaults { user_id, defaults } => set_defaults(fold, now, user_id, defaults),
        OrderingOp::Place(new) => place(fold, now, new, fresh),
        OrderingOp::Show { order_id } => show(fold, now, order_id),
        OrderingOp::Undo { order_id } => {
            let done = fold.undo_order(order_id, now)?;
            finish(fold, now, order_id, done)
        }
        OrderingOp::Cancel { order_id, cancel } => {
            let by = cancel.by.as_deref().unwrap_or("customer");
            let Some(by) = CancelledBy::from_name(by).filter(|by| *by != CancelledBy::Unknown) else {
                return Ok(Err(Refused::new(Kind::Usage, "order-cancelled-by").with("by", by)));
            };
            let done = fold.cancel_order(order_id, by, short(&cancel.reason), now)?;
            finish(fold, now, order_id, done)
        }
        OrderingOp::Change { order_id, change: wish } => change(fold, now, order_id, wish, fresh),
        OrderingOp::Return { order_id, back } => {
            let request = ReturnRequest {
                return_id: short(&back.return_id).unwrap_or_else(|| format!("ret-{fresh}")),
                order_id: order_id.clone(),
                lines: back
                    .lines
                    .iter()
                    .map(|line| Wanted { item_id: line.item_id.clone(), quantity: line.quantity })
                    .collect(),
                reason: short(&back.reason),
            };
            match fold.return_order(&request, now)? {
                Ok(known) => {
                    Ok(Ok(shown::returned(&known, fold.reference().promising.returns.free_both_ways)))
                }
                Err(cannot) => refuse(fold, order_id, cannot),
            }
        }
        // These are the node's.
        _ => Ok(Err(Refused::new(Kind::Usage, "other"))),
    }
}

/// Texts that would be copied into facts are kept short.
pub(crate) fn short(text: &Option<String>) -> Option<String> {
    text.as_ref().map(|text| text.chars().take(256).collect::<String>()).filter(|text| !text.is_empty())
}

pub(crate) fn customer(
    fold: &mut Fold,
    user_id: &str,
) -> Result<Result<model::EntityId, Refused>, FoldError> {
    let found = fold.lookup(&Identifier::User(user_id))?;
    Ok(found.ok_or_else(|| Refused::new(Kind::NotFound, "unknown-customer").with("user", user_id)))
}

fn set_defaults(fold: &mut Fold, now: Time, user_id: &str, given: &Defaults) -> Result<Done, FoldError> {
    let entity = match customer(fold, user_id)? {
        Ok(entity) => entity,
        Err(refused) => return Ok(Err(refused)),
    };
    if let Some(zone) = &given.time_zone
        && let Err(error) = model::time::zone(zone)
    {
        return Ok(Err(Refused::new(Kind::Usage, "refused").with("reason", &error.to_string())));
    }
    let known = fold.entity(entity)?.customer().and_then(|c| c.order_defaults.as_deref().cloned());
    let known = known.unwrap_or_default();
    let defaults = OrderDefaults {
        to: given.to.clone().unwrap_or(known.to),
        address: given.address.as_ref().map(Value::to_string).or(known.address),
        time_zone: given.time_zone.clone().or(known.time_zone),
        class: given.class.clone().or(known.class),
        service: given.service.clone().or(known.service),
        payment_token: given.payment_token.clone().filter(|token| !token.is_empty()).or(known.payment_token),
    };
    let sizes = [&defaults.address, &defaults.payment_token].map(|text| text.as_ref().map_or(0, String::len));
    if sizes.into_iter().any(|bytes| bytes > DEFAULTS_BYTES_MAX) {
        let why = format!("an address or a token of more than {DEFAULTS_BYTES_MAX} bytes");
        return Ok(Err(Refused::new(Kind::Usage, "refused").with("reason", &why)));
    }
    let told = shown::defaults(user_id, &defaults);
    fold.set_order_defaults(entity, defaults, now)?;
    Ok(Ok(told))
}

const DEFAULTS_BYTES_MAX: usize = 8 << 10;
const LINES_MAX: usize = 1_000;

fn wanted(lines: &[Line]) -> Result<Vec<WantedLine>, Refused> {
    let sound = !lines.is_empty()
        && lines.len() <= LINES_MAX
        && lines.iter().all(|line| line.quantity.is_positive() && !line.item_id.is_empty());
    if !sound {
        return Err(Refused::new(Kind::Usage, "order-lines"));
    }
    let line =
        |line: &Line| WantedLine { item_id: line.item_id.clone(), quantity: line.quantity, price: None };
    Ok(lines.iter().map(line).collect())
}

fn place(fold: &mut Fold, now: Time, new: &NewOrder, fresh: &str) -> Result<Done, FoldError> {
    let lines = match wanted(&new.lines) {
        Ok(lines) => lines,
        Err(refused) => return Ok(Err(refused)),
    };
    let customer = match customer(fold, &new.user_id)? {
        Ok(customer) => customer,
        Err(refused) => return Ok(Err(refused)),
    };
    let request = short(&new.request_id);
    let ask = OrderAsk { customer, fresh_id: format!("o-{fresh}"), request, lines };
    let done = fold.place_order(&ask, now)?;
    ordered(fold, now, &new.user_id, done)
}

/// An order that was placed in one action as it is shown, or why there is none.
pub(crate) fn ordered(fold: &mut Fold, now: Time, user: &str, done: Ordered) -> Result<Done, FoldError> {
    Ok(match done {
        Ordered::Known { order_id, repeated } => {
            let mut order = match show(fold, now, &order_id)? {
                Ok(order) => order,
                Err(refused) => return Ok(Err(refused)),
            };
            if order["state"] == "expired" {
                return Ok(Err(Refused::new(Kind::Conflict, "order-taken-meanwhile")));
            }
            order["repeated"] = json!(repeated);
            Ok(order)
        }
        Ordered::Missing(what) => {
            Err(Refused::new(Kind::Conflict, "order-missing-default").with("what", what).with("user", user))
        }
        Ordered::NoPrice => Err(Refused::new(Kind::Conflict, "order-no-price")),
        Ordered::Infeasible(answer) => Err(Refused::infeasible(&answer)),
        Ordered::NumberTaken => Err(Refused::new(Kind::Conflict, "order-number-taken")),
    })
}

fn show(fold: &mut Fold, now: Time, order_id: &str) -> Result<Done, FoldError> {
    match fold.order(order_id)? {
        Some((owner, order)) => Ok(Ok(shown::order(fold, owner, order_id, &order, now)?)),
        None => refuse(fold, order_id, Cannot::Unknown),
    }
}

fn finish(fold: &mut Fold, now: Time, order_id: &str, done: Result<(), Cannot>) -> Result<Done, FoldError> {
    match done {
        Ok(()) => show(fold, now, order_id),
        Err(cannot) => refuse(fold, order_id, cannot),
    }
}

fn refuse(fold: &mut Fold, order_id: &str, cannot: Cannot) -> Result<Done, FoldError> {
    let kind = if cannot == Cannot::Unknown { Kind::NotFound } else { Kind::Conflict };
    let instead: Vec<&'static str> = fold.instead(order_id)?.into_iter().map(|what| what.name()).collect();
    let code = cannot.code().replace('_', "-");
    let mut refused = Refused::new(kind, &code).with("order", order_id);
    refused.instead = instead;
    Ok(Err(refused))
}

fn change(
    fold: &mut Fold,
    now: Time,
    order_id: &str,
    wish: &ChangeOrder,
    fresh: &str,
) -> Result<Done, FoldError> {
    let changed = match &wish.confirm_quote {
        Some(quote_id) => fold.confirm_change(order_id, quote_id, now)?,
        None => {
            let lines = match wish.lines.as_deref().map(wanted).transpose() {
                Ok(lines) => lines,
                Err(refused) => return Ok(Err(refused)),
            };
            let by = wish.wanted.as_deref().map(|text| Time::parse(text).ok_or(text)).transpose();
            let by = match by {
                Ok(by) => by,
                Err(text) => {
                    let why = format!("wanted: `{text}` is not an RFC 3339 instant");
                    return Ok(Err(Refused::new(Kind::Usage, "refused").with("reason", &why)));
                }
            };
            let wish = Wish {
                lines,
                to: wish.to.clone(),
                address: wish.address.as_ref().map(Value::to_string),
                wanted: by,
                service: wish.service.clone(),
            };
            fold.plan_change(order_id, &format!("c-{fresh}"), &wish, now)?
        }
    };
    Ok(match changed {
        Err(cannot) => return refuse(fold, order_id, cannot),
        Ok(Changed::Held { record, binding }) => Ok(shown::change(&record, &binding)),
        Ok(Changed::Done(_)) => return show(fold, now, order_id),
        Ok(Changed::Infeasible(answer)) => Err(Refused::infeasible(&answer)),
        Ok(Changed::Ended(stage)) => {
            Err(Refused::new(Kind::Conflict, "change-ended").with("stage", stage.name()))
        }
    })
}

/// Return names are the senders' own: where two orders have one of the same, the order must be named.
fn decide_return(
    node: &Node,
    return_id: String,
    order_id: Option<String>,
    accept: bool,
    reason: Option<String>,
) -> Result<Value, Failure> {
    node.drain()?;
    let rows = node.reader()?.returns_named(&return_id)?;
    let of_order = |order: &str| order_id.as_deref().is_none_or(|wanted| wanted == order);
    let mut found = rows.into_iter().filter(|row| of_order(&row.order_id));
    let Some(row) = found.next() else {
        return Err(Failure::new(Kind::NotFound, "unknown-return").with("id", return_id));
    };
    if found.next().is_some() {
        return Err(Failure::new(Kind::Usage, "return-ambiguous").with("id", return_id));
    }
    let done: Done = node.act_and_wait(move |fold, now| {
        let free = fold.reference().promising.returns.free_both_ways;
        match fold.decide_return(&row.order_id, &return_id, accept, short(&reason), now)? {
            Ok(known) => Ok(Ok(shown::returned(&known, free))),
            Err(cannot) => refuse(fold, &row.order_id, cannot),
        }
    })?;
    Ok(done?)
}
