//! The command line. Its texts live in the catalogues; here is only its shape.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{ArgAction, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use serde_json::{Value, json};

use crate::access::Access;
use crate::broker::command::{self as brokers, BrokersArgs};
use crate::campaign::{self, CampaignArgs};
use crate::connection::cmd::{ConsentArgs, MandateArgs, NeedArgs, PreferenceArgs};
use crate::decision::DecisionArgs;
use crate::error::{Failure, Kind};
use crate::i18n::{Lang, Messages};
use crate::identity::{Asked, IdentityArgs};
use crate::import::csv_map::Map;
use crate::import_cmd::{self, Input};
use crate::messaging::cmd::ChannelsArgs;
use crate::ops::{EventFilter, Op};
use crate::ordering::cmd::{OrderArgs, OrdersArgs, ReturnsArgs};
use crate::playbook::{self, PlaybookArgs};
use crate::promising::command::{self as promises, PromiseArgs};
use crate::staff::{CustomerArgs, StaffArgs};
use crate::stock::{self, StockArgs};
use crate::supply::{self, SupplyArgs};
use crate::webhook;
use crate::{benchmark, decision, demo, maintenance, plan, render, serve, trial};

#[derive(Parser)]
#[command(name = "inyeon", version, disable_help_subcommand = true, arg_required_else_help = true)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Top,
}

#[derive(Args, Clone)]
pub struct Global {
    #[arg(long, global = true, default_value = "./inyeon-data", env = "INYEON_STORE", hide_env = true)]
    pub store: PathBuf,
    #[arg(long, global = true)]
    pub json: bool,
    #[arg(long, global = true, value_enum)]
    pub lang: Option<Lang>,
    #[arg(long, short, global = true)]
    pub quiet: bool,
}

#[derive(Subcommand)]
pub enum Top {
    Serve(serve::ServeArgs),
    Demo(demo::DemoArgs),
    Import(ImportArgs),
    Report(ReportArgs),
    Profile(ProfileArgs),
    Events(EventsArgs),
    Tail(TailArgs),
    DeadLetters(DeadLettersArgs),
    Keys(KeysArgs),
    Webhooks(WebhooksArgs),
    Identity(IdentityArgs),
    Campaign(CampaignArgs),
    Stock(StockArgs),
    Promise(PromiseArgs),
    Supply(SupplyArgs),
    Order(OrderArgs),
    Orders(OrdersArgs),
    Returns(ReturnsArgs),
    Channels(ChannelsArgs),
    Brokers(BrokersArgs),
    Map(MapArgs),
    Plan(plan::cmd::PlanArgs),
    Playbook(PlaybookArgs),
    Need(NeedArgs),
    Preference(PreferenceArgs),
    Consent(ConsentArgs),
    Mandate(MandateArgs),
    Decision(DecisionArgs),
    Effects(EffectsArgs),
    Staff(StaffArgs),
    Customer(CustomerArgs),
    Status,
    Doctor(maintenance::DoctorArgs),
    Backup(maintenance::BackupArgs),
    Benchmark(benchmark::BenchmarkArgs),
    Trial(trial::TrialArgs),
}

#[derive(Args)]
pub struct ImportArgs {
    #[command(subcommand)]
    what: ImportWhat,
}

#[derive(Subcommand)]
enum ImportWhat {
    Olist {
        dir: PathBuf,
    },
    Csv {
        file: PathBuf,
        #[arg(long)]
        map: PathBuf,
    },
    Jsonl {
        #[arg(required = true)]
        files: Vec<PathBuf>,
        #[arg(long)]
        map: Option<PathBuf>,
        #[arg(long, value_name = "NAME", default_value = "jsonl", conflicts_with = "map")]
        source: String,
    },
}

#[derive(Args)]
pub struct ReportArgs {
    #[command(subcommand)]
    what: ReportWhat,
}

