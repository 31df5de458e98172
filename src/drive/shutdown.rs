//! The end of a run, however it comes: done, Ctrl-C, SIGTERM, an error, a panic.
//!
//! 1. The first SIGINT, SIGTERM or SIGHUP asks the run to stop: nothing new begins, what lives is
//!    destroyed, within a bound; what has not gone by then is killed.
//! 2. The second one does not wait: everything is killed and removed at once.
//! 3. If the run is left by an error or a panic, the guard kills and removes as it is dropped.
//!
//! Only SIGKILL can leave something behind, for `plimsoll clean`.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use super::runtime::{AnyRuntime, Drained};
use crate::units::Span;

/// What asked a run to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Ctrl-C.
    Interrupt,
    /// SIGTERM.
    Terminate,
    /// The terminal is gone.
    Hangup,
}

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Cause::Interrupt => "interrupted by Ctrl-C",
            Cause::Terminate => "asked to end by SIGTERM",
            Cause::Hangup => "the terminal was closed",
        })
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Asked {
    first: Option<Cause>,
    times: u32,
}

/// Listens for signals. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Shutdown {
    asked: watch::Receiver<Asked>,
    // Keeps the channel open when nothing sends, as in a run that listens to no signals.
    _sender: watch::Sender<Asked>,
}

impl Shutdown {
    /// Listens from now on, on the present tokio runtime. The signals no longer end the process by
    /// themselves, also after this is dropped.
    ///
    /// # Errors
    /// If a handler cannot be installed.
    pub fn listen() -> io::Result<Self> {
        let interrupt = signal(SignalKind::interrupt())?;
        let terminate = signal(SignalKind::terminate())?;
        let hangup = signal(SignalKind::hangup())?;
        let (sender, asked) = watch::channel(Asked::default());
        tokio::spawn(hear(interrupt, terminate, hangup, sender.clone()));
        Ok(Shutdown { asked, _sender: sender })
    }

    /// Listens to nothing: for a run inside a program that has handlers of its own.
    pub fn deaf() -> Self {
        let (sender, asked) = watch::channel(Asked::default());
        Shutdown { asked, _sender: sender }
    }

    /// What has asked to stop, if something has.
    pub fn asked_by(&self) -> Option<Cause> {
        self.asked.borrow().first
    }

    /// Waits until something asks to stop.
    pub async fn asked(&self) -> Cause {
        self.wait_for(1).await
    }

    /// Waits until something asks a second time.
    pub async fn insisted(&self) -> Cause {
        self.wait_for(2).await
    }

    async fn wait_for(&self, times: u32) -> Cause {
        let mut asked = self.asked.clone();
        let state = asked.wait_for(|asked| asked.times >= times).await;
        let state = state.expect("this holds a sender");
        state.first.expect("who asked is noted with the count")
    }
}

async fn hear(
    mut interrupt: Signal,
    mut terminate: Signal,
    mut hangup: Signal,
    say: watch::Sender<Asked>,
) {
    loop {
        let cause = tokio::select! {
            _ = interrupt.recv() => Cause::Interrupt,
            _ = terminate.recv() => Cause::Terminate,
            _ = hangup.recv() => Cause::Hangup,
        };
        say.send_modify(|asked| {
            asked.first.get_or_insert(cause);
            asked.times += 1;
        });
    }
}

/// Stands over the sandboxes of a run. If it is dropped without [`finish`](RunGuard::finish),
/// because of an error or a panic, it kills and removes them at once.
#[derive(Debug)]
pub struct RunGuard {
    runtime: Option<AnyRuntime>,
    bound: Span,
}

/// How a guarded run ended.
#[derive(Debug)]
pub struct Ended<T> {
    /// What it gave, unless it was stopped before.
    pub outcome: Option<T>,
    /// What stopped it.
    pub stopped_by: Option<Cause>,
    /// What was still there, and what became of it.
    pub drained: Drained,
}

impl RunGuard {
    /// Guards the sandboxes of this runtime; a drain may take as long as `bound`.
    pub fn new(runtime: AnyRuntime, bound: Span) -> Self {
        RunGuard { runtime: Some(runtime), bound }
    }

    /// Drains the runtime; killing at once if a second signal comes meanwhile.
    pub async fn finish(mut self, shutdown: &Shutdown) -> Drained {
        let Some(runtime) = self.runtime.clone() else { return Drained::default() };
        let drained = tokio::select! {
            drained = runtime.drain(self.bound) => drained,
            _ = shutdown.insisted() => runtime.kill_now(),
        };
        self.runtime = None;
        drained
    }

    /// Runs something over the runtime until it is done or a signal comes, then drains.
    pub async fn run<T>(self, shutdown: &Shutdown, run: impl Future<Output = T>) -> Ended<T> {
        let outcome = tokio::select! {
            outcome = run => Some(outcome),
            _ = shutdown.asked() => None,
        };
        let drained = self.finish(shutdown).await;
        Ended { outcome, stopped_by: shutdown.asked_by(), drained }
    }
}

impl Drop for RunGuard {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            let drained = runtime.kill_now();
            for left in drained.left {
                eprintln!("plimsoll: {left}; `plimsoll clean` will try again");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drive::runtime::{CreateSpec, InstantRuntime, Limits, RuntimeError, SandboxId};

    fn block_on<F: Future>(future: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
    }

    fn spec() -> CreateSpec {
        CreateSpec { sandbox: SandboxId(1), token: "t".into(), limits: Limits::default() }
    }

    #[test]
    fn a_run_that_is_done_is_drained() {
        block_on(async {
            let runtime = AnyRuntime::Instant(InstantRuntime::default());
            let guard = RunGuard::new(runtime.clone(), Span::from_secs(1));
            let ended = guard.run(&Shutdown::deaf(), runtime.create(spec())).await;
            assert!(ended.outcome.unwrap().is_ok());
            assert_eq!((ended.drained.stopped, ended.stopped_by), (1, None));
        });
    }

    #[test]
    fn a_panic_leaves_nothing() {
        let runtime = AnyRuntime::Instant(InstantRuntime::default());
        let inside = runtime.clone();
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            block_on(async {
                let guard = RunGuard::new(inside.clone(), Span::from_secs(1));
                let run = async {
                    inside.create(spec()).await.unwrap();
                    panic!("a bug in the driver");
                };
                guard.run(&Shutdown::deaf(), run).await
            })
        }));
        assert!(panicked.is_err());
        block_on(async {
            assert!(matches!(runtime.create(spec()).await, Err(RuntimeError::Closing)));
            assert!(runtime.destroy(SandboxId(1)).await.is_err());
        });
    }
}
