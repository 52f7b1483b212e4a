//! People who sign in to the operator's pages: `inyeon staff`, and `inyeon customer link`.

use std::collections::BTreeSet;
use std::io::{BufRead, IsTerminal};
use std::path::Path;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use clap::{Args, Subcommand, ValueEnum};
use model::connection::{Link, LinkPurpose};
use model::{Command, EntityId, Outcome, Role, StaffAccount};
use runtime::Node;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::access::public_url_of;
use crate::error::{Failure, Kind};
use crate::i18n::Messages;
use crate::links::Links;
use crate::render::{array, heads, or_dash, plain, table};

#[derive(Args)]
pub struct StaffArgs {
    #[command(subcommand)]
    what: StaffWhat,
}

#[derive(Subcommand)]
enum StaffWhat {
    Add {
        name: String,
        #[arg(long, value_enum, required = true, num_args = 1)]
        role: Vec<RoleArg>,
        #[arg(long)]
        password_stdin: bool,
    },
    List,
    Remove {
        name: String,
    },
    Password {
        name: String,
        #[arg(long)]
        password_stdin: bool,
    },
    Roles {
        name: String,
        #[arg(long, value_enum, required = true, num_args = 1)]
        role: Vec<RoleArg>,
    },
}

#[derive(Clone, Copy, ValueEnum)]
#[value(rename_all = "snake_case")]
enum RoleArg {
    Marketing,
    Operations,
    FrontLine,
    Analyst,
    Admin,
}

impl RoleArg {
    fn role(self) -> Role {
        match self {
            RoleArg::Marketing => Role::Marketing,
            RoleArg::Operations => Role::Operations,
            RoleArg::FrontLine => Role::FrontLine,
            RoleArg::Analyst => Role::Analyst,
            RoleArg::Admin => Role::Admin,
        }
    }
}

#[derive(Args)]
pub struct CustomerArgs {
    #[command(subcommand)]
    what: CustomerWhat,
}

#[derive(Subcommand)]
enum CustomerWhat {
    Link {
        user: String,
        #[arg(long, value_enum, default_value_t = PurposeArg::Account)]
        purpose: PurposeArg,
        #[arg(long)]
        about: Option<String>,
        #[arg(long, value_name = "URL")]
        public_url: Option<String>,
    },
}

#[derive(Clone, Copy, ValueEnum)]
#[value(rename_all = "snake_case")]
enum PurposeArg {
    Account,
    Offer,
    Action,
    Mandate,
    Unsubscribe,
}

impl PurposeArg {
    fn purpose(self) -> LinkPurpose {
        match self {
            PurposeArg::Account => LinkPurpose::Account,
            PurposeArg::Offer => LinkPurpose::Offer,
            PurposeArg::Action => LinkPurpose::Action,
            PurposeArg::Mandate => LinkPurpose::Mandate,
            PurposeArg::Unsubscribe => LinkPurpose::Unsubscribe,
        }
    }
}

/// What is asked of a store. Passwords come as their hashes: the password itself goes nowhere.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "staff", rename_all = "snake_case", deny_unknown_fields)]
pub enum StaffOp {
    Add { account: StaffAccount },
    List,
    Remove { name: String },
    Password { name: String, password: String },
    Roles { name: String, roles: BTreeSet<Role> },
    /// A signed link to a customer's page.
    Link { user: String, purpose: LinkPurpose, about: Option<String>, public_url: String },
}

/// What is asked, and how the answer is shown.
pub type Asked = (StaffOp, fn(&Value, &Messages) -> String);

const NAME_MAX: usize = 64;
/// NIST SP 800-63B asks for eight at least, and for fifteen where nothing else guards the account.
const PASSWORD_MIN: usize = 12;
const PASSWORD_MAX: usize = 512;

impl StaffArgs {
    pub fn asked(self, messages: &Messages) -> Result<Asked, Failure> {
        let roles = |roles: Vec<RoleArg>| roles.into_iter().map(RoleArg::role).collect();
        Ok(match self.what {
            StaffWhat::Add { name, role, password_stdin } => {
                let sound = |c: char| c.is_alphanumeric() || "._-@".contains(c);
                if name.is_empty() || name.chars().count() > NAME_MAX || !name.chars().all(sound) {
                    return Err(Failure::new(Kind::Usage, "staff-name").with("name", name));
                }
                let password = hash(&read_password(password_stdin, messages)?)?;
                let account = StaffAccount { name, password, roles: roles(role) };
                (StaffOp::Add { account }, added)
            }
            StaffWhat::List => (StaffOp::List, listed),
            StaffWhat::Remove { name } => (StaffOp::Remove { name }, removed),
            StaffWhat::Password { name, password_stdin } => {
                let password = hash(&read_password(password_stdin, messages)?)?;
                (StaffOp::Password { name, password }, changed)
            }
            StaffWhat::Roles { name, role } => (StaffOp::Roles { name, roles: roles(role) }, changed),
        })
    }
}

