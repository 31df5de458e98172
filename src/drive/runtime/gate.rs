//! Keeps file work and the end of a run apart.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Through which all file work on a run's directories goes. Once it is shut nothing enters, and
/// when it is empty too, what is removed then stays removed.
#[derive(Debug, Default)]
pub struct Gate {
    shut: AtomicBool,
    inside: AtomicUsize,
}

/// Work that has entered.
#[derive(Debug)]
pub struct Inside(Arc<Gate>);

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.inside.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Gate {
    /// Lets work in, unless the gate is shut.
    pub fn enter(self: &Arc<Self>) -> io::Result<Inside> {
        // Counted first, then looked: whoever shuts the gate does it the other way round.
        self.inside.fetch_add(1, Ordering::SeqCst);
        let inside = Inside(Arc::clone(self));
        if self.shut.load(Ordering::SeqCst) {
            return Err(io::Error::new(io::ErrorKind::Interrupted, "the run is being ended"));
        }
        Ok(inside)
    }

    /// Shuts the gate and waits, blocking, until all work is out; false if it is not in time.
    pub fn shut(&self, bound: Duration) -> bool {
        self.shut.store(true, Ordering::SeqCst);
        let deadline = Instant::now() + bound;
        while self.inside.load(Ordering::SeqCst) > 0 {
            if Instant::now() >= deadline {
                return false;
            }
            thread::sleep(Duration::from_millis(1));
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_enters_a_shut_gate_and_what_is_inside_is_waited_for() {
        let gate = Arc::new(Gate::default());
        let inside = gate.enter().unwrap();
        assert!(!gate.shut(Duration::ZERO));
        assert!(gate.enter().is_err());
        drop(inside);
        assert!(gate.shut(Duration::ZERO));
    }
}
