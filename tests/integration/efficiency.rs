//! What a model that needs fewer tokens saves, and what it costs; and what writing to the prompt
//! cache costs. Worked out by hand.

use plimsoll::billing::{Cost, Rates, price};
use plimsoll::measure::{Counter, Metric};

use super::kit::{close, outcomes, ran, scenario};

const EXACT: f64 = 1e-9;

/// One class of constant demand: 2 turns of 3 steps each.
fn text(model: &str, steps: &str, sessions: &str) -> String {
    format!(
        "
version: 1
name: efficient
workload:
  arrivals: {{every: 1000s}}
  classes:
    coder:
      turns: 2
      steps: {steps}
      think: 10s
      tokens: {{system: 1000, user: 100, tool_result: 200, output: 50}}
      model: m
platform:
  isolation: {{container: {{}}}}
  idle: {{then: keep}}
models:
  m: {{latency: {{base: 1s}}, rates: {{input: $10/Mtok, cached: $1/Mtok, output: $100/Mtok}}, {model}}}
experiment: {{start: empty, warmup: none, measure: {sessions}, replications: 1}}
"
    )
}

#[test]
fn fewer_tokens_are_those_that_the_model_brings_about() {
    // As written, a session's new tokens: 1000 + 2 · 100 of people and harness, 4 · 200 of tools, and
    // 6 · 50 of outputs. The prompts of its calls are 1100, +50+200, +50+200, +50+100, +250, +250 each:
    // 1100 1350 1600 1750 2000 2250 = 10,050. At −40 % tools bring 120 and outputs are 30:
    // 1100 1250 1400 1530 1680 1830 = 8,790, and outputs are 180. One session in 1000 s.
    for (model, input, output) in [
        ("prompt_cache: none", 10_050, 300),
        ("efficiency: {tokens: -40%}", 8_790, 180),
        ("efficiency: {tokens: +100%}", 1100 + 1600 + 2100 + 2300 + 2800 + 3300, 600),
    ] {
        let outcome = outcomes(&scenario(&text(model, "3", "999s")), None).swap_remove(0);
        assert_eq!(outcome.totals.counter(Counter::TokensInput), input, "{model}");
        assert_eq!(outcome.totals.counter(Counter::TokensOutput), output, "{model}");
    }
}

#[test]
fn more_steps_are_a_share_of_those_planned() {
    // 500 sessions of 2 turns of 3 steps: with 50 % more a turn has 4 or 5, 4.5 on average. Over 1,000 turns
    // the mean's deviation is 0.5 / √1000 = 0.016.
    let model = "efficiency: {extra_steps: 50%}";
    let outcome = outcomes(&scenario(&text(model, "3", "499999s")), None).swap_remove(0);
    let calls = outcome.totals.counter(Counter::ModelCalls) as f64;
    let turns = outcome.totals.counter(Counter::Turns) as f64;
    assert_eq!(turns, 1000.0);
    assert!((calls / turns - 4.5).abs() < 5.0 * 0.016, "{} steps a turn", calls / turns);
    // A whole number of them is exact: 3 more.
    let model = "efficiency: {extra_steps: 100%}";
    let outcome = outcomes(&scenario(&text(model, "3", "999s")), None).swap_remove(0);
    assert_eq!(outcome.totals.counter(Counter::ModelCalls), 12);
    assert_eq!(outcome.totals.metric(Metric::ModelCall).count(), 12);
}

#[test]
fn more_errors_are_relative_to_the_model_s() {
    // 2 % of attempts fail, half as many more: 3 %. Over some 30,000 attempts the deviation is 0.1 %.
    let model = "error_rate: 2%, retries: {max: 5}, efficiency: {error_rate: +50%}";
    let outcome = outcomes(&scenario(&text(model, "30", "499999s")), None).swap_remove(0);
    let errors = outcome.totals.counter(Counter::ModelErrors) as f64;
    let share = errors / outcome.totals.counter(Counter::ModelAttempts) as f64;
    assert!((share - 0.03).abs() < 0.005, "{share}");
}

#[test]
fn writing_to_the_cache_has_its_price() {
    // With a cache that lasts, the six prompts above (10,050 in all) write what is new: 1100 + 250 + 250 +
    // 150 + 250 + 250 = 2,250, and read 7,800: at $12.5, $1 and $100 a million for 300 output tokens
    // 0.028125 + 0.0078 + 0.03. Without a price for writing, 0.0225 + 0.0078 + 0.03.
    let cost = |rates: &str| -> Cost {
        let model = format!("prompt_cache: {{lifetime: 1h}}, {rates}");
        let scenario = scenario(&text(&model, "3", "999s"));
        ran(scenario).cost()
    };
    close("input", cost("context_window: 1M").tokens_input, 0.0225, EXACT);
    let written = scenario(&text("prompt_cache: {lifetime: 1h}", "3", "999s"));
    let usage = ran(written.clone()).record().usage;
    assert_eq!(usage.tokens["m"].written, Some(2250.0));
    let card = "{input: $10/Mtok, cached: $1/Mtok, cache_write: $12.5/Mtok, output: $100/Mtok}";
    let mut rates = Rates::of(&written);
    rates.models[0] = serde_yaml::from_str(card).unwrap();
    let cost = price(&usage, &rates);
    close("written", cost.tokens_input, 0.028_125, EXACT);
    close("cached", cost.tokens_cached, 0.0078, EXACT);
    close("output", cost.tokens_output, 0.03, EXACT);
}

#[test]
fn a_failed_try_writes_nothing_to_the_cache() {
    // Every other try fails at first: half of the uncached input is of failed tries, and is not written.
    let model = "error_rate: 50%, retries: {max: 60, base: 1ms, cap: 1ms}, \
                 prompt_cache: {lifetime: 1h}";
    let usage = ran(scenario(&text(model, "3", "999s"))).record().usage;
    let used = usage.tokens["m"];
    let written = used.written.expect("it is counted");
    close("what served calls wrote", written, 2250.0, EXACT);
    assert!(used.input - used.cached > written, "failed tries are billed as input");
}
