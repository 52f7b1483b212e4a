//! What a role may do on the operator's pages. Everything that is not in the table is not allowed; who has several
//! roles may do what any of them may.

use std::collections::BTreeSet;

use model::Role;

/// Something that can be looked at or done.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(in crate::pages) enum Right {
    /// Promises at risk with what can be done for them.
    SeeRisk,
    Remedy,
    SeeAutoOrders,
    SettleDispute,
    /// What was decided, for whom by their number alone, and why.
    SeeDecisions,
    /// Customers by their names: search, and what is known of one.
    SeeCustomers,
    /// Nothing is sent and nothing ordered any more.
    StopAll,
    /// After that: go on.
    StartAll,
}

use Right::*;

impl Right {
    #[cfg(test)]
    pub(super) const ALL: [Right; 8] =
        [SeeRisk, Remedy, SeeAutoOrders, SettleDispute, SeeDecisions, SeeCustomers, StopAll, StartAll];
}

/// The table.
const RIGHTS: [(Role, &[Right]); 5] = [
    (Role::Marketing, &[SeeRisk, SeeDecisions, SeeCustomers]),
    (
        Role::Operations,
        &[SeeRisk, Remedy, SeeAutoOrders, SettleDispute, SeeDecisions, SeeCustomers, StopAll],
    ),
    (Role::FrontLine, &[SeeRisk, Remedy, SeeAutoOrders, SettleDispute, SeeDecisions, SeeCustomers]),
    (Role::Analyst, &[SeeRisk, SeeAutoOrders, SeeDecisions]),
    (
        Role::Admin,
        &[SeeRisk, Remedy, SeeAutoOrders, SettleDispute, SeeDecisions, SeeCustomers, StopAll, StartAll],
    ),
];

pub(super) fn may(roles: &BTreeSet<Role>, right: Right) -> bool {
    RIGHTS.iter().any(|(role, rights)| roles.contains(role) && rights.contains(&right))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_may_what_the_table_says_and_nobody_else_anything() {
        let check = |role: Role, expect: &[Right]| {
            for right in Right::ALL {
                assert_eq!(may(&BTreeSet::from([role]), right), expect.contains(&right), "{role:?} {right:?}");
            }
        };
        let seeing = [SeeRisk, SeeDecisions];
        check(Role::Marketing, &[SeeRisk, SeeDecisions, SeeCustomers]);
        check(Role::Analyst, &[SeeRisk, SeeAutoOrders, SeeDecisions]);
        check(Role::FrontLine, &[SeeRisk, Remedy, SeeAutoOrders, SettleDispute, SeeDecisions, SeeCustomers]);
        check(
            Role::Operations,
            &[SeeRisk, Remedy, SeeAutoOrders, SettleDispute, SeeDecisions, SeeCustomers, StopAll],
        );
        check(Role::Admin, &Right::ALL);
        for right in Right::ALL {
            assert!(!may(&BTreeSet::new(), right), "{right:?}");
            let both = BTreeSet::from([Role::Marketing, Role::Analyst]);
            let either = seeing.contains(&right) || matches!(right, SeeCustomers | SeeAutoOrders);
            assert_eq!(may(&both, right), either, "{right:?}");
        }
    }
}
