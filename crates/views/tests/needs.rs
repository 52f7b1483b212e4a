//! The need report: what is known is counted, and what nobody told is not zero.

use model::connection::{
    ConnectionFact, Friction, FrictionKind, LevelSeen, Need, NeedOrigin, NeedStage, Strategy, Subject,
};
use model::{EntityId, Fact, OrderFact, PartitionId, ReturnRequest, Time, TimelineId};
use tempfile::TempDir;
use views::{Change, NeedGroup, NeedQuery, NeedReport, Views};

const HOUR: i64 = 3_600_000_000;

fn at(hours: i64) -> Time {
    Time(hours * HOUR)
}

struct Bench {
    dir: TempDir,
    views: Views,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let views = Views::open(dir.path().join("views.db")).unwrap().views;
        Bench { dir, views }
    }

    fn tell(&mut self, timeline: TimelineId, fact: Fact) {
        let entity = EntityId::customer(PartitionId(0), 1);
        let seq = self.views.position() + 1;
        self.views.apply(seq, &[(seq, Change::Fact { entity, timeline, fact })]).unwrap();
    }

    fn live(&mut self, fact: ConnectionFact) {
        self.tell(TimelineId::LIVE, Fact::Connection(fact));
    }

    /// A need that is known at an hour, and was felt at another.
    fn need(&mut self, id: &str, strategy: Strategy, device: Option<&str>, arose: i64, known: i64) {
        let slot = device.map(|_| "black".to_owned());
        self.live(ConnectionFact::NeedRecognized(Box::new(Need {
            need_id: id.to_owned(),
            category: "toner".to_owned(),
            subject: Subject { device_id: device.map(str::to_owned), slot, item_id: None },
            origin: NeedOrigin::Predicted,
            rule: "r".to_owned(),
            playbook: "toner".to_owned(),
            version: 1,
            arm: None,
            confidence: 1.0,
            evidence: Vec::new(),
            arose_at: at(arose),
            known_at: at(known),
            strategy,
            instead: None,
        })));
    }

    fn moves(&mut self, id: &str, stage: NeedStage, hour: i64, order: Option<&str>) {
        let (need_id, order_id) = (id.to_owned(), order.map(str::to_owned));
        self.live(ConnectionFact::NeedMoved { need_id, stage, at: at(hour), order_id, why: None });
    }

    fn met(&mut self, id: &str, hour: i64, order: &str) {
        self.moves(id, NeedStage::Promised, hour - 1, Some(order));
        self.moves(id, NeedStage::Met, hour, None);
    }

    fn comes_back(&mut self, order: &str, number: &str, reason: Option<&str>) {
        let request = ReturnRequest {
            return_id: number.to_owned(),
            order_id: order.to_owned(),
            lines: Vec::new(),
            reason: reason.map(str::to_owned),
        };
        let fact = OrderFact::ReturnAsked { request: Box::new(request), day: 1, at: at(99) };
        self.tell(TimelineId::LIVE, Fact::Order(fact));
    }

    fn report(&self, query: NeedQuery) -> NeedReport {
        views::Reader::open(self.dir.path().join("views.db")).unwrap().need_report(query).unwrap()
    }

    fn group(&self, strategy: Strategy) -> NeedGroup {
        let report = self.report(NeedQuery::default());
        report.groups.into_iter().find(|group| group.strategy == strategy).unwrap()
    }
}

#[test]
fn what_nobody_told_is_not_known_and_never_zero() {
    let mut bench = Bench::new();
    // Foreseen from purchases: no device watches, and nobody told what it cost.
    bench.need("n1", Strategy::Coach, None, 30, 10);
    bench.met("n1", 20, "o1");
    let group = bench.group(Strategy::Coach);
    assert_eq!((group.needs, group.met, group.effort_known, group.downtime_known), (1, 1, 0, 0));
    assert_eq!([group.minutes, group.steps, group.inputs, group.contacts], [None; 4]);
    assert_eq!((group.downtime_hours, group.in_hand_before), (None, None));
    assert_eq!((group.lead_p50_hours, group.answer_p50_hours), (Some(-20.0), Some(-10.0)));
    assert_eq!((group.returned, group.wrong_items), (0, Some(0)));
    // Open: nothing was delivered that could be wrong, and nothing answered it.
    bench.need("n2", Strategy::Wait, None, 30, 30);
    let group = bench.group(Strategy::Wait);
    assert_eq!((group.open, group.answer_p90_hours, group.wrong_items), (1, None, None));
    // Told to be nothing, it is zero.
    let told = |minutes| ConnectionFact::EffortSpent {
        need_id: "n1".to_owned(),
        at: at(21),
        minutes,
        steps: 0,
        inputs: 0,
        contacts: 0,
    };
    bench.live(told(0.0));
    assert_eq!(bench.group(Strategy::Coach).minutes, Some(0.0));
    bench.live(told(3.0));
    let group = bench.group(Strategy::Coach);
    assert_eq!((group.effort_known, group.minutes, group.steps), (1, Some(3.0), Some(0.0)));
}

