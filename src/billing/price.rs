//! Applying a rate card to a ledger.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::cost::Cost;
use super::line::{Part, Price, Sheet};
use super::usage::Usage;
use super::{compute, hosts, tokens};
use crate::scenario::types::{Capacity, ComputeShape, ModelRates, RateCard, Scenario};
use crate::units::{PricePerByte, PricePerByteTime, PricePerCall, PricePerTime, Quantity, Span};

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
/// Every amount is a sum of lines, quantity × price. Cached prompt tokens cost the `cached` price, by
/// default the uncached one. `tokens_input` is the uncached part alone, `tokens_cached` the cached
/// part; all tokens of a call with a long prompt cost the card's `long_context` prices. The price per
/// session is part of `compute`. What the ledger was recorded without is in `unpriced`.
pub fn price(usage: &Usage, rates: &Rates) -> Cost {
    let mut sheet = Sheet::default();
    let waiting = compute::lines(usage, &rates.platform.compute, &mut sheet);
    let unreserved = hosts::lines(usage, rates, &mut sheet);
    stores(usage, &rates.platform, &mut sheet);
    requests(usage, &rates.platform, &mut sheet);
    for (model, used) in &usage.tokens {
        if let Some(card) = rates.models.get(model) {
            tokens::lines(model, used, card, &mut sheet);
        }
    }
    overheads(usage, rates, &mut sheet);
    let mut cost = Cost::of(rates.clone(), &sheet);
    cost.compute_unreserved = unreserved;
    cost.per_session = over(cost.tco, usage.sessions_completed);
    cost.per_turn = over(cost.tco, usage.turns);
    let day = Span::from_secs(86_400).seconds();
    cost.per_day = over(cost.tco * day, usage.measured_s);
    cost.per_month = over(cost.tco * day * 30.0, usage.measured_s);
    cost.idle_cost_share = over(cost.idle(), cost.tco);
    let unserved =
        over(usage.cpu_seconds_served, usage.vcpu_seconds.turn).map(|busy| (1.0 - busy).max(0.0));
    cost.turn_wait_cost_share = unserved.and_then(|share| over(waiting * share, cost.tco));
    cost.unpriced = without_price(usage, rates);
    cost.lines = sheet.lines;
    cost
}

/// Quantities that these rates charge by and the ledger was recorded without: the cost would be
/// wrong.
pub fn lacks(usage: &Usage, rates: &Rates) -> Vec<String> {
    let mut lacks = compute::lacks(usage, &rates.platform.compute);
    lacks.extend(tokens::lacks(usage, &rates.models));
    lacks
}

/// Stored and archived snapshots, and requests to their store.
fn stores(usage: &Usage, card: &RateCard, sheet: &mut Sheet) {
    let stored = |name: &str, price: PricePerByteTime| {
        Price::monthly(format!("platform.rates.{name}"), price.base() * GIB, "GiB-month")
    };
    let kept = usage.snapshot_byte_seconds / GIB;
    let rule = "while they lie there";
    sheet.add(Part::Storage, "snapshots", kept, &stored("storage", card.storage), rule);
    let archived = usage.archived_byte_seconds / GIB;
    let price = stored("archive", card.archive);
    sheet.add(Part::Storage, "archived snapshots", archived, &price, rule);
    let each = |name: &str, price: PricePerCall| {
        let key = format!("platform.rates.storage_requests.{name}");
        Price::new(key, price, "requests", (price.base(), 1.0))
    };
    let (put, get) = (card.storage_requests.put, card.storage_requests.get);
    let part = Part::StorageRequests;
    sheet.add(part, "snapshots put", usage.snapshots_put, &each("put", put), "each");
    sheet.add(part, "snapshots got", usage.snapshots_got, &each("get", get), "each restore");
}

/// Requests to the platform, and what leaves it.
fn requests(usage: &Usage, card: &RateCard, sheet: &mut Sheet) {
    let each = |name: &str, price: PricePerCall| {
        let key = format!("platform.rates.requests.{name}");
        Price::new(key, price, "requests", (price.base(), 1.0))
    };
    let (turn, tool_call) = (card.requests.turn, card.requests.tool_call);
    sheet.add(Part::Requests, "turns", usage.turns, &each("turn", turn), "a request each");
    let price = each("tool_call", tool_call);
    sheet.add(Part::Requests, "tool calls", usage.tool_calls, &price, "a request each");
    let Some(egress) = &card.egress else { return };
    let prompts: f64 = usage.tokens.values().map(|tokens| tokens.input).sum();
    let gib = prompts * egress.bytes_per_token.base() / GIB;
    let price = egress.price.base() * GIB;
    let price = Price::new("platform.rates.egress.price", egress.price, "GiB", (price, 1.0));
    let rule = format!("prompt tokens of {} each", egress.bytes_per_token);
    sheet.add(Part::Egress, "prompts sent", gib, &price, rule);
    let free = (compute::granted(egress.free.gib(), usage)).min(gib);
    let rule = "`egress.free` of 30 days, pro rata";
    sheet.add(Part::Egress, "prompts sent, free", -free, &price, rule);
}

/// Telemetry, people, the plan.
fn overheads(usage: &Usage, rates: &Rates, sheet: &mut Sheet) {
    let key = "platform.governance.telemetry.price";
    let price = Price::new(key, rates.telemetry, "GiB", (rates.telemetry.base(), GIB));
    let rule = "bytes of an event × events";
    sheet.add(Part::Telemetry, "telemetry", usage.telemetry_bytes, &price, rule);
    let fee = rates.platform.platform_fee;
    let price = Price::monthly("platform.rates.platform_fee", fee.base(), "month");
    sheet.add(Part::PlatformFee, "the plan", usage.measured_s, &price, "the measured time");
    let key = "platform.governance.management.hourly_rate";
    let price = Price::hourly(key, rates.management.base(), "h");
    let rule = "policies × changes × time × interfaces";
    sheet.add(Part::Management, "work on policies", usage.management_seconds, &price, rule);
}

/// What was used and has no price at all, or cannot be charged as the card wants.
fn without_price(usage: &Usage, rates: &Rates) -> Vec<String> {
    let mut names = Vec::new();
    let card = &rates.platform.compute;
    let used = usage.vcpu_seconds.total() > 0.0 || usage.gib_seconds.total() > 0.0;
    let hosts_paid = rates.hosts.values().any(|host| host.price.base() > 0.0);
    let by_resource =
        card.shape != ComputeShape::Session && (card.vcpu.base() > 0.0 || card.memory.base() > 0.0);
    if used && !hosts_paid && !by_resource && card.session.is_zero() {
        names.push("compute".to_owned());
    }
    names.extend(lacks(usage, rates).into_iter().map(|what| format!("{what} (not recorded)")));
    if usage.archived_byte_seconds > 0.0 && rates.platform.archive.base() == 0.0 {
        names.push("archive".to_owned());
    }
    if usage.snapshot_byte_seconds > 0.0 && rates.platform.storage.base() == 0.0 {
        names.push("storage".to_owned());
    }
    names.extend(tokens::unpriced(usage, &rates.models));
    names
}

fn over(amount: f64, by: f64) -> Option<f64> {
    (by > 0.0).then(|| amount / by)
}
