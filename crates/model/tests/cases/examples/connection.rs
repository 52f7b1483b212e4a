//! Examples of the tie between a customer and the company.

use model::connection::Need;
use model::connection::*;
use model::*;

use super::{AT, money, text};

const UNTIL: Time = Time(AT.0 + 1_209_600_000_000);

every!(strategies, Strategy,
    "wait": Strategy::Wait => Strategy::Wait,
    "respond": Strategy::Respond => Strategy::Respond,
    "curate": Strategy::Curate => Strategy::Curate,
    "coach": Strategy::Coach => Strategy::Coach,
    "automate": Strategy::Automate => Strategy::Automate,
);

every!(fallbacks, Fallback,
    "ask_once": Fallback::AskOnce => Fallback::AskOnce,
    "wait": Fallback::Wait => Fallback::Wait,
    "respond": Fallback::Respond => Fallback::Respond,
    "curate": Fallback::Curate => Fallback::Curate,
);

every!(origins, NeedOrigin,
    "stated": NeedOrigin::Stated => NeedOrigin::Stated,
    "reported": NeedOrigin::Reported => NeedOrigin::Reported,
    "predicted": NeedOrigin::Predicted => NeedOrigin::Predicted,
);

every!(need_stages, NeedStage,
    "recognized": NeedStage::Recognized => NeedStage::Recognized,
    "requested": NeedStage::Requested => NeedStage::Requested,
    "promised": NeedStage::Promised => NeedStage::Promised,
    "met": NeedStage::Met => NeedStage::Met,
    "learned": NeedStage::Learned => NeedStage::Learned,
    "lapsed": NeedStage::Lapsed => NeedStage::Lapsed,
);

every!(friction_kinds, FrictionKind,
    "search": FrictionKind::Search => FrictionKind::Search,
    "doubt": FrictionKind::Doubt => FrictionKind::Doubt,
    "stock_out": FrictionKind::StockOut => FrictionKind::StockOut,
    "wait": FrictionKind::Wait => FrictionKind::Wait,
    "forced_bundle": FrictionKind::ForcedBundle => FrictionKind::ForcedBundle,
    "trip": FrictionKind::Trip => FrictionKind::Trip,
);

every!(message_classes, MessageClass,
    "transactional": MessageClass::Transactional => MessageClass::Transactional,
    "advertising": MessageClass::Advertising => MessageClass::Advertising,
);

every!(periods, Period,
    "day": Period::Day => Period::Day,
    "week": Period::Week => Period::Week,
    "month": Period::Month => Period::Month,
    "year": Period::Year => Period::Year,
    "rolling_days": Period::RollingDays(_) => Period::RollingDays(300),
);

every!(mandate_states, MandateState,
    "presented": MandateState::Presented => MandateState::Presented,
    "active": MandateState::Active => MandateState::Active,
    "paused": MandateState::Paused => MandateState::Paused,
    "suspended": MandateState::Suspended => MandateState::Suspended,
    "exhausted": MandateState::Exhausted => MandateState::Exhausted,
    "expired": MandateState::Expired => MandateState::Expired,
    "revoked": MandateState::Revoked => MandateState::Revoked,
);

every!(action_states, ActionState,
    "proposed": ActionState::Proposed => ActionState::Proposed,
    "blocked": ActionState::Blocked => ActionState::Blocked,
    "announced": ActionState::Announced => ActionState::Announced,
    "cancelled": ActionState::Cancelled => ActionState::Cancelled,
    "ordered": ActionState::Ordered => ActionState::Ordered,
    "started": ActionState::Started => ActionState::Started,
    "confirmed": ActionState::Confirmed => ActionState::Confirmed,
    "fulfilled": ActionState::Fulfilled => ActionState::Fulfilled,
    "disputed": ActionState::Disputed => ActionState::Disputed,
    "refunded": ActionState::Refunded => ActionState::Refunded,
    "upheld": ActionState::Upheld => ActionState::Upheld,
    "failed": ActionState::Failed => ActionState::Failed,
);

every!(occasions, Occasion,
    "recognized": Occasion::Recognized => Occasion::Recognized,
    "asked": Occasion::Asked => Occasion::Asked,
    "action_due": Occasion::ActionDue => Occasion::ActionDue,
    "order_now": Occasion::OrderNow => Occasion::OrderNow,
);

fn preference() -> Preference {
    Preference {
        category: text("toner"),
        device_id: Some(text("printer-1")),
        strategy: Strategy::Automate,
        fallback: Fallback::AskOnce,
        share: 2,
        channel: Some(text("email")),
        cap_per_week: Some(1),
        version: 3,
        at: AT,
    }
}

