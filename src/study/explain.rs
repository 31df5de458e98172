//! What a scenario says, in sentences with the numbers that follow from it, and what in it cannot be.
//!
//! Arithmetic on planned sessions at full speed ([`Expectation`]): no waits, no boots, no retries, a prompt
//! cache that forgets nothing. What follows is a floor of the load and of the cost, not a prediction.

use crate::billing::{Cost, Rates, price};
use crate::boundary::{Expr, Extent, Quantity, Stat, Unit};
use crate::conduct::Setup;
use crate::measure::record::ScorecardKey;
use crate::measure::{Gauge, Metric};
use crate::scenario::types::{
    Capacity, Expect, IdleThen, Measure, Model, PromptCache, Scenario, Start,
};
use crate::units::Quantity as _;

use super::expectation::{Expectation, Mean, ModelLoad};

const DAY: f64 = 86_400.0;
const MINUTE: f64 = 60.0;

/// A scenario in sentences.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Explanation {
    /// What it says, and what follows.
    pub says: Vec<String>,
    /// What in it cannot be.
    pub contradictions: Vec<String>,
    /// What a day costs at least; `None` without prices or an arrival rate.
    pub floor: Option<Cost>,
}

/// Explains a scenario; `slots` is how many sandboxes there can be at once.
pub fn explain(
    scenario: &Scenario,
    setup: &Setup,
    expected: &Expectation,
    slots: Option<u64>,
) -> Explanation {
    let floor = floor(scenario, expected);
    let told = Told { scenario, setup, expected, slots, floor: floor.as_ref() };
    let says = [told.demand(), told.load(), told.tokens(), told.idle(), told.cost(), told.time()];
    Explanation {
        says: says.into_iter().flatten().chain(told.compared()).collect(),
        contradictions: told.contradictions(),
        floor,
    }
}

/// The least that a day costs: the sessions' turns, tokens and tools alone, at the scenario's prices.
fn floor(scenario: &Scenario, expected: &Expectation) -> Option<Cost> {
    let usage = expected.usage(scenario, DAY)?;
    let cost = price(&usage, &Rates::of(scenario));
    (cost.tco > 0.0).then_some(cost)
}

struct Told<'a> {
    scenario: &'a Scenario,
    setup: &'a Setup,
    expected: &'a Expectation,
    slots: Option<u64>,
    floor: Option<&'a Cost>,
}

fn count(value: f64) -> String {
    Unit::Count.show(value)
}

fn time(seconds: f64) -> String {
    Unit::Time.show(seconds)
}

fn money(amount: f64) -> String {
    Unit::Money.show(amount)
}

