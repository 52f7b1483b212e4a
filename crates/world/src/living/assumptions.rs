//! What is assumed of people, devices and shops: every number by its name, with its unit, so that it can be printed
//! beside what came of it.

use serde::Serialize;

/// What a number becomes when the world is made noisier, slower or less responsive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum By {
    Nothing,
    Noise,
    Delay,
    /// Slower is seldomer: the share that acts in a given time.
    Haste,
    NonResponse,
}

/// One number, as it is printed.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct Assumed {
    pub name: &'static str,
    pub unit: &'static str,
    pub value: f64,
}

macro_rules! assumptions {
    ($($name:ident = $value:literal, $unit:literal, $by:ident;)*) => {
        /// The numbers that the world lives by. None is fitted to a result or known to the engine.
        #[derive(Clone, PartialEq, Debug, Serialize)]
        pub struct Assumptions {
            $(pub $name: f64,)*
        }

        impl Default for Assumptions {
            fn default() -> Self {
                Assumptions { $($name: $value,)* }
            }
        }

        impl Assumptions {
            /// All of them, in the order in which things happen.
            pub fn all(&self) -> Vec<Assumed> {
                vec![$(Assumed { name: stringify!($name), unit: $unit, value: self.$name },)*]
            }

            /// The same world with so many times the noise, the delay and the non-response. Probabilities stay below 1.
            pub fn scaled(&self, noise: f64, delay: f64, non_response: f64) -> Self {
                let factor = |by: By| match by {
                    By::Nothing => 1.0,
                    By::Noise => noise,
                    By::Delay => delay,
                    By::Haste => 1.0 / delay.max(f64::MIN_POSITIVE),
                    By::NonResponse => non_response,
                };
                let scale = |value: f64, unit: &str, by: By| {
                    let scaled = value * factor(by);
                    if unit == "probability" { scaled.min(0.98) } else { scaled }
                };
                Assumptions { $($name: match By::$by {
                    By::Nothing => self.$name,
                    by => scale(self.$name, $unit, by),
                },)* }
            }
        }
    };
}

