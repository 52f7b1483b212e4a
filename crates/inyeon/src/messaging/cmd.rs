//! `inyeon channels`.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use channels::{Security, Serves};
use clap::{ArgGroup, Args, Subcommand};
use serde_json::Value;

use crate::error::Failure;
use crate::i18n::Messages;
use crate::ordering::OrderingOp;
use crate::ordering::cmd::Asked;
use crate::ordering::outlets::{MailSettings, OutletSettings, SmtpSettings};
use crate::render::{array, heads, or_dash, plain, table};

#[derive(Args)]
pub struct ChannelsArgs {
    #[command(subcommand)]
    what: ChannelsWhat,
}

#[derive(Subcommand)]
enum ChannelsWhat {
    Connect(Box<ConnectArgs>),
    List,
    Disconnect { name: String },
}

#[derive(Args)]
#[command(group(ArgGroup::new("by").required(true).args(["smtp", "directory", "url"])))]
struct ConnectArgs {
    name: String,
    #[arg(long, value_name = "HOST:PORT", requires = "from")]
    smtp: Option<String>,
    #[arg(long, value_name = "DIR")]
    directory: Option<PathBuf>,
    #[arg(long)]
    url: Option<String>,
    #[arg(long, requires = "url")]
    secret: Option<String>,
    #[arg(long, value_name = "ADDRESS", requires_all = ["sender_name", "contact"], conflicts_with = "url")]
    from: Option<String>,
    #[arg(long, value_name = "NAME", requires = "from")]
    sender_name: Option<String>,
    #[arg(long, value_name = "TEXT", requires = "from")]
    contact: Option<String>,
    #[arg(long, requires_all = ["smtp", "password_file"])]
    user: Option<String>,
    #[arg(long, value_name = "FILE", requires = "user")]
    password_file: Option<PathBuf>,
    #[arg(long, requires = "smtp", conflicts_with = "tls")]
    starttls: bool,
    #[arg(long, requires = "smtp")]
    tls: bool,
    #[arg(long, value_name = "FILE", requires = "smtp")]
    ca: Option<PathBuf>,
}

fn read_text(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|error| Failure::io("read", path, &error))
}

impl ConnectArgs {
    fn settings(self) -> Result<(String, OutletSettings), Failure> {
        let read = |path: &Option<PathBuf>| path.as_deref().map(read_text).transpose();
        let password = read(&self.password_file)?;
        let ca = read(&self.ca)?;
        let security = match (self.starttls, self.tls) {
            (true, _) => Security::Starttls,
            (_, true) => Security::Tls,
            _ => Security::None,
        };
        let smtp = self.smtp.map(|server| SmtpSettings {
            server,
            security,
            user: self.user,
            // An editor ends the file with a line's end, which is not the password's.
            password: password.map(|text| text.trim_end_matches(['\r', '\n']).to_owned()),
            ca,
        });
        let mail = self.from.map(|from| MailSettings {
            from,
            sender_name: self.sender_name.unwrap_or_default(),
            contact: self.contact.unwrap_or_default(),
            smtp,
        });
        let absolute =
            |dir: PathBuf| std::path::absolute(&dir).map_err(|error| Failure::io("find", &dir, &error));
        let settings = OutletSettings {
            url: self.url,
            secret: self.secret,
            directory: self.directory.map(absolute).transpose()?,
            mail,
            serves: Serves::Messages,
        };
        Ok((self.name, settings))
    }
}

impl ChannelsArgs {
    pub fn asked(self) -> Result<Asked, Failure> {
        Ok(match self.what {
            ChannelsWhat::Connect(args) => {
                let (name, settings) = args.settings()?;
                (OrderingOp::Connect { name, settings }, connected)
            }
            ChannelsWhat::List => (OrderingOp::List { messages: true }, listed),
            ChannelsWhat::Disconnect { name } => (OrderingOp::Disconnect { name }, disconnected),
        })
    }
}

/// Where it is, in one word.
fn place(row: &Value) -> &Value {
    let places = [&row["url"], &row["directory"], &row["smtp"]];
    places.into_iter().find(|value| !value.is_null()).unwrap_or(&Value::Null)
}

fn connected(shown: &Value, messages: &Messages) -> String {
    let values = [
        ("name", plain(&shown["name"])),
        ("channel", plain(&shown["channel"])),
        ("place", plain(place(shown))),
        ("secret", plain(&shown["secret"])),
    ];
    let mut text = messages.with("channel-connected", &values);
    if !shown["secret"].is_null() {
        let _ = write!(text, "\n{}", messages.with("outlet-secret", &values));
    }
    text
}

fn listed(rows: &Value, messages: &Messages) -> String {
    let rows: Vec<Vec<String>> = array(rows)
        .iter()
        .map(|row| {
            let trouble = [&row["problem"], &row["disabled"], &row["last_error"]];
            let trouble = trouble.into_iter().find(|value| !value.is_null()).unwrap_or(&Value::Null);
            let columns = [
                &row["channel"],
                place(row),
                &row["waiting"],
                &row["taken"],
                &row["refused"],
                &row["doubtful"],
            ];
            let mut cells = vec![plain(&row["name"])];
            cells.extend(columns.into_iter().chain([trouble]).map(or_dash));
            cells
        })
        .collect();
    if rows.is_empty() {
        return messages.get("channels-none");
    }
    let columns = ["system", "channel", "place", "waiting", "taken", "refused", "doubtful", "trouble"];
    table(&heads(messages, &columns), &rows)
}

fn disconnected(shown: &Value, messages: &Messages) -> String {
    messages.with("channel-disconnected", &[("name", plain(&shown["disconnected"]))])
}
