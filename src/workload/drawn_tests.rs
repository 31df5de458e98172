use super::*;
use crate::units::{Bytes, Quantity, Ratio, Tokens};
use crate::workload::plan::Plans;
use std::sync::Arc;

fn yaml<T: serde::de::DeserializeOwned>(text: &str) -> T {
    serde_yaml::from_str(text).unwrap()
}

/// Two classes, one that draws everything and one of constants.
pub(crate) fn classes() -> IndexMap<String, Class> {
    yaml(
        "
busy:
  share: 70%
  turns: {geometric: {mean: 3}}
  think: {lognormal: {median: 30s, p95: 2m}}
  steps: {poisson: {mean: 2}}
  tokens: {system: 6000, user: {exponential: {mean: 200}}, tool_result: {exponential: {mean: 700}}, output: {exponential: {mean: 400}}}
  tools: {calls: {poisson: {mean: 1.5}}, cores: {uniform: {low: 0.5, high: 2}}, cpu: {exponential: {mean: 2s}}, io_wait: {exponential: {mean: 1s}}, memory: 100MiB, disk_dirty: {exponential: {mean: 1MiB}}}
  abandon: 30%
  model: big
plain:
  share: 30%
  turns: 2
  think: 10s
  steps: 3
  tokens: {system: 1000, user: 100, tool_result: 50, output: 20}
  tools: {calls: 1, cpu: 4s, cores: 2, io_wait: 1s}
  model: small
  sandbox: {vcpu: 2}
",
    )
}

pub(crate) fn models() -> IndexMap<String, Model> {
    yaml(
        "
small: {latency: {base: 1s, per_input: 1ms, per_output: 10ms}, prompt_cache: {lifetime: 5m}}
big: {latency: {base: {exponential: {mean: 2s}}, per_input: 0.5ms, per_output: 20ms}}
",
    )
}

fn plans() -> DrawnPlans {
    DrawnPlans::new(7, &classes(), &models()).unwrap()
}

const PLAIN: ClassId = ClassId(1);
const BUSY: ClassId = ClassId(0);

#[test]
fn classes_come_by_their_shares_and_end_by_theirs() {
    let plans = plans();
    let n = 50_000;
    let outlines: Vec<Outline> = (0..n).map(|s| plans.outline(0, s)).collect();
    let busy = outlines.iter().filter(|o| o.class == BUSY).count() as f64;
    assert!((busy / n as f64 - 0.7).abs() < 4.0 * (0.21 / n as f64).sqrt());
    let left = outlines.iter().filter(|o| o.end == End::Abandon).count() as f64;
    assert!((left / busy - 0.3).abs() < 4.0 * (0.21 / busy).sqrt());
    assert!(outlines.iter().all(|o| o.class == BUSY || o.end == End::Close));
    let turns: f64 = outlines.iter().filter(|o| o.class == BUSY).map(|o| f64::from(o.turns)).sum();
    // Geometric of mean 3 has variance 6.
    assert!((turns / busy - 3.0).abs() < 4.0 * (6.0 / busy).sqrt());
    assert!(outlines.iter().all(|o| o.turns >= 1));
}

#[test]
fn a_session_has_at_least_one_turn() {
    let mut classes = classes();
    classes.retain(|name, _| name == "plain");
    classes["plain"].turns = Dist::constant(Count(0.4));
    let plans = DrawnPlans::new(1, &classes, &models()).unwrap();
    assert_eq!(plans.outline(0, 0).turns, 1);
}

#[test]
fn new_tokens_are_what_enters_with_each_call() {
    let plans = plans();
    let input = |turn, step, ordinal| plans.call(0, 5, PLAIN, StepAt { turn, step, ordinal }).input;
    assert_eq!([input(0, 0, 0), input(0, 1, 1), input(0, 2, 2)], [1_100, 50, 50]);
    assert_eq!([input(1, 0, 3), input(1, 1, 4)], [100, 50]);
    let call = plans.call(0, 5, PLAIN, StepAt { turn: 0, step: 0, ordinal: 0 });
    assert_eq!(call.model, ModelId(0), "`small` is the first model");
    assert_eq!((call.output, call.latency, call.context), (20, None, None));
    assert_eq!(plans.call(0, 5, BUSY, StepAt { turn: 0, step: 0, ordinal: 0 }).model, ModelId(1));
}