impl Told<'_> {
    /// Mean arrivals a second.
    fn rate(&self) -> Option<f64> {
        self.expected.rate.map(|rate| rate.base())
    }

    fn demand(&self) -> Option<String> {
        let Expectation { turns, length_s, in_turn_s, .. } = self.expected;
        let come = match (self.setup.population, self.rate(), self.setup.sessions) {
            (Some(population), ..) => {
                format!("{population} sessions are always open, one coming as another leaves")
            }
            (_, Some(rate), _) => format!("{} sessions arrive a day", count(rate * DAY)),
            (_, _, Some(sessions)) => format!("{sessions} recorded sessions arrive as recorded"),
            _ => return None,
        };
        Some(format!(
            "{come}; each has {} turns and lasts {} at full speed, {} of that in turns, the rest thinking.",
            count(turns.value),
            time(length_s.value),
            time(in_turn_s.value)
        ))
    }

    fn load(&self) -> Option<String> {
        let (open, in_turn) = (self.expected.open_sessions()?, self.expected.in_turn()?);
        let slots =
            self.slots.map(|slots| format!(", for which there are {slots} {}", self.places()));
        Some(format!(
            "So {} sessions are open at once (Little's law: arrivals × length), and {} of them are in a turn: that is \
             the load offered to sandboxes{}.",
            count(open),
            count(in_turn),
            slots.unwrap_or_default()
        ))
    }

    fn tokens(&self) -> Option<String> {
        let rate = self.rate()?;
        let mut parts = Vec::new();
        for load in &self.expected.models {
            let tokens = (load.prompt.value + load.output.value) * rate;
            let cached = match load.cached.value {
                0.0 => String::new(),
                cached => format!(
                    ", {}% of the prompts from a cache that forgets nothing",
                    count(100.0 * cached / load.prompt.value)
                ),
            };
            parts.push(format!(
                "{} calls and {} tokens a minute to {}, {} tokens a day{cached}",
                count(load.calls.value * rate * MINUTE),
                count(tokens * MINUTE),
                load.model,
                count(tokens * DAY)
            ));
        }
        (!parts.is_empty()).then(|| format!("They send {}.", parts.join("; ")))
    }

    fn idle(&self) -> Option<String> {
        let platform = &self.scenario.platform;
        let after = match (platform.idle.then, platform.idle.timeout) {
            (IdleThen::Keep, _) | (_, None) => {
                "is kept as long as its session is open, and paid for".to_owned()
            }
            (IdleThen::Kill, Some(timeout)) => {
                format!("is thrown away, with its state, after {timeout} without a turn")
            }
            (IdleThen::Hibernate, Some(timeout)) => {
                let kept = platform.retention.get();
                let kept = kept.map_or("for ever".to_owned(), |kept| format!("for {kept}"));
                format!("is hibernated after {timeout} without a turn, and its state kept {kept}")
            }
        };
        let abandoned = self.setup.classes.iter().any(|class| class.abandon > 0.0);
        let abandoned =
            if abandoned { "; abandoned sessions are paid for as silent ones" } else { "" };
        Some(format!("A sandbox {after}{abandoned}."))
    }

    fn cost(&self) -> Option<String> {
        let floor = self.floor?;
        let tokens = floor.tokens_input + floor.tokens_cached + floor.tokens_output;
        let each = floor.per_session.map(|each| format!(", {} a session", money(each)));
        Some(format!(
            "A day costs at least {}{}: {} of it for tokens, {} for sandboxes in turns and hosts that are always up; \
             idle sandboxes, starts, storage, retries and a cache that forgets come on top.",
            money(floor.tco),
            each.unwrap_or_default(),
            money(tokens + floor.provisioned),
            money(floor.compute)
        ))
    }

    fn time(&self) -> Option<String> {
        let experiment = &self.scenario.experiment;
        let Measure::For(measure) = experiment.measure else {
            return Some("It is measured until the last session has left.".to_owned());
        };
        let Some((what, lasts)) = self.longest() else {
            return Some(format!("{measure} are measured."));
        };
        let stock = if lasts <= measure.seconds() {
            String::new()
        } else if experiment.start == Start::Steady {
            "; that is longer, so what was left before the start is put there by Little's law"
                .to_owned()
        } else {
            "; that is longer, so the run ends while such stocks still fill".to_owned()
        };
        Some(format!(
            "{measure} are measured; the longest lifetime that is billed is {what}, {}{stock}.",
            time(lasts)
        ))
    }

    /// The longest lifetime that is billed, and its length in seconds; `None` if there is none.
    fn longest(&self) -> Option<(&'static str, f64)> {
        let platform = &self.scenario.platform;
        let hibernates = platform.idle.then == IdleThen::Hibernate;
        let retention = platform.retention.get().filter(|_| hibernates);
        let round = platform.rates.compute.round;
        let lives = [
            ("the retention of snapshots", retention.map(|span| span.seconds())),
            ("the idle timeout", platform.idle.timeout.map(|span| span.seconds())),
            ("a rounded holding", round.map(|round| round.to.seconds())),
            ("a session", Some(self.expected.length_s.value)),
        ];
        let lives = lives.into_iter().filter_map(|(what, lasts)| Some((what, lasts?)));
        lives.max_by(|a, b| a.1.total_cmp(&b.1))
    }

    fn compared(&self) -> Option<String> {
        let other = self.scenario.of_baseline()?;
        Some(format!(
            "The same sessions also run on the baseline, {}, with the same draws.",
            other.platform.isolation.name()
        ))
    }

    fn contradictions(&self) -> Vec<String> {
        let mut found = Vec::new();
        self.against_platform(&mut found);
        for load in &self.expected.models {
            if let Some(model) = self.scenario.models.get(&load.model) {
                self.against_quota(load, model, &mut found);
            }
        }
        self.against_time(&mut found);
        for (name, boundary) in &self.scenario.boundaries {
            let spec = &boundary.0;
            if let (Ok(expr), None, Expect::Holds) =
                (Expr::parse(&spec.require), &spec.during, spec.expect)
            {
                found.extend(self.against_boundary(name, &expr));
            }
        }
        found
    }

    fn against_platform(&self, found: &mut Vec<String>) {
        let Some(rate) = self.rate() else { return };
        let in_turn = self.expected.in_turn().unwrap_or_default();
        if let Some(slots) = self.slots.filter(|slots| in_turn > *slots as f64) {
            let (who, places) = (self.occupants(), self.places());
            found.push(format!(
                "{who} in turns alone are {}, more than the {slots} {places} there are: the queue grows without bound, \
                 or turns sessions away",
                count(in_turn)
            ));
        }
        let seats = self.scenario.platform.isolation.seats();
        let Capacity::Elastic(elastic) = &self.scenario.platform.capacity else { return };
        let [vcpu, gib] = [self.expected.vcpu_s, self.expected.gib_s]
            .map(|mean| mean.value * rate / f64::from(seats));
        if let Some(limit) = elastic.vcpu.filter(|limit| vcpu > limit.0) {
            found.push(format!(
                "sandboxes in turns hold {} vCPUs, more than `capacity.elastic.vcpu` of {limit}",
                count(vcpu)
            ));
        }
        if let Some(limit) = elastic.memory.filter(|limit| gib > limit.gib()) {
            found.push(format!(
                "sandboxes in turns hold {} GiB, more than `capacity.elastic.memory` of {limit}",
                count(gib)
            ));
        }
        // A sandbox with seats may serve any number of sessions, one after the other.
        if let Some(limit) = &elastic.create_rate
            && seats == 1
            && rate > limit.limit.per_second()
        {
            found.push(format!(
                "{} sessions arrive a second, and each needs a sandbox, but `capacity.elastic.create_rate` lets {} start",
                count(rate),
                limit.limit
            ));
        }
    }

    /// What a place for a session is called.
    fn places(&self) -> &'static str {
        if self.scenario.platform.isolation.seats() > 1 { "seats" } else { "slots" }
    }

    fn occupants(&self) -> &'static str {
        if self.scenario.platform.isolation.seats() > 1 { "sessions" } else { "sandboxes" }
    }

    fn against_quota(&self, load: &ModelLoad, model: &Model, found: &mut Vec<String>) {
        let Some(rate) = self.rate() else { return };
        let ModelLoad { model: name, calls, prompt, output, busy_s, .. } = load;
        let tokens = (prompt.value + output.value) * rate * MINUTE;
        let quota = &model.quota;
        let place = format!("models.{name}.quota");
        // What is reserved takes its part first; how much depends on when calls come.
        if model.provisioned.as_ref().is_none_or(|reserved| !reserved.spill_over) {
            let asked = [
                ("rpm", "calls a minute", calls.value * rate * MINUTE, quota.rpm.get()),
                ("tpm", "tokens a minute", tokens, quota.tpm.get()),
                ("concurrency", "calls at once", busy_s.value * rate, quota.concurrency.get()),
            ];
            for (key, what, asked, limit) in asked {
                if let Some(limit) = limit.filter(|limit| asked > *limit as f64) {
                    found.push(format!(
                        "`{place}.{key}` is {}, but {} {what} are asked for on average",
                        count(limit as f64),
                        count(asked)
                    ));
                }
            }
        }
        if let Some(reserved) = model.provisioned.as_ref().filter(|p| !p.spill_over) {
            let uncached = prompt.value - load.cached.value;
            let charged = uncached
                + load.cached.value * reserved.cached_weight.0
                + output.value * reserved.output_weight.0;
            let charged = charged * rate * MINUTE;
            if charged > reserved.per_minute() {
                found.push(format!(
                    "`models.{name}.provisioned` serves {} tokens a minute and nothing spills over, but {} are asked for \
                     on average",
                    count(reserved.per_minute()),
                    count(charged)
                ));
            }
        }
    }

    fn against_time(&self, found: &mut Vec<String>) {
        let Measure::For(measure) = self.scenario.experiment.measure else { return };
        let measure = measure.seconds();
        let length = self.expected.length_s.value;
        if length > measure {
            found.push(format!(
                "a session lasts {} on average, longer than the {} that are measured: of most only a part is seen",
                time(length),
                time(measure)
            ));
        }
        if let Some(round) = self.scenario.platform.rates.compute.round
            && round.to.seconds() > measure
        {
            found.push(format!(
                "each holding is rounded up to {}, longer than the {} that are measured",
                round.to,
                time(measure)
            ));
        }
    }

    /// A boundary that arithmetic alone breaks: its quantity cannot be below a floor.
    fn against_boundary(&self, name: &str, expr: &Expr) -> Option<String> {
        if expr.change || !expr.comparison.wants_less() {
            return self.out_of_reach(name, expr);
        }
        let (least, what) = self.least(expr.quantity)?;
        (least > expr.threshold).then(|| {
            let unit = expr.unit();
            format!(
                "boundary `{name}` wants {}, but {what} is {} already",
                expr.text.trim(),
                unit.show(least)
            )
        })
    }

    /// The least that a quantity can be, by arithmetic.
    fn least(&self, quantity: Quantity) -> Option<(f64, &'static str)> {
        let low = |mean: Mean, times: f64| mean.ci95.map_or(mean.value, |ci| ci[0]) * times;
        let Expectation { turns, length_s, in_turn_s, .. } = self.expected;
        let rate = self.rate();
        match quantity {
            Quantity::Metric(Metric::Session, Stat::Mean) => {
                Some((low(*length_s, 1.0), "the mean session at full speed"))
            }
            Quantity::Metric(Metric::Turn, Stat::Mean) => {
                Some((low(*in_turn_s, 1.0) / turns.value, "the mean turn at full speed"))
            }
            Quantity::Metric(Metric::ColdStart, stat) if stat != Stat::Count => Some((
                self.certain_start(),
                "what the stages of a start with a certain length take",
            )),
            Quantity::Gauge(Gauge::SessionsOpen, Extent::Mean | Extent::Max) => {
                Some((low(*length_s, rate?), "what Little's law gives at full speed"))
            }
            Quantity::Gauge(Gauge::SessionsInTurn, Extent::Mean | Extent::Max) => {
                Some((low(*in_turn_s, rate?), "what Little's law gives at full speed"))
            }
            Quantity::Cost(key) => {
                let floor = self.floor?.get(key)?;
                (!key.is_share() && !key.is_of_a_run()).then_some((floor, "the cost floor"))
            }
            Quantity::Score(ScorecardKey::TokenOutputRatio) => {
                let all = self.expected.models.iter();
                let (fresh, out) = all.fold((0.0, 0.0), |(fresh, out), load| {
                    (fresh + load.prompt.value - load.cached.value, out + load.output.value)
                });
                (out > 0.0)
                    .then_some(((fresh + out) / out, "the ratio with a cache that forgets nothing"))
            }
            _ => None,
        }
    }

    /// The stages of a cold start whose length is certain, one after the other, in seconds.
    fn certain_start(&self) -> f64 {
        let tier = &self.setup.tier;
        // Drift makes some days faster; an image may be there already.
        if tier.drift.is_some() {
            return 0.0;
        }
        let stages = [&tier.schedule, &tier.boot, &tier.harness];
        stages.into_iter().filter_map(|stage| stage.as_constant()).map(|s| s.seconds()).sum()
    }

    /// A number of sessions that is asked for and does not come.
    fn out_of_reach(&self, name: &str, expr: &Expr) -> Option<String> {
        let (Quantity::Gauge(Gauge::SessionsOpen, Extent::Mean), Some(rate), false) =
            (expr.quantity, self.rate(), expr.change)
        else {
            return None;
        };
        let length = self.expected.length_s;
        let high = length.ci95.map_or(length.value, |ci| ci[1]) * rate;
        (high < expr.threshold).then(|| {
            format!(
                "boundary `{name}` wants {}, but Little's law gives {} open sessions: only waiting could make it more",
                expr.text.trim(),
                count(length.value * rate)
            )
        })
    }
}

/// Whether a model's prompts are cached at all.
pub(super) fn caches(model: &Model) -> bool {
    model.prompt_cache != PromptCache::None
}
