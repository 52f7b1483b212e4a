//! What customers do: browse, sign in, order, and say how it was.

use serde_json::{Value, json};

use super::calendar::{DAY, HOUR, MINUTE, Seconds, TIME_ZONE, day_of, within_hours};
use super::floor::Courier;
use super::luck::{Dice, OrderLuck, Stream};
use super::order::{self, Line, Order, Party, State, Verdict};
use super::people::Screen;
use super::shelf::{CURRENCY, WARES};
use super::voice::Experience;
use super::{Happening, Shop, Step};

/// Days after the due one on which the shop gives up on an order it has no stock for.
const GIVES_UP_AFTER_DAYS: i64 = 2;

impl Shop {
    pub(super) fn plan_visit(&mut self, person: usize, turn: usize, day: i64) {
        let mut dice = Dice::new(self.config.seed, Stream::Arrival, person, turn);
        let at = day * DAY + dice.between(8 * HOUR..22 * HOUR);
        self.plan(at, Happening::Visit { person, turn });
    }

    /// Plans what a customer does this time, and the next visit. Nobody buys at the first one.
    pub(super) fn visit(&mut self, at: Seconds, person: usize, turn: usize) {
        let dice = &mut Dice::new(self.config.seed, Stream::Visit, person, turn);
        let someone = &self.people[person];
        let known = turn > 0;
        let screen = if turn > 1 && someone.has_app && dice.chance(0.6) { Screen::App } else { Screen::Web };
        let buys = known && dice.chance(someone.appetite);
        let signs_in = (buys || known && dice.chance(0.2)) && !someone.device(screen).signed_in;
        let days = (someone.visits_every * (0.5 * dice.normal()).exp()).round().max(1.0) as i64;

        self.tell_page(at, person, screen);
        let mut moment = at;
        let mut viewed = Vec::new();
        for _ in 0..dice.between(1..4) {
            moment += dice.between(30..4 * MINUTE);
            let shelf = dice.weighted(WARES.iter().map(|ware| ware.weight));
            viewed.push(shelf);
            self.plan(moment, Happening::View { person, screen, shelf });
        }
        if signs_in {
            moment += dice.between(20..2 * MINUTE);
            self.plan(moment, Happening::SignIn { person, screen });
        }
        if buys {
            moment += dice.between(MINUTE..5 * MINUTE);
            let wanted = 1 + usize::from(dice.chance(0.3));
            let mut lines: Vec<Line> = Vec::new();
            for shelf in viewed.into_iter().rev() {
                if lines.len() < wanted && lines.iter().all(|line| line.shelf != shelf) {
                    lines.push(Line { shelf, quantity: 1 + u32::from(dice.chance(0.2)) });
                }
            }
            self.plan(moment, Happening::Order { person, screen, lines });
        }
        self.plan_visit(person, turn + 1, day_of(at) + days);
    }

    fn tell_page(&mut self, at: Seconds, person: usize, screen: Screen) {
        let name = self.config.language.choose(("Home", "첫 화면"));
        let call = json!({"type": "page", "name": name, "properties": {"path": "/", "title": name}});
        self.tell_person(at, person, screen, call);
    }

    pub(super) fn view(&mut self, at: Seconds, person: usize, screen: Screen, shelf: usize) {
        let ware = self.shelves[shelf].ware;
        // The web shop speaks Segment's names, the app ours.
        let event = match screen {
            Screen::Web => "Product Viewed",
            Screen::App => "browse.product_viewed",
        };
        let properties = json!({
            "product_id": ware.id,
            "name": self.config.language.choose(ware.name),
            "category": ware.category,
            "price": ware.price,
            "currency": CURRENCY,
        });
        let call = json!({"type": "track", "event": event, "properties": properties});
        self.tell_person(at, person, screen, call);
    }

    pub(super) fn sign_in(&mut self, at: Seconds, person: usize, screen: Screen) {
        let someone = &mut self.people[person];
        someone.sign_in(screen);
        let call = json!({"type": "identify", "traits": someone.traits(self.config.language)});
        self.tell_person(at, person, screen, call);
    }

