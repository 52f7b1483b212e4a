//! Where the customer of the demonstration and the shop's staff see what happened.

use std::collections::BTreeSet;

use model::connection::LinkPurpose;
use model::{Role, StaffAccount};

use super::Hero;
use crate::error::Failure;
use crate::i18n::Messages;
use crate::ops::{self, Op};
use crate::serve::Server;
use crate::staff::StaffOp;

/// Who signs in to the staff's pages.
const STAFF: &str = "demo";

/// Makes an account and a link, and says them.
pub(super) fn open(server: &Server, hero: &Hero, messages: &Messages) -> Result<String, Failure> {
    let node = &server.app.node;
    let host = format!("http://{}", server.address);
    let link = StaffOp::Link {
        user: hero.customer_id.clone(),
        purpose: LinkPurpose::Account,
        about: None,
        public_url: host.clone(),
    };
    let link = ops::run(node, Op::Staff(link))?;
    let password = crate::keys::random_hex(8);
    let account = StaffAccount {
        name: STAFF.to_owned(),
        password: crate::staff::hash(&password)?,
        roles: BTreeSet::from([Role::Operations, Role::Admin]),
    };
    ops::run(node, Op::Staff(StaffOp::Add { account }))?;
    let url = link["url"].as_str().unwrap_or_default().to_owned();
    let customer = messages.with("demo-customer-page", &[("name", hero.name.clone()), ("url", url)]);
    let values = [("url", format!("{host}/ops")), ("user", STAFF.to_owned()), ("password", password)];
    Ok(format!("{customer}\n{}", messages.with("demo-staff-page", &values)))
}