#[test]
fn hours_without_and_what_was_there_before_are_told_of_what_a_device_watches() {
    let mut bench = Bench::new();
    let device = Some("printer");
    bench.need("in-time", Strategy::Automate, device, 50, 10);
    bench.met("in-time", 30, "o1");
    bench.need("late", Strategy::Automate, device, 50, 31);
    bench.live(ConnectionFact::RanEmpty {
        device_id: "printer".to_owned(),
        slot: "black".to_owned(),
        at: at(40),
    });
    bench.met("late", 46, "o2");
    bench.need("unseen", Strategy::Automate, None, 80, 60);
    bench.met("unseen", 70, "o3");
    let group = bench.group(Strategy::Automate);
    assert_eq!((group.met, group.downtime_known), (3, 2));
    assert_eq!((group.downtime_hours, group.in_hand_before), (Some(6.0), Some(1)));
    // A reading is no fact of a need.
    bench.live(ConnectionFact::LevelSeen(LevelSeen {
        device_id: "printer".to_owned(),
        slot: "black".to_owned(),
        level: 0.0,
        at: at(90),
        replaced: false,
    }));
    assert_eq!(bench.group(Strategy::Automate), group);
}

#[test]
fn the_wrong_thing_is_what_came_back_for_that_reason() {
    let mut bench = Bench::new();
    for (n, reason) in
        [Some("Does not fit"), Some("wrong_item"), Some("too dear"), None].into_iter().enumerate()
    {
        let (need, order) = (format!("n{n}"), format!("o{n}"));
        bench.need(&need, Strategy::Curate, None, 1, 1);
        bench.met(&need, 9, &order);
        bench.comes_back(&order, "r1", reason);
    }
    // Of two returns of one order one says why.
    bench.comes_back("o0", "r2", None);
    let group = bench.group(Strategy::Curate);
    assert_eq!((group.needs, group.met), (4, 4), "a need with two returns is one need");
    assert_eq!((group.returned, group.wrong_items, group.returned_unexplained), (4, Some(2), 1));
}

#[test]
fn frictions_stand_at_their_stage_with_what_helps_and_time_is_chosen() {
    let mut bench = Bench::new();
    bench.need("n1", Strategy::Wait, None, 1, 1);
    bench.need("n2", Strategy::Wait, None, 100, 100);
    for (id, kind) in FrictionKind::ALL
        .into_iter()
        .map(|kind| ("n1", kind))
        .chain([("n1", FrictionKind::Trip), ("n2", FrictionKind::Trip)])
    {
        let friction = Friction { kind, at: at(2), minutes: None };
        bench.live(ConnectionFact::FrictionSeen { need_id: id.to_owned(), friction });
    }
    let report = bench.report(NeedQuery::default());
    assert_eq!(report.frictions.len(), FrictionKind::ALL.len());
    let first = &report.frictions[0];
    assert_eq!((first.kind, first.met, first.needs), (FrictionKind::Trip, 3, 2));
    for row in &report.frictions {
        assert_eq!((row.stage, row.remedy), (row.kind.stage(), row.kind.remedy()));
    }
    let early = bench.report(NeedQuery { from: Some(at(0)), to: Some(at(100)) });
    assert_eq!((early.groups[0].needs, early.frictions[0].met), (1, 2));
    let late = bench.report(NeedQuery { from: Some(at(100)), to: None });
    assert_eq!((late.groups[0].needs, late.frictions.len()), (1, 1));
}
