//! Applying a rate card to a ledger.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::cost::Cost;
use super::usage::{Phases, TokenLedger, Usage};
use crate::scenario::types::{
    BillFrom, BillIdle, Capacity, ComputeRates, ComputeShape, ModelRates, RateCard, Scenario,
};
use crate::units::{PricePerByte, PricePerTime, Quantity, Span};

/// The currency in which `$` amounts of rate cards are written.
pub const CURRENCY: &str = "USD";

const GIB: f64 = 1_073_741_824.0;

/// Everything that has a price.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rates {
    /// The platform's rate card.
    pub platform: RateCard,
    /// Token prices by model.
    pub models: IndexMap<String, ModelRates>,
    /// Prices of hosts by type.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub hosts: IndexMap<String, HostRates>,
    /// Price of telemetry.
    #[serde(default, skip_serializing_if = "crate::scenario::types::is_default")]
    pub telemetry: PricePerByte,
    /// Price of the work on policies.
    #[serde(default, skip_serializing_if = "crate::scenario::types::is_default")]
    pub management: PricePerTime,
}

/// Price of a type of hosts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HostRates {
    /// While one is up.
    pub price: PricePerTime,
    /// Whether booting is paid too.
    pub bill_boot: bool,
}

impl Rates {
    /// The prices that a scenario gives.
    pub fn of(scenario: &Scenario) -> Self {
        let governance = &scenario.platform.governance;
        let hosts = match &scenario.platform.capacity {
            Capacity::Elastic(_) => IndexMap::new(),
            Capacity::Hosts(hosts) => hosts
                .types()
                .into_iter()
                .map(|(name, host)| {
                    let rates = HostRates { price: host.price, bill_boot: host.bill_boot };
                    (name.to_owned(), rates)
                })
                .collect(),
        };
        Rates {
            hosts,
            telemetry: governance.telemetry.as_ref().map(|t| t.price).unwrap_or_default(),
            management: governance.management.as_ref().map(|m| m.hourly_rate).unwrap_or_default(),
            platform: scenario.platform.rates.clone(),
            models: scenario
                .models
                .iter()
                .map(|(name, m)| (name.clone(), m.rates.clone()))
                .collect(),
        }
    }
}

/// What `usage` costs at `rates`. Pure: a changed price needs no new run.
///
/// Cached prompt tokens cost the `cached` price, by default the uncached one. `tokens_input` is the
/// uncached part alone, `tokens_cached` the cached part; all tokens of a call with a long prompt cost
/// the card's `long_context` prices. The price per session is part of `compute`.
pub fn price(usage: &Usage, rates: &Rates) -> Cost {
    let mut cost = unpriced(rates);
    let spent = compute(usage, &rates.platform.compute);
    let hosts = host_cost(usage, rates);
    cost.compute =
        spent.starting + spent.turn + spent.idle + spent.sessions + hosts.total - hosts.pool;
    cost.compute_idle = spent.idle + hosts.idle;
    cost.pool = spent.pool + hosts.pool;
    cost.compute_unreserved = hosts.unreserved;
    cost.storage = usage.snapshot_byte_seconds * rates.platform.storage.base()
        + usage.archived_byte_seconds * rates.platform.archive.base();
    let requests = &rates.platform.storage_requests;
    cost.storage_requests =
        usage.snapshots_put * requests.put.base() + usage.snapshots_got * requests.get.base();
    cost.telemetry = usage.telemetry_bytes * rates.telemetry.base();
    cost.management = usage.management_seconds * rates.management.base();
    cost.platform_fee = usage.measured_s * rates.platform.platform_fee.base();
    for (model, used) in &usage.tokens {
        let Some(card) = rates.models.get(model) else { continue };
        let [input, cached, output] = token_cost(used, card);
        cost.tokens_input += input;
        cost.tokens_cached += cached;
        cost.tokens_output += output;
    }
    cost.tco = cost.parts().iter().sum();
    cost.per_session = over(cost.tco, usage.sessions_completed);
    cost.per_turn = over(cost.tco, usage.turns);
    let day = Span::from_secs(86_400).seconds();
    cost.per_day = over(cost.tco * day, usage.measured_s);
    cost.per_month = over(cost.tco * day * 30.0, usage.measured_s);
    cost.idle_cost_share = over(cost.idle(), cost.tco);
    let waiting =
        over(usage.cpu_seconds_served, usage.vcpu_seconds.turn).map(|busy| (1.0 - busy).max(0.0));
    cost.turn_wait_cost_share = waiting.and_then(|share| over(spent.turn * share, cost.tco));
    cost.unpriced = without_price(usage, rates);
    cost
}

/// A cost of nothing at these rates.
fn unpriced(rates: &Rates) -> Cost {
    Cost {
        currency: CURRENCY.to_owned(),
        rates: rates.clone(),
        compute: 0.0,
        compute_idle: 0.0,
        compute_unreserved: 0.0,
        pool: 0.0,
        storage: 0.0,
        storage_requests: 0.0,
        tokens_input: 0.0,
        tokens_cached: 0.0,
        tokens_output: 0.0,
        telemetry: 0.0,
        platform_fee: 0.0,
        management: 0.0,
        tco: 0.0,
        per_session: None,
        per_turn: None,
        per_day: None,
        per_month: None,
        idle_cost_share: None,
        turn_wait_cost_share: None,
        unpriced: Vec::new(),
        ci95: IndexMap::new(),
    }
}

