//! How a scenario is simulated and driven.

use super::target::target;
use super::{Findings, path};
use crate::scenario::source::Path;
use crate::scenario::types::{
    Arrivals, IdleThen, Input, Live, Looks, Measure, ModulatedState, PEAK_HOUR, Profile,
    Replications, Start, Warmup, Window,
};
use crate::units::Span;

/// Replications are numbered by 16 bits.
const MOST_REPLICATIONS: u32 = 65_535;

/// Looks after which the error that each one adds is no longer small.
const MOST_LOOKS: usize = 20;

pub(super) fn check(findings: &mut Findings<'_>) {
    match &findings.scenario.experiment.replications {
        Replications::Until(looks) => self::looks(findings, looks),
        Replications::Fixed(1) => alone(findings),
        Replications::Fixed(_) => {}
    }
    measure(findings);
    stocks(findings);
    input(findings);
    for (name, window) in &findings.scenario.experiment.windows {
        self::window(findings, &path(["experiment", "windows", name]), window);
        if name == PEAK_HOUR {
            let message = "`peak-hour` is the name of the profile's own peak";
            let found = findings.at.error("window", path(["experiment", "windows", name]), message);
            findings.push(found.help("give the window another name"));
        }
    }
    if let Some(live) = &findings.scenario.live {
        driven(findings, live);
    }
}

/// Demand is drawn again from recorded sessions: somebody must say how many there were.
fn input(findings: &mut Findings<'_>) {
    let classes = &findings.scenario.workload.classes;
    for (name, class) in classes {
        let place = path(["workload", "classes", name, "fitted_on"]);
        let few = class.fitted_on.is_some_and(|sessions| sessions < 2);
        if few {
            let message =
                "a class fitted on fewer than two sessions says nothing of how they differ";
            let found = findings.at.error("fitted-on", &place, message);
            findings.push(found.help("give the number of recorded sessions, or leave it out"));
        }
    }
    if findings.scenario.experiment.input == Input::Fixed || findings.trace().is_some() {
        return;
    }
    let at = findings.at;
    let place = path(["experiment", "input"]);
    let unknown: Vec<&str> = classes
        .iter()
        .filter(|(_, class)| class.fitted_on.is_none())
        .map(|(name, _)| name.as_str())
        .collect();
    let help = "give `fitted_on: 358` to a class, the recorded sessions that its distributions were \
                fitted to; presets that have a source say it";
    if unknown.len() == classes.len() {
        let message = "there are no recorded sessions to resample: no trace, and no class says what it was fitted on";
        let found = at.depends(at.error("no-sessions", &place, message), "workload.trace");
        findings.push(at.depends(found, "workload.classes").help(help));
    } else if !unknown.is_empty() {
        let names: Vec<String> = unknown.iter().map(|name| format!("`{name}`")).collect();
        let message =
            format!("the demand of {} is taken for known: it has no `fitted_on`", names.join(", "));
        let found = at.depends(at.warning("no-sessions", &place, message), "workload.classes");
        findings.push(found.help(help));
    }
}

