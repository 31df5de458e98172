//! `agent-sessions`: one row a model request, grouped into sessions, whole prompts recorded.
//!
//! | column | read as |
//! |---|---|
//! | `session_id`, `parent_id` | the session; rows with a parent are a sub-agent's (`sub_agents: skip | include`) |
//! | `seq` | the request's number in its session |
//! | `t_s` | start since the session's begin (`timing: start_times`) |
//! | `input_tokens` | the whole prompt: the call's `context` |
//! | `cached_tokens` | only counted, for the report |
//! | `output_tokens` | the call's output |
//! | `api_time_s` | the call's recorded latency |
//! | `think_time_s` | the gap before the request (`timing: api_and_think`); of a session's first request ignored |
//! | `model` | the model, if the scenario has it, else the class's |
//! | `input_types` | a person spoke where it has `text` and no `tool_result` (`turns: user_message`) |
//!
//! New tokens of a call = prompt − previous prompt − previous output, at least 0: after a
//! compaction the prompt is shorter than what came before (counted).
//!
//! With `turns: request` each request is a turn and each gap think time. With `turns: user_message`
//! a turn begins where a person spoke; the gaps within it, which are tool time and approvals, become
//! a tool call of the step before that only waits (no CPU, I/O wait = the gap).
//!
//! With `timing: start_times` a gap runs from the end of the call before, as recorded, to the
//! recorded start; a start that lies before that end is late, by as much (counted).
//!
//! With `sub_agents: include` a sub-agent runs in its parent's sandbox, started by the last request of
//! its parent that began before it (`t_s` of both count from the parent's begin); the parent waits for
//! it. Rows of a parent that is not there are left out and counted.
//!
//! `api_time_s` and `think_time_s` that were not recorded are replayed as 0 and counted. The format
//! has no session arrivals: all arrive at 0 unless the scenario's `arrivals` says otherwise.

use indexmap::IndexMap;

use super::Names;
use super::csv::{Csv, Row};
use super::duplicates;
use super::error::{Problem, TraceError};
use super::lines::Lines;
use super::report::TraceReport;
use crate::scenario::types::{SubAgents, Trace, TraceFormat, TraceOrder, TraceTiming, TraceTurns};
use crate::units::{Bytes, Cores, Span};
use crate::workload::plan::{CallPlan, ModelId, SessionPlan, StepPlan, ToolPlan, TurnPlan};

const COLUMNS: [&str; 11] = [
    "session_id",
    "parent_id",
    "seq",
    "t_s",
    "input_tokens",
    "cached_tokens",
    "output_tokens",
    "api_time_s",
    "think_time_s",
    "model",
    "input_types",
];
// Places in the list of columns.
const SESSION: usize = 0;
const PARENT: usize = 1;
const SEQ: usize = 2;
const START: usize = 3;
const INPUT: usize = 4;
const CACHED: usize = 5;
const OUTPUT: usize = 6;
const API_TIME: usize = 7;
const THINK_TIME: usize = 8;
const MODEL: usize = 9;
const INPUT_TYPES: usize = 10;
/// Columns of the format that a replay has no use for.
const UNUSED: [&str; 3] = ["kind", "ttft_s", "stop"];

/// One request of a session.
struct Request {
    seq: u64,
    line: u64,
    start: Option<Span>,
    input: u64,
    output: u64,
    api: Option<Span>,
    think: Option<Span>,
    model: ModelId,
    person: bool,
}

/// Everything gathered from the rows.
struct Gathered<'a> {
    names: &'a Names<'a>,
    class_model: ModelId,
    report: TraceReport,
    cached: u64,
    sessions: IndexMap<String, Vec<Request>>,
    /// Requests of sub-agents, by parent and sub-agent, if they are wanted.
    children: Option<IndexMap<String, IndexMap<String, Vec<Request>>>>,
}

