//! The state machines of the design, and what must hold whatever happens.

mod cases {
    mod campaign;
    mod effects;
    mod identity;
    mod merge;
    mod ordering;
    mod orders;
    mod playbook;
    mod promises;
    mod properties;
    mod replenish;
    mod rules;
    mod scale;
    mod scenario;
    mod supply;
    mod workspace;
}
