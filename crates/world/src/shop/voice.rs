//! What the shop's people say: the texts of reviews.

use serde::{Deserialize, Serialize};

use super::people::Text;

/// The language of names and texts. It changes no event but in its wording.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Language {
    /// English.
    En,
    /// Korean.
    Ko,
}

impl Language {
    pub(super) fn choose(self, text: Text) -> &'static str {
        match self {
            Self::En => text.0,
            Self::Ko => text.1,
        }
    }

    pub(super) fn locale(self) -> &'static str {
        match self {
            Self::En => "en-US",
            Self::Ko => "ko-KR",
        }
    }
}

/// What a review is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Experience {
    /// It came when the shop said.
    Kept,
    /// It came after that.
    Late,
    /// It came after that, and the shop had said so itself.
    LateButTold,
    /// The shop cancelled.
    NeverCame,
}

impl Experience {
    /// The rating a review of this kind is around, before it is rounded and held within 1 to 5.
    pub(super) fn rating(self) -> f64 {
        match self {
            Self::Kept => 4.6,
            Self::Late => 2.3,
            Self::LateButTold => 3.1,
            Self::NeverCame => 1.7,
        }
    }

    /// The share of customers who write one: a disappointment is told more often.
    pub(super) fn answer_share(self) -> f64 {
        match self {
            Self::Kept => 0.45,
            Self::Late | Self::LateButTold | Self::NeverCame => 0.6,
        }
    }

    /// Title and body of a review with this rating (1 to 5); `taste` picks among equals.
    pub(super) fn review(self, rating: i64, taste: usize) -> (Text, Text) {
        let texts: &[Review] = match self {
            Self::Kept if rating >= 4 => &REVIEWS_KEPT,
            Self::Kept => &REVIEWS_LUKEWARM,
            Self::Late => &REVIEWS_LATE,
            Self::LateButTold => &REVIEWS_LATE_BUT_TOLD,
            Self::NeverCame => &REVIEWS_NEVER_CAME,
        };
        texts[taste % texts.len()]
    }
}

type Review = (Text, Text);

#[rustfmt::skip]
static REVIEWS_KEPT: [Review; 3] = [
    (("As promised", "약속대로 왔어요"), ("Arrived on the day it was promised. Lovely.", "약속한 날에 정확히 도착했어요. 마음에 듭니다.")),
    (("Will order again", "재구매할게요"), ("Well packed and on time.", "포장도 꼼꼼하고 제때 왔습니다.")),
    (("Just right", "딱 좋아요"), ("I planned around the date and it held.", "날짜 보고 계획을 잡았는데 그대로 지켜졌어요.")),
];

#[rustfmt::skip]
static REVIEWS_LUKEWARM: [Review; 2] = [
    (("It is all right", "무난해요"), ("On time, but not quite what I had pictured.", "제때 왔지만 생각했던 것과는 조금 달라요.")),
    (("So-so", "그저 그래요"), ("Delivery was fine, the product less so.", "배송은 괜찮은데 상품은 아쉬워요.")),
];

#[rustfmt::skip]
static REVIEWS_LATE: [Review; 3] = [
    (("Late", "늦었어요"), ("The date passed and nobody said a word.", "약속한 날이 지나도록 아무 연락이 없었어요.")),
    (("Missed the day", "날짜를 못 맞췄네요"), ("I needed it for a birthday. It came after.", "생일에 쓰려고 했는데 지나서 왔습니다.")),
    (("Why promise?", "약속은 왜 하나요"), ("A later date that holds would be better.", "늦더라도 지킬 수 있는 날짜를 알려 주세요.")),
];

#[rustfmt::skip]
static REVIEWS_LATE_BUT_TOLD: [Review; 2] = [
    (("Late, but they told me", "늦었지만 알려 줬어요"), ("It was late. They wrote before I had to ask.", "늦었지만 묻기 전에 먼저 연락을 줬어요.")),
    (("Owned up to it", "솔직한 안내"), ("Not on the day, but the apology was honest.", "날짜는 어겼지만 사과는 진심이었어요.")),
];

#[rustfmt::skip]
static REVIEWS_NEVER_CAME: [Review; 2] = [
    (("Cancelled on me", "일방적으로 취소됐어요"), ("Waited for days, then it was out of stock.", "며칠을 기다렸는데 품절이라며 취소됐어요.")),
    (("Do not sell what is not there", "없는 물건은 팔지 마세요"), ("Sold to me without having it.", "재고도 없이 주문을 받았네요.")),
];