/// A window of time: it has a length, lies in its cycle, and is measured.
pub(super) fn window(findings: &mut Findings<'_>, place: &Path, window: &Window) {
    let (cycle, [from, to]) = match window {
        Window::Day(ends) => (Some(Span::from_secs(86_400)), *ends),
        Window::Week(ends) => (Some(Span::from_secs(7 * 86_400)), *ends),
        Window::Measure(ends) => (None, *ends),
    };
    let measured = match findings.scenario.experiment.measure {
        Measure::For(span) => Some(span),
        Measure::End => None,
    };
    let at = findings.at;
    let (message, help) = if from == to {
        ("the window has no length".to_owned(), "write from and to, such as `{day: [14h, 18h]}`")
    } else if let Some(cycle) = cycle.filter(|cycle| from > *cycle || to > *cycle) {
        let of = if cycle == Span::from_secs(86_400) { "`week`" } else { "`measure`" };
        let help = match of {
            "`week`" => "count from midnight, or write `week` for times of the week",
            _ => "count from Monday 0:00, or write `measure` for times of the measure",
        };
        (format!("the window leaves its cycle of {cycle}"), help)
    } else if cycle.is_none() && to < from {
        (
            "the window ends before it begins".to_owned(),
            "write from and to, such as `{measure: [0h, 2h]}`",
        )
    } else if let Some(measured) = measured.filter(|m| cycle.is_none() && from >= *m) {
        (format!("the window begins after the measure of {measured} is over"), "measure longer")
    } else if let Some(cycle) = cycle.filter(|cycle| measured.is_some_and(|m| m < *cycle)) {
        (
            format!(
                "the measure is shorter than the window's cycle of {cycle}, so it may miss the window"
            ),
            "measure whole cycles",
        )
    } else {
        return;
    };
    let found = at.error("window", place, message);
    findings.push(at.depends(found, "experiment.measure").help(help));
}

fn looks(findings: &mut Findings<'_>, Looks { looks, .. }: &Looks) {
    let place = path(["experiment", "replications", "looks"]);
    let at = findings.at;
    let help = "write the replications so far at each look, such as `looks: [10, 20, 40]`";
    if looks.is_empty() {
        findings.push(at.error("looks", &place, "there are no looks").help(help));
    }
    if looks.len() > MOST_LOOKS {
        let message = format!("{} looks are more than {MOST_LOOKS}", looks.len());
        let found = at.error("looks", &place, message);
        findings.push(found.help(
            "each look adds a chance of deciding wrongly: take fewer, such as `[10, 20, 40]`",
        ));
    }
    for (number, look) in looks.iter().enumerate() {
        let item = place.index(number);
        if number > 0 && *look <= looks[number - 1] {
            let message = format!("the look at {look} does not come after the one before it");
            let found = at.error("looks", &item, message);
            let before = place.index(number - 1);
            findings.push(at.with(found, &before, "the one before it").help(help));
        } else if *look < 2 {
            let message =
                format!("a look at {look} says nothing: an interval takes two replications");
            findings.push(at.error("looks", &item, message).help(help));
        } else if *look > MOST_REPLICATIONS {
            let message = format!("{look} replications are more than {MOST_REPLICATIONS}");
            findings.push(at.error("looks", &item, message).help(help));
        }
    }
}

/// One replication of something random decides nothing.
fn alone(findings: &mut Findings<'_>) {
    let scenario = findings.scenario;
    if scenario.boundaries.is_empty() || findings.trace().is_some() {
        return;
    }
    let message = "one replication gives no interval, so no boundary can be decided";
    let found = findings.at.warning("undecided", "experiment.replications", message);
    findings.push(found.help("write `replications: {looks: [10, 20, 40]}`, or 10 or more"));
}

fn measure(findings: &mut Findings<'_>) {
    let scenario = findings.scenario;
    let at = findings.at;
    let place = path(["experiment", "measure"]);
    let measure = match scenario.experiment.measure {
        Measure::End => {
            if findings.trace().is_none() {
                let message = "`measure: end` never ends: sessions arrive for ever";
                let found = at.error("endless", &place, message);
                let load = scenario.workload.load.is_some();
                let what = if load { "workload.load" } else { "workload.arrivals" };
                let found = at.depends(at.with(found, what, "these do not end"), "workload.trace");
                findings.push(found.help(
                    "write how long to measure, such as `measure: 24h`; only a trace has an end",
                ));
            }
            return;
        }
        Measure::For(span) => span,
    };
    findings.not_zero(
        &place,
        measure.is_zero(),
        "nothing would be measured",
        "write `measure: 24h`",
    );
    if let Warmup::For(warmup) = scenario.experiment.warmup
        && warmup >= measure
        && !measure.is_zero()
    {
        let message = format!("the warm-up of {warmup} is as long as what is measured, or longer");
        let found = at.warning("warmup", "experiment.warmup", message);
        let found = at.with(found, &place, "measured after the warm-up");
        findings.push(found.help(
            "`measure` begins when the warm-up is over: measure longer, or write `warmup: auto`",
        ));
    }
    if let Some(cycle) = cycle(findings)
        && !measure.nanos().is_multiple_of(cycle.nanos())
    {
        let message = format!("{measure} is no whole number of the load's cycles of {cycle}");
        let found = at.warning("cycle", &place, message);
        let found = at.with(found, "workload.profile", "the cycle");
        findings.push(found.help(
            "parts of the cycle would weigh more than others in every mean: measure whole cycles",
        ));
    }
}

