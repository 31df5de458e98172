//! Arrivals, load, profile, trace.

use super::{Findings, path};
use crate::scenario::types::{Arrivals, ModulatedState, Profile, Trace, TraceFormat, WeekProfile};
use crate::units::{Rate, Ratio, Span};
use crate::workload::profile::ProfileCurve;

const DAY: Span = Span::from_secs(86_400);
const WEEK: Span = Span::from_secs(7 * 86_400);

/// A profile's mean may miss 1 by this much before a load by number is off by more than it says.
const MEAN_TOLERANCE: f64 = 0.01;

pub(super) fn check(findings: &mut Findings<'_>) {
    sources(findings);
    arrivals(findings);
    profile(findings);
    if let Some(trace) = &findings.scenario.workload.trace {
        replayed(findings, trace);
    }
}

/// Something, and one thing, must say when sessions arrive.
fn sources(findings: &mut Findings<'_>) {
    let workload = &findings.scenario.workload;
    let at = findings.at;
    if workload.load.is_some() && workload.arrivals.is_some() {
        let message = "`arrivals` and `load` both set the arrival rate";
        let found = at.error("two-rates", "workload.arrivals", message);
        let found = at.with(found, "workload.load", "the rate that gives this load");
        findings.push(found.help("keep one of them"));
    }
    if workload.load.is_none() && workload.arrivals.is_none() && workload.trace.is_none() {
        let found = at.error("no-arrivals", "workload", "nothing says when sessions arrive");
        findings.push(found.help(
            "add below `workload`: `arrivals: {poisson: {rate: 40/min}}`, `load: {open_sessions: 100}` or a `trace`",
        ));
    }
    if let Some(load) = &workload.load {
        let place = path(["workload", "load", "open_sessions"]);
        let help = "expected the number of sessions to keep open, such as `1200`";
        findings.not_zero(&place, load.open_sessions.0 == 0.0, "nobody would come", help);
    }
}

fn arrivals(findings: &mut Findings<'_>) {
    let Some(arrivals) = &findings.scenario.workload.arrivals else { return };
    let below = |form, key| path(["workload", "arrivals", form, key]);
    let none = |rate: Rate| !(1.0 / rate.per_second()).is_finite();
    let help = "expected a rate above zero, such as `40/min`";
    match arrivals {
        Arrivals::Poisson { rate } => {
            findings.not_zero(&below("poisson", "rate"), none(*rate), "nobody would come", help);
        }
        Arrivals::Renewal { rate, .. } => {
            findings.not_zero(&below("renewal", "rate"), none(*rate), "nobody would come", help);
        }
        Arrivals::Mmpp { states } => modulated(findings, states),
        Arrivals::Every(gap) => findings.not_zero(
            &path(["workload", "arrivals", "every"]),
            gap.is_zero(),
            "all sessions, endlessly many, would arrive at time 0",
            "expected a gap above zero, such as `1.5s`",
        ),
        Arrivals::Closed { population } => findings.not_zero(
            &below("closed", "population"),
            *population == 0,
            "there would be nobody",
            "expected 1 or more",
        ),
    }
}

fn modulated(findings: &mut Findings<'_>, states: &[ModulatedState]) {
    let place = path(["workload", "arrivals", "mmpp", "states"]);
    let nobody = states.iter().all(|state| !(1.0 / state.rate.per_second()).is_finite());
    let help = "give at least one state a rate above zero, such as `{rate: 40/min, mean: 5m}`";
    if nobody {
        let message = "no state of `mmpp` has arrivals: nobody would come";
        findings.push(findings.at.error("zero", &place, message).help(help));
    }
    for (number, state) in states.iter().enumerate() {
        let mean = place.index(number).key("mean");
        let why = "a state that lasts no time is no state";
        findings.not_zero(&mean, state.mean.is_zero(), why, "expected a time, such as `5m`");
    }
    if let ([_], false) = (states, nobody) {
        let found = findings.at.warning("one-state", place, "one state modulates nothing");
        findings.push(found.help("write `poisson: {rate: …}`, or add another state"));
    }
}