/// Compute, by what its holder was doing, and the price per session.
struct ComputeCost {
    starting: f64,
    turn: f64,
    idle: f64,
    pool: f64,
    sessions: f64,
}

/// What hosts cost while they are up, and the shares of it by what holds their memory.
#[derive(Default)]
struct HostCost {
    total: f64,
    idle: f64,
    pool: f64,
    unreserved: f64,
}

fn host_cost(usage: &Usage, rates: &Rates) -> HostCost {
    let mut cost = HostCost::default();
    for (kind, used) in &usage.hosts {
        let Some(card) = rates.hosts.get(kind) else { continue };
        let price = card.price.base();
        let booted = if card.bill_boot { used.boot_seconds } else { 0.0 };
        let up = used.up_seconds * price;
        let share = |bytes: f64| {
            if used.memory_bytes > 0.0 { price * bytes / used.memory_bytes } else { 0.0 }
        };
        cost.total += up + booted * price;
        cost.idle += share(used.idle_byte_seconds);
        cost.pool += share(used.pool_byte_seconds);
        cost.unreserved += up - share(used.reserved_byte_seconds);
    }
    cost
}

fn compute(usage: &Usage, rates: &ComputeRates) -> ComputeCost {
    let ComputeShape::Allocated = rates.shape;
    let allocated = |part: fn(&Phases) -> f64| {
        part(&usage.vcpu_seconds) * rates.vcpu.base()
            + part(&usage.gib_seconds) * (rates.memory.base() * GIB)
    };
    ComputeCost {
        starting: match rates.bill_from {
            BillFrom::Create => allocated(|p| p.starting),
            BillFrom::Ready => 0.0,
        },
        turn: allocated(|p| p.turn),
        idle: match rates.bill_idle {
            BillIdle::Full => allocated(|p| p.idle),
            BillIdle::None => 0.0,
        },
        pool: match rates.bill_from {
            BillFrom::Create => allocated(|p| p.pool) + allocated(|p| p.pool_starting),
            BillFrom::Ready => allocated(|p| p.pool),
        },
        sessions: usage.sessions_started * rates.session.base(),
    }
}

/// Cost of uncached prompt, cached prompt and output tokens of one model.
fn token_cost(used: &TokenLedger, card: &ModelRates) -> [f64; 3] {
    let cached = card.cached.unwrap_or(card.input);
    let prices = [card.input, cached, card.output].map(Quantity::base);
    let (long, long_card) = match (&used.long, &card.long_context) {
        (Some(long), Some(long_card)) if long.above == long_card.above.0 => (*long, long_card),
        _ => return times([used.input - used.cached, used.cached, used.output], prices),
    };
    let long_cached = long_card.cached.unwrap_or(long_card.input);
    let long_prices = [long_card.input, long_cached, long_card.output].map(Quantity::base);
    let (input, cached) = (used.input - long.input, used.cached - long.cached);
    let short = times([input - cached, cached, used.output - long.output], prices);
    let dear = times([long.input - long.cached, long.cached, long.output], long_prices);
    [short[0] + dear[0], short[1] + dear[1], short[2] + dear[2]]
}

fn times(amounts: [f64; 3], prices: [f64; 3]) -> [f64; 3] {
    [amounts[0] * prices[0], amounts[1] * prices[1], amounts[2] * prices[2]]
}

/// Whether the card has a price for long prompts that this ledger cannot be charged: the run did not
/// count at that length.
fn long_unknown(used: &TokenLedger, card: &ModelRates) -> bool {
    let counted = used.long.map(|long| long.above);
    card.long_context.as_ref().is_some_and(|long| counted != Some(long.above.0))
}

/// What was used and has no price at all.
fn without_price(usage: &Usage, rates: &Rates) -> Vec<String> {
    let mut names = Vec::new();
    let card = &rates.platform.compute;
    let used = usage.vcpu_seconds.total() > 0.0 || usage.gib_seconds.total() > 0.0;
    let hosts_paid = rates.hosts.values().any(|host| host.price.base() > 0.0);
    if used
        && !hosts_paid
        && card.vcpu.base() == 0.0
        && card.memory.base() == 0.0
        && card.session.base() == 0.0
    {
        names.push("compute".to_owned());
    }
    if usage.archived_byte_seconds > 0.0 && rates.platform.archive.base() == 0.0 {
        names.push("archive".to_owned());
    }
    if usage.snapshot_byte_seconds > 0.0 && rates.platform.storage.base() == 0.0 {
        names.push("storage".to_owned());
    }
    for (model, used) in &usage.tokens {
        let free = |card: &ModelRates| card.input.base() == 0.0 && card.output.base() == 0.0;
        if used.input + used.output > 0.0 && rates.models.get(model).is_none_or(free) {
            names.push(format!("tokens of {model}"));
        } else if rates.models.get(model).is_some_and(|card| long_unknown(used, card)) {
            names.push(format!("long prompts of {model} (not counted at this length)"));
        }
    }
    names
}

fn over(amount: f64, by: f64) -> Option<f64> {
    (by > 0.0).then(|| amount / by)
}