fn cycle(findings: &Findings<'_>) -> Option<Span> {
    let days = match findings.scenario.workload.profile.as_ref()? {
        Profile::Day(_) => 1,
        Profile::Week(_) => 7,
    };
    Some(Span::from_secs(days * 86_400))
}

/// Snapshots of abandoned sessions are a stock that fills for as long as they are kept.
fn stocks(findings: &mut Findings<'_>) {
    let scenario = findings.scenario;
    let classes = &scenario.workload.classes;
    let abandons = |class: &&str| classes[*class].abandon.0 > 0.0;
    let Some(class) = classes.keys().map(String::as_str).find(abandons) else { return };
    let hibernates = scenario.platform.idle.then == IdleThen::Hibernate;
    let Measure::For(measure) = scenario.experiment.measure else { return };
    if findings.trace().is_some() || !hibernates {
        return;
    }
    let at = findings.at;
    let start = path(["experiment", "start"]);
    let abandon = path(["workload", "classes", class, "abandon"]);
    let kept = scenario.platform.retention.get();
    let left = "these leave snapshots behind";
    match (scenario.experiment.start, kept) {
        (Start::Steady, None) => {
            let message =
                "there is no steady state to start in: abandoned snapshots are kept for ever";
            let found = at.error("no-steady-state", &abandon, message).caption(left);
            let found = at.with(found, "platform.idle.then", "no `retention` ends these");
            let found = at.depends(at.depends(found, "platform.retention"), &start);
            findings.push(found.help("give `platform.retention`, such as `30d`, as platforms do"));
        }
        (Start::Steady, Some(_)) => {
            if let Some(Arrivals::Closed { .. }) = scenario.workload.arrivals {
                let message = "snapshots from before the start are left out: closed arrivals have \
                               no rate to work them out from";
                let found = at.warning("stock", "workload.arrivals", message);
                let found = at.depends(at.depends(found, &start), "platform.idle.then");
                findings.push(at.with(found, &abandon, left).help(
                    "their cost shows only after `retention`: measure longer, or give `poisson` arrivals",
                ));
            }
        }
        (Start::Empty, kept) => fills(findings, kept, measure, &abandon),
    }
}

/// An empty start measures a stock while it fills, unless it is full before the measure ends.
fn fills(
    findings: &mut Findings<'_>,
    kept: Option<Span>,
    measure: Span,
    abandon: &crate::scenario::source::Path,
) {
    let warmup = match (findings.scenario.experiment.warmup, cycle(findings)) {
        (Warmup::None, _) => Span::ZERO,
        (Warmup::For(span), _) => span,
        (Warmup::Auto, Some(cycle)) => cycle,
        // A pilot run finds it; it is not longer than the measure.
        (Warmup::Auto, None) => measure,
    };
    let horizon = warmup + measure;
    if kept.is_some_and(|kept| kept <= horizon) {
        return;
    }
    let at = findings.at;
    let message = "`start: empty` would measure abandoned snapshots while they still pile up";
    let found = at.error("stock-fills", "experiment.start", message);
    let long = kept.map_or_else(|| "for ever".to_owned(), |kept| kept.to_string());
    let found = at.with(found, "platform.retention", format!("they are kept {long}"));
    let found = at.with(found, abandon, "these leave them behind");
    let rests_on = ["experiment.measure", "experiment.warmup", "workload.profile"];
    let found = rests_on.iter().fold(found, |found, path| at.depends(found, *path));
    let found = at.depends(found, "platform.idle.then");
    findings.push(found.help(format!(
        "that is longer than warm-up and measure, {horizon}, so storage and its cost would come out too low: \
         write `start: steady`, which begins with them"
    )));
}

