//! Lines of a cost: each amount with the quantity, the price and the rule that make it.

use serde::{Deserialize, Serialize};

use crate::scenario::Origin;
use crate::units::{PricePerTime, Quantity};

const HOUR: f64 = 3600.0;
/// The billing month: 30 days.
const MONTH: f64 = 30.0 * 86_400.0;

/// A part of the cost: all parts sum to `tco`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the fields of `Cost` of the same names say it")]
pub enum Part {
    Compute,
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
}

impl Part {
    /// All of them, in the order of the record.
    pub const ALL: [Part; 13] = [
        Part::Compute,
        Part::Pool,
        Part::Storage,
        Part::StorageRequests,
        Part::Requests,
        Part::Egress,
        Part::TokensInput,
        Part::TokensCached,
        Part::TokensOutput,
        Part::Provisioned,
        Part::Telemetry,
        Part::PlatformFee,
        Part::Management,
    ];

    /// The key in the record.
    pub const fn name(self) -> &'static str {
        match self {
            Part::Compute => "compute",
            Part::Pool => "pool",
            Part::Storage => "storage",
            Part::StorageRequests => "storage_requests",
            Part::Requests => "requests",
            Part::Egress => "egress",
            Part::TokensInput => "tokens_input",
            Part::TokensCached => "tokens_cached",
            Part::TokensOutput => "tokens_output",
            Part::Provisioned => "provisioned",
            Part::Telemetry => "telemetry",
            Part::PlatformFee => "platform_fee",
            Part::Management => "management",
        }
    }
}

/// One amount: `quantity` × `price`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CostLine {
    /// The part of the cost that it belongs to.
    pub part: Part,
    /// It is paid for idle sandboxes: part of `compute_idle`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub idle: bool,
    /// What was used.
    pub what: String,
    /// How much of it; less than nothing for what is free.
    pub quantity: f64,
    /// The unit of the quantity.
    pub unit: String,
    /// The price as the rate card gives it.
    pub rate: String,
    /// The price of one unit of the quantity.
    pub price: f64,
    /// `quantity` × `price`.
    pub amount: f64,
    /// The rule by which it is charged.
    pub rule: String,
    /// Where the price stands: its path in the scenario.
    pub key: String,
    /// Where it comes from, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Origin>,
}

/// A price: where it stands, how it is written, and what one unit costs.
#[derive(Clone, Debug)]
pub(super) struct Price {
    key: String,
    rate: String,
    unit: &'static str,
    /// Base units in the unit that the rate is for.
    per: f64,
    each: f64,
}

impl Price {
    /// A price of `base` for each base unit, that is written for a unit of `per` of them.
    pub fn new(
        key: impl Into<String>,
        rate: impl std::fmt::Display,
        unit: &'static str,
        (base, per): (f64, f64),
    ) -> Self {
        Price { key: key.into(), rate: rate.to_string(), unit, per, each: base * per }
    }

    /// A price for time, written for an hour of `unit`, such as `vCPU-h`.
    pub fn hourly(key: impl Into<String>, base: f64, unit: &'static str) -> Self {
        // Cards write `$0.0994/h` for a vCPU, a host or a sandbox.
        let written = if unit.starts_with("GiB") { unit } else { "h" };
        let rate = for_one(base * HOUR, written);
        Price::new(key, rate, unit, (base, HOUR))
    }

    /// A price for 30 days of `unit`, such as `GiB-month`.
    pub fn monthly(key: impl Into<String>, base: f64, unit: &'static str) -> Self {
        Price::new(key, for_one(base * MONTH, unit), unit, (base, MONTH))
    }
}

/// `$0.0994/h`: the amount in twelve digits, as prices read back.
fn for_one(amount: f64, unit: &str) -> String {
    let text = PricePerTime::from_base(amount / HOUR).to_string();
    format!("{}/{unit}", text.trim_end_matches("/h"))
}

/// The lines so far.
#[derive(Debug, Default)]
pub(super) struct Sheet {
    pub lines: Vec<CostLine>,
}

impl Sheet {
    /// Adds a line and says what it comes to. What was not used or costs nothing has none.
    pub fn add(
        &mut self,
        part: Part,
        what: impl Into<String>,
        quantity: f64,
        price: &Price,
        rule: impl Into<String>,
    ) -> f64 {
        let quantity = quantity / price.per;
        let amount = quantity * price.each;
        if amount != 0.0 {
            self.lines.push(CostLine {
                part,
                idle: false,
                what: what.into(),
                quantity,
                unit: price.unit.to_owned(),
                rate: price.rate.clone(),
                price: price.each,
                amount,
                rule: rule.into(),
                key: price.key.clone(),
                source: None,
            });
        }
        amount
    }

    /// The line just added is paid for idle sandboxes.
    pub fn add_idle(
        &mut self,
        what: impl Into<String>,
        quantity: f64,
        price: &Price,
        rule: impl Into<String>,
    ) -> f64 {
        let before = self.lines.len();
        let amount = self.add(Part::Compute, what, quantity, price, rule);
        self.lines[before..].iter_mut().for_each(|line| line.idle = true);
        amount
    }

    /// What the lines of a part come to.
    pub fn sum(&self, part: Part) -> f64 {
        // From 0, for the sum of nothing is -0.
        self.lines.iter().filter(|line| line.part == part).fold(0.0, |sum, line| sum + line.amount)
    }

    /// What the lines of idle sandboxes come to.
    pub fn idle(&self) -> f64 {
        self.lines.iter().filter(|line| line.idle).fold(0.0, |sum, line| sum + line.amount)
    }
}
