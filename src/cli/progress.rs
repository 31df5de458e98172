//! How far long work is, on stderr: a moving line on a terminal, else a line each half minute.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::console::Console;
use crate::boundary::Unit;
use crate::report::number::three;
use crate::sim::Watch;

const LOOK_EVERY: Duration = Duration::from_millis(100);
const LINE_EVERY: Duration = Duration::from_secs(30);

/// What is watched.
#[derive(Clone, Debug)]
enum Watched {
    Simulation(Arc<Watch>),
    Sessions { left: Arc<AtomicU64>, planned: u64 },
}

/// Shows progress until it is dropped.
#[derive(Debug)]
pub struct Progress {
    done: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Progress {
    /// Of a simulation.
    pub fn simulation(what: &str, watch: &Arc<Watch>, console: &Console) -> Self {
        Progress::start(what.to_owned(), Watched::Simulation(Arc::clone(watch)), console)
    }

    /// Of a live run; `left` counts the sessions that are over.
    pub fn sessions(what: &str, left: &Arc<AtomicU64>, planned: u64, console: &Console) -> Self {
        let watched = Watched::Sessions { left: Arc::clone(left), planned };
        Progress::start(what.to_owned(), watched, console)
    }

    fn start(what: String, watched: Watched, console: &Console) -> Self {
        let done = Arc::new(AtomicBool::new(false));
        if console.quiet {
            return Progress { done, thread: None };
        }
        let (stop, console) = (Arc::clone(&done), console.clone());
        let thread = thread::Builder::new().name("plimsoll-progress".to_owned());
        // Work goes on unseen where there is no thread to be had.
        let thread = thread.spawn(move || show(&what, &watched, &stop, &console)).ok();
        Progress { done, thread }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.done.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _panicked = thread.join();
        }
    }
}

fn show(what: &str, watched: &Watched, done: &AtomicBool, console: &Console) {
    let bar = std::io::stderr().is_terminal().then(|| {
        let style = ProgressStyle::with_template("{spinner} {msg}");
        ProgressBar::new_spinner().with_style(style.expect("the template is well formed"))
    });
    let (began, mut told) = (Instant::now(), Instant::now());
    let events_before = events(watched);
    while !done.load(Ordering::Relaxed) {
        let text = || format!("{what}: {}", state(watched, events_before, began.elapsed()));
        match &bar {
            Some(bar) => {
                bar.set_message(text());
                bar.tick();
            }
            None if told.elapsed() >= LINE_EVERY => {
                told = Instant::now();
                console.note(&text());
            }
            None => {}
        }
        thread::park_timeout(LOOK_EVERY);
    }
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
}

fn events(watched: &Watched) -> u64 {
    match watched {
        Watched::Simulation(watch) => watch.events.load(Ordering::Relaxed),
        Watched::Sessions { .. } => 0,
    }
}

fn state(watched: &Watched, before: u64, elapsed: Duration) -> String {
    let seconds = elapsed.as_secs_f64();
    match watched {
        Watched::Simulation(watch) => {
            let passed = watch.virtual_nanos.load(Ordering::Relaxed) as f64 / 1e9;
            let events = events(watched) - before;
            let speed = events as f64 / seconds.max(1e-3) / 1e6;
            format!(
                "{} of virtual time over all replications, {}M events/s, {seconds:.0} s so far",
                Unit::Time.show(passed),
                three(speed)
            )
        }
        Watched::Sessions { left, planned } => {
            let left = left.load(Ordering::Relaxed);
            let pace = seconds / (left.max(1) as f64);
            let to_come = if left == 0 {
                String::new()
            } else {
                format!(", about {:.0} s to go", pace * planned.saturating_sub(left) as f64)
            };
            format!("{left} of {planned} sessions over, {seconds:.0} s so far{to_come}")
        }
    }
}
