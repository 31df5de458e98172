//! The quantities of a record that a boundary can speak of.

use super::unit::Unit;
use crate::billing::CostKey;
use crate::measure::record::{IN_FLIGHT, IN_FLIGHT_AT_START, ScorecardKey};
use crate::measure::{Counter, Gauge, Metric};

/// A quantity of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    /// A statistic of an observed duration: `cold_start.p99`.
    Metric(Metric, Stat),
    /// A gauge: `queue_length.max`; `queue_length` alone is its time average.
    Gauge(Gauge, Extent),
    /// A counter, mean per replication: `kills`.
    Counter(Counter),
    /// Sessions open at the end, or at the beginning, of the measure.
    InFlight {
        /// At the warm-up's end instead.
        at_start: bool,
    },
    /// An amount or share of the cost: `tco`, `cost.tokens_input`.
    Cost(CostKey),
    /// A ratio of the scorecard: `retry_rate`.
    Score(ScorecardKey),
    /// How far the model is from the live run: `model_error.platform_time.p95`.
    ModelError(Metric, Stat),
}

/// A statistic of an observed duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Stat {
    Mean,
    P50,
    P90,
    P95,
    P99,
    P999,
    Max,
    Min,
    /// Observations, mean per replication.
    Count,
}

/// A statistic of a gauge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Extent {
    Mean,
    Max,
    Min,
}

const STATS: [(&str, Stat); 9] = [
    ("mean", Stat::Mean),
    ("p50", Stat::P50),
    ("p90", Stat::P90),
    ("p95", Stat::P95),
    ("p99", Stat::P99),
    ("p999", Stat::P999),
    ("max", Stat::Max),
    ("min", Stat::Min),
    ("count", Stat::Count),
];

const EXTENTS: [(&str, Extent); 3] =
    [("mean", Extent::Mean), ("max", Extent::Max), ("min", Extent::Min)];

/// The name for sessions open that boundaries are written with.
const AGENTS: &str = "concurrent_agents";

/// Why a path names no quantity: what part of it, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PathError {
    /// Byte range within the path.
    pub(super) at: std::ops::Range<usize>,
    pub(super) message: String,
    /// What the whole path should be.
    pub(super) suggestion: Option<String>,
}

impl Quantity {
    /// What it is measured in.
    pub fn unit(self) -> Unit {
        match self {
            Quantity::Metric(_, Stat::Count) => Unit::Count,
            Quantity::Metric(..) => Unit::Time,
            Quantity::Gauge(gauge, _) if gauge.unit() == "bytes" => Unit::Bytes,
            Quantity::Gauge(..) | Quantity::Counter(_) | Quantity::InFlight { .. } => Unit::Count,
            Quantity::Cost(key) if key.is_share() => Unit::Share,
            Quantity::Cost(_) => Unit::Money,
            Quantity::Score(key) => match key {
                ScorecardKey::RetryRate
                | ScorecardKey::ErrorRate
                | ScorecardKey::SuccessRate
                | ScorecardKey::PoolHitRate => Unit::Share,
                ScorecardKey::TokenOutputRatio => Unit::Ratio,
                ScorecardKey::TokensPerDay => Unit::Count,
                ScorecardKey::MemoryOverheadBytes => Unit::Bytes,
            },
            Quantity::ModelError(..) => Unit::Change,
        }
    }

    /// Whether it is a number of things, a mean over replications.
    pub(super) fn is_counted(self) -> bool {
        matches!(
            self,
            Quantity::Counter(_) | Quantity::InFlight { .. } | Quantity::Metric(_, Stat::Count)
        )
    }

    /// What values it can have: intervals end there.
    pub(super) fn range(self) -> (f64, f64) {
        let most = if self.unit() == Unit::Share { 1.0 } else { f64::INFINITY };
        // Intervals of what is counted are left as Student's t makes them.
        if self.is_counted() { (f64::NEG_INFINITY, f64::INFINITY) } else { (0.0, most) }
    }

    /// Whether a larger sample can only move it outwards: an extreme that was seen is a fact.
    pub fn is_extreme(self) -> bool {
        matches!(
            self,
            Quantity::Metric(_, Stat::Max | Stat::Min)
                | Quantity::Gauge(_, Extent::Max | Extent::Min)
        )
    }

