//! What a ledger costs, in parts.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::line::{CostLine, Part, Sheet};
use super::price::{CURRENCY, Rates};
use crate::scenario::Origin;

/// What a ledger costs, in the rate card's currency. The parts `compute`, `pool`, `storage`,
/// `storage_requests`, `requests`, `egress`, `tokens_*`, `telemetry`, `platform_fee` and `management` sum to `tco`.
///
/// Quotients are `None` where they have no meaning: `per_session` without a completed session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// The currency of every amount.
    pub currency: String,
    /// The prices that were applied.
    pub rates: Rates,
    /// Sandboxes while they hold a slot, idle ones and the price per session included.
    pub compute: f64,
    /// The part of `compute` for idle sandboxes.
    pub compute_idle: f64,
    /// The part of `compute` for hosts' memory that no sandbox held.
    #[serde(default)]
    pub compute_unreserved: f64,
    /// Pool places that wait to be claimed.
    pub pool: f64,
    /// Stored snapshots.
    pub storage: f64,
    /// Requests to the snapshot store.
    pub storage_requests: f64,
    /// Requests to the platform.
    #[serde(default)]
    pub requests: f64,
    /// Bytes that left the platform.
    #[serde(default)]
    pub egress: f64,
    /// Prompt tokens that did not come from the cache.
    pub tokens_input: f64,
    /// Prompt tokens that came from the cache.
    pub tokens_cached: f64,
    /// Output tokens.
    pub tokens_output: f64,
    /// Reserved throughput of models, used or not.
    #[serde(default)]
    pub provisioned: f64,
    /// Telemetry.
    pub telemetry: f64,
    /// The plan's fee for the measured time.
    pub platform_fee: f64,
    /// Work of people who manage policies.
    pub management: f64,
    /// Everything: the total cost of ownership over the measured time.
    pub tco: f64,
    /// `tco` over completed sessions.
    pub per_session: Option<f64>,
    /// `tco` over finished turns.
    pub per_turn: Option<f64>,
    /// `tco` for 24 hours at this rate.
    pub per_day: Option<f64>,
    /// `tco` for 30 days at this rate.
    pub per_month: Option<f64>,
    /// (`compute_idle` + `pool` + `storage`) / `tco`.
    pub idle_cost_share: Option<f64>,
    /// Share of `tco` paid for compute in turns during which no CPU was served: an agent that waits
    /// for its model pays too. In-turn compute × (1 − CPU served / vCPU-seconds in turns) / `tco`.
    pub turn_wait_cost_share: Option<f64>,
    /// What was used and has no price, so that a cost of zero is not read as free.
    #[serde(default)]
    pub unpriced: Vec<String>,
    /// Intervals over replications, where there are several.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub ci95: CostIntervals,
    /// What the amounts are made of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<CostLine>,
}

/// 95 % intervals of cost quantities by [`CostKey::name`].
pub type CostIntervals = IndexMap<String, [f64; 2]>;

/// A quantity of [`Cost`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the fields of `Cost` of the same names say it")]
pub enum CostKey {
    Compute,
    ComputeIdle,
    Pool,
    Storage,
    StorageRequests,
    Requests,
    Egress,
    TokensInput,
    TokensCached,
    TokensOutput,
    Provisioned,
    Telemetry,
    PlatformFee,
    Management,
    Tco,
    PerSession,
    PerTurn,
    PerDay,
    PerMonth,
    IdleCostShare,
    TurnWaitCostShare,
}

impl CostKey {
    /// All of them, in the order of the record.
    pub const ALL: &'static [CostKey] = &[
        CostKey::Compute,
        CostKey::ComputeIdle,
        CostKey::Pool,
        CostKey::Storage,
        CostKey::StorageRequests,
        CostKey::Requests,
        CostKey::Egress,
        CostKey::TokensInput,
        CostKey::TokensCached,
        CostKey::TokensOutput,
        CostKey::Provisioned,
        CostKey::Telemetry,
        CostKey::PlatformFee,
        CostKey::Management,
        CostKey::Tco,
        CostKey::PerSession,
        CostKey::PerTurn,
        CostKey::PerDay,
        CostKey::PerMonth,
        CostKey::IdleCostShare,
        CostKey::TurnWaitCostShare,
    ];

    /// The key in the record.
    pub const fn name(self) -> &'static str {
        match self {
            CostKey::Compute => "compute",
            CostKey::ComputeIdle => "compute_idle",
            CostKey::Pool => "pool",
            CostKey::Storage => "storage",
            CostKey::StorageRequests => "storage_requests",
            CostKey::Requests => "requests",
            CostKey::Egress => "egress",
            CostKey::TokensInput => "tokens_input",
            CostKey::TokensCached => "tokens_cached",
            CostKey::TokensOutput => "tokens_output",
            CostKey::Provisioned => "provisioned",
            CostKey::Telemetry => "telemetry",
            CostKey::PlatformFee => "platform_fee",
            CostKey::Management => "management",
            CostKey::Tco => "tco",
            CostKey::PerSession => "per_session",
            CostKey::PerTurn => "per_turn",
            CostKey::PerDay => "per_day",
            CostKey::PerMonth => "per_month",
            CostKey::IdleCostShare => "idle_cost_share",
            CostKey::TurnWaitCostShare => "turn_wait_cost_share",
        }
    }

    /// Whether it is for the measured time of a run, however long that is.
    pub const fn is_of_a_run(self) -> bool {
        !matches!(
            self,
            CostKey::PerSession | CostKey::PerTurn | CostKey::PerDay | CostKey::PerMonth
        )
    }

    /// Whether it is a share from 0 to 1; the others are money.
    pub const fn is_share(self) -> bool {
        matches!(self, CostKey::IdleCostShare | CostKey::TurnWaitCostShare)
    }
}