#[test]
fn think_time_begins_with_the_second_turn() {
    let plans = plans();
    assert_eq!(plans.think(0, 1, PLAIN, 0), Span::ZERO);
    assert_eq!(plans.think(0, 1, PLAIN, 1), Span::from_secs(10));
    assert_ne!(plans.think(0, 1, BUSY, 1), plans.think(0, 1, BUSY, 2));
}

/// The draw behind each part is the documented one, so that another tool can repeat a plan.
#[test]
fn parts_are_drawn_by_their_documented_keys() {
    let (plans, classes) = (plans(), classes());
    let busy = &classes["busy"];
    let draws = |purpose, index| Draws::new(7, 2, 11, purpose, index);
    let at = StepAt { turn: 1, step: 1, ordinal: 5 };
    let think = busy.think.sample(&mut draws(Purpose::Think, 1));
    assert_eq!(plans.think(2, 11, BUSY, 1), think);
    let steps = busy.steps.sample(&mut draws(Purpose::Steps, 1));
    assert_eq!(plans.steps(2, 11, BUSY, 1), steps.0 as u32);
    let call = plans.call(2, 11, BUSY, at);
    let result: Tokens = busy.tokens.tool_result.sample(&mut draws(Purpose::ToolResultTokens, 5));
    let output: Tokens = busy.tokens.output.sample(&mut draws(Purpose::OutputTokens, 5));
    assert_eq!((call.input, call.output), (result.0, output.0));
    // A session whose sixth step has at least two tool calls.
    let session = (0..).find(|s| {
        let mut draws = Draws::new(7, 2, *s, Purpose::ToolCalls, 5);
        busy.tools.calls.sample(&mut draws).base() >= 2.0
    });
    let session = session.unwrap();
    let mut tools = Vec::new();
    plans.tools(2, session, BUSY, at, &mut tools);
    let index = 5 * 64 + 1;
    let draws = |purpose| Draws::new(7, 2, session, purpose, index);
    assert_eq!(tools[1].cpu, busy.tools.cpu.sample(&mut draws(Purpose::ToolCpu)));
    assert_eq!(tools[1].cores, busy.tools.cores.sample(&mut draws(Purpose::ToolCores)));
    assert_eq!(tools[1].io, busy.tools.io_wait.sample(&mut draws(Purpose::ToolIo)));
    assert_eq!(tools[1].memory, Bytes(100 << 20));
    assert_eq!(tools[1].dirty, busy.tools.disk_dirty.sample(&mut draws(Purpose::ToolDirty)));
}

#[test]
fn plans_are_a_function_of_seed_replication_and_session() {
    let record = |seed, replication, session| {
        let mut classes = classes();
        classes.retain(|name, _| name == "busy");
        let drawn = DrawnPlans::new(seed, &classes, &models()).unwrap();
        let plans = Plans::Drawn(Arc::new(drawn));
        plans.record(replication, session, crate::units::Time::ZERO)
    };
    let plan = record(1, 0, 3);
    assert_eq!(plan, record(1, 0, 3));
    assert_ne!(plan, record(2, 0, 3));
    assert_ne!(plan, record(1, 1, 3));
    assert_ne!(plan.turns, record(1, 0, 4).turns);
}

#[test]
fn without_classes_there_is_the_implied_one() {
    let plans = DrawnPlans::new(1, &IndexMap::new(), &IndexMap::new()).unwrap();
    let expected = Outline { session: 9, class: ClassId(0), turns: 1, end: End::Close };
    assert_eq!(plans.outline(0, 9), expected);
    assert_eq!(plans.steps(0, 9, ClassId(0), 0), 1);
}

#[test]
fn classes_that_cannot_be_drawn_are_refused() {
    let error = |change: fn(&mut IndexMap<String, Class>)| {
        let mut classes = classes();
        change(&mut classes);
        DrawnPlans::new(1, &classes, &models()).unwrap_err().to_string()
    };
    insta::assert_snapshot!(error(|c| c["plain"].model = "tiny".to_owned()), @"class `plain` calls the model `tiny`, which `models` does not name");
    insta::assert_snapshot!(error(|c| c["plain"].share = None), @"class `plain` has no `share`: with several classes each needs one");
    insta::assert_snapshot!(error(|c| c["plain"].share = Some(Ratio(0.2))), @"the shares of the classes sum to 0.9: expected 1");
    let many = |c: &mut IndexMap<String, Class>| {
        c["plain"].tools.calls = yaml("{geometric: {mean: 20}}");
    };
    insta::assert_snapshot!(error(many), @"class `plain` may have more than 64 tool calls in a step: give `tools.calls` a `max` of 64 or less");
}
