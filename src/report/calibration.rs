//! Tables of a calibration.

use super::number::{spread, three, with_spread};
use super::table::{Cell, Table, Tone, number, text};
use crate::calibrate::{Calibrated, ProfileRecord, StageRecord, Summary, Validated};

/// The families in the order of their columns.
const FAMILIES: [&str; 6] =
    ["exponential", "lognormal", "shifted lognormal", "gamma", "Weibull", "two lognormals"];

/// All that a calibration says.
pub fn calibration_tables(found: &Calibrated) -> Vec<Table> {
    let profiles = &found.profiles;
    let mut tables = vec![stages(profiles), candidates(profiles)];
    tables.extend([contention(profiles), numbers(profiles), validation(&found.validation)]);
    tables.push(summary(&found.summary));
    tables.retain(|table| !table.rows.is_empty());
    if let Some(last) = tables.last_mut() {
        last.notes.extend(found.notes.iter().cloned());
    }
    tables
}

fn each(profiles: &[ProfileRecord]) -> impl Iterator<Item = (&ProfileRecord, &StageRecord)> {
    profiles.iter().flat_map(|profile| profile.stages.iter().map(move |stage| (profile, stage)))
}

fn stages(profiles: &[ProfileRecord]) -> Table {
    let heads = vec![
        text("profile"),
        text("stage"),
        number("n"),
        number("days"),
        text("family"),
        text("parameters (95% interval)"),
        number("KS"),
        number("p50 s"),
        number("p95 s"),
        number("p99 s"),
        text("drift, sd of log"),
    ];
    let mut table = Table::new("Calibrated stages", heads);
    for (profile, stage) in each(profiles) {
        let of = |one: &crate::calibrate::ParameterRecord| {
            format!("{} {}", one.name, with_spread(one.value, one.ci95))
        };
        let parameters = match stage.parameters.is_empty() {
            true => format!("{} points", stage.quantiles.len()),
            false => stage.parameters.iter().map(of).collect::<Vec<_>>().join(", "),
        };
        let at = |place: usize| stage.measured.get(place).map_or(f64::NAN, |q| q.value);
        let drift = stage.drift.as_ref().map(|drift| {
            let told = if drift.form.is_none() { ", told only" } else { "" };
            format!("{}{told}", with_spread(drift.sigma, Some(drift.ci95)))
        });
        table.row([
            profile.name.as_str().into(),
            stage.stage.name().into(),
            stage.n.to_string().into(),
            stage.days.len().max(1).to_string().into(),
            stage.family.into(),
            parameters.into(),
            three(stage.ks).into(),
            three(at(0)).into(),
            three(at(1)).into(),
            three(at(2)).into(),
            drift.unwrap_or_else(|| "–".to_owned()).into(),
        ]);
    }
    table.notes.push(
        "KS is of the whole profile, drift and all: beyond the 1% critical value of independent values \
         the next form is tried: the family with days' own factors, quantiles with drift, then without \
         (a drift is told only where days differ by more than a factor)"
            .to_owned(),
    );
    let failed: u64 = each(profiles).map(|(_, stage)| stage.without_time).sum();
    if failed > 0 {
        table.notes.push(format!(
            "{failed} rows without a time (failed) are not fitted: times are conditional on success"
        ));
    }
    table
}

fn candidates(profiles: &[ProfileRecord]) -> Table {
    let heads = [text("profile"), text("stage")];
    let heads = heads.into_iter().chain(FAMILIES.map(number)).collect();
    let mut table = Table::new("Candidates: BIC above the best, and KS distance", heads);
    for (profile, stage) in each(profiles) {
        let best = stage.candidates.first().map_or(0.0, |best| best.bic);
        let cell = |family: &str| {
            let found = stage.candidates.iter().find(|one| one.family == family);
            found.map_or_else(
                || Cell::from("–"),
                |one| {
                    let text = format!("{} ({})", three(one.bic - best), three(one.ks));
                    if one.bic == best { Cell::toned(text, Tone::Good) } else { text.into() }
                },
            )
        };
        let [a, b, c, d, e, f] = FAMILIES.map(cell);
        table.row([profile.name.as_str().into(), stage.stage.name().into(), a, b, c, d, e, f]);
    }
    table
}

fn contention(profiles: &[ProfileRecord]) -> Table {
    let heads = vec![
        text("profile"),
        number("starts in flight"),
        number("n"),
        number("p50 s"),
        number("factor (95% interval)"),
        number("in the table"),
    ];
    let mut table = Table::new("Contention", heads);
    for (profile, stage) in each(profiles) {
        for level in stage.contention.iter().flat_map(|contention| &contention.levels) {
            let [low, high] = level.joined;
            let span = if low == high { low.to_string() } else { format!("{low} to {high}") };
            table.row([
                profile.name.as_str().into(),
                span.into(),
                level.n.to_string().into(),
                three(level.p50).into(),
                format!("{} {}", three(level.factor), spread(level.factor, level.ci95)).into(),
                level.table.map_or_else(|| "no: told only".to_owned(), three).into(),
            ]);
        }
    }
    table.notes.push(
        "the fastest level is the base; a level that is slower with fewer starts is no base line"
            .to_owned(),
    );
    table
}

fn numbers(profiles: &[ProfileRecord]) -> Table {
    let heads = vec![
        text("profile"),
        text("number"),
        number("value"),
        number("95% interval"),
        number("n"),
        text("how"),
    ];
    let mut table = Table::new("Factors, sizes and bandwidths", heads);
    for profile in profiles {
        for one in &profile.numbers {
            let interval = one.ci95.map(|[low, high]| format!("[{}, {}]", three(low), three(high)));
            table.row([
                profile.name.as_str().into(),
                one.key.as_str().into(),
                one.value.as_str().into(),
                interval.unwrap_or_else(|| "–".to_owned()).into(),
                one.n.to_string().into(),
                one.how.into(),
            ]);
        }
    }
    table
}

fn validation(all: &[Validated]) -> Table {
    let heads = vec![
        text("profile"),
        text("stage"),
        number("fitted"),
        number("predicted"),
        text("at"),
        number("measured s (95% interval)"),
        number("profile s"),
        number("error %"),
        number("carried over s"),
        number("its error %"),
    ];
    let mut table = Table::new("Predictions of what was not seen", heads);
    for one in all {
        for error in &one.errors {
            let measured = three(error.measured);
            table.row([
                one.group.as_str().into(),
                one.stage.as_str().into(),
                one.fitted.to_string().into(),
                one.predicted.to_string().into(),
                error.stat.as_str().into(),
                format!("{measured} {}", spread(error.measured, error.measured_ci95)).into(),
                three(error.profile).into(),
                three(error.profile_error * 100.0).into(),
                three(error.carried).into(),
                three(error.carried_error * 100.0).into(),
            ]);
        }
    }
    table.notes.push(
        "error = (predicted − measured) / measured; carried over = the same quantile of what was fitted"
            .to_owned(),
    );
    table
}

fn summary(all: &[Summary]) -> Table {
    let heads = vec![
        text("at"),
        number("predicted"),
        number("median |error| of profiles %"),
        number("of carrying quantiles over %"),
        number("ratio"),
    ];
    let mut table = Table::new("Errors over all that was predicted", heads);
    for one in all {
        table.row([
            one.stat.as_str().into(),
            one.groups.to_string().into(),
            three(one.profile * 100.0).into(),
            three(one.carried * 100.0).into(),
            three(one.ratio).into(),
        ]);
    }
    table
}
