//! Trace readers: each yields session plans, and a report of what it met.
//!
//! Nothing is guessed in silence: a malformed row is an error with its line, a value that was not
//! recorded is counted, and what may mislead (ticks, silences, copies, rows left out) is in
//! [`TraceReport::warnings`].
//!
//! What a format lacks comes from the scenario: the class is the only one, or `default`; the model
//! is the class's.

mod agent_sessions;
mod azure;
mod csv;
mod decimal;
mod duplicates;
mod error;
mod lines;
mod mooncake;
mod plans;
mod plans_write;
mod report;
mod stamps;
#[cfg(test)]
mod tests;

use std::path::Path;

use indexmap::IndexMap;

pub use error::{Place, Problem, TraceError};
pub use plans_write::write_plans;
pub use report::{Duplicate, Likeness, PrefixBlocks, TokenTotals, TraceReport};
pub use stamps::{ArrivalFacts, Silence, Ticks};

use super::plan::{CallPlan, ClassId, ModelId, SessionPlan, StepPlan, TurnPlan};
use crate::scenario::types::{Class, DEFAULT_NAME, Model, Trace, TraceFormat};
use crate::units::Time;
use error::suggest;
use lines::Lines;

/// The names that a trace's classes and models are looked up in.
#[derive(Clone, Copy, Debug)]
pub struct Names<'a> {
    /// The scenario's classes; empty where all sessions are of the one implied class.
    pub classes: &'a IndexMap<String, Class>,
    /// The scenario's models; empty where there is only the implied one, `default`.
    pub models: &'a IndexMap<String, Model>,
}

/// Reads the trace in the file at `path` as `trace` says. Sessions come sorted by arrival, then
/// number.
///
/// # Errors
/// With file, line and what was found, if the file cannot be read, is not of the format, or names a
/// class or model that the scenario lacks.
pub fn read(
    path: &Path,
    trace: &Trace,
    names: &Names<'_>,
) -> Result<(Vec<SessionPlan>, TraceReport), TraceError> {
    let lines = Lines::open(path)?;
    let (mut sessions, report) = match trace.format {
        TraceFormat::AzureLlm => azure::read(lines, names)?,
        TraceFormat::Mooncake => mooncake::read(lines, trace.spread_ticks, names)?,
        TraceFormat::AgentSessions => agent_sessions::read(lines, trace, names)?,
        TraceFormat::Plans => plans::read(lines, names)?,
    };
    sessions.sort_by_key(|session| (session.arrival, session.session));
    Ok((sessions, report))
}

impl Names<'_> {
    /// The class of sessions whose format names none.
    fn only_class(&self) -> Result<ClassId, Problem> {
        if self.classes.len() <= 1 {
            return Ok(ClassId(0));
        }
        let place = self.classes.get_index_of(DEFAULT_NAME);
        place.map(|place| ClassId(place as u16)).ok_or_else(|| Problem::Meaning {
            found: format!(
                "the trace names no classes, and the scenario has {}",
                self.classes.len()
            ),
            help: format!("keep one class, or name the one to use `{DEFAULT_NAME}`"),
        })
    }

    /// The class of this name.
    fn class(&self, name: &str) -> Result<ClassId, Problem> {
        if self.classes.is_empty() {
            return Ok(ClassId(0));
        }
        let place = self.classes.get_index_of(name).map(|place| ClassId(place as u16));
        place.ok_or_else(|| unknown("class", name, self.classes.keys()))
    }

    /// The model of this name.
    fn model(&self, name: &str) -> Result<ModelId, Problem> {
        if let Some(place) = self.models.get_index_of(name) {
            return Ok(ModelId(place as u16));
        }
        if self.models.is_empty() {
            if name == DEFAULT_NAME {
                return Ok(ModelId(0));
            }
            let implied = [DEFAULT_NAME.to_owned()];
            return Err(unknown("model", name, implied.iter()));
        }
        Err(unknown("model", name, self.models.keys()))
    }

    /// The model that a class calls.
    fn class_model(&self, class: ClassId) -> Result<ModelId, Problem> {
        let class = self.classes.get_index(usize::from(class.0));
        self.model(class.map_or(DEFAULT_NAME, |(_, class)| &class.model))
    }

    /// How a class is written.
    fn class_name(&self, class: ClassId) -> &str {
        self.classes.get_index(usize::from(class.0)).map_or(DEFAULT_NAME, |(name, _)| name)
    }

    /// How a model is written.
    fn model_name(&self, model: ModelId) -> &str {
        self.models.get_index(usize::from(model.0)).map_or(DEFAULT_NAME, |(name, _)| name)
    }
}

fn unknown<'a>(
    what: &'static str,
    found: &str,
    known: impl Iterator<Item = &'a String> + Clone,
) -> Problem {
    let help = suggest(found, known.map(String::as_str));
    Problem::UnknownName { what, found: found.to_owned(), help }
}

/// One session of one call for each row, numbered in the order of the file.
fn single_calls(
    calls: Vec<(Time, CallPlan)>,
    class: ClassId,
    report: &mut TraceReport,
) -> Vec<SessionPlan> {
    report.sessions = calls.len() as u64;
    report.calls = report.sessions;
    let sessions = (0..).zip(calls).map(|(session, (arrival, call))| {
        let step = StepPlan { call, ..StepPlan::default() };
        let turns = vec![TurnPlan { steps: vec![step], ..TurnPlan::default() }];
        SessionPlan { session, class, arrival, turns, ..SessionPlan::default() }
    });
    sessions.collect()
}
