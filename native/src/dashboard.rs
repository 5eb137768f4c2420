//! Progress on stderr: one bar per seed, with rate, time left and the last success rate.
//!
//! Bars are drawn on a terminal. Elsewhere (a log file, CI) a plain line comes now and then, so
//! that a log stays readable.

use crate::terminal;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// The least time between two plain lines of one seed.
const PLAIN_EVERY: Duration = Duration::from_secs(10);

/// Name, bar, share, rate, time left, note: within 80 columns.
const TEMPLATE: &str = "{prefix} {bar:18} {percent:>3}%  {rate:>9}  {eta:>4} left  {wide_msg}";

/// Where progress goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Output {
    /// Nothing is shown.
    Quiet,
    /// Bars on a terminal.
    Bars,
    /// A line now and then.
    Plain,
}

/// The progress of one seed. [`Dashboard::seed`] makes another that shares the screen with this
/// one.
#[derive(Debug)]
pub struct Dashboard {
    output: Output,
    screen: MultiProgress,
    seed: String,
    phase: String,
    bar: ProgressBar,
    started: Instant,
    /// When the last plain line was printed; none: there was none yet.
    printed: Option<Instant>,
}

impl Dashboard {
    /// A dashboard on stderr; shows nothing at all unless `enabled`.
    pub fn new(enabled: bool) -> Self {
        let output = match (enabled, std::io::stderr().is_terminal()) {
            (false, _) => Output::Quiet,
            (true, true) => Output::Bars,
            (true, false) => Output::Plain,
        };
        let target = if output == Output::Bars {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        Self::on(
            output,
            MultiProgress::with_draw_target(target),
            String::new(),
        )
    }

    /// The dashboard of one of several seeds, drawn beneath the others; it may be sent to that
    /// seed's thread.
    pub fn seed(&self, seed: u64) -> Self {
        Self::on(self.output, self.screen.clone(), format!("seed {seed}  "))
    }

    fn on(output: Output, screen: MultiProgress, seed: String) -> Self {
        let now = Instant::now();
        Self {
            output,
            screen,
            seed,
            phase: String::new(),
            bar: ProgressBar::hidden(),
            started: now,
            printed: None,
        }
    }

    /// Begins a phase (`demos`, `pretrain`, `finetune`, ...) of `total` steps; the phase before it
    /// leaves the screen.
    pub fn phase(&mut self, name: &str, total: u64) {
        self.bar.finish_and_clear();
        self.phase = name.to_string();
        self.started = Instant::now();
        let bar = ProgressBar::new(total)
            .with_style(style())
            .with_prefix(format!("{}{name:<9}", self.seed));
        self.bar = if self.output == Output::Bars {
            self.screen.add(bar)
        } else {
            bar_without_screen(bar)
        };
        if self.output == Output::Bars {
            terminal::shown();
        }
        if self.output == Output::Plain && self.printed.is_none() {
            self.plain(0, "");
        }
    }

    /// Sets how many steps of the phase are done; `note` stands at the end of the line (`success
    /// 62%`).
    pub fn advance(&mut self, done: u64, note: &str) {
        self.bar.set_position(done);
        self.bar.set_message(note.to_string());
        let is_due = self
            .printed
            .is_none_or(|printed| printed.elapsed() >= PLAIN_EVERY);
        if self.output == Output::Plain && is_due {
            self.plain(done, note);
        }
    }

    fn plain(&mut self, done: u64, note: &str) {
        self.printed = Some(Instant::now());
        let total = self.bar.length().unwrap_or(done);
        let elapsed = self.started.elapsed();
        let line = plain_line(&self.phase, done, total, elapsed, note);
        terminal::note(&format!("{}{line}", self.seed));
    }

    /// Ends the phase and leaves `line` standing.
    pub fn finish(&mut self, line: &str) {
        self.bar.finish_and_clear();
        let line = format!("{}{line}", self.seed);
        match self.output {
            Output::Quiet => {}
            Output::Plain => terminal::note(&line),
            // Above the bars of the other seeds. A terminal that went away is no reason to stop a
            // run.
            Output::Bars => drop(self.screen.println(line)),
        }
    }
}

/// A bar that only counts.
fn bar_without_screen(bar: ProgressBar) -> ProgressBar {
    bar.set_draw_target(ProgressDrawTarget::hidden());
    bar
}

fn style() -> ProgressStyle {
    // The template is a constant and a valid one; the plain default would do as well.
    let style =
        ProgressStyle::with_template(TEMPLATE).unwrap_or_else(|_| ProgressStyle::default_bar());
    // A terminal that cannot be written to shows nothing; that is no reason to stop a run.
    let rate = |state: &ProgressState, out: &mut dyn std::fmt::Write| {
        let _ = out.write_str(&rate(state.per_sec()));
    };
    style.with_key("rate", rate).progress_chars("━╸ ")
}

/// A line for a log: phase, share, rate, time left, note.
fn plain_line(phase: &str, done: u64, total: u64, elapsed: Duration, note: &str) -> String {
    let per_second = done as f64 / elapsed.as_secs_f64().max(1e-3);
    let percent = 100 * done.min(total) / total.max(1);
    let seconds = total.saturating_sub(done) as f64 / per_second;
    let left = if done > 0 {
        format!("{seconds:.0} s left")
    } else {
        "no step yet".to_string()
    };
    format!(
        "{phase}  {percent}%  {done}/{total}  {}  {left}  {note}",
        rate(per_second)
    )
    .trim_end()
    .to_string()
}

/// Steps per second, in as many digits as can be read at a glance.
fn rate(per_second: f64) -> String {
    if per_second >= 100.0 {
        format!("{per_second:.0}/s")
    } else {
        format!("{per_second:.1}/s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A line in a log says how far it is, how fast and how long it will take.
    #[test]
    fn a_plain_line_tells_share_rate_and_time_left() {
        let line = plain_line(
            "finetune",
            250,
            1000,
            Duration::from_secs(10),
            "success 62%",
        );
        assert_eq!(
            line,
            "finetune  25%  250/1000  25.0/s  30 s left  success 62%"
        );
        assert_eq!(
            plain_line("demos", 0, 0, Duration::ZERO, ""),
            "demos  0%  0/0  0.0/s  no step yet"
        );
    }

    /// A quiet dashboard, and one without a terminal, take every call in any order, from any
    /// thread.
    #[test]
    fn a_hidden_dashboard_takes_every_call() {
        for output in [Output::Quiet, Output::Plain] {
            let parent = Dashboard::on(
                output,
                MultiProgress::with_draw_target(ProgressDrawTarget::hidden()),
                String::new(),
            );
            let mut child = parent.seed(3);
            std::thread::spawn(move || {
                child.advance(1, "before any phase");
                child.phase("demos", 5);
                child.advance(9, "more than there are");
                child.finish("5 demonstrations");
            })
            .join()
            .unwrap();
        }
    }

    /// The bar's template is one that indicatif understands.
    #[test]
    fn the_bar_has_a_valid_template() {
        assert!(ProgressStyle::with_template(TEMPLATE).is_ok());
    }
}
