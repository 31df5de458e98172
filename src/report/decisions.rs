//! Tables of what was decided on records: plans, gates, the twin's error.

use super::number::{percent, spread, three, three_or_dash};
use super::sections::change;
use super::table::{Cell, Table, Tone, number, text};
use crate::gate::{Gate, GateVerdict};
use crate::measure::record::{MachineRecord, Verdict};
use crate::plan::{Held, Plan, PlanVerdict};
use crate::study::{Foretold, ModelError};

/// Every value that a plan tried.
pub fn plan_table(plan: &Plan) -> Table {
    let heads = vec![
        number("value"),
        text("for"),
        number("seed"),
        number("replications"),
        text("boundaries"),
        text("not as expected"),
        number("USD/month"),
    ];
    let free = &plan.search.free;
    let title = match (plan.answer, plan.verdict) {
        (Some(value), _) => format!("{free} = {value} is the smallest that holds every boundary"),
        (None, PlanVerdict::NoneHolds) => {
            format!(
                "no {free} from {} to {} holds every boundary",
                plan.search.from, plan.search.to
            )
        }
        (None, _) => format!("no {free} could be decided on"),
    };
    let mut table = Table::new(title, heads);
    for tried in &plan.tried {
        let word = match tried.holds {
            Held::Yes => Cell::toned("HOLD", Tone::Good),
            Held::No => Cell::toned("BROKEN", Tone::Bad),
            Held::Inconclusive => Cell::toned("INCONCLUSIVE", Tone::Unsure),
        };
        let odd = tried.boundaries.iter().filter(|(_, b)| {
            let broken = b.expected == crate::scenario::types::Expect::Broken;
            b.verdict != if broken { Verdict::Broken } else { Verdict::Holds }
        });
        let odd: Vec<&str> = odd.map(|(name, _)| name.as_str()).collect();
        table.row([
            tried.value.to_string().into(),
            if tried.recheck { "recheck" } else { "search" }.into(),
            tried.seed.to_string().into(),
            tried.replications.to_string().into(),
            word,
            odd.join(", ").into(),
            three_or_dash(tried.per_month).into(),
        ]);
    }
    table
        .notes
        .push("the search takes for granted that a larger value holds at least as well".to_owned());
    table
}

/// Every quantity that a gate compared.
pub fn gate_table(gate: &Gate) -> Table {
    let heads = vec![
        text("quantity"),
        number("baseline"),
        number("candidate"),
        number("change (95% interval)"),
        number("tolerance"),
        text("verdict"),
        text("why"),
    ];
    let mut table = Table::new(format!("Gate: {}", verdict(gate.verdict).text), heads);
    for compared in &gate.compared {
        let show =
            |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |v| compared.unit.show(v));
        let changed = compared.change.map_or_else(|| "–".to_owned(), |c| change(c, compared.ci95));
        table.row([
            compared.id.as_str().into(),
            show(compared.base).into(),
            show(compared.candidate).into(),
            changed.into(),
            percent(compared.tolerance).into(),
            verdict(compared.verdict),
            compared.why.as_str().into(),
        ]);
    }
    table.notes.clone_from(&gate.notes);
    table
}

fn verdict(verdict: GateVerdict) -> Cell {
    match verdict {
        GateVerdict::Pass => Cell::toned("PASS", Tone::Good),
        GateVerdict::Improvement => Cell::toned("IMPROVEMENT", Tone::Good),
        GateVerdict::Regression => Cell::toned("REGRESSION", Tone::Bad),
        GateVerdict::Inconclusive => Cell::toned("INCONCLUSIVE", Tone::Unsure),
    }
}

/// How far a profile is from the turns of live runs that it has not seen.
pub fn foretold_table(all: &[Foretold]) -> Table {
    let heads = vec![
        text("run"),
        number("sessions"),
        number("turns"),
        number("stolen CPU %"),
        text("platform_time"),
        number("live s (95% interval)"),
        number("predicted s"),
        number("error %"),
    ];
    let mut table = Table::new("Whole turns that were not calibrated on, predicted", heads);
    for Foretold { run, error } in all {
        let stolen = error.machine.map(|machine| three(machine.stolen_from_one() * 100.0));
        let stolen = stolen.unwrap_or_else(|| "–".to_owned());
        for quantile in &error.platform_time {
            let live = spread(quantile.live, quantile.live_ci95);
            table.row([
                run.as_str().into(),
                error.predicted.to_string().into(),
                error.turns.to_string().into(),
                stolen.as_str().into(),
                quantile.stat.as_str().into(),
                format!("{} {live}", three(quantile.live)).into(),
                three(quantile.twin).into(),
                three(quantile.error * 100.0).into(),
            ]);
        }
    }
    let machine = all.iter().find_map(|one| one.error.machine);
    table.notes.extend(machine.map(|machine| shared(&machine)));
    let note = "the identical sessions are simulated by the profile, supply drawn anew each time; \
                error = (predicted − live) / live; intervals by resampling sessions";
    table.notes.push(note.to_owned());
    table
}

/// On what a machine's prediction rests.
fn shared(machine: &MachineRecord) -> String {
    format!(
        "starts, snapshots, calls and what goes on after them share the machine's {} cores, as many for each as the \
         profile says, and lose as much of their time to other machines as they did live",
        machine.cores
    )
}

/// How far the simulation of a live run is from it.
pub fn model_error_table(error: &ModelError) -> Table {
    let heads = vec![
        text("platform_time"),
        number("live s (95% interval)"),
        number("twin s"),
        number("error %"),
        number("machine's own noise %"),
    ];
    let mut table = Table::new("Model against live run", heads);
    for quantile in &error.platform_time {
        table.row([
            quantile.stat.as_str().into(),
            format!("{} {}", three(quantile.live), spread(quantile.live, quantile.live_ci95))
                .into(),
            three(quantile.twin).into(),
            three(quantile.error * 100.0).into(),
            three(quantile.noise * 100.0).into(),
        ]);
    }
    let from = match &error.profile {
        Some(profile) => {
            format!(
                "the profile {profile}, calibrated on other runs, predicts all {} sessions",
                error.predicted
            )
        }
        None => format!(
            "supply calibrated on the first {} sessions predicts the {} after them",
            error.calibrated_on, error.predicted
        ),
    };
    table.notes.push(format!("{from} ({} turns); error = (twin − live) / live", error.turns));
    table.notes.extend(error.machine.map(|machine| {
        let stolen = three(machine.stolen_from_one() * 100.0);
        format!("{} ({stolen}% here)", shared(&machine))
    }));
    table.notes.push(format!("noise: {}", error.noise_from));
    if error.observations.is_empty() {
        return table;
    }
    let rests: Vec<String> =
        error.observations.iter().map(|(key, n)| format!("{key} {n}")).collect();
    table.notes.push(format!("observations behind the calibration: {}", rests.join(", ")));
    table
}