pub(super) fn read(
    lines: Lines,
    trace: &Trace,
    names: &Names<'_>,
) -> Result<(Vec<SessionPlan>, TraceReport), TraceError> {
    let mut csv = Csv::open(lines, COLUMNS)?;
    let class = names.only_class().map_err(|problem| csv.lines.file_error(problem))?;
    let class_model = names.class_model(class).map_err(|problem| csv.lines.file_error(problem))?;
    let report = TraceReport::new(TraceFormat::AgentSessions);
    let sessions = IndexMap::new();
    let children = (trace.sub_agents == SubAgents::Include).then(IndexMap::new);
    let mut all = Gathered { names, class_model, report, cached: 0, sessions, children };
    while let Some(added) = csv.next(|row| all.row(&row))? {
        // The line's number is known to the file alone, once the row is read.
        if let Some(session) = added {
            let request = all.sessions[session].last_mut().expect("a row was just added");
            request.line = csv.lines.number();
        }
    }
    if all.sessions.is_empty() {
        return Err(csv.lines.file_error(Problem::Empty("rows of sessions")));
    }
    let fail = |(line, problem): (u64, Problem)| {
        let mut error = csv.lines.file_error(problem);
        error.place.line = Some(line);
        error
    };
    all.sort_requests().map_err(fail)?;
    if trace.order == TraceOrder::SessionId {
        all.sessions.sort_unstable_keys();
    }
    let Gathered { mut report, cached, sessions, children, .. } = all;
    let mut children = children.unwrap_or_default();
    report.sessions = sessions.len() as u64;
    report.tokens.cached =
        (report.missing.get(COLUMNS[CACHED]) != Some(&report.calls)).then_some(cached);
    report.blank_lines = csv.lines.blank();
    report.unread_columns =
        csv.unread.iter().filter(|name| !UNUSED.contains(&name.as_str())).cloned().collect();
    report.duplicates = duplicates::find(sessions.iter().map(|(id, requests)| {
        let key = |r: &Request| (r.start.map_or(0, Span::nanos), r.input, r.output);
        (id.as_str(), requests.iter().map(key).collect())
    }));
    let mut plans = Vec::with_capacity(sessions.len());
    for (number, (id, requests)) in (0..).zip(&sessions) {
        let (turns, places) = turns(requests, trace, &mut report).map_err(fail)?;
        let mut plan = SessionPlan { session: number, class, turns, ..SessionPlan::default() };
        for mut child in children.shift_remove(id).into_iter().flat_map(IndexMap::into_values) {
            child.sort_by_key(|request| request.seq);
            let (turns, _) = self::turns(&child, trace, &mut report).map_err(fail)?;
            report.sub_agents += 1;
            add_child(&mut plan, requests, &places, &child[0], turns);
        }
        plans.push(plan);
    }
    report.orphan_rows = children.values().flat_map(IndexMap::values).map(|c| c.len() as u64).sum();
    Ok((plans, report))
}

impl Gathered<'_> {
    /// Takes a row in; the place of its session, or `None` if it was left out.
    fn row(&mut self, row: &Row<'_, 11>) -> Result<Option<usize>, Problem> {
        let id = row.text(SESSION);
        if id.is_empty() {
            return Err(row.problem(SESSION, "the identifier of a session", None));
        }
        self.report.rows += 1;
        let request = self.request(row)?;
        if !row.text(PARENT).is_empty() {
            self.report.sub_agent_rows += 1;
            if let Some(children) = &mut self.children {
                let of_parent = children.entry(row.text(PARENT).to_owned()).or_default();
                of_parent.entry(id.to_owned()).or_default().push(request);
            }
            return Ok(None);
        }
        self.report.calls += 1;
        self.report.tokens.input += request.input;
        self.report.tokens.output += request.output;
        match row.optional_whole(CACHED)? {
            Some(cached) => self.cached += cached,
            None => self.report.miss(COLUMNS[CACHED]),
        }
        if self.names.model(row.text(MODEL)).is_err() {
            *self.report.other_models.entry(row.text(MODEL).to_owned()).or_default() += 1;
        }
        let place = match self.sessions.get_index_of(id) {
            Some(place) => place,
            None => self.sessions.insert_full(id.to_owned(), Vec::new()).0,
        };
        let requests = &mut self.sessions[place];
        if requests.last().is_some_and(|last| last.seq > request.seq) {
            self.report.out_of_order += 1;
        }
        requests.push(request);
        Ok(Some(place))
    }

    fn request(&self, row: &Row<'_, 11>) -> Result<Request, Problem> {
        let types = row.text(INPUT_TYPES);
        let has = |kind| types.split('+').any(|part| part == kind);
        Ok(Request {
            seq: row.whole(SEQ)?,
            line: 0,
            start: row.optional_seconds(START)?,
            input: row.whole(INPUT)?,
            output: row.whole(OUTPUT)?,
            api: row.optional_seconds(API_TIME)?,
            think: row.optional_seconds(THINK_TIME)?,
            model: self.names.model(row.text(MODEL)).unwrap_or(self.class_model),
            person: has("text") && !has("tool_result"),
        })
    }

    /// Puts each session's requests in the order of their numbers, and counts what lacks.
    fn sort_requests(&mut self) -> Result<(), (u64, Problem)> {
        for (id, requests) in &mut self.sessions {
            requests.sort_by_key(|request| request.seq);
            for (place, request) in requests.iter().enumerate() {
                if request.api.is_none() {
                    self.report.miss(COLUMNS[API_TIME]);
                }
                if request.think.is_none() && place > 0 {
                    self.report.miss(COLUMNS[THINK_TIME]);
                }
            }
            self.report.holes += requests[0].seq;
            for pair in requests.windows(2) {
                if pair[0].seq == pair[1].seq {
                    let found = format!("request {} of session `{id}` is there twice", pair[0].seq);
                    let help = format!("the other one is on line {}", pair[0].line);
                    return Err((pair[1].line, Problem::Meaning { found, help }));
                }
                self.report.holes += pair[1].seq - pair[0].seq - 1;
            }
        }
        Ok(())
    }
}

