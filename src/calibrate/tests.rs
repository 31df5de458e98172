//! Stages with known truth.

use super::*;
use crate::random::{Draws, Purpose};
use crate::stats::special::normal_quantile;
use crate::units::Span;

fn normal(place: u64, index: u32) -> f64 {
    normal_quantile(Draws::new(5, 0, place, Purpose::Think, index).uniform())
}

/// Lognormal starts of sigma 0.3 on 20 days whose factors have a sigma of their own.
fn days(sigma: f64) -> Series {
    let value = |i: u64| {
        let day = i / 100;
        let log = -1.0 + sigma * normal(day, 1) + 0.3 * normal(i, 0);
        Timed { took: Span::from_seconds(libm::exp(log)), day: day as usize, in_flight: 1 }
    };
    Series {
        values: (0..2000).map(value).collect(),
        days: (0..20).map(|day| format!("{day:02}")).collect(),
        without_time: 0,
        has_in_flight: false,
    }
}

#[test]
fn a_day_effect_is_taken_off_the_stage_and_told_as_drift() {
    let series = days(0.4);
    let fit = StageFit::of(&series, 1).unwrap();
    let drift = fit.drift.as_ref().expect("days differ");
    assert!(drift.ci95[0] < 0.4 && 0.4 < drift.ci95[1], "{drift:?}");
    let Form::Law { law: crate::stats::fit::Law::Lognormal { sigma, .. }, parameters } = &fit.form
    else {
        panic!("{:?}: {}", fit.form, fit.why)
    };
    // 2,000 values: the standard error of sigma is 0.3/√4000 = 0.005.
    assert!((sigma - 0.3).abs() < 0.02, "{sigma}");
    assert!(parameters.iter().all(|p| p.interval.is_some()), "{parameters:?}");
    // What the profile predicts is the mixture of days, not one of them.
    let pooled = libm::hypot(0.3, 0.4);
    let spread = fit.prediction([1]).quantile(0.975) / fit.prediction([1]).quantile(0.5);
    assert!((libm::log(spread) / 1.96 / pooled - 1.0).abs() < 0.3, "{spread}");
}

#[test]
fn days_that_differ_by_chance_alone_have_no_drift_to_speak_of() {
    let fit = StageFit::of(&days(0.0), 1).unwrap();
    // A median of 100 has a log with standard error 1.25 · 0.3/10 = 0.038.
    assert!(fit.drift.as_ref().is_none_or(|drift| drift.sigma < 0.03), "{:?}", fit.drift);
}

#[test]
fn what_no_family_describes_is_told_by_its_own_quantiles() {
    let value = |i: u32| {
        let centre = [0.1, 0.2, 0.4, 0.8][(i % 4) as usize];
        let took = Span::from_seconds(centre * (1.0 + 0.001 * normal(u64::from(i), 2)));
        Timed { took, day: 0, in_flight: 1 }
    };
    let values = (0..800).map(value).collect();
    let series = Series { values, days: vec![String::new()], ..Series::default() };
    let fit = StageFit::of(&series, 1).unwrap();
    let Form::Quantiles(points) = &fit.form else { panic!("{:?}", fit.form) };
    assert!(fit.why.contains("1% critical value"), "{}", fit.why);
    assert!(fit.candidates.len() >= 5);
    assert!(points.windows(2).all(|w| w[0].p < w[1].p && w[0].value <= w[1].value));
    // A quarter each: the median lies between the second and the third.
    assert!((fit.prediction([1]).quantile(0.45) - 0.2).abs() < 0.01);
}

#[test]
fn contention_moves_predictions_by_its_table() {
    let value = |i: u32| {
        let in_flight = if i.is_multiple_of(2) { 1 } else { 8 };
        let factor = if in_flight == 8 { 2.5 } else { 1.0 };
        let log = 0.1 * normal(u64::from(i), 3);
        Timed { took: Span::from_seconds(factor * libm::exp(log)), day: 0, in_flight }
    };
    let values = (0..1000).map(value).collect();
    let days = vec![String::new()];
    let series = Series { values, days, without_time: 0, has_in_flight: true };
    let fit = StageFit::of(&series, 1).unwrap();
    assert_eq!(fit.n, 500, "the base level alone is fitted");
    let at = |n: u32| fit.prediction([n]).quantile(0.5);
    assert!((at(1) - 1.0).abs() < 0.03 && (at(8) - 2.5).abs() < 0.08, "{} {}", at(1), at(8));
    // Half of them at either level.
    let mixed = fit.prediction([1, 8]);
    assert!((mixed.cdf(1.6) - 0.5).abs() < 0.01, "{}", mixed.cdf(1.6));
}

#[test]
fn half_of_a_sample_predicts_the_other_as_well_as_its_quantiles_do() {
    let series = days(0.2);
    let (seen, unseen) = (series.part(|one| one.day % 2 == 0), series.part(|one| one.day % 2 == 1));
    assert_eq!((seen.days.len(), unseen.days[0].as_str()), (10, "01"));
    let fit = StageFit::of(&seen, 1).unwrap();
    let found = validate(("days", "boot"), &fit, &seen, &unseen).unwrap();
    for error in &found.errors {
        let [low, high] = error.measured_ci95;
        assert!(low <= error.measured && error.measured <= high, "{error:?}");
        assert!((error.profile_error - error.carried_error).abs() < 0.15, "{error:?}");
    }
    let summary = summaries(&[found.clone(), found.clone()]);
    assert_eq!(summary[0].groups, 2);
    assert!((summary[0].profile - found.errors[0].profile_error.abs()).abs() < 1e-12);
}