fn profile(findings: &mut Findings<'_>) {
    let workload = &findings.scenario.workload;
    let Some(profile) = &workload.profile else { return };
    let at = findings.at;
    let moves_nothing = match (&workload.arrivals, &workload.load) {
        (Some(Arrivals::Closed { .. }), _) => Some(("workload.arrivals", "closed arrivals")),
        (None, None) if workload.trace.is_some() => Some(("workload.trace", "a trace's times")),
        _ => None,
    };
    if let Some((what, words)) = moves_nothing {
        let message = format!("a `profile` moves an arrival rate, and {words} have none");
        let found = at.error("profile", "workload.profile", message);
        let found = at.with(found, what, "these say when sessions arrive");
        findings.push(
            found.help("remove the profile, or give `poisson`, `mmpp` or `renewal` arrivals"),
        );
    }
    let sound = match profile {
        Profile::Day(day) => steps(findings, "day", day, DAY),
        Profile::Week(WeekProfile::Steps(week)) => steps(findings, "week", week, WEEK),
        Profile::Week(WeekProfile::OfficeHours) => true,
    };
    if let (true, Some(load), Ok(curve)) = (sound, &workload.load, ProfileCurve::new(profile)) {
        let mean = curve.mean();
        if (mean - 1.0).abs() > MEAN_TOLERANCE {
            let (asked, open) = (load.open_sessions.0, (load.open_sessions.0 * mean).round());
            let message = format!(
                "the profile's factors have a mean of {:.3}, so {open} sessions are open on average, not {asked}",
                mean
            );
            let found = at.warning("profile-mean", "workload.profile", message);
            let found = at.with(found, "workload.load.open_sessions", "times the profile's mean");
            findings.push(found.help(format!(
                "scale the factors by {:.4} to a mean of 1, if {asked} is meant as the average",
                1.0 / mean
            )));
        }
    }
}

/// The steps of a cycle; whether they make a profile.
fn steps(findings: &mut Findings<'_>, form: &str, steps: &[(Span, Ratio)], cycle: Span) -> bool {
    let place = path(["workload", "profile", form]);
    let at = findings.at;
    let (Some((first, _)), Some((_, last))) = (steps.first(), steps.last()) else {
        let found = at.error("profile", &place, "the profile has no steps");
        findings.push(found.help("write steps such as `[[0h, 0.4], [9h, 1.6], [20h, 0.7]]`"));
        return false;
    };
    let mut sound = true;
    let mut before: Option<(usize, Span)> = None;
    for (number, (start, _)) in steps.iter().enumerate() {
        let step = place.index(number).index(0);
        if *start >= cycle {
            let message =
                format!("this step starts at {start}, after its {form} of {cycle} is over");
            findings.push(at.error("profile", &step, message).help(format!(
                "a step starts before {cycle}; the last one holds until the next {form} begins"
            )));
            sound = false;
        } else if let Some((earlier, time)) = before.filter(|(_, time)| start <= time) {
            let message = format!("this step at {start} does not start after the one before it");
            let found = at.error("profile", &step, message);
            let earlier = place.index(earlier).index(0);
            let found = at.with(found, &earlier, format!("this one starts at {time}"));
            findings.push(found.help("write the steps in the order of their times"));
            sound = false;
        }
        before = Some((number, *start));
    }
    if steps.iter().all(|(_, factor)| factor.0 == 0.0) {
        let found = at.error("profile", &place, "all factors of the profile are zero");
        findings.push(found.help("nothing would ever arrive: give at least one factor above zero"));
        sound = false;
    }
    if sound && !first.is_zero() {
        let message = format!("the profile says nothing of the time before {first}");
        let found = at.warning("profile", place.index(0).index(0), message);
        findings.push(found.help(format!(
            "the last step's factor, {}, holds there too; write `[0h, {0}]` if that is meant",
            last.0
        )));
    }
    sound
}

fn replayed(findings: &mut Findings<'_>, trace: &Trace) {
    let at = findings.at;
    if trace.file.trim().is_empty() {
        let found = at.error("trace", "workload.trace.file", "`file` is empty");
        findings.push(found.help("give the trace's path, relative to the scenario"));
    }
    let for_sessions = ["turns", "timing", "sub_agents", "order"];
    for key in for_sessions {
        let place = path(["workload", "trace", key]);
        if trace.format != TraceFormat::AgentSessions && at.is_written(&place) {
            let why = "only traces of the format `agent-sessions` have several requests a session";
            findings.no_effect(&place, "workload.trace.format", why, "remove it");
        }
    }
    if trace.format != TraceFormat::Mooncake && trace.spread_ticks {
        let place = path(["workload", "trace", "spread_ticks"]);
        let why = "only traces of the format `mooncake` have ticks";
        findings.no_effect(&place, "workload.trace.format", why, "remove it");
    }
    let workload = &findings.scenario.workload;
    let timeless = trace.format == TraceFormat::AgentSessions;
    if timeless && workload.arrivals.is_none() && workload.load.is_none() {
        let message = "this trace does not say when sessions arrive: all would come at time 0";
        let found = at.warning("no-arrivals", "workload.trace", message);
        let found = at.depends(at.depends(found, "workload.arrivals"), "workload.load");
        findings.push(found.help("add `arrivals: {every: 60s}` or another process beside `trace`"));
    }
    shares_beside(findings);
}

/// A trace says itself which sessions there are.
fn shares_beside(findings: &mut Findings<'_>) {
    for (name, class) in &findings.scenario.workload.classes {
        if class.share.is_some() {
            let place = path(["workload", "classes", name, "share"]);
            let why = "the trace says which sessions there are";
            findings.no_effect(&place, "workload.trace", why, "remove it");
        }
    }
}
