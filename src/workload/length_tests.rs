use super::*;
use crate::units::{Quantity, Ratio, Tokens};
use crate::workload::drawn::DrawnPlans;
use crate::workload::drawn::tests::{classes, models};
use crate::workload::plan::{ClassId, Plans};
use std::sync::Arc;

fn dist(text: &str) -> Dist<Count> {
    serde_yaml::from_str(text).unwrap()
}

fn close(found: f64, expected: f64, relative: f64) {
    assert!((found / expected - 1.0).abs() < relative, "{found} is not {expected}");
}

#[test]
fn moments_of_whole_counts_are_those_of_the_formulas() {
    let geometric = moments(&dist("geometric: {mean: 7}"), 0);
    close(geometric.mean, 7.0, 1e-9);
    // E[X²] of a geometric number with support 1..: 2m² − m.
    close(geometric.square, 2.0 * 49.0 - 7.0, 1e-9);
    assert_eq!(geometric.positive, 1.0);
    let poisson = moments(&dist("poisson: {mean: 2}"), 0);
    close(poisson.mean, 2.0, 1e-9);
    close(poisson.square, 6.0, 1e-9);
    close(poisson.positive, 1.0 - 0.135_335_283_236_6, 1e-9);
    // At least one: what would be 0 is 1.
    let turns = moments(&dist("poisson: {mean: 2}"), 1);
    close(turns.mean, 2.135_335_283_236_6, 1e-9);
    close(turns.square, 6.135_335_283_236_6, 1e-9);
    // Uniform on (0, 4): rounded half up to 0, 1, 2, 3, 4 with 1/8, 1/4, 1/4, 1/4, 1/8.
    let uniform = moments(&dist("uniform: {low: 0, high: 4}"), 0);
    close(uniform.mean, 2.0, 1e-9);
    close(uniform.square, (1.0 + 4.0 + 9.0) / 4.0 + 2.0, 1e-9);
    assert_eq!(moments(&dist("2.5"), 0).mean, 3.0);
}

#[test]
fn heavy_tails_are_summed_to_their_end() {
    // Lomax of mean 1000 / 1.5 and, with shape 2.5, a finite variance; rounding half up keeps the
    // mean of so wide a density to 1e-4.
    let lomax = moments(&dist("lomax: {shape: 2.5, scale: 1000}"), 0);
    close(lomax.mean, 1000.0 / 1.5, 3e-4);
    let infinite = moments(&dist("lomax: {shape: 1.0, scale: 10}"), 1);
    assert_eq!(infinite.mean, f64::INFINITY);
}

/// Mean length of drawn sessions, added up call by call, with its standard error.
fn drawn_length(plans: &Plans, class: ClassId, model: &Model, vcpu: Cores) -> (f64, f64) {
    let Latency::Formula(formula) = &model.latency else { panic!("a formula") };
    let lengths: Vec<f64> = (0..40_000)
        .map(|session| plans.record(0, session, crate::units::Time::ZERO))
        .filter(|plan| plan.class == class)
        .map(|plan| {
            let (mut seconds, mut before) = (0.0, 0);
            for turn in &plan.turns {
                seconds += turn.think.seconds();
                for step in &turn.steps {
                    let context = before + step.call.input;
                    before = context + step.call.output;
                    let cached = matches!(model.prompt_cache, PromptCache::Lifetime(_));
                    let uncached = if cached { step.call.input } else { context };
                    seconds += latency(formula, uncached as f64, step.call.output as f64);
                    seconds += longest(step.tools.iter().copied(), vcpu);
                }
            }
            seconds
        })
        .collect();
    let n = lengths.len() as f64;
    let mean = lengths.iter().sum::<f64>() / n;
    let variance = lengths.iter().map(|l| (l - mean) * (l - mean)).sum::<f64>() / n;
    (mean, (variance / n).sqrt())
}

/// The formula against the plans themselves: a class that draws everything, with and without a
/// prompt cache.
#[test]
fn planned_length_is_the_mean_of_drawn_plans() {
    for cache in [PromptCache::None, PromptCache::Lifetime(Span::from_secs(300))] {
        let mut models = models();
        models["big"].prompt_cache = cache;
        let drawn = Arc::new(DrawnPlans::new(3, &classes(), &models).unwrap());
        let planned = drawn.planned_length(ClassId(0), &models).unwrap().seconds();
        let plans = Plans::Drawn(Arc::clone(&drawn));
        let (mean, error) = drawn_length(&plans, ClassId(0), &models["big"], Cores(1.0));
        assert!(
            (planned - mean).abs() < 4.0 * error,
            "{cache:?}: {planned}, drawn {mean} ± {error}"
        );
        // The test has teeth: the error is small against the parts.
        assert!(error < 0.02 * mean);
    }
}

