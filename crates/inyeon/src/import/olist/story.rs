//! What is told of an order and of a review.

use jiff::Timestamp;
use jiff::civil::Date;

use super::super::decimal::Decimal;
use super::super::json::Json;
use super::super::local_time::TimeReader;
use super::super::progress::Feed;
use super::super::{ImportError, ImportEvent, Rank};
use super::shop::{Address, Item, Order, Payment, Person, Shop};
use super::{CURRENCY, SOURCE, TIME_ZONE};

/// Where told events go.
pub(super) struct Told<'a, 's> {
    pub(super) feed: &'a mut Feed<'s>,
    pub(super) json: &'a mut Json,
    pub(super) file: &'a str,
}

impl Told<'_, '_> {
    /// Sends a track event of an order, whose own properties `body` writes.
    pub(super) fn track(
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

pub(super) fn open_event(json: &mut Json, kind: &str, event: Option<&str>, user_id: &str, at: Timestamp) {
    json.open_object();
    json.plain_field("type", kind);
    if let Some(event) = event {
        json.plain_field("event", event);
    }
    json.text_field("userId", user_id);
    json.plain_field("timestamp", at);
}

pub(super) fn close_event(json: &mut Json, file: &str, line: u64) {
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
pub(super) enum Ended {
    /// By whom, the files do not say.
    Cancelled,
    /// The company could not supply it.
    Unavailable,
}

impl Order {
    pub(super) fn ended(&self) -> Option<Ended> {
        match self.status.as_str() {
            "canceled" => Some(Ended::Cancelled),
            "unavailable" => Some(Ended::Unavailable),
            _ => None,
        }
    }

    /// The last time known of an order that does not lie after its promised day. The purchase stands in where
    /// even that lies after it.
    pub(super) fn last_known(&self, time_reader: &TimeReader) -> Timestamp {
        let in_time = |at: &Timestamp| self.due.is_none_or(|due| time_reader.day(*at) <= due);
        let later = [self.approved, self.handed_over].into_iter().flatten().filter(in_time);
        later.fold(self.purchased, Timestamp::max)
    }
}

pub(super) fn sum(mut amounts: impl Iterator<Item = Decimal>) -> Option<Decimal> {
    amounts.try_fold(Decimal::ZERO, Decimal::checked_add)
}

/// One order with all that belongs to it.
pub(super) struct Story<'a> {
    pub(super) order: &'a Order,
    pub(super) items: &'a [Item],
    pub(super) payments: &'a [Payment],
    pub(super) shop: &'a Shop,
}

impl Story<'_> {
    pub(super) fn address(&self) -> &Address {
        &self.shop.addresses[self.order.address as usize]
    }

    pub(super) fn person(&self) -> &Person {
        &self.shop.people[self.address().person as usize]
    }

    pub(super) fn key(&self, what: &str) -> String {
        format!("order:{}:{what}", self.order.id)
    }

    /// What was paid; where no payment is known, what the items and their freight come to.
    pub(super) fn total(&self) -> Option<Decimal> {
        if !self.payments.is_empty() {
            sum(self.payments.iter().map(|payment| payment.amount))
        } else if !self.items.is_empty() {
            sum(self.items.iter().flat_map(|item| [item.price, item.freight]))
        } else {
            None
        }
    }

    pub(super) fn tell_person(&self, told: &mut Told<'_, '_>) -> Result<(), ImportError> {
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

    pub(super) fn tell_placed(&self, told: &mut Told<'_, '_>) -> Result<(), ImportError> {
        told.track(self, "order.placed", self.order.purchased, self.key("placed"), |json| {
            json.plain_field("currency", CURRENCY);
            if let Some(total) = self.total() {
                json.plain_field("total", total);
            }
            json.optional_text_field("region", &self.address().state);
            json.optional_text_field("postal_code", &self.address().zip_prefix);
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

    pub(super) fn write_item(&self, json: &mut Json, item: &Item) {
        let (product, seller) = (self.shop.products.get(item.product), self.shop.sellers.get(item.seller));
        json.open_object();
        json.text_field("product_id", &product.id);
        json.optional_text_field("category", &product.detail);
        if !product.more.is_empty() {
            json.raw_field("weight_grams", &product.more);
        }
        json.text_field("seller_id", &seller.id);
        json.optional_text_field("seller_state", &seller.detail);
        json.optional_text_field("seller_postal_code", &seller.more);
        json.raw_field("quantity", 1);
        json.plain_field("price", item.price);
        json.plain_field("freight", item.freight);
        json.close_object();
    }

    /// The file of payments has no times: a payment was taken when the order was approved.
    pub(super) fn tell_payments(&self, told: &mut Told<'_, '_>) -> Result<(), ImportError> {
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

    pub(super) fn tell_progress(&self, told: &mut Told<'_, '_>) -> Result<(), ImportError> {
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

    pub(super) fn tell_cancelled(
        &self,
        told: &mut Told<'_, '_>,
        time_reader: &TimeReader,
    ) -> Result<(), ImportError> {
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

pub(super) struct Review<'a> {
    pub(super) id: &'a str,
    pub(super) order: &'a Order,
    pub(super) rating: i64,
    pub(super) title: &'a str,
    pub(super) body: &'a str,
    pub(super) asked: Option<Date>,
    pub(super) answered: Timestamp,
}

impl Review<'_> {
    pub(super) fn event(&self, json: &mut Json, shop: &Shop, file: &str, line: u64) -> ImportEvent {
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
