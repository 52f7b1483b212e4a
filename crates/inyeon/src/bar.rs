//! Progress of work that takes long.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Who waits no longer than this needs no progress.
const PATIENCE: Duration = Duration::from_secs(1);

/// Progress with the time that is left; shown once it takes long.
pub(crate) struct Bar {
    bar: ProgressBar,
    begun: Instant,
    shown: bool,
}

impl Bar {
    /// `said` stands before it.
    pub(crate) fn new(end: u64, quiet: bool, said: String) -> Self {
        let bar = ProgressBar::with_draw_target(Some(end), ProgressDrawTarget::hidden());
        let style =
            ProgressStyle::with_template("{msg} {bar:32} {human_pos}/{human_len} {per_sec} ETA {eta}");
        bar.set_style(style.expect("a template of ours").progress_chars("=> "));
        bar.set_message(said);
        Bar { bar, begun: Instant::now(), shown: !quiet && std::io::stderr().is_terminal() }
    }

    pub(crate) fn at(&self, position: u64) {
        if self.shown && self.bar.is_hidden() && self.begun.elapsed() > PATIENCE {
            self.bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(5));
        }
        self.bar.set_position(position);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
