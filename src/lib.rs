//! plimsoll finds the load line of an AI-agent platform: how many agent sessions it carries, at
//! what latency and cost, before a boundary breaks.
//!
//! One scenario describes *demand* (sessions, turns, think times, tokens, tool work) and *supply*
//! (isolation, slots, snapshots, models, prices) apart. Two machines without input or output sit in
//! the middle and are written once: the [`session`](workload::session) machine and the
//! [`control`] machine. [`conduct`] routes between them. The [`sim`]ulator executes what they want in
//! virtual time, the [`drive`]r in real time over a live backend, so the two cannot drift apart.
//!
//! ```text
//! scenario.yaml ─ scenario ─► workload ─► session ─┐            ┌─► sim (virtual time, any scale) ─┐
//!               (checked,     (plans by   machine  ├─ conduct ──┤                                  ├─► measure ─► boundary ─► study ─► plan, gate ─► report
//!                with units)  keyed draws) control ┘            └─► drive (real time, live backend)┘   (one Run)  (verdicts)  (replications, twin)
//!                                          machine
//! ```
//!
//! # Floors
//!
//! A module uses what stands on the floors below it; a test reads the `use` lines.
//!
//! | floor | modules |
//! |---|---|
//! | 0 | [`units`], [`random`], [`dist`], [`stats`], [`engine`]: quantities, keyed draws, distributions, histograms and intervals, the event queue |
//! | 1 | [`scenario`]: what a person writes, with diagnostics that have line and column |
//! | 2 | [`workload`], [`control`], [`provider`], [`measure`], [`billing`]: plans and the session machine, slots and queue, model endpoints, the record, prices |
//! | 3 | [`conduct`]: one routing of events, for both executors |
//! | 4 | [`sim`], [`drive`], [`boundary`]: the two executors, verdicts |
//! | 5 | [`study`], [`check`], [`calibrate`]: replications, warm-up, when to stop, the twin; what makes sense of a scenario; platform profiles from samples |
//! | 6 | [`plan`], [`gate`]: decisions |
//! | 7 | [`report`]: rendering, no computing |
//! | 8 | [`cli`]: one file a command |
//!
//! Absences that hold: nothing below `drive` and `cli` reads a clock or the environment, only
//! `drive` is asynchronous, and no draw has state.

pub mod billing;
pub mod boundary;
pub mod calibrate;
pub mod check;
pub mod cli;
pub mod conduct;
pub mod control;
pub mod dist;
pub mod drive;
pub mod engine;
pub mod gate;
pub mod measure;
pub mod plan;
pub mod provider;
pub mod random;
pub mod report;
pub mod scenario;
pub mod sim;
pub mod stats;
pub mod study;
pub mod units;
pub mod workload;
