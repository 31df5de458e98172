//! What sandboxes cost: by what they are given, by what they use, by the session.

use super::line::{Part, Price, Sheet};
use super::metered::{ConsumedLedger, RoundedLedger};
use super::usage::{Phases, Usage};
use crate::scenario::types::{
    BillFrom, BillIdle, ComputeRates, ComputeShape, FreeGrant, MemoryLevel, SessionPrice,
};
use crate::units::{PricePerByteTime, PricePerTime, Quantity};

const GIB: f64 = 1_073_741_824.0;
/// Seconds in the billing month: 30 days.
const MONTH_SECONDS: f64 = 30.0 * 86_400.0;

/// What the holder of a slot was doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Starting,
    Turn,
    Idle,
    PoolStarting,
    Pool,
}

impl Phase {
    const ALL: [Phase; 5] =
        [Phase::Starting, Phase::Turn, Phase::Idle, Phase::PoolStarting, Phase::Pool];

    fn of(self, phases: &Phases) -> f64 {
        match self {
            Phase::Starting => phases.starting,
            Phase::Turn => phases.turn,
            Phase::Idle => phases.idle,
            Phase::PoolStarting => phases.pool_starting,
            Phase::Pool => phases.pool,
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Phase::Starting => "while starting",
            Phase::Turn => "in turns",
            Phase::Idle => "while idle",
            Phase::PoolStarting => "of pool places while starting",
            Phase::Pool => "of ready pool places",
        }
    }
}

/// Something that is charged by the time that slots are held.
struct Charge {
    what: &'static str,
    unit: &'static str,
    used: Phases,
    /// What rounding up adds.
    surplus: Phases,
    price: Price,
    /// Idle sandboxes have another price.
    idle_price: Option<Price>,
    /// Free in the measured time.
    free: f64,
    free_unit: &'static str,
}

/// Adds the lines of compute on an elastic platform. What is paid in turns during which no CPU is
/// served, were none ever served: the base of the waiting share.
pub(super) fn lines(usage: &Usage, card: &ComputeRates, sheet: &mut Sheet) -> f64 {
    let mut waiting = 0.0;
    for charge in [vcpu(usage, card), memory(usage, card), session_time(usage, card)] {
        let Some(charge) = charge else { continue };
        let in_turns = charge.lines(card, sheet);
        if !(card.shape.is_active_cpu() && charge.unit == VCPU) {
            waiting += in_turns;
        }
    }
    if let SessionPrice::Each(each) = card.session {
        let price =
            Price::new("platform.rates.compute.session", each, "sessions", (each.base(), 1.0));
        sheet.add(Part::Compute, "sessions started", usage.sessions_started, &price, "each once");
    }
    waiting
}

const VCPU: &str = "vCPU-h";
const MEMORY: &str = "GiB-h";
const TIME: &str = "sandbox-h";

fn vcpu(usage: &Usage, card: &ComputeRates) -> Option<Charge> {
    let surplus = rounded(usage, card).map(|rounded| rounded.vcpu_seconds);
    let (what, used, surplus) = match card.shape {
        ComputeShape::Allocated => ("vCPU", usage.vcpu_seconds, surplus.unwrap_or_default()),
        ComputeShape::ActiveCpuProvisionedMemory | ComputeShape::ActiveCpuConsumedMemory => {
            let served = Phases { turn: usage.active_cpu(), ..Phases::default() };
            ("CPU served", served, Phases::default())
        }
        ComputeShape::Session => return None,
    };
    let per_time = |key: &str, price: PricePerTime| {
        Price::hourly(format!("platform.rates.compute.{key}"), price.base(), VCPU)
    };
    let idle_price = match card.bill_idle {
        BillIdle::Rates(idle) => Some(per_time("bill_idle.vcpu", idle.vcpu)),
        BillIdle::Full | BillIdle::None => None,
    };
    let FreeGrant { vcpu_seconds, .. } = card.free;
    let price = per_time("vcpu", card.vcpu);
    let free = granted(vcpu_seconds.0, usage);
    let (unit, free_unit) = (VCPU, "vcpu_seconds");
    Some(Charge { what, unit, used, surplus, price, idle_price, free, free_unit })
}

fn memory(usage: &Usage, card: &ComputeRates) -> Option<Charge> {
    let rounded = rounded(usage, card);
    let (what, used, surplus) = match card.shape {
        ComputeShape::Allocated | ComputeShape::ActiveCpuProvisionedMemory => {
            let surplus = rounded.map(|rounded| rounded.gib_seconds);
            ("memory", usage.gib_seconds, surplus.unwrap_or_default())
        }
        ComputeShape::ActiveCpuConsumedMemory => {
            let (consumed, held) = (consumed(usage, card)?, usage.sandbox_seconds.as_ref()?);
            let floor = consumed.floor_bytes as f64 / GIB;
            let used = held.times(floor).plus(&consumed.gib_seconds_above);
            // Nothing runs in the time that rounding adds: the floor is consumed.
            let surplus = rounded.map(|rounded| rounded.seconds.times(floor));
            ("memory consumed", used, surplus.unwrap_or_default())
        }
        ComputeShape::Session => return None,
    };
    let per_gib = |key: &str, price: PricePerByteTime| {
        Price::hourly(format!("platform.rates.compute.{key}"), price.base() * GIB, MEMORY)
    };
    let idle_price = match card.bill_idle {
        BillIdle::Rates(idle) => Some(per_gib("bill_idle.memory", idle.memory)),
        BillIdle::Full | BillIdle::None => None,
    };
    let price = per_gib("memory", card.memory);
    let free = granted(card.free.gib_seconds.0, usage);
    let (unit, free_unit) = (MEMORY, "gib_seconds");
    Some(Charge { what, unit, used, surplus, price, idle_price, free, free_unit })
}