impl CustomerArgs {
    pub fn asked(self, store: &Path) -> Asked {
        let CustomerWhat::Link { user, purpose, about, public_url } = self.what;
        let public_url = public_url.unwrap_or_else(|| public_url_of(store));
        let op = StaffOp::Link { user, purpose: purpose.purpose(), about, public_url };
        (op, |answer, _| plain(&answer["url"]))
    }
}

/// The first line of the standard input; a person at a terminal is asked for it, and nobody sees it.
fn read_password(from_stdin: bool, messages: &Messages) -> Result<String, Failure> {
    let stdin = std::io::stdin();
    let at_terminal = stdin.is_terminal();
    if !from_stdin && !at_terminal {
        return Err(Failure::new(Kind::Usage, "staff-password-stdin"));
    }
    let _quiet = at_terminal.then(Quiet::begin);
    if at_terminal {
        crate::cli::complain(&messages.get("staff-password-ask"));
    }
    let mut line = String::new();
    stdin.lock().read_line(&mut line).map_err(|error| Failure::other(&error))?;
    let password = line.trim_end_matches(['\r', '\n']);
    let length = password.chars().count();
    if !(PASSWORD_MIN..=PASSWORD_MAX).contains(&length) {
        return Err(Failure::new(Kind::Usage, "staff-password-short").with("least", PASSWORD_MIN));
    }
    Ok(password.to_owned())
}

/// A terminal that does not show what is typed, until this is dropped.
struct Quiet(Option<libc::termios>);

impl Quiet {
    fn begin() -> Self {
        // SAFETY: plain system calls on the standard input, with a structure of ours that they fill in.
        unsafe {
            let mut shown: libc::termios = std::mem::zeroed();
            if libc::tcgetattr(libc::STDIN_FILENO, &mut shown) != 0 {
                return Quiet(None);
            }
            let mut hidden = shown;
            hidden.c_lflag &= !libc::ECHO;
            libc::tcsetattr(libc::STDIN_FILENO, libc::TCSANOW, &hidden);
            Quiet(Some(shown))
        }
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        if let Some(shown) = &self.0 {
            // SAFETY: as above, with what the terminal was before.
            unsafe {
                libc::tcsetattr(libc::STDIN_FILENO, libc::TCSANOW, shown);
            }
        }
    }
}

/// Argon2id with the parameters that OWASP names first (19 MiB, two passes) and a salt of its own.
pub fn hash(password: &str) -> Result<String, Failure> {
    let hashed = Argon2::default().hash_password(password.as_bytes());
    Ok(hashed.map_err(|error| Failure::other(&error))?.to_string())
}

/// Whether a password is the one of a hash. Where there is none it takes as long, so that the time does not say who
/// there is.
pub(crate) fn is_password(password: &str, hashed: Option<&str>) -> bool {
    static NOBODY: std::sync::LazyLock<String> =
        std::sync::LazyLock::new(|| hash("nobody has this password").unwrap_or_default());
    let known = hashed.unwrap_or(&NOBODY);
    let Ok(parsed) = PasswordHash::new(known) else { return false };
    password.chars().count() <= PASSWORD_MAX
        && Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok()
        && hashed.is_some()
}

fn no_such(name: &str) -> Failure {
    Failure::new(Kind::NotFound, "no-such-staff").with("name", name)
}

pub fn run(node: &Node, op: StaffOp) -> Result<Value, Failure> {
    match op {
        StaffOp::Add { account } => {
            if account_of(node, &account.name)?.is_some() {
                return Err(Failure::new(Kind::Conflict, "staff-known").with("name", &account.name));
            }
            set(node, account)
        }
        StaffOp::List => {
            let staff = node.ask(|fold| -> Result<_, runtime::FoldError> {
                Ok(fold.entity(EntityId::workspace())?.workspace().map(|known| known.staff.clone()))
            })??;
            let rows = staff.unwrap_or_default().into_values().map(|known| {
                json!({
                    "name": known.account.name, "roles": known.account.roles,
                    "added_at": known.added_at.to_string(), "changed_at": known.changed_at.to_string(),
                })
            });
            Ok(rows.collect())
        }
        StaffOp::Remove { name } => {
            let outcomes = node.command(EntityId::workspace(), Command::RemoveStaff { name: name.clone() })?;
            match outcomes.iter().any(|outcome| matches!(outcome, Outcome::Ignored { .. })) {
                true => Err(no_such(&name)),
                false => Ok(json!({ "removed": name })),
            }
        }
        StaffOp::Password { name, password } => {
            let known = account_of(node, &name)?.ok_or_else(|| no_such(&name))?;
            set(node, StaffAccount { password, ..known })
        }
        StaffOp::Roles { name, roles } => {
            let known = account_of(node, &name)?.ok_or_else(|| no_such(&name))?;
            set(node, StaffAccount { roles, ..known })
        }
        StaffOp::Link { user, purpose, about, public_url } => link(node, user, purpose, about, &public_url),
    }
}