#[test]
fn planned_length_of_constants_is_exact() {
    let (classes, models) = (classes(), models());
    let drawn = DrawnPlans::new(1, &classes, &models).unwrap();
    // Two turns of three steps: 10 s think; six calls of 1 s + 20 · 10 ms; new tokens 1000 + 2 · 100
    // + 4 · 50 at 1 ms; six tool calls of 1 s + 4 s on two cores.
    let planned = drawn.planned_length(ClassId(1), &models).unwrap().seconds();
    close(planned, 10.0 + 6.0 * 1.2 + 1.4 + 6.0 * 3.0, 1e-9);
    // Without a cache each call reads all before it: contexts 1100, 1170, 1240, 1360, 1430, 1500.
    let mut uncached = models.clone();
    uncached["small"].prompt_cache = PromptCache::None;
    let planned = drawn.planned_length(ClassId(1), &uncached).unwrap().seconds();
    close(planned, 10.0 + 6.0 * 1.2 + 7.8 + 6.0 * 3.0, 1e-9);
    // A window bounds it.
    uncached["small"].context_window = Some(Tokens(1_000));
    let planned = drawn.planned_length(ClassId(1), &uncached).unwrap().seconds();
    close(planned, 10.0 + 6.0 * 1.2 + 6.0 + 6.0 * 3.0, 1e-9);
    // The mix weighs by share.
    let busy = drawn.planned_length(ClassId(0), &models).unwrap().seconds();
    let plain = drawn.planned_length(ClassId(1), &models).unwrap().seconds();
    let mean = drawn.mean_planned_length(&models).unwrap().seconds();
    close(mean, 0.7 * busy + 0.3 * plain, 1e-9);
}

#[test]
fn recorded_sessions_count_what_they_recorded() {
    let (classes, models) = (classes(), models());
    let drawn = DrawnPlans::new(1, &classes, &models).unwrap();
    let planned = drawn.planned_length(ClassId(1), &models).unwrap();
    let plans = Plans::Drawn(Arc::new(drawn));
    let plain = (0..).map(|s| plans.record(0, s, crate::units::Time::ZERO));
    let mut plan = plain.into_iter().find(|plan| plan.class == ClassId(1)).unwrap();
    let two_cores = |_: &SessionPlan| Cores(2.0);
    let found = of_recorded(std::slice::from_ref(&plan), &models, two_cores).unwrap();
    close(found.seconds(), planned.seconds(), 1e-9);
    // The first call took 1 s + 1100 ms + 200 ms by formula; now it is recorded.
    plan.turns[0].steps[0].call.latency = Some(Span::from_secs(9));
    let found = of_recorded(&[plan], &models, two_cores).unwrap();
    close(found.seconds(), planned.seconds() - 2.3 + 9.0, 1e-9);
}

#[test]
fn lengths_that_give_no_rate_are_refused() {
    let error = |change: fn(&mut crate::scenario::types::Class, &mut Model)| {
        let (mut classes, mut models) = (classes(), models());
        classes.retain(|name, _| name == "plain");
        change(&mut classes["plain"], &mut models["small"]);
        let drawn = DrawnPlans::new(1, &classes, &models).unwrap();
        drawn.mean_planned_length(&models).unwrap_err().to_string()
    };
    insta::assert_snapshot!(error(|c, _| c.turns = dist("lomax: {shape: 1.0, scale: 10}")), @"the planned session length is infinite, so no arrival rate gives this many open sessions: bound `think` or `turns` with `max`, or give `arrivals`");
    insta::assert_snapshot!(error(|c, m| {
        c.turns = dist("lomax: {shape: 1.7, scale: 10}");
        m.prompt_cache = PromptCache::None;
    }), @"the planned session length is infinite, so no arrival rate gives this many open sessions: bound `tokens`, `turns` or `steps` with `max`, or the model with a `context_window`, or give `arrivals`");
    insta::assert_snapshot!(error(|_, m| m.latency = Latency::Recorded), @"`latency: recorded` has no recorded latency to plan with: give the model a latency formula");
    insta::assert_snapshot!(error(|c, _| {
        *c = crate::scenario::types::Class { share: Some(Ratio(1.0)), model: "small".to_owned(), ..Default::default() };
        c.steps = Dist::constant(Count::from_base(0.0));
    }), @"the planned session length is zero, so no arrival rate gives this many open sessions");
}
