//! The customers: who they are, where they live, how often they come.

use serde_json::{Value, json};

use super::Language;
use super::calendar::TIME_ZONE;
use super::luck::{Dice, Stream};

/// A text in English and in Korean.
pub(super) type Text = (&'static str, &'static str);

const FAMILY_NAMES: [Text; 12] = [
    ("Kim", "김"),
    ("Lee", "이"),
    ("Park", "박"),
    ("Choi", "최"),
    ("Jung", "정"),
    ("Kang", "강"),
    ("Cho", "조"),
    ("Yoon", "윤"),
    ("Jang", "장"),
    ("Lim", "임"),
    ("Han", "한"),
    ("Seo", "서"),
];

const GIVEN_NAMES: [Text; 18] = [
    ("Minji", "민지"),
    ("Seojun", "서준"),
    ("Haeun", "하은"),
    ("Doyun", "도윤"),
    ("Jiwoo", "지우"),
    ("Yuna", "유나"),
    ("Hyunwoo", "현우"),
    ("Sora", "소라"),
    ("Taeyang", "태양"),
    ("Eunbi", "은비"),
    ("Jaehyun", "재현"),
    ("Nari", "나리"),
    ("Dongha", "동하"),
    ("Sumin", "수민"),
    ("Garam", "가람"),
    ("Bora", "보라"),
    ("Minho", "민호"),
    ("Chaewon", "채원"),
];

/// A city, and how parcels fare there.
#[derive(Debug)]
pub(super) struct City {
    pub(super) name: Text,
    pub(super) region: Text,
    /// Share of customers, relative to the other cities.
    weight: f64,
    /// Share of parcels that the slow courier carries, 0 to 1.
    pub(super) slow_share: f64,
    /// Days that both the promise and the journey take longer than on the mainland.
    pub(super) extra_days: i64,
}

#[rustfmt::skip]
static CITIES: [City; 8] = [
    City { name: ("Seoul", "서울"), region: ("Seoul", "서울"), weight: 34.0, slow_share: 0.15, extra_days: 0 },
    City { name: ("Suwon", "수원"), region: ("Gyeonggi", "경기"), weight: 18.0, slow_share: 0.20, extra_days: 0 },
    City { name: ("Incheon", "인천"), region: ("Incheon", "인천"), weight: 10.0, slow_share: 0.20, extra_days: 0 },
    City { name: ("Daejeon", "대전"), region: ("Daejeon", "대전"), weight: 9.0, slow_share: 0.30, extra_days: 0 },
    City { name: ("Busan", "부산"), region: ("Busan", "부산"), weight: 12.0, slow_share: 0.45, extra_days: 0 },
    City { name: ("Daegu", "대구"), region: ("Daegu", "대구"), weight: 7.0, slow_share: 0.45, extra_days: 0 },
    City { name: ("Gwangju", "광주"), region: ("Gwangju", "광주"), weight: 6.0, slow_share: 0.65, extra_days: 0 },
    City { name: ("Seogwipo", "서귀포"), region: ("Jeju", "제주"), weight: 4.0, slow_share: 0.30, extra_days: 1 },
];

/// Where a customer is met on screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Screen {
    Web,
    App,
}

impl Screen {
    pub(super) fn channel(self) -> &'static str {
        match self {
            Self::Web => "web",
            Self::App => "app",
        }
    }
}

/// A browser or an installed app.
#[derive(Debug, Clone)]
pub(super) struct Device {
    pub(super) anonymous_id: String,
    /// Whether its user has signed in on it; until then nobody knows whose it is.
    pub(super) signed_in: bool,
}

/// One customer.
#[derive(Debug, Clone)]
pub(super) struct Person {
    pub(super) id: String,
    pub(super) name: String,
    email: String,
    pub(super) city: &'static City,
    devices: [Device; 2],
    pub(super) has_app: bool,
    /// Days between visits, on average.
    pub(super) visits_every: f64,
    /// Probability that a visit ends in an order.
    pub(super) appetite: f64,
    /// The day of the first visit.
    pub(super) comes_on: i64,
    /// Orders, by index, oldest first.
    pub(super) orders: Vec<usize>,
    /// Messages sent in this person's name so far.
    pub(super) told: u32,
}

impl Person {
    /// The customer with this index. `days` is how long the shop is watched: most have come by a third of it.
    pub(super) fn new(seed: u64, index: usize, days: u32, language: Language) -> Self {
        let dice = &mut Dice::new(seed, Stream::Person, index, 0);
        let family = FAMILY_NAMES[dice.between(0..FAMILY_NAMES.len() as i64) as usize];
        let given = GIVEN_NAMES[dice.between(0..GIVEN_NAMES.len() as i64) as usize];
        let number = index + 1;
        let mut device = |letter| Device {
            anonymous_id: format!("{letter}-{:012x}", dice.between(0..1 << 48)),
            signed_in: false,
        };
        let devices = [device('w'), device('m')];
        Self {
            id: format!("c-{number:04}"),
            name: match language {
                Language::En => format!("{} {}", given.0, family.0),
                Language::Ko => format!("{}{}", family.1, given.1),
            },
            email: format!("{}.{}.{number:04}@example.com", given.0, family.0).to_lowercase(),
            city: &CITIES[dice.weighted(CITIES.iter().map(|city| city.weight))],
            devices,
            has_app: dice.chance(0.35),
            visits_every: 3.0 + 6.0 * dice.unit(),
            appetite: 0.35 + 0.4 * dice.unit(),
            // The square draws arrivals towards the opening, with a tail of late-comers.
            comes_on: (dice.unit().powi(2) * f64::from(days) * 0.7) as i64,
            orders: Vec::new(),
            told: 0,
        }
    }

    pub(super) fn device(&self, screen: Screen) -> &Device {
        &self.devices[screen as usize]
    }

    pub(super) fn sign_in(&mut self, screen: Screen) {
        self.devices[screen as usize].signed_in = true;
    }

    /// The traits of an `identify` call.
    pub(super) fn traits(&self, language: Language) -> Value {
        json!({
            "name": self.name,
            "email": self.email,
            "address": {
                "city": language.choose(self.city.name),
                "state": language.choose(self.city.region),
                "country": "KR",
            },
            "timezone": TIME_ZONE,
            "locale": language.locale(),
        })
    }
}
