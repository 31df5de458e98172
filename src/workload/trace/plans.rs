//! `plans`: session plans as JSON lines, one session a line, as written by
//! [`write_plans`](super::write_plans).
//!
//! Times are decimal seconds, read digit by digit to whole nanoseconds (rounded half up), and
//! fractions are read to the nearest `f64`; so what was written reads back the same.
//!
//! May be left out: `class` (`default`), `end` (`close`), `tools` (none), `cores` (1),
//! `latency_s` (as `null`: not recorded), the first turn's `think_s` (0), and `context`, `u`,
//! `errors`, `faults`, `children` (sub-agents of a step, each with `turns`, and `class` and
//! `session` if they are not the defaults). Everything else must be there, and an unknown key is an error: absent is not
//! zero.

use std::borrow::Cow;
use std::fmt;

use rustc_hash::FxHashMap;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::decimal::{self, NotATime};
use super::error::{Place, Problem, TraceError};
use super::lines::Lines;
use super::report::TraceReport;
use super::{Names, stamps};
use crate::scenario::types::{DEFAULT_NAME, TraceFormat};
use crate::units::{Bytes, Cores, Span, Time};
use crate::workload::plan::{CallPlan, End, SessionPlan, StepPlan, ToolPlan, TurnPlan};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSession<'a> {
    session: u64,
    #[serde(borrow, default = "default_name")]
    class: Cow<'a, str>,
    arrival_s: Seconds,
    #[serde(default)]
    end: RawEnd,
    #[serde(borrow)]
    turns: Vec<RawTurn<'a>>,
    #[serde(default)]
    faults: RawFaults,
}

fn default_name() -> Cow<'static, str> {
    Cow::Borrowed(DEFAULT_NAME)
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum RawEnd {
    #[default]
    Close,
    Abandon,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawFaults {
    boot: Box<[bool]>,
    restore: Box<[bool]>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTurn<'a> {
    think_s: Option<Seconds>,
    #[serde(borrow)]
    steps: Vec<RawStep<'a>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawStep<'a> {
    #[serde(borrow)]
    model: RawCall<'a>,
    #[serde(default)]
    tools: Vec<RawTool>,
    #[serde(borrow, default)]
    children: Vec<RawChild<'a>>,
}

/// A sub-agent: it runs in its parent's sandbox, so it has no arrival and no faults of its own.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawChild<'a> {
    #[serde(borrow, default = "default_name")]
    class: Cow<'a, str>,
    /// Keys its draws.
    session: Option<u64>,
    #[serde(borrow)]
    turns: Vec<RawTurn<'a>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCall<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    input: u64,
    output: u64,
    latency_s: Option<Seconds>,
    context: Option<u64>,
    #[serde(default)]
    u: Vec<Number>,
    #[serde(default)]
    errors: Box<[bool]>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTool {
    cpu_s: Seconds,
    #[serde(default = "one_core")]
    cores: Number,
    io_s: Seconds,
    memory_bytes: u64,
    dirty_bytes: u64,
}

fn one_core() -> Number {
    Number(1.0)
}

/// Decimal seconds, exact to the nanosecond.
#[derive(Clone, Copy)]
struct Seconds(Span);

/// A number, to the nearest `f64`: the JSON reader's own conversion may miss it by one.
#[derive(Clone, Copy)]
struct Number(f64);

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <&RawValue>::deserialize(deserializer)?.get();
        let nanos = decimal::scaled(text, decimal::SECONDS).map_err(|error| {
            let expected = match error {
                NotATime::NotANumber | NotATime::Negative => "a number of seconds, 0 or more",
                NotATime::TooLong => "a number of seconds, 584 years at most",
            };
            unexpected::<D::Error>(text, expected)
        })?;
        Ok(Seconds(Span::from_nanos(nanos)))
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <&RawValue>::deserialize(deserializer)?.get();
        let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
        number.map(Number).ok_or_else(|| unexpected::<D::Error>(text, "a number"))
    }
}

