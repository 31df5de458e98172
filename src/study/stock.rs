//! Stocks that outlive the run-in: snapshots that abandoned sessions left before time 0.
//!
//! In the steady state their mean number is arrival rate × share abandoned × retention (Little's
//! law), and the residual life of one found at a random instant is uniform over the retention.

use crate::conduct::Setup;
use crate::random::{Draws, Purpose};
use crate::scenario::types::IdleThen;
use crate::sim::{StockedSnapshot, snapshot_bytes};
use crate::units::{Bytes, Quantity, Span};
use crate::workload::plan::{ClassId, End, Plans, StepAt};

/// Numbers of sessions from before time 0; those of a run stay below.
const PAST: u64 = 1 << 63;

/// Snapshots that are there at time 0, by Little's law; none where nothing outlives the run-in.
pub fn snapshots(setup: &Setup, replication: u16) -> Vec<StockedSnapshot> {
    let Some(retention) = setup.control.retention else { return Vec::new() };
    let mut past = Past { setup, replication, number: PAST };
    let mut stock = Vec::new();
    for class in (0..setup.classes.len()).map(|place| ClassId(place as u16)) {
        for _ in 0..expected(setup, class, retention) {
            stock.push(past.snapshot(class, retention));
        }
    }
    stock
}

/// How many snapshots of one class there are at a random instant, rounded.
fn expected(setup: &Setup, class: ClassId, retention: Span) -> u64 {
    let Some(rate) = setup.mean_rate() else { return 0 };
    if setup.control.idle_then != IdleThen::Hibernate || !matches!(setup.plans(), Plans::Drawn(_)) {
        return 0;
    }
    let terms = &setup.classes[class.0 as usize];
    (rate.base() * terms.share * terms.abandon * retention.seconds()).round() as u64
}

/// Sessions from before time 0, drawn like those after it.
struct Past<'a> {
    setup: &'a Setup,
    replication: u16,
    number: u64,
}

impl Past<'_> {
    fn snapshot(&mut self, class: ClassId, retention: Span) -> StockedSnapshot {
        let plans = self.setup.plans();
        let outline = loop {
            self.number += 1;
            let outline = plans.outline(self.replication, self.number);
            if outline.class == class && outline.end == End::Abandon {
                break outline;
            }
        };
        let (seed, replication) = (self.setup.seed, self.replication);
        let residual =
            Draws::new(seed, replication, self.number, Purpose::SteadyResidual, 0).uniform();
        let terms = &self.setup.classes[class.0 as usize];
        let dirtied = self.dirtied(class, outline.turns);
        StockedSnapshot {
            class,
            bytes: snapshot_bytes(&self.setup.tier, terms, dirtied),
            residual: Span::from_seconds(residual * retention.seconds()),
        }
    }

    /// Bytes that all tool calls of the session dirtied.
    fn dirtied(&self, class: ClassId, turns: u32) -> Bytes {
        let plans = self.setup.plans();
        let mut tools = Vec::new();
        let mut ordinal = 0;
        for turn in 0..turns {
            for step in 0..plans.steps(self.replication, self.number, class, turn) {
                plans.tools(
                    self.replication,
                    self.number,
                    class,
                    StepAt { turn, step, ordinal },
                    &mut tools,
                );
                ordinal += 1;
            }
        }
        tools.iter().fold(Bytes(0), |sum, tool| sum + tool.dirty)
    }
}
