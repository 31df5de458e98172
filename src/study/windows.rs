//! The windows of time that a scenario's boundaries speak of.

use crate::scenario::types::{During, PEAK_HOUR, Scenario, Window};
use crate::sim::WindowTimes;
use crate::units::Span;
use crate::workload::profile::ProfileCurve;

const HOUR: Span = Span::from_secs(3_600);
const DAY: Span = Span::from_secs(86_400);
const WEEK: Span = Span::from_secs(7 * 86_400);

/// A window of time by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedWindow {
    /// Its name in the record.
    pub name: String,
    /// When it is, for people.
    pub when: String,
    /// When it is, in virtual time.
    pub times: WindowTimes,
}

/// Why there is no such window.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WindowError {
    /// The load has no peak.
    #[error("`during: peak-hour` takes a load that moves, and there is no `workload.profile`")]
    NoProfile,
    /// No window is called so.
    #[error("no window is called `{0}`: name it in `experiment.windows`, or write `peak-hour`")]
    Unknown(String),
    /// It has no length.
    #[error("the window `{0}` has no length")]
    Empty(String),
}

/// The windows that are measured: those of `experiment.windows`, and what boundaries say beside them,
/// each once.
///
/// # Errors
/// If a boundary speaks of a window that there is not.
pub fn windows(scenario: &Scenario, warmup: Span) -> Result<Vec<NamedWindow>, WindowError> {
    let mut found: Vec<NamedWindow> = Vec::new();
    let declared = &scenario.experiment.windows;
    for (name, window) in declared {
        found.push(named(name.clone(), window, warmup)?);
    }
    for boundary in scenario.boundaries.values() {
        let Some(during) = &boundary.0.during else { continue };
        let name = during.name();
        if found.iter().any(|known| known.name == name) {
            continue;
        }
        found.push(match during {
            During::Window(window) => named(name, window, warmup)?,
            During::Named(name) if name == PEAK_HOUR => peak_hour(scenario)?,
            During::Named(name) => return Err(WindowError::Unknown(name.clone())),
        });
    }
    Ok(found)
}

fn named(name: String, window: &Window, warmup: Span) -> Result<NamedWindow, WindowError> {
    let (cycle, [from, to]) = match window {
        Window::Day(ends) => (Some(DAY), *ends),
        Window::Week(ends) => (Some(WEEK), *ends),
        Window::Measure([from, to]) => (None, [warmup + *from, warmup + *to]),
    };
    let too_long = |cycle: Span| from > cycle || to > cycle;
    if from == to || (cycle.is_none() && to < from) || cycle.is_some_and(too_long) {
        return Err(WindowError::Empty(name));
    }
    Ok(NamedWindow { name, when: window.to_string(), times: WindowTimes { cycle, from, to } })
}

fn peak_hour(scenario: &Scenario) -> Result<NamedWindow, WindowError> {
    let profile = scenario.workload.profile.as_ref().ok_or(WindowError::NoProfile)?;
    let curve = ProfileCurve::new(profile).map_err(|_| WindowError::NoProfile)?;
    let (cycle, from) = (curve.cycle(), curve.peak_hour());
    let to = Span::from_nanos((from + HOUR).nanos() % cycle.nanos());
    // An end at the cycle's own is written as such.
    let to = if to.is_zero() { cycle } else { to };
    let each = if cycle == DAY { Window::Day([from, to]) } else { Window::Week([from, to]) };
    let times = WindowTimes { cycle: Some(cycle), from, to };
    let when = format!("{each}, by the profile");
    Ok(NamedWindow { name: PEAK_HOUR.to_owned(), when, times })
}
