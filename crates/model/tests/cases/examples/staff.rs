//! Examples of people who sign in.

use std::collections::BTreeSet;

use model::*;

use super::{AT, text};

every!(roles, Role,
    "marketing": Role::Marketing => Role::Marketing,
    "operations": Role::Operations => Role::Operations,
    "front_line": Role::FrontLine => Role::FrontLine,
    "analyst": Role::Analyst => Role::Analyst,
    "admin": Role::Admin => Role::Admin,
);

pub(super) fn account() -> StaffAccount {
    StaffAccount {
        name: text("jun"),
        password: text("$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNo"),
        roles: BTreeSet::from([Role::Operations, Role::FrontLine]),
    }
}

/// Lists that hold every variant of everything that facts about staff can hold.
pub(super) fn outcome_lists() -> Vec<(String, Vec<Outcome>)> {
    let set = |roles| Outcome::Fact(Fact::StaffSet { account: StaffAccount { roles, ..account() }, at: AT });
    let one = |(_, role)| set(BTreeSet::from([role]));
    vec![
        (text("every.role"), roles().into_iter().map(one).collect()),
        (text("staff-bare"), vec![set(BTreeSet::new())]),
    ]
}