    /// The quantity of a path such as `cold_start.p99`.
    pub fn named(path: &str) -> Option<Self> {
        Self::parse(path).ok()
    }

    /// Reads a path. A bare name that is a counter and a cost (`tokens_input`) is the counter; the
    /// cost is `cost.tokens_input`. The record's own prefixes (`metrics.`, `gauges.`, `counters.`,
    /// `cost.`, `scorecard.`) are accepted everywhere.
    pub(super) fn parse(path: &str) -> Result<Self, PathError> {
        let (group, offset) = Group::split(path);
        let rest = &path[offset..];
        let (name, stat) =
            rest.split_once('.').map_or((rest, None), |(name, stat)| (name, Some(stat)));
        let names = Names { path, group, name, stat, name_at: offset };
        names.model_error().unwrap_or_else(|| names.resolve())
    }
}

/// A section of the record.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Group {
    Any,
    Metrics,
    Gauges,
    Counters,
    Cost,
    Scorecard,
    ModelError,
}

const GROUPS: [(&str, Group); 6] = [
    ("metrics.", Group::Metrics),
    ("gauges.", Group::Gauges),
    ("counters.", Group::Counters),
    ("cost.", Group::Cost),
    ("scorecard.", Group::Scorecard),
    ("model_error.", Group::ModelError),
];

impl Group {
    fn split(path: &str) -> (Group, usize) {
        let found = GROUPS.iter().find(|(prefix, _)| path.starts_with(prefix));
        found.map_or((Group::Any, 0), |(prefix, group)| (*group, prefix.len()))
    }

    fn has(self, group: Group) -> bool {
        self == Group::Any || self == group
    }

    /// The names in this section.
    fn names(self) -> Vec<&'static str> {
        match self {
            Group::Metrics | Group::ModelError => Metric::ALL.iter().map(|m| m.name()).collect(),
            Group::Gauges => {
                std::iter::once(AGENTS).chain(Gauge::ALL.iter().map(|g| g.name())).collect()
            }
            Group::Counters => {
                let in_flight = [IN_FLIGHT, IN_FLIGHT_AT_START];
                Counter::ALL.iter().map(|c| c.name()).chain(in_flight).collect()
            }
            Group::Cost => CostKey::ALL.iter().map(|k| k.name()).collect(),
            Group::Scorecard => ScorecardKey::ALL.iter().map(|k| k.name()).collect(),
            Group::Any => {
                let sections =
                    [Group::Metrics, Group::Gauges, Group::Counters, Group::Scorecard, Group::Cost];
                sections.iter().flat_map(|g| g.names()).collect()
            }
        }
    }
}

/// A path taken apart.
struct Names<'a> {
    path: &'a str,
    group: Group,
    name: &'a str,
    stat: Option<&'a str>,
    name_at: usize,
}