assumptions! {
    // How much is printed. Deviations are of the natural logarithm.
    pages_per_day = 12.0, "pages", Nothing;
    pages_between_homes = 0.45, "deviation", Nothing;
    office_pages_per_day = 55.0, "pages", Nothing;
    office_pages_between = 0.5, "deviation", Nothing;
    pages_day_to_day = 0.6, "deviation", Noise;
    idle_day = 0.25, "probability", Nothing;
    weekend_share = 0.7, "of a weekday", Nothing;
    project_per_week = 0.04, "probability", Nothing;
    project_days = 5.0, "days", Nothing;
    project_factor = 4.0, "times", Nothing;
    vacations_per_year = 2.0, "vacations", Nothing;
    vacation_days = 8.0, "days", Nothing;
    yield_spread = 0.08, "deviation", Noise;
    // What devices say.
    reading_noise = 1.5, "percentage points", Noise;
    reading_step = 1.0, "percentage points", Nothing;
    reading_gap = 0.05, "probability", NonResponse;
    silent_per_month = 0.02, "probability", NonResponse;
    silent_days = 14.0, "days", Nothing;
    tells_replaced = 0.8, "probability", Nothing;
    // What people do by themselves.
    low_light_at = 8.0, "percent", Nothing;
    heeds_low_light = 0.15, "probability", Nothing;
    fades_at = 3.0, "percent", Nothing;
    changes_when_fading = 0.3, "probability", Nothing;
    stray_purchase_per_week = 0.002, "probability", Nothing;
    change_minutes = 3.0, "minutes", Nothing;
    // The trip to the shop.
    goes_on_weekday = 0.35, "probability", Haste;
    goes_on_weekend_day = 0.7, "probability", Haste;
    office_sends = 0.6, "probability", Haste;
    search_minutes = 15.0, "minutes", Nothing;
    doubts = 0.4, "probability", Nothing;
    doubt_minutes = 6.0, "minutes", Nothing;
    drive_minutes = 17.0, "minutes one way", Nothing;
    drive_between_homes = 0.3, "deviation", Nothing;
    second_shop = 0.6, "of the drive", Nothing;
    look_minutes = 5.0, "minutes", Nothing;
    queue_minutes = 7.0, "minutes", Nothing;
    pay_minutes = 1.5, "minutes", Nothing;
    out_of_stock = 0.25, "probability", Nothing;
    only_in_a_bundle = 0.15, "probability", Nothing;
    wrong_item = 0.08, "probability", Nothing;
    nearest_is_ours = 0.5, "probability", Nothing;
    // The customer and the app.
    state_delay_minutes = 45.0, "minutes", Delay;
    state_minutes = 0.4, "minutes", Nothing;
    choose_minutes = 0.9, "minutes", Nothing;
    choose_curated_minutes = 0.5, "minutes", Nothing;
    one_tap_minutes = 0.6, "minutes", Nothing;
    read_minutes = 0.2, "minutes", Nothing;
    react_hours = 4.0, "hours", Delay;
    non_response = 0.25, "probability", NonResponse;
    snoozes = 0.15, "probability", Nothing;
    calls_off_what_is_not_needed = 0.8, "probability", Nothing;
    calls_off_on_a_whim = 0.01, "probability", Nothing;
    renews_a_mandate = 0.7, "probability", Nothing;
    patience_hours = 120.0, "hours", Nothing;
    waits_past_the_date = 24.0, "hours", Nothing;
    shares_the_calendar = 0.6, "probability", Nothing;
    // Delivery and supply.
    handling_hours = 2.0, "hours", Nothing;
    journey_hours = 26.0, "hours", Delay;
    journey_spread = 0.3, "deviation", Noise;
    home_by_day = 0.5, "probability", Nothing;
    dawn_late = 0.01, "probability", Noise;
    review_days = 7.0, "days", Nothing;
    supplier_days = 5.0, "days", Nothing;
    supplier_late = 0.1, "probability", Nothing;
    supplier_late_days = 3.0, "days", Delay;
    stock_cover_days = 42.0, "days", Nothing;
    parcel_won = 2_500.0, "won", Nothing;
    shop_sale_won = 3_000.0, "won", Nothing;
    dawn_stop_won = 900.0, "won", Nothing;
    milk_sale_won = 500.0, "won", Nothing;
    message_won = 15.0, "won", Nothing;
    // Milk.
    litres_per_day = 0.35, "litres", Nothing;
    litres_between_homes = 0.35, "deviation", Nothing;
    litres_day_to_day = 0.35, "deviation", Noise;
    guests_per_week = 0.08, "probability", Nothing;
    guest_days = 2.0, "days", Nothing;
    guest_factor = 2.0, "times", Nothing;
    milk_keeps_days = 9.0, "days", Nothing;
    morning_litres = 0.15, "litres", Nothing;
    milk_noise = 2.0, "percentage points", Noise;
    milk_errand_minutes = 25.0, "minutes", Nothing;
    milk_errand_chance = 0.4, "probability", Haste;
    // What counts as too early, and what things are worth to people (PB23).
    cover_limit_days = 30.0, "days", Nothing;
    milk_cover_limit_days = 4.0, "days", Nothing;
    minute_worth = 250.0, "won", Nothing;
    dry_hour_worth = 400.0, "won", Nothing;
    wrong_item_worth = 10_000.0, "won", Nothing;
    unasked_bothers_who_leads = 3_000.0, "won a message", Nothing;
    unasked_bothers_who_decides = 800.0, "won a message", Nothing;
    unasked_bothers_who_is_led = 100.0, "won a message", Nothing;
    unasked_bothers_who_delegates = 400.0, "won a message", Nothing;
    automatic_bothers_who_leads = 20_000.0, "won an order", Nothing;
    automatic_bothers_who_decides = 10_000.0, "won an order", Nothing;
    automatic_bothers_who_is_led = 3_000.0, "won an order", Nothing;
    choosing_pleases_who_decides = 4_000.0, "won a choice", Nothing;
    leaves_when_affected = 0.1, "probability", Nothing;
    leaves_when_connected = 0.02, "probability", Nothing;
    leaves_anyway = 0.01, "probability", Nothing;
    telling_at_once_keeps = 0.5, "of those who would leave", Nothing;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scaling_moves_what_it_names_and_nothing_else() {
        let plain = Assumptions::default();
        assert_eq!(plain.scaled(1.0, 1.0, 1.0), plain);
        let half = plain.scaled(0.5, 1.0, 1.0);
        assert_eq!((half.reading_noise, half.yield_spread), (0.75, 0.04));
        assert_eq!((half.react_hours, half.non_response), (plain.react_hours, plain.non_response));
        let slow = plain.scaled(1.0, 2.0, 1.0);
        assert_eq!((slow.react_hours, slow.goes_on_weekday), (8.0, 0.175));
        assert_eq!((slow.reading_noise, slow.non_response), (1.5, 0.25));
        let deaf = plain.scaled(1.0, 1.0, 2.0);
        assert_eq!((deaf.non_response, deaf.reading_gap), (0.5, 0.1));
        assert!(
            plain.scaled(1.0, 0.1, 9.0).all().iter().all(|one| one.unit != "probability" || one.value < 1.0)
        );
    }

    #[test]
    fn every_number_has_a_name_and_a_unit() {
        let all = Assumptions::default().all();
        assert!(all.len() > 80 && all.iter().all(|one| !one.name.is_empty() && !one.unit.is_empty()));
        assert!(all.iter().all(|one| one.value.is_finite() && one.value > 0.0));
    }
}