fn driven(findings: &mut Findings<'_>, live: &Live) {
    let at = |key| path(["live", key]);
    target(findings, live);
    let expected = "expected 1 or more";
    findings.not_zero(&at("sessions"), live.sessions == 0, "nothing would be driven", expected);
    findings.not_zero(&at("repeat"), live.repeat == 0, "nothing would be driven", expected);
    if let Some(load) = &live.load {
        let place = at("load").key("open_sessions");
        let none = load.open_sessions.0 == 0.0;
        findings.not_zero(&place, none, "nobody would come", "expected a number, such as `8`");
    }
    let why = "no sandbox could ever start";
    findings.not_zero(&at("max_alive"), live.max_alive == 0, why, expected);
    findings.not_zero(&at("max_creates"), live.max_creates.get() == Some(0), why, expected);
    let why = "the run would be over before it begins";
    findings.not_zero(&at("max_run"), live.max_run.is_zero(), why, "write `max_run: 10m`");
    let factor = live.compress_time.0;
    let help = "it divides every waited time: 1 for real time, 60 for an hour in a minute";
    findings.not_zero(&at("compress_time"), factor == 0.0, "nothing would ever happen", help);
    if factor > 0.0 && factor < 1.0 {
        let message =
            format!("`compress_time` is {factor}: waiting would take longer than in reality");
        let found = findings.at.warning("compress-time", at("compress_time"), message);
        findings.push(found.help(help));
    }
    let hibernates = findings.scenario.platform.idle.then == IdleThen::Hibernate;
    let why = "nothing could hibernate";
    let none = hibernates && live.snapshot_store.0 == 0;
    findings.not_zero(&at("snapshot_store"), none, why, "expected a size, such as `2GiB`");
    if live.load.is_some() {
        return;
    }
    let rate = match &findings.scenario.workload.arrivals {
        Some(Arrivals::Poisson { rate } | Arrivals::Renewal { rate, .. }) => rate.per_second(),
        Some(Arrivals::Mmpp { states }) => {
            let stays = |weight: fn(&ModulatedState) -> f64| -> f64 {
                states.iter().map(|state| weight(state) * state.mean.seconds()).sum()
            };
            stays(|state| state.rate.per_second()) / stays(|_| 1.0)
        }
        Some(Arrivals::Every(gap)) if !gap.is_zero() => 1.0 / gap.seconds(),
        _ => return,
    };
    let takes = Span::from_seconds(live.sessions as f64 / (rate * factor));
    if rate > 0.0 && factor > 0.0 && takes > live.max_run && !live.max_run.is_zero() {
        too_long(findings, takes, live);
    }
}

/// The run would be cut before all sessions have arrived.
fn too_long(findings: &mut Findings<'_>, takes: Span, live: &Live) {
    let minutes = (takes.seconds() / 60.0).round();
    let message = format!(
        "{} sessions take some {minutes} minutes to arrive, and the run is cut after {}",
        live.sessions, live.max_run
    );
    let at = findings.at;
    let found = at.warning("cut-short", "live.sessions", message);
    let found = at.depends(at.depends(found, "live.max_run"), "workload.arrivals");
    findings.push(
        at.depends(found, "live.compress_time")
            .help("drive fewer sessions, raise `compress_time`, or raise `max_run`"),
    );
}