impl Names<'_> {
    fn model_error(&self) -> Option<Result<Quantity, PathError>> {
        if self.group != Group::ModelError {
            return None;
        }
        let Some(metric) = Metric::from_name(self.name) else { return Some(Err(self.unknown())) };
        Some(self.metric_stat().map(|stat| Quantity::ModelError(metric, stat)))
    }

    fn resolve(&self) -> Result<Quantity, PathError> {
        let group = self.group;
        if let Some(metric) = Metric::from_name(self.name).filter(|_| group.has(Group::Metrics)) {
            return Ok(Quantity::Metric(metric, self.metric_stat()?));
        }
        let agents = (self.name == AGENTS).then_some(Gauge::SessionsOpen);
        let gauge = Gauge::from_name(self.name).or(agents).filter(|_| group.has(Group::Gauges));
        if let Some(gauge) = gauge {
            return Ok(Quantity::Gauge(gauge, self.gauge_extent()?));
        }
        let Some(scalar) = self.scalar() else { return Err(self.unknown()) };
        match self.stat {
            None => Ok(scalar),
            Some(_) => Err(self.surplus_stat()),
        }
    }

    fn scalar(&self) -> Option<Quantity> {
        let (group, name) = (self.group, self.name);
        if group.has(Group::Counters) {
            let in_flight = match name {
                IN_FLIGHT => Some(Quantity::InFlight { at_start: false }),
                IN_FLIGHT_AT_START => Some(Quantity::InFlight { at_start: true }),
                _ => None,
            };
            let counter = in_flight.or_else(|| Counter::from_name(name).map(Quantity::Counter));
            if counter.is_some() {
                return counter;
            }
        }
        let score = ScorecardKey::ALL.iter().find(|key| key.name() == name);
        let cost = CostKey::ALL.iter().find(|key| key.name() == name);
        score
            .filter(|_| group.has(Group::Scorecard))
            .map(|key| Quantity::Score(*key))
            .or_else(|| cost.filter(|_| group.has(Group::Cost)).map(|key| Quantity::Cost(*key)))
    }

    fn metric_stat(&self) -> Result<Stat, PathError> {
        let Some(text) = self.stat else {
            let p99 = format!("{}.p99", self.path);
            return Err(PathError {
                at: 0..self.path.len(),
                message: format!(
                    "`{}` is a distribution: say which statistic, such as `{p99}` or `{}.mean`",
                    self.path, self.path
                ),
                suggestion: Some(p99),
            });
        };
        STATS
            .iter()
            .find(|(name, _)| *name == text)
            .map(|(_, stat)| *stat)
            .ok_or_else(|| self.unknown_stat(text, &STATS.map(|(name, _)| name)))
    }

    fn gauge_extent(&self) -> Result<Extent, PathError> {
        let Some(text) = self.stat else { return Ok(Extent::Mean) };
        EXTENTS
            .iter()
            .find(|(name, _)| *name == text)
            .map(|(_, extent)| *extent)
            .ok_or_else(|| self.unknown_stat(text, &EXTENTS.map(|(name, _)| name)))
    }

    fn unknown_stat(&self, text: &str, known: &[&str]) -> PathError {
        let from = self.path.len() - text.len();
        let near = closest(text, known.iter().copied());
        PathError {
            at: from..self.path.len(),
            message: format!("`{}` has no statistic `{text}`: it has {}", self.name, listed(known)),
            suggestion: near.map(|near| format!("{}{near}", &self.path[..from])),
        }
    }

    fn surplus_stat(&self) -> PathError {
        let from = self.name_at + self.name.len();
        PathError {
            at: from..self.path.len(),
            message: format!("`{}` is one number and has no statistics", self.name),
            suggestion: Some(self.path[..from].to_owned()),
        }
    }

    fn unknown(&self) -> PathError {
        let at = self.name_at..self.name_at + self.name.len();
        let near = closest(self.name, self.group.names().iter().copied());
        let suggestion = near.map(|near| {
            let stat = self.stat.map(|stat| format!(".{stat}")).unwrap_or_default();
            format!("{}{near}{stat}", &self.path[..self.name_at])
        });
        let section = &self.path[..self.name_at];
        let message = match (self.name, section) {
            ("", _) => "a quantity is missing here, such as `cold_start.p99` or `tco`".to_owned(),
            (name, "") if near.is_some() => format!("no quantity of a record is called `{name}`"),
            (name, "") => format!(
                "no quantity of a record is called `{name}`: there are `cold_start.p99`, `queue_length`, `retry_rate`, \
                 `tco` and many more"
            ),
            (name, section) => format!("`{}` has no `{name}`", section.trim_end_matches('.')),
        };
        PathError { at, message, suggestion }
    }
}

/// All names that can begin a path, in the order of the record, for help.
pub fn names() -> Vec<String> {
    let sections = [Group::Metrics, Group::Gauges, Group::Counters, Group::Scorecard];
    let mut names: Vec<String> =
        sections.iter().flat_map(|g| g.names()).map(str::to_owned).collect();
    for name in Group::Cost.names() {
        // The bare name is the counter's.
        let bare = Counter::from_name(name).is_none();
        names.push(if bare { name.to_owned() } else { format!("cost.{name}") });
    }
    names
}

/// The candidate nearest to `text`, if it is the only one so near: at most a third of the letters
/// wrong.
fn closest<'a>(text: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (text.chars().count() / 3).max(1);
    let mut near: Vec<(usize, &str)> = candidates
        .map(|name| (strsim::damerau_levenshtein(text, name), name))
        .filter(|(distance, _)| *distance <= limit)
        .collect();
    near.sort_unstable();
    near.dedup();
    match near.as_slice() {
        [(best, _), (next, _), ..] if best == next => None,
        [(_, name), ..] => Some(name),
        [] => None,
    }
}

fn listed(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
