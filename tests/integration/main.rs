//! All integration tests, in one binary.

mod archive;
mod broken;
mod cli;
mod closed_forms;
mod costs;
mod determinism;
mod drive_process;
mod faults;
mod fleet;
mod floors;
mod invariants;
mod kit;
mod lifecycle;
mod platform_forms;
mod pools;
mod queues;
mod random_case;
mod random_platform;
mod replay;
mod same_effects;
mod script;
mod sharing;
mod shipped;
mod tenancy;