/// Hangs a sub-agent on the last request of its parent that began before it.
fn add_child(
    plan: &mut SessionPlan,
    requests: &[Request],
    places: &[(usize, usize)],
    first: &Request,
    turns: Vec<TurnPlan>,
) {
    let before = requests.iter().rposition(|request| request.start <= first.start).unwrap_or(0);
    let (turn, step) = places[before];
    let place = plan.sub_agents.len() as u16;
    // A number of its own for its draws: apart from those of all sessions.
    let session = 1 << 60 | plan.session << 16 | u64::from(place);
    plan.sub_agents.push(SessionPlan {
        session,
        class: plan.class,
        turns,
        ..SessionPlan::default()
    });
    let step = &mut plan.turns[turn].steps[step];
    step.children = step.children.iter().copied().chain([place]).collect();
}

/// The turns of one session, and the turn and step of each request.
type TurnsAndPlaces = (Vec<TurnPlan>, Vec<(usize, usize)>);

fn turns(
    requests: &[Request],
    trace: &Trace,
    report: &mut TraceReport,
) -> Result<TurnsAndPlaces, (u64, Problem)> {
    let mut turns: Vec<TurnPlan> = Vec::new();
    let mut places = Vec::with_capacity(requests.len());
    let mut clock = Clock::default();
    let mut before = 0;
    for (place, request) in requests.iter().enumerate() {
        let gap = match trace.timing {
            TraceTiming::ApiAndThink if place == 0 => Span::ZERO,
            TraceTiming::ApiAndThink => request.think.unwrap_or_default(),
            TraceTiming::StartTimes => clock.gap_before(request, place == 0, report)?,
        };
        let call = CallPlan {
            model: request.model,
            input: request.input.saturating_sub(before),
            output: request.output,
            latency: Some(request.api.unwrap_or_default()),
            context: Some(request.input),
        };
        report.shrunk_contexts += u64::from(request.input < before);
        before = request.input + request.output;
        let step = StepPlan { call, ..StepPlan::default() };
        match turns.last_mut() {
            Some(turn) if trace.turns == TraceTurns::UserMessage && !request.person => {
                if let (false, Some(last)) = (gap.is_zero(), turn.steps.last_mut()) {
                    last.tools = Box::new([wait(gap)]);
                }
                turn.steps.push(step);
            }
            _ => turns.push(TurnPlan { think: gap, steps: vec![step] }),
        }
        let turn = turns.len() - 1;
        places.push((turn, turns[turn].steps.len() - 1));
    }
    Ok((turns, places))
}

/// A tool call that only waits.
fn wait(io: Span) -> ToolPlan {
    ToolPlan { cpu: Span::ZERO, cores: Cores(1.0), io, memory: Bytes(0), dirty: Bytes(0) }
}

/// The replay's own time within a session, for `timing: start_times`.
#[derive(Default)]
struct Clock {
    /// Recorded start of the first request, which the replay's time counts from.
    origin: Span,
    /// End of the call before.
    end: Span,
}

impl Clock {
    /// The gap between the end of the call before and this request's start.
    fn gap_before(
        &mut self,
        request: &Request,
        first: bool,
        report: &mut TraceReport,
    ) -> Result<Span, (u64, Problem)> {
        let Some(start) = request.start else {
            let found = format!("`{}` is not recorded", COLUMNS[START]);
            let help =
                "`timing: start_times` needs it; `timing: api_and_think` does not".to_owned();
            return Err((request.line, Problem::Meaning { found, help }));
        };
        if first {
            self.origin = start;
        }
        let start = start.saturating_sub(self.origin);
        report.overlaps += u64::from(start < self.end);
        let gap = start.saturating_sub(self.end);
        self.end = self.end + gap + request.api.unwrap_or_default();
        Ok(gap)
    }
}