fn unexpected<E: serde::de::Error>(found: impl fmt::Display, expected: &str) -> E {
    E::custom(format!("found `{found}`, expected {expected}"))
}

pub(super) fn read(
    mut lines: Lines,
    names: &Names<'_>,
) -> Result<(Vec<SessionPlan>, TraceReport), TraceError> {
    let mut report = TraceReport::new(TraceFormat::Plans);
    let mut sessions = Vec::new();
    let mut numbers: FxHashMap<u64, u64> = FxHashMap::default();
    while let Some(line) = lines.next()? {
        let plan = parse(line, names).map_err(|(problem, column)| {
            let error = lines.error(problem);
            TraceError { place: Place { column, ..error.place }, ..error }
        })?;
        if let Some(other) = numbers.insert(plan.session, lines.number()) {
            let found = format!("session {} is there twice", plan.session);
            let help = format!("the other one is on line {other}");
            return Err(lines.error(Problem::Meaning { found, help }));
        }
        for step in plan.turns.iter().flat_map(|turn| &turn.steps) {
            report.calls += 1;
            report.tokens.input += step.call.input;
            report.tokens.output += step.call.output;
        }
        sessions.push(plan);
    }
    if sessions.is_empty() {
        return Err(lines.file_error(Problem::Empty("sessions")));
    }
    let times: Vec<Time> = sessions.iter().map(|session| session.arrival).collect();
    report.rows = sessions.len() as u64;
    report.sessions = report.rows;
    report.arrivals = Some(stamps::facts(&times));
    report.blank_lines = lines.blank();
    Ok((sessions, report))
}

/// Reads one session.
fn parse(line: &str, names: &Names<'_>) -> Result<SessionPlan, (Problem, Option<u64>)> {
    let mut json = serde_json::Deserializer::from_str(line);
    let raw: RawSession<'_> = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        let (problem, column) = json_problem(error.inner());
        match problem {
            Problem::Json { message, help } if path != "." => {
                (Problem::Json { message: format!("`{path}`: {message}"), help }, column)
            }
            problem => (problem, column),
        }
    })?;
    json.end().map_err(|error| json_problem(&error))?;
    raw.plan(names).map_err(|problem| (problem, None))
}

/// A JSON error and its column, without the line that the JSON reader counts from 1 for each text.
pub(super) fn json_problem(error: &serde_json::Error) -> (Problem, Option<u64>) {
    let text = error.to_string();
    let message = text.rsplit_once(" at line ").map_or(text.as_str(), |(message, _)| message);
    let help = error
        .is_syntax()
        .then(|| "each line is a JSON object of its own: is `format` the file's?".to_owned());
    let help = help.or_else(|| {
        error.is_eof().then(|| "the line ends within the object: is the file cut short?".to_owned())
    });
    let column = (error.column() > 0).then_some(error.column() as u64);
    (Problem::Json { message: message.to_owned(), help }, column)
}

impl RawSession<'_> {
    fn plan(self, names: &Names<'_>) -> Result<SessionPlan, Problem> {
        let mut reading = Reading { names, session: self.session, sub_agents: Vec::new() };
        let turns = reading.turns(self.turns, "turns")?;
        Ok(SessionPlan {
            session: self.session,
            class: names.class(&self.class)?,
            arrival: Time::ZERO + self.arrival_s.0,
            end: match self.end {
                RawEnd::Close => End::Close,
                RawEnd::Abandon => End::Abandon,
            },
            turns,
            boot_faults: self.faults.boot,
            restore_faults: self.faults.restore,
            sub_agents: reading.sub_agents,
        })
    }
}

/// A session being read, and the sub-agents found in it.
struct Reading<'a> {
    names: &'a Names<'a>,
    session: u64,
    sub_agents: Vec<SessionPlan>,
}

