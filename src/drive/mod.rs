//! The live driver: sessions at their intended instants, on real sandboxes, whatever the backend does.
//!
//! - [`pacing`] wakes at absolute instants; [`lateness`] says how late the driver itself was.
//! - [`runtime`] makes, uses, hibernates, restores and destroys sandboxes.
//! - [`guest`] is what runs inside one, and the launcher that builds it.
//! - [`journal`] writes down what will exist before it does; [`shutdown`] removes it at the end of a
//!   run, however that ends, and [`journal::clean`] after a run that was killed.
//! - [`caps`] bounds what a run may take.
//! - [`probe`] finds out from inside sandboxes what they really are.
//! - [`doctor`] tells what works on this machine.
//!
//! This is the only floor with asynchronous code.

pub mod caps;
pub mod clock;
mod dispatch;
pub mod doctor;
mod entry;
pub mod guest;
pub mod journal;
pub mod lateness;
mod live;
pub mod machine;
pub mod open_loop;
pub mod pacing;
pub mod probe;
pub mod runtime;
pub mod samples;
pub mod shutdown;
mod watched;

pub use dispatch::{DriveError, LiveFinish, LiveOutcome, drive};
pub use entry::{Backend, run};
