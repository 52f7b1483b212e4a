//! People who work here and sign in to the operator's pages.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// What somebody does here; what a role may do is said where the pages are.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Marketing,
    Operations,
    /// Service agents, pickers, store and field staff, sales.
    FrontLine,
    Analyst,
    Admin,
}

impl Role {
    pub const ALL: [Role; 5] =
        [Role::Marketing, Role::Operations, Role::FrontLine, Role::Analyst, Role::Admin];

    pub fn name(self) -> &'static str {
        match self {
            Role::Marketing => "marketing",
            Role::Operations => "operations",
            Role::FrontLine => "front_line",
            Role::Analyst => "analyst",
            Role::Admin => "admin",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }
}

/// Somebody who may sign in.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct StaffAccount {
    pub name: String,
    /// The password's hash in the PHC string format (`$argon2id$…`); the password itself is kept nowhere.
    pub password: String,
    pub roles: BTreeSet<Role>,
}
