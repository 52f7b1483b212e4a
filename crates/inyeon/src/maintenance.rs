//! `inyeon doctor` and `inyeon backup`.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use runtime::backup::{self, BackupError, Manifest, Source};
use runtime::doctor::{self, DoctorError, Severity};
use runtime::salvage;
use serde_json::json;
use store::LockError;

use crate::access::{Access, store_options};
use crate::cli::{Global, print};
use crate::error::{Failure, Kind, chain};
use crate::i18n::Messages;
use crate::ops::Op;
use crate::render;

#[derive(clap::Args)]
pub struct DoctorArgs {
    #[arg(long, value_name = "DIR")]
    salvage: Option<PathBuf>,
}

#[derive(clap::Args)]
pub struct BackupArgs {
    #[command(subcommand)]
    what: BackupWhat,
}

#[derive(clap::Subcommand)]
enum BackupWhat {
    Create { target: PathBuf },
    Verify { backup: PathBuf },
    Restore { backup: PathBuf },
}

/// A bar for work of which the bytes are known.
fn bar(global: &Global, message: String) -> ProgressBar {
    let quiet = global.quiet || global.json || !std::io::stderr().is_terminal();
    let target = if quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr_with_hz(5) };
    let bar = ProgressBar::with_draw_target(Some(0), target);
    let template = "{msg} {bar:32} {bytes}/{total_bytes} {bytes_per_sec} ETA {eta}";
    bar.set_style(ProgressStyle::with_template(template).expect("a template of ours").progress_chars("=> "));
    bar.set_message(message);
    bar
}

fn onto(bar: &ProgressBar) -> impl FnMut(u64, u64) + '_ {
    |done, of| {
        bar.set_length(of);
        bar.set_position(done);
    }
}

pub fn doctor(global: &Global, args: &DoctorArgs, messages: &Messages) -> Result<ExitCode, Failure> {
    let options = store_options()?;
    let bar = bar(global, messages.get("doctor-progress"));
    if let Some(into) = &args.salvage {
        let report = salvage::salvage(&global.store, into, &options, &mut onto(&bar))?;
        bar.finish_and_clear();
        if global.json {
            print(&json!(report).to_string());
        } else {
            for finding in &report.findings {
                print(&finding_line(finding, messages));
            }
            let summary = format!(
                "intake {} + {} lost, journal {} + {} lost, keys {} + {} lost",
                report.intake_kept,
                report.intake_lost,
                report.journal_kept,
                report.journal_lost,
                report.keys_kept,
                report.keys_lost
            );
            let values = [("dir", into.display().to_string()), ("summary", summary)];
            print(&messages.with("doctor-salvaged", &values));
        }
        return Ok(ExitCode::SUCCESS);
    }
    let report = doctor::check(&global.store, &options, &mut onto(&bar))?;
    bar.finish_and_clear();
    if global.json {
        print(&json!(report).to_string());
    } else {
        for finding in &report.findings {
            print(&finding_line(finding, messages));
        }
        if report.is_sound() {
            let checked = &report.checked;
            let text = format!(
                "intake {}, journal {}, keys {}",
                checked.intake_records, checked.journal_entries, checked.key_slots
            );
            print(&messages.with("doctor-sound", &[("checked", text)]));
        }
    }
    Ok(if report.is_sound() { ExitCode::SUCCESS } else { ExitCode::from(Kind::Damaged.exit_code()) })
}

fn finding_line(finding: &doctor::Finding, messages: &Messages) -> String {
    let severity = match finding.severity {
        Severity::Damage => messages.get("severity-error"),
        _ => messages.get("severity-note"),
    };
    let values = [("severity", severity), ("what", finding.what.clone()), ("remedy", finding.remedy.clone())];
    messages.with("doctor-finding", &values)
}

pub fn backup(global: &Global, args: &BackupArgs, messages: &Messages) -> Result<(), Failure> {
    let summary = |manifest: &Manifest| {
        let bytes: u64 = manifest.files.values().map(|file| file.bytes).sum();
        format!("intake {}, journal {}, {bytes} B", manifest.intake_seq, manifest.journal_seq)
    };
    let said = |key: &str, dir: &Path, manifest: &Manifest| {
        if global.json {
            print(&json!(manifest).to_string());
        } else {
            let values = [
                ("dir", dir.display().to_string()),
                ("summary", summary(manifest)),
                ("key", store::Layout::new(dir).master_key().display().to_string()),
            ];
            print(&messages.with(key, &values));
        }
    };
    match &args.what {
        BackupWhat::Create { target } => {
            // A server writes where it runs, so the place is named whole.
            let to = std::path::absolute(target).map_err(|error| Failure::io("find", target, &error))?;
            let manifest = match Access::open(&global.store, false, render::replay_progress)? {
                Access::Here(node) => {
                    let bar = bar(global, messages.get("import-reading"));
                    let made = backup::create(Source::Running(&node), &to, &mut onto(&bar))?;
                    bar.finish_and_clear();
                    made
                }
                there @ Access::There(_) => {
                    let answer = there.run(Op::Backup { to: to.clone() })?;
                    serde_json::from_value(answer).map_err(|error| Failure::other(&error))?
                }
            };
            said("backup-created", &to, &manifest);
        }
        BackupWhat::Verify { backup: dir } => said("backup-verified", dir, &backup::verify(dir)?),
        BackupWhat::Restore { backup: dir } => {
            let restored = backup::restore(dir, &global.store)?;
            said("backup-restored", &global.store, &restored.manifest);
        }
    }
    Ok(())
}

impl From<BackupError> for Failure {
    fn from(error: BackupError) -> Self {
        Failure::new(Kind::Failed, "backup").with("detail", chain(&error))
    }
}

impl From<DoctorError> for Failure {
    fn from(error: DoctorError) -> Self {
        let detail = chain(&error);
        match error {
            DoctorError::Lock(LockError::InUse { dir }) => {
                Failure::new(Kind::Unavailable, "doctor-in-use").with("dir", dir.display())
            }
            DoctorError::NoStore { dir } => {
                Failure::new(Kind::NotFound, "no-store").with("dir", dir.display())
            }
            _ => Failure::new(Kind::Failed, "doctor").with("detail", detail),
        }
    }
}