fn bare_preference() -> Preference {
    Preference { device_id: None, channel: None, cap_per_week: None, version: 0, ..preference() }
}

fn consent() -> Consent {
    Consent {
        purpose: text("advertising"),
        given: true,
        at: AT,
        notice: Some(text("2026-03/ko")),
        jurisdiction: Some(text("KR")),
    }
}

fn bare_consent() -> Consent {
    Consent { given: false, notice: None, jurisdiction: None, ..consent() }
}

fn subject() -> Subject {
    Subject {
        device_id: Some(text("printer-1")),
        slot: Some(text("black")),
        item_id: Some(text("toner-black")),
    }
}

fn need() -> Need {
    Need {
        need_id: text("n-cus-0-981-1"),
        category: text("toner"),
        subject: subject(),
        origin: NeedOrigin::Predicted,
        rule: text("running_low"),
        playbook: text("toner"),
        version: 2,
        arm: Some(text("short")),
        confidence: 0.75,
        evidence: vec![
            Evidence { what: text("slot.level_reported"), at: AT, value: text("0.12") },
            Evidence { what: text("forecast"), at: UNTIL, value: String::new() },
        ],
        arose_at: UNTIL,
        known_at: AT,
        strategy: Strategy::Curate,
        instead: Some(text("mandate_paused")),
    }
}

fn bare_need() -> Need {
    Need { subject: Subject::default(), arm: None, evidence: Vec::new(), instead: None, ..need() }
}

fn mandate() -> MandateTerms {
    MandateTerms {
        mandate_id: text("m-1"),
        category: text("toner"),
        device_id: Some(text("printer-1")),
        slot: Some(text("black")),
        items: vec![text("toner-black"), text("toner-black-xl")],
        max_quantity: Quantity(1_500),
        payee: text("inyeon-store"),
        max_each: money(60_000, "KRW"),
        limits: vec![
            SpendLimit { period: Period::Month, amount: Some(money(120_000, "KRW")), orders: Some(2) },
            SpendLimit { period: Period::RollingDays(90), amount: None, orders: None },
        ],
        price: Some(PriceRule { reference: money(52_000, "KRW"), max_rise_percent: 10 }),
        valid_from: AT,
        valid_to: Some(UNTIL),
        dormancy_days: Some(540),
        notice_hours: 24,
        time_zone: text("Asia/Seoul"),
    }
}

fn bare_mandate() -> MandateTerms {
    MandateTerms {
        device_id: None,
        slot: None,
        items: Vec::new(),
        limits: Vec::new(),
        price: None,
        valid_to: None,
        dormancy_days: None,
        ..mandate()
    }
}

fn action() -> Action {
    Action {
        action_id: text("m-1.2.n-cus-0-981-1"),
        mandate_id: text("m-1"),
        mandate_version: 2,
        need_id: text("n-cus-0-981-1"),
        item_id: text("toner-black"),
        quantity: Quantity::units(1),
        price: money(52_000, "KRW"),
        due_at: UNTIL,
        execute_at: Time(AT.0 + 86_400_000_000),
    }
}

fn spend() -> Spend {
    Spend { action_id: action().action_id, at: AT, amount: money(52_000, "KRW"), back: false }
}

