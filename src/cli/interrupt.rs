//! Ctrl-C, SIGTERM and a closed terminal end a simulation early, with its partial results kept.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::exit::Exit;
use crate::drive::shutdown::Shutdown;
use crate::sim::Watch;

/// Listens for signals as long as the process lives.
#[derive(Clone, Debug)]
pub struct Interrupt {
    /// Told to stop on the first signal.
    pub watch: Arc<Watch>,
    /// A live run listens for itself: it has sandboxes to remove before the process may end.
    simulating: Arc<AtomicBool>,
}

impl Interrupt {
    /// Listens from now on; where no thread or handler can be had, signals end the process as ever.
    pub fn listen() -> Self {
        let interrupt =
            Interrupt { watch: Arc::default(), simulating: Arc::new(AtomicBool::new(true)) };
        let Interrupt { watch, simulating } = interrupt.clone();
        let thread = thread::Builder::new().name("plimsoll-signals".to_owned());
        let _unheard = thread.spawn(move || {
            let Ok(tokio) = tokio::runtime::Builder::new_current_thread().enable_all().build()
            else {
                return;
            };
            let guard = tokio.enter();
            let Ok(shutdown) = Shutdown::listen() else { return };
            drop(guard);
            tokio.block_on(shutdown.asked());
            watch.stop.store(true, Ordering::Relaxed);
            tokio.block_on(shutdown.insisted());
            if simulating.load(Ordering::Relaxed) {
                std::process::exit(Exit::Interrupted as i32);
            }
        });
        interrupt
    }

    /// Whether a signal came.
    pub fn happened(&self) -> bool {
        self.watch.stop.load(Ordering::Relaxed)
    }

    /// Says that what follows looks after itself, or does not.
    pub fn set_simulating(&self, simulating: bool) {
        self.simulating.store(simulating, Ordering::Relaxed);
    }
}