fn session_time(usage: &Usage, card: &ComputeRates) -> Option<Charge> {
    let price = card.session.per_time()?;
    let used = usage.sandbox_seconds?;
    let surplus = rounded(usage, card).map(|rounded| rounded.seconds).unwrap_or_default();
    let price = Price::hourly("platform.rates.compute.session", price.base(), TIME);
    let (what, unit, idle_price) = ("sandbox time", TIME, None);
    Some(Charge { what, unit, used, surplus, price, idle_price, free: 0.0, free_unit: "" })
}

/// What rounding adds, if the card rounds as the run did.
fn rounded<'a>(usage: &'a Usage, card: &ComputeRates) -> Option<&'a RoundedLedger> {
    let round = card.round?;
    usage.rounded.as_ref().filter(|r| r.round == round && r.bill_from == card.bill_from)
}

/// Memory consumed, if it was recorded as the card charges it.
fn consumed<'a>(usage: &'a Usage, card: &ComputeRates) -> Option<&'a ConsumedLedger> {
    let peak = card.memory_level == MemoryLevel::Peak;
    usage.consumed.as_ref().filter(|c| c.floor_bytes == card.memory_floor.0 && c.peak == peak)
}

/// A monthly grant's share of the measured time.
pub(super) fn granted(per_month: f64, usage: &Usage) -> f64 {
    per_month * usage.measured_s / MONTH_SECONDS
}

impl Charge {
    /// Adds its lines; what those of turns come to, without what rounding adds.
    fn lines(&self, card: &ComputeRates, sheet: &mut Sheet) -> f64 {
        let bills = |phase: Phase| match phase {
            Phase::Starting | Phase::PoolStarting => card.bill_from == BillFrom::Create,
            Phase::Idle => card.bill_idle != BillIdle::None,
            Phase::Turn | Phase::Pool => true,
        };
        let billed: Vec<Phase> = Phase::ALL.into_iter().filter(|phase| bills(*phase)).collect();
        let both = self.used.plus(&self.surplus);
        let sum: f64 = billed.iter().map(|phase| phase.of(&both)).sum();
        let free_share = if sum > 0.0 { (self.free / sum).min(1.0) } else { 0.0 };
        let mut in_turns = 0.0;
        for phase in billed {
            let what = format!("{} {}", self.what, phase.words());
            let amount = self.line(phase, &what, phase.of(&self.used), &self.rule(card), sheet);
            let up = format!("{what}, rounded up");
            self.line(phase, &up, phase.of(&self.surplus), &round_rule(card), sheet);
            let free = -phase.of(&both) * free_share;
            let rule = format!("`free.{}` of 30 days, pro rata", self.free_unit);
            self.line(phase, &format!("{what}, free"), free, &rule, sheet);
            if phase == Phase::Turn {
                in_turns = amount * (1.0 - free_share);
            }
        }
        in_turns
    }

    fn line(&self, phase: Phase, what: &str, quantity: f64, rule: &str, sheet: &mut Sheet) -> f64 {
        match phase {
            Phase::Idle => {
                let price = self.idle_price.as_ref().unwrap_or(&self.price);
                sheet.add_idle(what, quantity, price, rule)
            }
            Phase::Pool | Phase::PoolStarting => {
                sheet.add(Part::Pool, what, quantity, &self.price, rule)
            }
            Phase::Starting | Phase::Turn => {
                sheet.add(Part::Compute, what, quantity, &self.price, rule)
            }
        }
    }

    fn rule(&self, card: &ComputeRates) -> String {
        let from = match card.bill_from {
            BillFrom::Ready => "ready",
            BillFrom::Create => "create",
        };
        if self.unit == VCPU && card.shape.is_active_cpu() {
            return card.shape.name().to_owned();
        }
        format!("{}, from {from}", card.shape.name())
    }
}

fn round_rule(card: &ComputeRates) -> String {
    let round = card.round.unwrap_or_default();
    match (round.to.is_zero(), round.min.is_zero()) {
        (false, true) => format!("each holding to a multiple of {}", round.to),
        (true, _) => format!("each holding to {} at least", round.min),
        (false, false) => {
            format!("each holding to a multiple of {}, {} at least", round.to, round.min)
        }
    }
}

/// Quantities that the card charges by and the ledger was recorded without.
pub(super) fn lacks(usage: &Usage, card: &ComputeRates) -> Vec<String> {
    let mut lacks = Vec::new();
    let consumes = card.shape == ComputeShape::ActiveCpuConsumedMemory;
    let consumes = consumes && card.memory.base() > 0.0;
    if consumes && consumed(usage, card).is_none() {
        lacks.push(format!("memory consumed above {}", card.memory_floor));
    }
    let by_time = consumes || card.session.per_time().is_some();
    if by_time && usage.sandbox_seconds.is_none() {
        lacks.push("sandbox time".to_owned());
    }
    if let Some(round) = card.round
        && !(round.to.is_zero() && round.min.is_zero())
        && rounded(usage, card).is_none()
    {
        lacks.push(format!("holdings rounded up ({})", round_rule(card)));
    }
    lacks
}