impl Reading<'_> {
    fn turns(&mut self, raw: Vec<RawTurn<'_>>, path: &str) -> Result<Vec<TurnPlan>, Problem> {
        let meaning = |found: String, help: &str| Problem::Meaning { found, help: help.to_owned() };
        if raw.is_empty() {
            let found = match path {
                "turns" => "the session has no turns".to_owned(),
                _ => format!("`{path}` is empty"),
            };
            return Err(meaning(found, "it needs at least one"));
        }
        let mut turns = Vec::with_capacity(raw.len());
        for (number, turn) in raw.into_iter().enumerate() {
            let think = match (number, turn.think_s) {
                (0, Some(Seconds(think))) if !think.is_zero() => {
                    let found = format!("`{path}[0].think_s` is {} s", think.seconds());
                    let help = "a session's first turn begins when it arrives: write 0, and a \
                                later `arrival_s`";
                    return Err(meaning(found, help));
                }
                (0, _) => Span::ZERO,
                (_, Some(Seconds(think))) => think,
                (_, None) => {
                    let found = format!("`{path}[{number}]` has no `think_s`");
                    let help = "absent is not zero: write the time since the turn before";
                    return Err(meaning(found, help));
                }
            };
            let mut steps = Vec::with_capacity(turn.steps.len());
            for (step, raw) in turn.steps.into_iter().enumerate() {
                let path = format!("{path}[{number}].steps[{step}]");
                steps.push(self.step(raw, &path)?);
            }
            turns.push(TurnPlan { think, steps });
        }
        Ok(turns)
    }

    fn step(&mut self, mut raw: RawStep<'_>, path: &str) -> Result<StepPlan, Problem> {
        let mut children = Vec::new();
        for (number, child) in std::mem::take(&mut raw.children).into_iter().enumerate() {
            let place = u16::try_from(self.sub_agents.len()).map_err(|_| Problem::Meaning {
                found: format!("session {} has more than 65,536 sub-agents", self.session),
                help: "leave some out".to_owned(),
            })?;
            self.sub_agents.push(SessionPlan::default());
            let turns = self.turns(child.turns, &format!("{path}.children[{number}].turns"))?;
            // A number of its own for its draws: apart from those of all sessions.
            let own = 1 << 60 | self.session << 16 | u64::from(place);
            self.sub_agents[usize::from(place)] = SessionPlan {
                session: child.session.unwrap_or(own),
                class: self.names.class(&child.class)?,
                turns,
                ..SessionPlan::default()
            };
            children.push(place);
        }
        let plan = raw.plan(self.names, || path.to_owned())?;
        Ok(StepPlan { children: children.into(), ..plan })
    }
}

impl RawStep<'_> {
    fn plan(self, names: &Names<'_>, path: impl Fn() -> String) -> Result<StepPlan, Problem> {
        let out_of_range = |key: &str, found: f64, expected: &str| Problem::Field {
            what: "key",
            name: format!("{}.{key}", path()).into(),
            found: format!("`{found}`").into(),
            expected: expected.into(),
            help: None,
        };
        if let Some(u) = self.model.u.iter().find(|u| !(0.0..=1.0).contains(&u.0)) {
            return Err(out_of_range("model.u", u.0, "fractions from 0 to 1"));
        }
        if let Some(tool) = self.tools.iter().find(|tool| tool.cores.0 <= 0.0) {
            return Err(out_of_range("tools.cores", tool.cores.0, "a number of cores above 0"));
        }
        let call = CallPlan {
            model: names.model(&self.model.name)?,
            input: self.model.input,
            output: self.model.output,
            latency: self.model.latency_s.map(|Seconds(latency)| latency),
            context: self.model.context,
        };
        let tools = self.tools.iter().map(|tool| ToolPlan {
            cpu: tool.cpu_s.0,
            cores: Cores(tool.cores.0),
            io: tool.io_s.0,
            memory: Bytes(tool.memory_bytes),
            dirty: Bytes(tool.dirty_bytes),
        });
        let backoff = self.model.u.iter().map(|u| u.0).collect();
        let children = Box::default();
        Ok(StepPlan { call, backoff, errors: self.model.errors, tools: tools.collect(), children })
    }
}
