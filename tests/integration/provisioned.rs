//! Reserved throughput, summaries of long contexts, retry storms and price tiers, worked out by hand.
//!
//! Times in comments are seconds.

use plimsoll::measure::record::{QuotaVerdict, Run};
use plimsoll::measure::{Counter, Metric};

use super::kit::{Case, close};
use super::script::{call, calls};

const EXACT: f64 = 1e-9;
const ANYWHERE: &str = "{isolation: {container: {}}}";

/// One unit serves 1,000 input tokens a minute, an output token counts for five.
fn reserved(more: &str, rates: &str) -> String {
    format!(
        "{{default: {{latency: {{base: 10s}}, provisioned: {{units: 1, input_per_unit: 1000, output_weight: 5{more}}}, \
         retries: {{max: 1, base: 1s, cap: 1s}}, rates: {{input: $10/Mtok, output: $50/Mtok{rates}}}}}}}"
    )
}

/// A call that is charged 400 + 5 · 20 = 500; if it is refused its backoff is 0.
fn half_a_minute() -> String {
    calls(&[(0.0, call(400, 20, r#", "u": [0.0]"#))])
}

/// Three such calls at 0 and one at 110, which ends at 120.
fn four(models: &str) -> Case {
    let case = Case::on(ANYWHERE).models(models);
    let case = (0..3).fold(case, |case, _| case.session(0.0, &half_a_minute()));
    case.session(110.0, &half_a_minute())
}

#[test]
fn what_finds_no_reserved_throughput_spills_over_to_pay_as_you_go() {
    // The bucket of 1,000 serves two calls at 0 and the one of 110; the third of 0 spills over: 400 · $10 + 20 ·
    // $50 a million = $0.005. Two minutes of a unit at $0.30 an hour are $0.01.
    let run = four(&reserved("", ", provisioned: $0.3/h")).studied();
    assert_eq!(run.counters["model_spilled"], 1.0);
    assert_eq!(run.counters["model_rate_limited"], 0.0);
    close("reserved", run.cost.provisioned, 0.01, EXACT);
    close("input", run.cost.tokens_input, 0.004, EXACT);
    close("output", run.cost.tokens_output, 0.001, EXACT);
    close("tco", run.cost.tco, 0.015, EXACT);
    // All tokens are in the ledger all the same.
    assert_eq!(run.counters["tokens_input"], 1_600.0);
    assert_eq!(run.counters["tokens_output"], 80.0);

    // 1,500 of 2,000 tokens are used. By pay-as-you-go they would be 3 · $0.005; so $0.01 is earned back at
    // 0.75 · 0.01 / 0.015 = a half.
    let found = &run.provisioned["default"];
    close("used", found.utilisation, 0.75, EXACT);
    close("cost", found.cost.unwrap(), 0.01, EXACT);
    close("otherwise", found.on_demand.unwrap(), 0.015, EXACT);
    close("break-even", found.break_even.unwrap(), 0.5, EXACT);
    close("spilled", found.spilled, 0.25, EXACT);
    assert_eq!((found.units, found.cheaper), (1, Some(true)));

    // At four times the price a half becomes two: no use of it is enough.
    let run = four(&reserved("", ", provisioned: $1.2/h")).studied();
    let found = &run.provisioned["default"];
    close("break-even", found.break_even.unwrap(), 2.0, EXACT);
    assert_eq!(found.cheaper, Some(false));
    // Without a price what is reserved is named, not free.
    let run = four(&reserved("", "")).studied();
    assert_eq!(run.cost.unpriced, ["compute", "reserved throughput of default"]);
    assert_eq!(run.provisioned["default"].break_even, None);
}

/// The break-even that is stated is where both cost the same: with the load at it, tco is that of
/// pay-as-you-go alone.
#[test]
fn at_the_break_even_both_cost_the_same() {
    // One call a minute of 500 of 1,000 is a use of a half; a unit at $0.30 an hour breaks even there.
    let load = |models: &str| -> Run {
        let case = Case::on(ANYWHERE).models(models);
        let case =
            (0..10).fold(case, |case, k| case.session(60.0 * f64::from(k), &half_a_minute()));
        // Measured to 600, ten whole minutes.
        case.experiment("{start: empty, warmup: none, measure: 10m, replications: 1}").studied()
    };
    let run = load(&reserved("", ", provisioned: $0.3/h"));
    let found = &run.provisioned["default"];
    close("used", found.utilisation, 0.5, EXACT);
    close("break-even", found.break_even.unwrap(), 0.5, EXACT);
    let alone =
        load("{default: {latency: {base: 10s}, rates: {input: $10/Mtok, output: $50/Mtok}}}");
    close("tco", run.cost.tco, alone.cost.tco, EXACT);
    close("tco", run.cost.tco, 0.05, EXACT);
}

#[test]
fn without_spill_over_the_bucket_says_when_to_come_back() {
    // The third call of 0 is refused: 500 tokens are there again after 30, and it is served 30..40.
    let case = four(&reserved(", spill_over: false", ", provisioned: $0.3/h"));
    let ran = case.run();
    assert_eq!(ran.count(Counter::ModelRateLimited), 1);
    assert_eq!(ran.count(Counter::ModelSpilled), 0);
    close("calls", ran.metric(Metric::ModelCall).1, 10.0 + 10.0 + 40.0 + 10.0, EXACT);
    let run = case.studied();
    // Nothing was served by pay-as-you-go, and nothing is paid for it.
    close("tco", run.cost.tco, run.cost.provisioned, EXACT);
    // Five tries came to it. With nothing in the way 1,500 tokens come within a minute: 1.5 units, with a fifth
    // more 1.8.
    let quota = &run.quotas["models.default.provisioned.units"];
    assert_eq!((quota.asked, quota.held_up), (5.0, 1.0));
    close("demand", quota.demand, 1.5, EXACT);
    assert_eq!((quota.ask, quota.verdict), (Some(2.0), QuotaVerdict::Binds));
}

#[test]
fn what_is_reserved_takes_nothing_of_the_quota_and_cached_tokens_have_their_weight() {
    // Two turns: 400 in and 20 out, then 80 new ones: a prompt of 500, 400 of it cached. Charged 400 + 100, and 100 +
    // 0.1 · 400 + 100 = 240.
    let models = "{default: {latency: {base: 1s}, prompt_cache: {lifetime: 1h}, quota: {rpm: 1}, \
                  provisioned: {units: 1, input_per_unit: 1000, output_weight: 5, cached_weight: 0.1}, \
                  rates: {input: $10/Mtok, cached: $1/Mtok, output: $50/Mtok, provisioned: $3.6/h}}}";
    let two = calls(&[(0.0, call(400, 20, "")), (10.0, call(80, 20, ""))]);
    let run = Case::on(ANYWHERE).models(models).session(0.0, &two).studied();
    assert_eq!(run.counters["model_rate_limited"], 0.0);
    assert_eq!(run.quotas["models.default.quota.rpm"].asked, 0.0);
    let reserved = run.usage.tokens["default"].provisioned.unwrap();
    assert_eq!((reserved.charged, reserved.input, reserved.cached), (740.0, 900.0, 400.0));
    // By pay-as-you-go: 500 uncached, 400 cached, 40 out.
    let found = &run.provisioned["default"];
    close("otherwise", found.on_demand.unwrap(), 0.005 + 0.000_4 + 0.002, EXACT);
    // 12 of a unit at $3.6 an hour.
    close("cost", run.cost.tco, 0.012, EXACT);
}

/// A context that is summed up: the summary is a call of its own, and the cache is lost.
#[test]
fn a_long_context_is_replaced_by_its_summary() {
    let models = "{default: {latency: {base: 1s, per_input: 1ms, per_output: 10ms}, prompt_cache: {lifetime: 1h}, \
                  compaction: {above: 1000, summary: 100}}}";
    let life = calls(&[
        // Prompts 600 and 950; the context is then 1,000.
        (0.0, call(600, 50, "")),
        (10.0, call(300, 50, "")),
        // 1,010 would be above: first a call of 1,000, 950 of it cached, and 100 out: 1 + 0.05 + 1. Then 110, none of
        // it cached: 1 + 0.11 + 0.5.
        (10.0, call(10, 50, "")),
        // 200, of which 110 are cached.
        (10.0, call(40, 50, "")),
    ]);
    let ran = Case::on(ANYWHERE).models(models).session(0.0, &life).run();
    assert_eq!(ran.count(Counter::Compactions), 1);
    assert_eq!(ran.count(Counter::ModelCalls), 5);
    assert_eq!(ran.count(Counter::TokensInput), 600 + 950 + 1_000 + 110 + 200);
    assert_eq!(ran.count(Counter::TokensCached), 600 + 950 + 110);
    assert_eq!(ran.count(Counter::TokensOutput), 4 * 50 + 100);
    let turns = [1.0 + 0.6 + 0.5, 1.0 + 0.35 + 0.5, 2.05 + 1.61, 1.0 + 0.09 + 0.5];
    close("turns", ran.metric(Metric::Turn).1, turns.iter().sum(), EXACT);
    assert_eq!(ran.metric(Metric::Turn).0, 4);

    // What is long by itself is sent: there is nothing to sum up, or nothing to gain.
    let alone = calls(&[(0.0, call(5_000, 50, ""))]);
    let ran = Case::on(ANYWHERE).models(models).session(0.0, &alone).run();
    assert_eq!((ran.count(Counter::Compactions), ran.count(Counter::TokensInput)), (0, 5_000));
    let short = calls(&[(0.0, call(30, 20, "")), (1.0, call(5_000, 10, ""))]);
    let ran = Case::on(ANYWHERE).models(models).session(0.0, &short).run();
    assert_eq!((ran.count(Counter::Compactions), ran.count(Counter::TokensInput)), (0, 30 + 5_050));
}

/// Who was refused comes back when the bucket can serve one, and so do all the others.
#[test]
fn a_storm_of_retries() {
    // Twenty calls at 0, one served each 10. Each time all that are left try again: 20 + 19 + … + 1 tries.
    let models = "{default: {latency: {base: 1s}, quota: {rpm: 6, window: 10s}, \
                  retries: {max: 30, base: 1s, cap: 1s}}}";
    let one = || calls(&[(0.0, call(10, 10, ""))]);
    let case = Case::on(ANYWHERE).models(models);
    let case = (0..20).fold(case, |case, _| case.session(0.0, &one()));
    let ran = case.run();
    assert_eq!(ran.count(Counter::ModelAttempts), 210);
    assert_eq!(ran.count(Counter::ModelRateLimited), 190);
    assert_eq!(ran.count(Counter::SessionsCompleted), 20);
    // The last is served at 190 and ends a second later; the k-th waits 10 k.
    assert_eq!(ran.end(), 191.0);
    close("waits", ran.metric(Metric::ModelCall).1, 20.0 + 10.0 * 190.0, EXACT);
    close("retry rate", ran.record().scorecard.retry_rate.unwrap(), 190.0 / 210.0, EXACT);
    // A patient one would have come back once, at its own time: with a backoff of its own place in the queue.
    let patient =
        |k: u32| calls(&[(0.0, call(10, 10, &format!(r#", "u": [{}]"#, f64::from(k) / 20.0)))]);
    let models = "{default: {latency: {base: 1s}, quota: {rpm: 6, window: 10s}, \
                  retries: {max: 1, base: 200s, cap: 200s}}}";
    let case = Case::on(ANYWHERE).models(models);
    let ran = (0..20).fold(case, |case, k| case.session(0.0, &patient(k))).run();
    assert_eq!((ran.count(Counter::ModelAttempts), ran.end()), (39, 191.0));
}

/// A call at each side of the cliff at 272,000 tokens, at the prices of three tiers.
#[test]
fn batch_and_priority_tiers_and_the_cliff_of_long_prompts() {
    for (preset, prompt, dollars) in [
        // $5 and $30 a million; above 272K $10 and $45.
        ("gpt-5.5", 272_000, 1.36 + 0.03),
        ("gpt-5.5", 272_001, 2.720_01 + 0.045),
        // Half of that.
        ("gpt-5.5-batch", 272_000, 0.68 + 0.015),
        ("gpt-5.5-batch", 272_001, 1.360_005 + 0.022_5),
        // $12.50 and $75, and no cliff in the source.
        ("gpt-5.5-priority", 272_000, 3.4 + 0.075),
        ("gpt-5.5-priority", 272_001, 3.400_012_5 + 0.075),
    ] {
        let models = format!("{{default: {{use: {preset}}}}}");
        let one = calls(&[(0.0, call(prompt, 1_000, ""))]);
        let cost = Case::on(ANYWHERE).models(&models).session(0.0, &one).run().cost();
        close(&format!("{preset} at {prompt}"), cost.tco, dollars, EXACT);
    }
}