#[derive(Subcommand)]
enum ReportWhat {
    Promises {
        #[arg(long, value_enum)]
        by: Option<By>,
        #[arg(long)]
        source: Option<String>,
        #[arg(long)]
        kind: Option<String>,
        #[arg(long, value_name = "DATE")]
        from: Option<String>,
        #[arg(long, value_name = "DATE")]
        to: Option<String>,
    },
    Needs {
        #[arg(long, value_name = "DATE")]
        from: Option<String>,
        #[arg(long, value_name = "DATE")]
        to: Option<String>,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum By {
    Month,
    State,
    Category,
    Seller,
    Exchange,
}

#[derive(Args)]
pub struct ProfileArgs {
    #[command(subcommand)]
    what: ProfileWhat,
}

#[derive(Subcommand)]
enum ProfileWhat {
    Show {
        id: String,
        #[arg(long, default_value_t = 40)]
        timeline: usize,
    },
    Search {
        text: Option<String>,
        #[arg(long, default_value_t = 20)]
        limit: usize,
    },
    Erase {
        id: String,
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Args)]
pub struct EventsArgs {
    #[command(subcommand)]
    what: EventsWhat,
}

#[derive(Subcommand)]
enum EventsWhat {
    Export {
        #[arg(long, value_enum, default_value_t = Format::Jsonl)]
        format: Format,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Jsonl,
    Csv,
}

#[derive(Args)]
pub struct TailArgs {
    #[arg(long)]
    all: bool,
    #[arg(long)]
    once: bool,
    #[command(flatten)]
    filter: EventFilter,
}

#[derive(Args)]
pub struct DeadLettersArgs {
    #[command(subcommand)]
    what: DeadLettersWhat,
}

#[derive(Subcommand)]
enum DeadLettersWhat {
    List {
        #[arg(long, default_value_t = 100)]
        limit: usize,
        #[arg(long)]
        replayed: bool,
    },
    Replay {
        #[arg(action = ArgAction::Append)]
        seqs: Vec<u64>,
        #[arg(long, conflicts_with = "seqs")]
        all: bool,
    },
}

#[derive(Args)]
pub struct KeysArgs {
    #[command(subcommand)]
    what: KeysWhat,
}

#[derive(Subcommand)]
enum KeysWhat {
    Create {
        name: String,
        #[arg(long)]
        promises: bool,
        #[arg(long)]
        orders: bool,
        #[arg(long)]
        only_customers: bool,
    },
    List,
    Revoke {
        name: String,
    },
}

#[derive(Args)]
pub struct WebhooksArgs {
    #[command(subcommand)]
    what: WebhooksWhat,
}

#[derive(Subcommand)]
enum WebhooksWhat {
    Connect {
        name: String,
        #[arg(long)]
        map: PathBuf,
        #[arg(long)]
        secret: Option<String>,
    },
    List,
    Disconnect {
        name: String,
    },
}

#[derive(Args)]
pub struct MapArgs {
    #[command(subcommand)]
    what: MapWhat,
}

#[derive(Subcommand)]
enum MapWhat {
    Check {
        map: PathBuf,
        sample: Option<PathBuf>,
        #[arg(long)]
        headers: Option<PathBuf>,
    },
}

#[derive(Args)]
pub struct EffectsArgs {
    #[command(subcommand)]
    what: EffectsWhat,
}

#[derive(Subcommand)]
enum EffectsWhat {
    List {
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    On,
    Off,
    Status,
}

/// The command line's definition with its texts in one language.
pub fn definition(messages: &Messages) -> clap::Command {
    let mut command = Cli::command();
    command.build();
    localize(command, messages, "")
}

fn localize(mut command: clap::Command, messages: &Messages, path: &str) -> clap::Command {
    let key = if path.is_empty() { "help".to_owned() } else { format!("help-{path}") };
    let template = format!(
        "{{before-help}}{{about-with-newline}}\n{}: {{usage}}\n\n{{all-args}}{{after-help}}",
        messages.get("cli-usage")
    );
    command = command
        .about(messages.get(&key))
        .help_template(template)
        .subcommand_help_heading(messages.get("cli-commands"))
        .subcommand_value_name(messages.get("cli-command"));
    let after = format!("{key}-after");
    if messages.has(&after) {
        command = command.after_help(messages.get(&after));
    }
    let ids: Vec<String> = command.get_arguments().map(|arg| arg.get_id().to_string()).collect();
    for id in ids {
        let own = format!("arg-{}{id}", if path.is_empty() { String::new() } else { format!("{path}-") });
        let key = if messages.has(&own) { own } else { format!("arg-{id}") };
        let text = messages.get(&key);
        command = command.mut_arg(&id, |arg| {
            let heading = messages.get(if arg.is_positional() { "cli-arguments" } else { "cli-options" });
            arg.help(text).help_heading(heading)
        });
    }
    let names: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
    for name in names {
        let path = if path.is_empty() { name.clone() } else { format!("{path}-{name}") };
        command = command.mut_subcommand(name, |sub| localize(sub, messages, &path));
    }
    command
}

/// The language that the arguments ask for, before they are parsed: help and errors speak it too.
fn language(arguments: &[String]) -> Lang {
    let after = |name: &str| {
        arguments.iter().position(|a| a == name).and_then(|at| arguments.get(at + 1)).map(String::as_str)
    };
    let joined = arguments.iter().find_map(|a| a.strip_prefix("--lang="));
    joined.or_else(|| after("--lang")).and_then(Lang::of_locale).unwrap_or_else(Lang::of_environment)
}

pub fn main() -> ExitCode {
    quiet_caught_panics();
    let arguments: Vec<String> = std::env::args_os().map(|a| a.to_string_lossy().into_owned()).collect();
    let messages = Messages::new(language(&arguments));
    let parsed = definition(&messages)
        .try_get_matches_from(std::env::args_os())
        .and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => return usage(&error, &messages),
    };
    let json = cli.global.json;
    match run(cli, &messages) {
        Ok(code) => code,
        Err(failure) => {
            let text = failure.text(&messages);
            if json {
                let body = json!({ "error": failure.code, "message": text, "values": failure.values });
                complain(&body.to_string());
            } else {
                complain(&format!("{}: {text}", messages.get("error")));
            }
            ExitCode::from(failure.kind.exit_code())
        }
    }
}

/// Help goes to the output with 0; a mistake goes to the error stream with 2, in the reader's language.
fn usage(error: &clap::Error, messages: &Messages) -> ExitCode {
    use clap::error::{ContextKind, ErrorKind};
    if !error.use_stderr() || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        let _ = error.print();
        return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
    }
    let value = |kind| error.get(kind).map(ToString::to_string).unwrap_or_default();
    let (key, values) = match error.kind() {
        ErrorKind::UnknownArgument => ("usage-unknown-argument", value(ContextKind::InvalidArg)),
        ErrorKind::InvalidSubcommand => ("usage-unknown-command", value(ContextKind::InvalidSubcommand)),
        ErrorKind::MissingRequiredArgument => ("usage-missing", value(ContextKind::InvalidArg)),
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => (
            "usage-bad-value",
            format!("{} {}", value(ContextKind::InvalidArg), value(ContextKind::InvalidValue)),
        ),
        _ => ("usage-other", error.to_string()),
    };
    let what = messages.with(key, &[("what", values.trim().to_owned())]);
    complain(&format!("{}: {what}", messages.get("error")));
    let valid = value(ContextKind::ValidValue);
    if !valid.is_empty() {
        complain(&messages.with("usage-valid-values", &[("values", valid)]));
    }
    let suggested = value(ContextKind::SuggestedSubcommand) + &value(ContextKind::SuggestedArg);
    if !suggested.is_empty() {
        complain(&messages.with("usage-did-you-mean", &[("what", suggested)]));
    }
    complain(&messages.get("usage-see-help"));
    ExitCode::from(Kind::Usage.exit_code())
}

/// A fold that panics is caught, and the input is a dead letter that says why. Here each place is told once, however
/// many inputs fail there: a reader of the error stream who is slow must not hold up the fold. The panic's own words
/// may quote a customer's data and are not told.
fn quiet_caught_panics() {
    let default = std::panic::take_hook();
    let told = std::sync::Mutex::new(std::collections::BTreeSet::new());
    std::panic::set_hook(Box::new(move |info| {
        if std::thread::current().name() != Some("inyeon-partition") {
            return default(info);
        }
        let place = info.location().map(|at| (at.file().to_owned(), at.line()));
        let is_new = told.lock().is_ok_and(|mut told| told.insert(place));
        if is_new {
            let place = info.location().map(ToString::to_string).unwrap_or_default();
            complain(&format!(
                "inyeon: an input made the fold fail at {place}; it is kept as a dead letter, and others that fail there are counted in /metrics"
            ));
        }
    }));
}

fn run(cli: Cli, messages: &Messages) -> Result<ExitCode, Failure> {
    let Cli { global, command } = cli;
    let open = |create| Access::open(&global.store, create, render::replay_progress);
    let show = |value: &Value, render: fn(&Value, &Messages) -> String| {
        if global.json {
            print(&serde_json::to_string_pretty(value).expect("a value serialises"));
        } else {
            print(&render(value, messages));
        }
    };
    match command {
        Top::Serve(args) => serve::run(&global, &args, messages)?,
        Top::Demo(args) => demo::run(&global, &args, messages)?,
        Top::Import(ImportArgs { what }) => {
            let input = match what {
                ImportWhat::Olist { dir } => Input::Olist(dir),
                ImportWhat::Csv { file, map } => Input::Csv { file, map },
                ImportWhat::Jsonl { files, map, source } => {
                    check_source(&source)?;
                    Input::Jsonl { files, map, source }
                }
            };
            let quiet = global.quiet || global.json || !std::io::stderr().is_terminal();
            let done = import_cmd::run(&open(true)?, &input, messages, quiet)?;
            show(&done, render::import);
        }
        Top::Report(ReportArgs { what: ReportWhat::Promises { by, source, kind, from, to } }) => {
            let by = by.map(|by| match by {
                By::Month => "month",
                By::State => "state",
                By::Category => "category",
                By::Seller => "seller",
                By::Exchange => "exchange",
            });
            let op = Op::PromiseReport {
                by: by.map(str::to_owned),
                source,
                kind,
                from: from.as_deref().map(|d| date("--from", d)).transpose()?,
                to: to.as_deref().map(|d| date("--to", d)).transpose()?,
            };
            show(&open(false)?.run(op)?, render::promises);
        }
        Top::Report(ReportArgs { what: ReportWhat::Needs { from, to } }) => {
            let from = from.as_deref().map(|d| date("--from", d)).transpose()?;
            let to = to.as_deref().map(|d| date("--to", d)).transpose()?;
            show(&open(false)?.run(Op::NeedReport { from, to })?, crate::connection::report::needs);
        }
        Top::Profile(ProfileArgs { what }) => match what {
            ProfileWhat::Show { id, timeline } => {
                show(&open(false)?.run(Op::Profile { id, timeline })?, render::profile);
            }
            ProfileWhat::Search { text, limit } => {
                show(&open(false)?.run(Op::ProfileSearch { text, limit })?, render::profiles);
            }
            ProfileWhat::Erase { id, yes } => {
                if !yes {
                    return Err(Failure::new(Kind::Usage, "erase-needs-yes").with("id", id));
                }
                show(&open(false)?.run(Op::Erase { id })?, render::erased);
            }
        },
        Top::Events(EventsArgs { what: EventsWhat::Export { format } }) => {
            export(&open(false)?, format)?;
        }
        Top::Tail(args) => tail(&open(false)?, &args, global.json, messages)?,
        Top::DeadLetters(DeadLettersArgs { what }) => match what {
            DeadLettersWhat::List { limit, replayed } => {
                show(&open(false)?.run(Op::DeadLetters { limit, replayed })?, render::dead_letters);
            }
            DeadLettersWhat::Replay { seqs, all } => {
                if seqs.is_empty() && !all {
                    return Err(Failure::new(Kind::Usage, "replay-which"));
                }
                show(&open(false)?.run(Op::DeadLetterReplay { seqs })?, render::replayed);
            }
        },
        Top::Keys(KeysArgs { what }) => match what {
            KeysWhat::Create { name, promises, orders, only_customers } => {
                let allowed = model::Allowed { promises, orders, only_customers };
                show(&open(true)?.run(Op::KeyCreate { name, allowed })?, render::key_created);
            }
            KeysWhat::List => show(&open(false)?.run(Op::KeyList)?, render::keys),
            KeysWhat::Revoke { name } => {
                show(&open(false)?.run(Op::KeyRevoke { name })?, render::key_revoked);
            }
        },
        Top::Webhooks(WebhooksArgs { what }) => match what {
            WebhooksWhat::Connect { name, map, secret } => {
                let map = read_text(&map)?;
                let op = Op::WebhookConnect { name, map, secret };
                show(&open(true)?.run(op)?, render::webhook_connected);
            }
            WebhooksWhat::List => show(&open(false)?.run(Op::WebhookList)?, render::webhooks),
            WebhooksWhat::Disconnect { name } => {
                show(&open(false)?.run(Op::WebhookDisconnect { name })?, render::webhook_disconnected);
            }
        },
        Top::Identity(args) => match args.asked()? {
            Asked::Store(op, render) => show(&open(false)?.run(Op::Identity(op))?, render),
            Asked::Answered(answer, render) => show(&answer, render),
        },
        Top::Campaign(args) => return campaign::run_command(&global, args, messages),
        Top::Stock(args) => stock::run_command(&global, args, messages)?,
        Top::Promise(args) => promises::run(&global, args, messages)?,
        Top::Supply(args) => show(&open(false)?.run(args.op())?, supply::render),
        Top::Order(args) => {
            let (op, render) = args.asked()?;
            show(&open(false)?.run(Op::Ordering(op))?, render);
        }
        Top::Orders(args) => {
            let (op, render) = args.asked()?;
            show(&open(false)?.run(Op::Ordering(op))?, render);
        }
        Top::Returns(args) => {
            let (op, render) = args.asked();
            show(&open(false)?.run(Op::Ordering(op))?, render);
        }
        Top::Channels(args) => {
            let (op, render) = args.asked()?;
            show(&open(false)?.run(Op::Ordering(op))?, render);
        }
        Top::Staff(args) => {
            let (op, render) = args.asked(messages)?;
            show(&open(true)?.run(Op::Staff(op))?, render);
        }
        Top::Customer(args) => {
            let (op, render) = args.asked(&global.store);
            show(&open(false)?.run(Op::Staff(op))?, render);
        }
        Top::Brokers(args) => brokers::run(&global, args, messages)?,
        Top::Map(MapArgs { what: MapWhat::Check { map, sample, headers } }) => {
            show(&map_check(&map, sample.as_deref(), headers.as_deref())?, render::map_checked);
        }
        Top::Plan(args) => plan::cmd::run(&global, args, messages)?,
        Top::Playbook(args) => return playbook::run(&global, args, messages),
        Top::Need(args) => {
            let (op, render) = args.asked();
            show(&open(false)?.run(Op::Connection(op))?, render);
        }
        Top::Preference(args) => {
            let (op, render) = args.asked();
            show(&open(false)?.run(Op::Connection(op))?, render);
        }
        Top::Consent(args) => {
            let (op, render) = args.asked();
            show(&open(false)?.run(Op::Connection(op))?, render);
        }
        Top::Mandate(args) => {
            let (op, render) = args.asked()?;
            show(&open(false)?.run(Op::Connection(op))?, render);
        }
        Top::Decision(args) => {
            let (op, render) = args.asked();
            show(&decision::with_texts(open(false)?.run(Op::Decision(op))?, messages), render);
        }
        Top::Effects(EffectsArgs { what }) => match what {
            EffectsWhat::List { limit } => {
                show(&open(false)?.run(Op::Effects { limit, skip: 0 })?, render::effects);
            }
            EffectsWhat::On => show(&open(false)?.run(Op::EffectsSwitch { on: Some(true) })?, render::switch),
            EffectsWhat::Off => {
                show(&open(false)?.run(Op::EffectsSwitch { on: Some(false) })?, render::switch)
            }
            EffectsWhat::Status => show(&open(false)?.run(Op::EffectsSwitch { on: None })?, render::switch),
        },
        Top::Status => show(&open(false)?.run(Op::Status)?, render::status),
        Top::Doctor(args) => return maintenance::doctor(&global, &args, messages),
        Top::Backup(args) => maintenance::backup(&global, &args, messages)?,
        Top::Benchmark(args) => benchmark::run(&global, &args, messages)?,
        Top::Trial(args) => trial::run(&global, &args, messages)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints, and ends quietly where nobody reads any more (`| head`).
pub fn print(text: &str) {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    if writeln!(out, "{}", text.trim_end_matches('\n')).and_then(|()| out.flush()).is_err() {
        std::process::exit(0);
    }
}

/// Says something beside the output. That nobody listens is no reason to fail: a server may outlive its terminal.
pub fn complain(text: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// A name like those that maps give their sources.
fn check_source(name: &str) -> Result<(), Failure> {
    if webhook::is_name(name) {
        return Ok(());
    }
    Err(Failure::new(Kind::Usage, "bad-source-name").with("name", name))
}

/// A date (its beginning, UTC) or an instant.
pub(crate) fn date(option: &str, text: &str) -> Result<model::Time, Failure> {
    let day: Option<jiff::civil::Date> = text.parse().ok();
    let begins = day.and_then(|day| day.to_zoned(jiff::tz::TimeZone::UTC).ok());
    model::Time::parse(text)
        .or_else(|| begins.map(|zoned| model::Time::from_timestamp(zoned.timestamp())))
        .ok_or_else(|| Failure::new(Kind::Usage, "bad-date").with("option", option).with("value", text))
}

/// The columns of the CSV; what is nested stays JSON.
const EXPORT_COLUMNS: [&str; 12] = [
    "position",
    "messageId",
    "type",
    "event",
    "userId",
    "anonymousId",
    "timestamp",
    "receivedAt",
    "source",
    "properties",
    "traits",
    "delivery",
];

fn export(access: &Access, format: Format) -> Result<(), Failure> {
    if let Format::Csv = format {
        print(&csv_line(&EXPORT_COLUMNS.map(str::to_owned))?);
    }
    let mut from = 1;
    loop {
        let page = access.run(Op::Events {
            from,
            limit: 2000,
            wait_ms: 0,
            facts: false,
            filter: EventFilter::default(),
        })?;
        let items = page["items"].as_array().cloned().unwrap_or_default();
        if items.is_empty() {
            return Ok(());
        }
        let mut lines = String::new();
        for item in &items {
            match format {
                Format::Jsonl => lines.push_str(&item.to_string()),
                Format::Csv => {
                    lines.push_str(&csv_line(&EXPORT_COLUMNS.map(|column| render::plain(&item[column])))?);
                }
            }
            lines.push('\n');
        }
        print(&lines);
        from = page["next"].as_u64().unwrap_or(from);
    }
}

fn csv_line(fields: &[String]) -> Result<String, Failure> {
    let mut line = csv::WriterBuilder::new().terminator(csv::Terminator::Any(b'\n')).from_writer(Vec::new());
    line.write_record(fields).map_err(|error| Failure::other(&error))?;
    let bytes = line.into_inner().map_err(|error| Failure::other(error.error()))?;
    Ok(String::from_utf8_lossy(&bytes).trim_end_matches('\n').to_owned())
}

pub(crate) fn read_text(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|error| Failure::io("read", path, &error))
}

/// What a map makes of a sample; without one, whether the map itself is sound.
fn map_check(map: &Path, sample: Option<&Path>, headers: Option<&Path>) -> Result<Value, Failure> {
    let parsed = Map::load(map)?;
    let headers = headers.map(read_text).transpose()?.unwrap_or_default();
    let headers: Vec<(String, String)> = headers
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()))
        .collect();
    let events = sample
        .map(|sample| webhook::sample(&parsed, &read_text(sample)?, &headers, runtime::Clock::System.now()))
        .transpose()?;
    Ok(json!({ "source": parsed.source(), "signed": parsed.is_signed(), "events": events }))
}

fn tail(access: &Access, args: &TailArgs, json: bool, messages: &Messages) -> Result<(), Failure> {
    let status = access.run(Op::Status)?;
    let mut from = if args.all { 1 } else { status["journal"].as_u64().unwrap_or_default() + 1 };
    let wait_ms = if args.once { 0 } else { 1000 };
    loop {
        let filter = args.filter.clone();
        let page = access.run(Op::Events { from, limit: 500, wait_ms, facts: true, filter })?;
        let items = page["items"].as_array().cloned().unwrap_or_default();
        for item in &items {
            print(&if json { item.to_string() } else { render::tail_line(item, messages) });
        }
        from = page["next"].as_u64().unwrap_or(from);
        let at_end = items.is_empty() && page["at_end"] == true;
        if args.once && at_end {
            return Ok(());
        }
        if matches!(access, Access::Here(_)) && at_end {
            // Nobody else can write to a store that is open here.
            return Ok(());
        }
    }
}
