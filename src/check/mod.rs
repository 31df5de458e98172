//! What the types of a scenario cannot say: whether its parts make sense together.
//!
//! [`check`] is the [`Check`](crate::scenario::Check) that the loader is given. It runs nothing; it
//! finds all that is wrong at once, each with its place and what to do. Errors are what could not
//! run or would give a number that is wrong and looks right; warnings are what runs, but probably
//! not as meant. It may be shown stand-ins for values that could not be read, so it takes any
//! value without panicking; what it says of stand-ins is dropped by the loader.

mod baseline;
mod boundaries;
mod capacity;
mod classes;
mod closed;
mod contradictions;
mod demand;
mod experiment;
mod faults;
mod governance;
mod hosts;
mod idle;
mod isolation;
mod models;
mod platform;
mod pool;
mod provisioned;
mod rates;
mod sub_agents;
mod target;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use crate::dist::Dist;
use crate::scenario::source::{Path, SourceKind};
use crate::scenario::types::{Class, DEFAULT_NAME, Scenario, TraceFormat};
use crate::scenario::{Diagnostic, Located, ToPath};
use crate::units::{Quantity, Ratio};

/// Checks a scenario's meaning and adds what it finds, in no order: the loader sorts by place.
pub fn check(scenario: &Scenario, located: &Located, found: &mut Vec<Diagnostic>) {
    let mut findings = Findings { scenario, at: located, found };
    findings.head();
    demand::check(&mut findings);
    classes::check(&mut findings);
    sub_agents::check(&mut findings);
    platform::check(&mut findings);
    models::check(&mut findings);
    provisioned::check(&mut findings);
    boundaries::check(&mut findings);
    experiment::check(&mut findings);
    closed::check(&mut findings);
    baseline::check(&mut findings);
}

/// The scenario under check and what was found so far.
struct Findings<'a> {
    scenario: &'a Scenario,
    at: &'a Located,
    found: &'a mut Vec<Diagnostic>,
}

/// The path of these keys.
fn path<const N: usize>(keys: [&str; N]) -> Path {
    Path::of(keys)
}

/// A share for people: `12.5%`, to six decimals.
fn percent(share: f64) -> String {
    format!("{}%", (share * 1e8).round() / 1e6)
}

impl Findings<'_> {
    fn push(&mut self, diagnostic: Diagnostic) {
        self.found.push(diagnostic);
    }

    /// Version and name.
    fn head(&mut self) {
        let (version, name) = (self.scenario.version, &self.scenario.name);
        if version != 1 {
            let message = format!("version {version} of the scenario language is not known here");
            let found = self.at.error("version", "version", message);
            self.push(found.help("this plimsoll reads version 1: write `version: 1`").instead("1"));
        }
        if let Some(message) = unfit_name(name) {
            let found = self.at.error("name", "name", message);
            self.push(found.help(
                "results go to the folder `results/<name>/`: use letters, digits, `-`, `_` and `.`",
            ));
        }
    }

    /// A share of something: from 0 to 1.
    fn share(&mut self, path: &Path, value: Ratio) {
        if value.0 <= 1.0 {
            return;
        }
        let written = self.at.written(path).unwrap_or_default().to_owned();
        let in_percent = written.contains('%');
        let most = if in_percent { "100%" } else { "1" };
        let message = format!("`{}` is {written}, and a share is at most {most}", path.short());
        let found = self.at.error("out-of-range", path, message);
        let may_mean_percent = value.0 <= 100.0 && !in_percent && !written.is_empty();
        self.push(if may_mean_percent {
            let meant = format!("{written}%");
            found.help(format!("for {written} percent write `{meant}`")).instead(meant)
        } else {
            found.help("expected a share from `0%` to `100%`")
        });
    }

    /// A number that must not be zero.
    fn not_zero(&mut self, path: &Path, zero: bool, why: &str, help: &str) {
        if zero {
            let message = format!("`{}` is zero: {why}", path.short());
            self.push(self.at.error("zero", path, message).help(help));
        }
    }

    /// A warning about something that changes nothing because of another value.
    fn no_effect(&mut self, path: &Path, because: impl ToPath, why: &str, help: &str) {
        let message = format!("`{}` has no effect: {why}", path.short());
        let found = self.at.warning("no-effect", path, message);
        self.push(self.at.depends(found, because).help(help));
    }

    /// Whether it stands in the scenario or on the command line: what a preset brings along, such as
    /// prices of things that are not used, is no slip.
    fn is_written_by_hand(&self, path: &Path) -> bool {
        let source = &self.at.sources.get(self.at.at(path).source).kind;
        self.at.is_written(path) && !matches!(source, SourceKind::Preset(_))
    }

    /// The format of the trace, if one is replayed.
    fn trace(&self) -> Option<TraceFormat> {
        self.scenario.workload.trace.as_ref().map(|trace| trace.format)
    }

    /// A time of the platform's whose mean is infinite.
    fn settles<Q: Quantity>(&mut self, place: &Path, dist: &Dist<Q>) {
        if !dist.mean().is_finite() {
            let name = place.short();
            let message = format!("`{name}` has no finite mean, so averages over it never settle");
            let found = self.at.warning("infinite-mean", place, message);
            self.push(found.help(format!("give `{name}` a `max`")));
        }
    }

    /// A distribution whose mean is infinite: an error where the arrival rate is worked out from
    /// it, else a warning.
    fn finite_mean<Q: Quantity>(&mut self, path: &Path, dist: &Dist<Q>) {
        if dist.mean().is_finite() || self.trace().is_some() {
            return;
        }
        let name = path.short();
        let what = format!("`{name}` has no finite mean");
        let help = format!("give `{name}` a `max`, or a tail that is less heavy");
        let found = if self.scenario.workload.load.is_some() {
            let message = format!("{what}, so no arrival rate gives the `load` that is asked for");
            let found = self.at.error("infinite-mean", path, message);
            self.at.with(found, "workload.load.open_sessions", "this sets the arrival rate")
        } else {
            let message = format!("{what}, so averages that depend on it never settle");
            self.at.warning("infinite-mean", path, message)
        };
        self.push(found.help(help));
    }
}

impl<'a> Findings<'a> {
    /// The classes by name; the implied one where the scenario names none.
    fn classes(&self) -> Vec<(&'a str, Cow<'a, Class>)> {
        let classes = &self.scenario.workload.classes;
        if classes.is_empty() {
            return vec![(DEFAULT_NAME, Cow::Owned(Class::default()))];
        }
        classes.iter().map(|(name, class)| (name.as_str(), Cow::Borrowed(class))).collect()
    }
}

/// Why a name cannot be that of a results folder.
fn unfit_name(name: &str) -> Option<String> {
    const LONGEST: usize = 100;
    let bad = |c: char| matches!(c, '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|');
    if name.trim().is_empty() {
        return Some("`name` is empty".to_owned());
    }
    if let Some(c) = name.chars().find(|c| bad(*c) || c.is_control()) {
        return Some(format!("the name {name:?} has {c:?} in it, which no folder's name should"));
    }
    if name.starts_with('.') || name != name.trim() {
        return Some(format!(
            "the name {name:?} begins with a dot, or begins or ends with a space"
        ));
    }
    (name.len() > LONGEST)
        .then(|| format!("the name has {} bytes, more than {LONGEST}", name.len()))
}