fn decision() -> DecisionRecord {
    DecisionRecord {
        decision_id: text("d-cus-0-981-1"),
        need_id: Some(text("n-cus-0-981-1")),
        at: AT,
        playbook: text("toner"),
        version: 2,
        seen: text(r#"{"share":2}"#),
        choice: text(r#"{"chosen":{"does":"nothing"}}"#),
    }
}

fn moved(stage: NeedStage) -> ConnectionFact {
    ConnectionFact::NeedMoved {
        need_id: need().need_id,
        stage,
        at: AT,
        order_id: Some(text("o-1")),
        why: Some(text("met_elsewhere")),
    }
}

fn mandate_moved(state: MandateState) -> ConnectionFact {
    ConnectionFact::MandateMoved {
        mandate_id: text("m-1"),
        state,
        by: text("company"),
        why: Some(text("disputed twice")),
        at: AT,
    }
}

fn action_moved(state: ActionState) -> ConnectionFact {
    let end = ActionEnd { why: Some(text("over_limit:month")), order_id: Some(text("auto-m-1.2.n-1")) };
    ConnectionFact::ActionMoved { action_id: action().action_id, state, end, at: AT }
}

fn contacted(class: MessageClass) -> ConnectionFact {
    let message_id = text("cus-0-981/message/toner/remind/n-1");
    ConnectionFact::Contacted { message_id, category: text("toner"), class, at: AT }
}

fn wanted(occasion: Occasion) -> ConnectionFact {
    let action_id = Some(action().action_id);
    ConnectionFact::DecisionWanted { need_id: need().need_id, occasion, action_id, at: AT }
}

fn friction(kind: FrictionKind) -> ConnectionFact {
    let friction = Friction { kind, at: AT, minutes: Some(12.5) };
    ConnectionFact::FrictionSeen { need_id: need().need_id, friction }
}

every!(connection_facts, ConnectionFact,
    "preference.changed": ConnectionFact::PreferenceSet(_) => ConnectionFact::PreferenceSet(preference()),
    "consent.given": ConnectionFact::ConsentSet(_) => ConnectionFact::ConsentSet(consent()),
    "device.registered": ConnectionFact::DeviceRegistered { .. } => ConnectionFact::DeviceRegistered {
        device_id: text("printer-1"),
        model: Some(text("P-100")),
        site: Some(text("3층")),
        slots: vec![
            DeviceSlot { slot: text("black"), category: text("toner") },
            DeviceSlot { slot: text("waste"), category: text("waste_box") },
        ],
        at: AT,
    },
    "device.deregistered": ConnectionFact::DeviceGone { .. } =>
        ConnectionFact::DeviceGone { device_id: text("printer-1"), at: AT },
    "prior.pinned": ConnectionFact::PriorPinned { .. } => ConnectionFact::PriorPinned {
        category: text("toner"), version: 4, prior: text(r#"{"mean":0.0125}"#) },
    "item.awaited": ConnectionFact::ItemAwaited { .. } => ConnectionFact::ItemAwaited {
        category: text("milk"), order_id: text("o-1"), quantity: Quantity(2_000), at: AT },
    "item.arrived": ConnectionFact::ItemArrived { .. } => ConnectionFact::ItemArrived {
        category: text("milk"), order_id: text("o-1"), quantity: Quantity(2_000), at: AT },
    "need.raised": ConnectionFact::NeedRaised { .. } => ConnectionFact::NeedRaised {
        need_id: text("n-1"), message_id: text("c/message/toner/runs_low/n-1~2"), at: AT },
    "item.bought": ConnectionFact::ItemBought { .. } => ConnectionFact::ItemBought {
        category: text("toner"), item_id: text("toner-black"), quantity: Quantity(1_500), at: AT },
    "slot.level_seen": ConnectionFact::LevelSeen(_) => ConnectionFact::LevelSeen(LevelSeen {
        device_id: text("printer-1"), slot: text("black"), level: 0.125, at: AT, replaced: true }),
    "slot.replaced": ConnectionFact::SlotReplaced { .. } =>
        ConnectionFact::SlotReplaced { device_id: text("printer-1"), slot: text("black"), at: AT },
    "slot.ran_empty": ConnectionFact::RanEmpty { .. } =>
        ConnectionFact::RanEmpty { device_id: text("printer-1"), slot: text("black"), at: AT },
    "away.set": ConnectionFact::AwaySet { .. } =>
        ConnectionFact::AwaySet { from: AT, until: UNTIL, at: Time(AT.0 - 1) },
    "need.recognized": ConnectionFact::NeedRecognized(_) => ConnectionFact::NeedRecognized(Box::new(need())),
    "need.met": ConnectionFact::NeedMoved { .. } => moved(NeedStage::Met),
    "need.heard_again": ConnectionFact::NeedHeardAgain { .. } => ConnectionFact::NeedHeardAgain {
        need_id: need().need_id, rule: text("device_says"), at: AT },
    "decision.wanted": ConnectionFact::DecisionWanted { .. } => wanted(Occasion::ActionDue),
    "decision.made": ConnectionFact::Decided(_) => ConnectionFact::Decided(Box::new(decision())),
    "friction.seen": ConnectionFact::FrictionSeen { .. } => friction(FrictionKind::Doubt),
    "effort.spent": ConnectionFact::EffortSpent { .. } => ConnectionFact::EffortSpent {
        need_id: need().need_id, at: AT, minutes: 2.5, steps: 2, inputs: 1, contacts: 300 },
    "offer.shown": ConnectionFact::OfferShown { .. } => ConnectionFact::OfferShown {
        need_id: need().need_id, items: vec![text("toner-black"), text("toner-black-xl")], at: AT },
    "coach.snoozed": ConnectionFact::Snoozed { .. } =>
        ConnectionFact::Snoozed { category: text("toner"), until: UNTIL, at: AT },
    "goal.step_done": ConnectionFact::StepDone { .. } => ConnectionFact::StepDone {
        category: text("toner"), step: text("draft_mode"), done: true, at: AT },
    "mandate.presented": ConnectionFact::MandatePresented { .. } => ConnectionFact::MandatePresented {
        terms: Box::new(mandate()), version: 2, agreement: text("ab12"), at: AT },
    "mandate.amended": ConnectionFact::MandateAmended { .. } =>
        ConnectionFact::MandateAmended { mandate_id: text("m-1"), at: AT },
    "mandate.suspended": ConnectionFact::MandateMoved { .. } => mandate_moved(MandateState::Suspended),
    "mandate.debited": ConnectionFact::Debited { .. } =>
        ConnectionFact::Debited { mandate_id: text("m-1"), spend: spend() },
    "mandate.credited_back": ConnectionFact::CreditedBack { .. } => ConnectionFact::CreditedBack {
        mandate_id: text("m-1"), action_id: action().action_id, at: AT },
    "autoaction.proposed": ConnectionFact::ActionProposed { .. } =>
        ConnectionFact::ActionProposed { action: Box::new(action()), at: AT },
    "autoaction.blocked": ConnectionFact::ActionMoved { .. } => action_moved(ActionState::Blocked),
    "message.started": ConnectionFact::Contacted { .. } => contacted(MessageClass::Advertising),
);

every!(connection_commands, ConnectionCommand,
    "set_preference": ConnectionCommand::SetPreference(_) => ConnectionCommand::SetPreference(preference()),
    "set_consent": ConnectionCommand::SetConsent(_) => ConnectionCommand::SetConsent(consent()),
    "state_need": ConnectionCommand::StateNeed { .. } => ConnectionCommand::StateNeed {
        category: text("toner"), subject: subject(), arose_at: Some(AT) },
    "present_mandate": ConnectionCommand::PresentMandate(_) =>
        ConnectionCommand::PresentMandate(Box::new(mandate())),
    "activate_mandate": ConnectionCommand::ActivateMandate { .. } =>
        ConnectionCommand::ActivateMandate { mandate_id: text("m-1"), agreement: text("ab12") },
    "pause_mandate": ConnectionCommand::PauseMandate { .. } =>
        ConnectionCommand::PauseMandate { mandate_id: text("m-1") },
    "resume_mandate": ConnectionCommand::ResumeMandate { .. } =>
        ConnectionCommand::ResumeMandate { mandate_id: text("m-1") },
    "suspend_mandate": ConnectionCommand::SuspendMandate { .. } =>
        ConnectionCommand::SuspendMandate { mandate_id: text("m-1"), why: text("disputed twice") },
    "revoke_mandate": ConnectionCommand::RevokeMandate { .. } =>
        ConnectionCommand::RevokeMandate { mandate_id: text("m-1") },
    "cancel_action": ConnectionCommand::CancelAction { .. } =>
        ConnectionCommand::CancelAction { action_id: action().action_id },
    "dispute_action": ConnectionCommand::DisputeAction { .. } =>
        ConnectionCommand::DisputeAction { action_id: action().action_id, why: Some(text("not asked for")) },
    "settle_dispute": ConnectionCommand::SettleDispute { .. } =>
        ConnectionCommand::SettleDispute { action_id: action().action_id, refund: true },
    "snooze": ConnectionCommand::Snooze { .. } =>
        ConnectionCommand::Snooze { category: text("toner"), until: UNTIL },
    "choose": ConnectionCommand::Choose { .. } => ConnectionCommand::Choose {
        need_id: need().need_id, item_id: text("toner-black"), order_id: text("o-1") },
    "set_away": ConnectionCommand::SetAway { .. } => ConnectionCommand::SetAway { from: AT, until: UNTIL },
    "order_now": ConnectionCommand::OrderNow { .. } =>
        ConnectionCommand::OrderNow { mandate_id: text("m-1") },
);

/// Commands with everything that may be left out left out.
fn bare_commands() -> Vec<(&'static str, ConnectionCommand)> {
    let action_id = action().action_id;
    vec![
        ("set_preference-bare", ConnectionCommand::SetPreference(bare_preference())),
        ("set_consent-bare", ConnectionCommand::SetConsent(bare_consent())),
        (
            "state_need-bare",
            ConnectionCommand::StateNeed {
                category: text("toner"),
                subject: Subject::default(),
                arose_at: None,
            },
        ),
        ("present_mandate-bare", ConnectionCommand::PresentMandate(Box::new(bare_mandate()))),
        ("dispute_action-bare", ConnectionCommand::DisputeAction { action_id, why: None }),
    ]
}

/// Everything that a command about the tie can hold, by the names of their files.
pub(crate) fn command_list() -> Vec<(String, Command)> {
    let commands = connection_commands().into_iter().chain(bare_commands());
    let mut all: Vec<_> = commands.map(|(name, command)| (format!("connection-{name}"), command)).collect();
    all.extend(strategies().into_iter().map(|(name, strategy)| {
        let preference = Preference { strategy, ..preference() };
        (format!("connection-strategy-{name}"), ConnectionCommand::SetPreference(preference))
    }));
    all.extend(fallbacks().into_iter().map(|(name, fallback)| {
        let preference = Preference { fallback, ..preference() };
        (format!("connection-fallback-{name}"), ConnectionCommand::SetPreference(preference))
    }));
    all.extend(periods().into_iter().map(|(name, period)| {
        let limits = vec![SpendLimit { period, amount: None, orders: Some(1) }];
        let terms = Box::new(MandateTerms { limits, ..mandate() });
        (format!("connection-period-{name}"), ConnectionCommand::PresentMandate(terms))
    }));
    all.into_iter().map(|(name, command)| (name, Command::Connection(command))).collect()
}

/// Lists that hold every variant of everything that facts about the tie can hold.
pub(super) fn outcome_lists() -> Vec<(String, Vec<Outcome>)> {
    let of = |name: &str, facts: Vec<ConnectionFact>| {
        let facts = facts.into_iter().map(|fact| Outcome::Fact(Fact::Connection(fact)));
        (format!("every.{name}"), facts.collect::<Vec<_>>())
    };
    for (name, fact) in connection_facts() {
        assert_eq!(fact.name(), name);
    }
    let need_with = |change: &dyn Fn(&mut Need)| {
        let mut need = need();
        change(&mut need);
        ConnectionFact::NeedRecognized(Box::new(need))
    };
    let bare = vec![
        ConnectionFact::PreferenceSet(bare_preference()),
        ConnectionFact::ConsentSet(bare_consent()),
        ConnectionFact::DeviceRegistered {
            device_id: text("printer-1"),
            model: None,
            site: None,
            slots: Vec::new(),
            at: AT,
        },
        ConnectionFact::NeedRecognized(Box::new(bare_need())),
        ConnectionFact::NeedMoved {
            need_id: need().need_id,
            stage: NeedStage::Learned,
            at: AT,
            order_id: None,
            why: None,
        },
        ConnectionFact::DecisionWanted {
            need_id: need().need_id,
            occasion: Occasion::Asked,
            action_id: None,
            at: AT,
        },
        ConnectionFact::Decided(Box::new(DecisionRecord { need_id: None, ..decision() })),
        ConnectionFact::FrictionSeen {
            need_id: need().need_id,
            friction: Friction { kind: FrictionKind::Trip, at: AT, minutes: None },
        },
        ConnectionFact::OfferShown { need_id: need().need_id, items: Vec::new(), at: AT },
        ConnectionFact::MandatePresented {
            terms: Box::new(bare_mandate()),
            version: 1,
            agreement: String::new(),
            at: AT,
        },
        ConnectionFact::MandateMoved {
            mandate_id: text("m-1"),
            state: MandateState::Active,
            by: text("customer"),
            why: None,
            at: AT,
        },
        ConnectionFact::Debited { mandate_id: text("m-1"), spend: Spend { back: true, ..spend() } },
        ConnectionFact::ActionMoved {
            action_id: action().action_id,
            state: ActionState::Announced,
            end: ActionEnd::default(),
            at: AT,
        },
    ];
    vec![
        of("connection_fact", connection_facts().into_iter().map(|(_, fact)| fact).collect()),
        of("connection_fact-bare", bare),
        of("need_stage", need_stages().into_iter().map(|(_, stage)| moved(stage)).collect()),
        of(
            "need_origin",
            origins().into_iter().map(|(_, origin)| need_with(&|need| need.origin = origin)).collect(),
        ),
        of(
            "need_strategy",
            strategies()
                .into_iter()
                .map(|(_, strategy)| need_with(&|need| need.strategy = strategy))
                .collect(),
        ),
        of("friction_kind", friction_kinds().into_iter().map(|(_, kind)| friction(kind)).collect()),
        of("occasion", occasions().into_iter().map(|(_, occasion)| wanted(occasion)).collect()),
        of("mandate_state", mandate_states().into_iter().map(|(_, state)| mandate_moved(state)).collect()),
        of("action_state", action_states().into_iter().map(|(_, state)| action_moved(state)).collect()),
        of("message_class", message_classes().into_iter().map(|(_, class)| contacted(class)).collect()),
    ]
}
