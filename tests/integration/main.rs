//! All integration tests, in one binary.

mod broken;
mod cli;
mod closed_forms;
mod determinism;
mod drive_process;
mod floors;
mod invariants;
mod kit;
mod lifecycle;
mod replay;
mod same_effects;
mod shipped;