    pub(super) fn place(&mut self, at: Seconds, person: usize, screen: Screen, lines: Vec<Line>) {
        let index = self.orders.len();
        let luck = OrderLuck::draw(self.config.seed, index);
        let city = self.people[person].city;
        let (due_day, hand_over_by) = order::promise(at, city);

        self.plan(at + MINUTE, Happening::Step(index, Step::Pay));
        self.plan(self.picked_at(at, &luck), Happening::Step(index, Step::Pick));
        let given_up_at = (due_day + GIVES_UP_AFTER_DAYS) * DAY + 12 * HOUR + luck.jitter;
        self.plan(given_up_at, Happening::Step(index, Step::GiveUp));
        if let Some(regret_after) = luck.regret_after {
            self.plan(at + regret_after, Happening::Step(index, Step::Regret));
        }

        let order = Order {
            id: format!("o-{:05}", index + 1),
            person,
            screen,
            total: lines.iter().map(|line| self.shelves[line.shelf].ware.price * line.quantity).sum(),
            due_day,
            hand_over_by,
            state: State::Placed,
            handed_over_at: None,
            courier: if luck.courier < city.slow_share { Courier::Slow } else { Courier::Standard },
            expedited: false,
            notified: false,
            reviewed: false,
            told: 0,
            luck,
            lines: lines.clone(),
        };
        let properties = self.placed_properties(&order);
        self.orders.push(order);
        self.people[person].orders.push(index);
        self.tell_order(at, index, screen.channel(), "order.placed", properties);

        for Line { shelf, quantity } in lines {
            self.shelves[shelf].owed += quantity;
            if let Some((quantity, at)) = self.shelves[shelf].reorder(self.config.seed, shelf, at) {
                self.plan(at, Happening::Receipt { shelf, quantity });
            }
        }
    }

    fn placed_properties(&self, order: &Order) -> Value {
        let product = |line: &Line| {
            let ware = self.shelves[line.shelf].ware;
            json!({
                "product_id": ware.id,
                "category": ware.category,
                "seller_id": "shop",
                "quantity": line.quantity,
                "price": ware.price,
            })
        };
        json!({
            "currency": CURRENCY,
            "total": order.total,
            "products": order.lines.iter().map(product).collect::<Vec<_>>(),
            "region": self.config.language.choose(self.people[order.person].city.region),
            "promise": {
                "promise_id": order.promise_id(),
                "kind": "order",
                "attribute": "delivery",
                "due": self.calendar.date(order.due_day).to_string(),
                "time_zone": TIME_ZONE,
                "hand_over_by": self.calendar.timestamp(order.hand_over_by).to_string(),
                "basis": "policy",
                "marketing_owner": "storefront",
                "operations_owner": "floor",
            },
        })
    }

    pub(super) fn review(&mut self, at: Seconds, order: usize) {
        let Some(experience) = self.experience(at, order) else { return };
        let Order { luck, lines, id, screen, .. } = &self.orders[order];
        let rating = ((experience.rating() + 0.75 * luck.kindness).round() as i64).clamp(1, 5);
        let (title, body) = experience.review(rating, luck.taste);
        let language = self.config.language;
        let properties = json!({
            "review_id": format!("review:{id}"),
            "product_id": lines.first().map(|line| self.shelves[line.shelf].product_id),
            "rating": rating,
            "title": language.choose(title),
            "review_body": language.choose(body),
        });
        let channel = screen.channel();
        self.orders[order].reviewed = true;
        self.tell_order(at, order, channel, "product.reviewed", properties);
    }

    /// What the customer has to tell at `at`; `None` if the order is their own doing or not over.
    fn experience(&self, at: Seconds, order: usize) -> Option<Experience> {
        let order = &self.orders[order];
        match (order.state, order.verdict(at)?) {
            (State::Cancelled(Party::Company, _), _) => Some(Experience::NeverCame),
            (State::Delivered(_), Verdict::Kept) => Some(Experience::Kept),
            (State::Delivered(_), _) if order.notified => Some(Experience::LateButTold),
            (State::Delivered(_), _) => Some(Experience::Late),
            _ => None,
        }
    }

    pub(super) fn plan_review(&mut self, at: Seconds, order: usize) {
        let luck = &self.orders[order].luck;
        let writes = |experience: Experience| luck.answers < experience.answer_share();
        if self.experience(at, order).is_some_and(writes) {
            // Customers write while awake, like they shop.
            let when = within_hours(at + luck.review_after, 8..23, luck.jitter);
            self.plan(when, Happening::Step(order, Step::Review));
        }
    }
}