impl Cost {
    /// The amounts that lines sum to; what is related to other quantities is left open.
    pub(super) fn of(rates: Rates, sheet: &Sheet) -> Self {
        let mut cost = Cost {
            currency: CURRENCY.to_owned(),
            rates,
            compute: sheet.sum(Part::Compute),
            compute_idle: sheet.idle(),
            compute_unreserved: 0.0,
            pool: sheet.sum(Part::Pool),
            storage: sheet.sum(Part::Storage),
            storage_requests: sheet.sum(Part::StorageRequests),
            requests: sheet.sum(Part::Requests),
            egress: sheet.sum(Part::Egress),
            tokens_input: sheet.sum(Part::TokensInput),
            tokens_cached: sheet.sum(Part::TokensCached),
            tokens_output: sheet.sum(Part::TokensOutput),
            provisioned: sheet.sum(Part::Provisioned),
            telemetry: sheet.sum(Part::Telemetry),
            platform_fee: sheet.sum(Part::PlatformFee),
            management: sheet.sum(Part::Management),
            tco: 0.0,
            per_session: None,
            per_turn: None,
            per_day: None,
            per_month: None,
            idle_cost_share: None,
            turn_wait_cost_share: None,
            unpriced: Vec::new(),
            ci95: IndexMap::new(),
            lines: Vec::new(),
        };
        cost.tco = cost.parts().iter().sum();
        cost
    }

    /// Notes of each line where its price comes from, as told for the price's path in the scenario.
    pub fn trace(&mut self, origin: impl Fn(&str) -> Option<Origin>) {
        for line in &mut self.lines {
            line.source = origin(&line.key);
        }
    }

    /// The value of a key, `None` where it has no meaning.
    pub fn get(&self, key: CostKey) -> Option<f64> {
        match key {
            CostKey::Compute => Some(self.compute),
            CostKey::ComputeIdle => Some(self.compute_idle),
            CostKey::Pool => Some(self.pool),
            CostKey::Storage => Some(self.storage),
            CostKey::StorageRequests => Some(self.storage_requests),
            CostKey::Requests => Some(self.requests),
            CostKey::Egress => Some(self.egress),
            CostKey::TokensInput => Some(self.tokens_input),
            CostKey::TokensCached => Some(self.tokens_cached),
            CostKey::TokensOutput => Some(self.tokens_output),
            CostKey::Provisioned => Some(self.provisioned),
            CostKey::Telemetry => Some(self.telemetry),
            CostKey::PlatformFee => Some(self.platform_fee),
            CostKey::Management => Some(self.management),
            CostKey::Tco => Some(self.tco),
            CostKey::PerSession => self.per_session,
            CostKey::PerTurn => self.per_turn,
            CostKey::PerDay => self.per_day,
            CostKey::PerMonth => self.per_month,
            CostKey::IdleCostShare => self.idle_cost_share,
            CostKey::TurnWaitCostShare => self.turn_wait_cost_share,
        }
    }

    /// The parts of `tco`; `compute_idle` is not among them, being part of `compute`.
    pub fn parts(&self) -> [f64; 13] {
        [
            self.compute,
            self.pool,
            self.storage,
            self.storage_requests,
            self.requests,
            self.egress,
            self.tokens_input,
            self.tokens_cached,
            self.tokens_output,
            self.provisioned,
            self.telemetry,
            self.platform_fee,
            self.management,
        ]
    }

    /// What waits to be used: idle sandboxes, pool places, stored snapshots.
    pub fn idle(&self) -> f64 {
        self.compute_idle + self.pool + self.storage
    }
}