fn account_of(node: &Node, name: &str) -> Result<Option<StaffAccount>, Failure> {
    let name = name.to_owned();
    let found = node.ask(move |fold| -> Result<_, runtime::FoldError> {
        let workspace = fold.entity(EntityId::workspace())?.workspace();
        Ok(workspace.and_then(|known| known.staff.get(&name)).map(|known| known.account.clone()))
    })??;
    Ok(found)
}

fn set(node: &Node, account: StaffAccount) -> Result<Value, Failure> {
    let told = json!({ "name": account.name, "roles": account.roles });
    node.command(EntityId::workspace(), Command::SetStaff(account))?;
    Ok(told)
}

fn link(
    node: &Node,
    user: String,
    purpose: LinkPurpose,
    about: Option<String>,
    public_url: &str,
) -> Result<Value, Failure> {
    let base = crate::links::public_url(public_url)?;
    node.drain()?;
    let wanted = user.clone();
    let found = node.ask(move |fold| crate::identity::find(fold, &wanted))??;
    let customer = found.ok_or_else(|| Failure::new(Kind::NotFound, "no-such-profile").with("id", &user))?;
    let about = match (purpose, about) {
        (LinkPurpose::Account | LinkPurpose::Unsubscribe, _) => customer.to_string(),
        (_, Some(about)) => about,
        (_, None) => {
            return Err(Failure::new(Kind::Usage, "link-about").with("purpose", purpose.name()));
        }
    };
    let links = Links::new(node.keys.links(), &base);
    let url = links.sign(&Link { purpose, about }, customer, node.clock.now());
    Ok(json!({ "url": url, "purpose": purpose.name(), "customer": customer.to_string() }))
}

// ---- for people ---------------------------------------------------------------------------------------------------

fn role_words(roles: &Value, messages: &Messages) -> String {
    let words = array(roles).iter().map(|role| messages.get(&format!("role-{}", plain(role).replace('_', "-"))));
    words.collect::<Vec<_>>().join(", ")
}

fn added(answer: &Value, messages: &Messages) -> String {
    let values = [("name", plain(&answer["name"])), ("roles", role_words(&answer["roles"], messages))];
    messages.with("staff-added", &values)
}

fn changed(answer: &Value, messages: &Messages) -> String {
    let values = [("name", plain(&answer["name"])), ("roles", role_words(&answer["roles"], messages))];
    messages.with("staff-changed", &values)
}

fn removed(answer: &Value, messages: &Messages) -> String {
    messages.with("staff-removed", &[("name", plain(&answer["removed"]))])
}

fn listed(answer: &Value, messages: &Messages) -> String {
    let rows: Vec<Vec<String>> = array(answer)
        .iter()
        .map(|row| {
            vec![
                or_dash(&row["name"]),
                role_words(&row["roles"], messages),
                or_dash(&row["added_at"]),
                or_dash(&row["changed_at"]),
            ]
        })
        .collect();
    if rows.is_empty() {
        return messages.get("staff-none");
    }
    table(&heads(messages, &["staff-name", "staff-roles", "staff-added", "staff-changed"]), &rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_known_by_its_hash_alone() {
        let hashed = hash("correct horse battery").unwrap();
        assert!(hashed.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hashed}");
        assert!(!hashed.contains("horse"));
        assert_ne!(hash("correct horse battery").unwrap(), hashed, "a salt of its own");
        assert!(is_password("correct horse battery", Some(&hashed)));
        for wrong in ["", "correct horse batter", "Correct horse battery", "nobody has this password"] {
            assert!(!is_password(wrong, Some(&hashed)), "{wrong}");
            assert!(!is_password(wrong, None), "{wrong}");
        }
        assert!(!is_password("x", Some("not a hash")));
    }
}
