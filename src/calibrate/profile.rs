//! A calibrated platform as a preset file that a scenario can `use`.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_yaml::{Mapping, Value};

use super::drift::{Drift, DriftForm};
use super::stage::{Form, StageFit};
use crate::dist::{Dist, DistError, rounded};
use crate::scenario::{Mark, Note};
use crate::stats::fit::Law;
use crate::units::{Count, Span};

/// A part of an isolation tier that durations are measured of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Boot stage: finding a place.
    Schedule,
    /// Boot stage: fetching the image.
    Image,
    /// Boot stage: starting the sandbox.
    Boot,
    /// Boot stage: starting the agent's harness.
    Harness,
    /// Reaching into the sandbox, for each tool call.
    Exec,
    /// Bringing a hibernated sandbox back.
    Restore,
    /// Hibernating one.
    Snapshot,
}

impl Stage {
    /// All of them, in the order of a scenario.
    pub const ALL: [Stage; 7] = [
        Stage::Schedule,
        Stage::Image,
        Stage::Boot,
        Stage::Harness,
        Stage::Exec,
        Stage::Snapshot,
        Stage::Restore,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Stage::Schedule => "schedule",
            Stage::Image => "image",
            Stage::Boot => "boot",
            Stage::Harness => "harness",
            Stage::Exec => "exec",
            Stage::Restore => "restore",
            Stage::Snapshot => "snapshot",
        }
    }

    /// Where it stands below an isolation tier.
    fn key(self, keeps: Keeps) -> String {
        match (self, keeps) {
            (Stage::Restore, _) => "restore.fixed".to_owned(),
            (Stage::Snapshot, keeps) => format!("snapshot.{}.fixed", keeps.name()),
            (stage, _) => stage.name().to_owned(),
        }
    }
}

/// What a snapshot keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Keeps {
    /// Files.
    #[default]
    Filesystem,
    /// Files and memory.
    Full,
}

impl Keeps {
    /// As scenarios write it.
    pub fn name(self) -> &'static str {
        match self {
            Keeps::Filesystem => "filesystem",
            Keeps::Full => "full",
        }
    }
}

/// A measured number beside the stages: a factor, a size, a bandwidth.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Number {
    /// Where it stands below the isolation tier.
    pub key: String,
    /// As a scenario writes it.
    pub value: String,
    /// The number itself, in base units.
    pub base: f64,
    /// Its 95% interval, in base units.
    pub ci95: Option<[f64; 2]>,
    /// Observations behind it.
    pub n: usize,
    /// How it was worked out.
    pub how: &'static str,
}

impl Number {
    /// One that a scenario writes without a unit.
    pub(super) fn of(
        key: String,
        base: f64,
        ci95: Option<[f64; 2]>,
        n: usize,
        how: &'static str,
    ) -> Self {
        Number { key, value: rounded(base).to_string(), base, ci95, n, how }
    }
}

/// Where the numbers of a profile come from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct About {
    /// The file or runs.
    pub source: String,
    /// When it was measured.
    pub date: String,
    /// On which machine.
    pub host: Option<String>,
}

/// A calibrated platform.
#[derive(Clone, Debug)]
pub struct Profile {
    /// Its name.
    pub name: String,
    /// Its date.
    pub date: String,
    /// What it is.
    pub description: String,
    /// The isolation tier, as scenarios name it.
    pub tier: String,
    /// What its snapshots keep.
    pub keeps: Keeps,
    /// The preset that it lies over.
    pub over: Option<String>,
    /// Where its numbers come from.
    pub about: About,
    /// Its stages.
    pub stages: Vec<(Stage, StageFit)>,
    /// Its other numbers.
    pub numbers: Vec<Number>,
}

/// The file as it is written.
#[derive(Serialize)]
struct Text<'a> {
    name: &'a str,
    date: &'a str,
    kind: &'static str,
    description: &'a str,
    values: Mapping,
    notes: BTreeMap<String, Note>,
}

/// A value with the intervals of its numbers, by path below it.
type Written = (Value, BTreeMap<String, [f64; 2]>);

impl Profile {
    /// The preset file.
    ///
    /// # Errors
    /// If what was fitted cannot be written as a distribution, such as times below a nanosecond.
    pub fn yaml(&self) -> Result<String, DistError> {
        let mut text = Text {
            name: &self.name,
            date: &self.date,
            kind: "platform",
            description: &self.description,
            values: Mapping::new(),
            notes: BTreeMap::new(),
        };
        if let Some(over) = &self.over {
            text.values.insert("use".into(), over.as_str().into());
        }
        for (stage, fit) in &self.stages {
            let without = match fit.without_time {
                0 => String::new(),
                n => format!("; {n} rows without a time, not fitted"),
            };
            let how = format!("{}{without}", fit.why);
            self.put(&mut text, &stage.key(self.keeps), stage_value(fit)?, &how, fit.n);
            if *stage != Stage::Boot {
                continue;
            }
            if let Some(contention) = &fit.contention {
                let n = contention.levels.iter().map(|level| level.n).sum();
                let how = "median with so many starts under way over the fastest level's";
                self.put(&mut text, "contention", contention_value(contention), how, n);
            }
            if let Some(drift) = &fit.drift
                && let Some(form) = drift.form
            {
                let how = "spread of the logarithm of daily medians, their sampling noise taken off; \
                           n counts days";
                self.put(&mut text, "drift", drift_value(drift, form)?, how, drift.days);
            }
        }
        for number in &self.numbers {
            let ci95 = number.ci95.iter().map(|ci95| (".".to_owned(), *ci95)).collect();
            let value = (Value::from(number.value.as_str()), ci95);
            self.put(&mut text, &number.key, value, number.how, number.n);
        }
        Ok(serde_yaml::to_string(&text).expect("a profile has string keys only"))
    }

    /// Puts a value below the tier, with its note.
    fn put(&self, text: &mut Text<'_>, key: &str, (value, ci95): Written, how: &str, n: usize) {
        let path = format!("isolation.{}.{key}", self.tier);
        let mut map = &mut text.values;
        let (last, above) = path.rsplit_once('.').map_or((&*path, ""), |(a, l)| (l, a));
        for part in above.split('.') {
            let below = map.entry(part.into()).or_insert_with(|| Mapping::new().into());
            map = below.as_mapping_mut().expect("only maps stand above a value");
        }
        map.insert(last.into(), value);
        let About { source, date, host } = &self.about;
        let note = Note {
            mark: Mark::Measured,
            source: format!("{source}; {how}"),
            date: date.clone(),
            host: host.clone(),
            n: Some(n as u64),
            ci95: ci95.into_iter().map(|(key, ends)| (key, ends.map(rounded))).collect(),
        };
        text.notes.insert(path, note);
    }
}

fn written(dist: &Dist<Span>) -> Value {
    serde_yaml::to_value(dist).expect("a distribution is written as a map")
}

fn stage_value(fit: &StageFit) -> Result<Written, DistError> {
    let mut ci95: BTreeMap<String, [f64; 2]> = BTreeMap::new();
    let dist = match &fit.form {
        Form::Law { law, parameters } => {
            for (parameter, key) in parameters.iter().zip(keys(law)) {
                ci95.extend(parameter.interval.map(|ends| ((*key).to_owned(), ends)));
            }
            if let (Law::TwoLognormals { .. }, Some([low, high])) =
                (law, parameters.first().and_then(|weight| weight.interval))
            {
                ci95.insert("mixture[1].weight".to_owned(), [1.0 - high, 1.0 - low]);
            }
            Dist::of_law(law)?
        }
        Form::Quantiles(points) => {
            for (place, point) in points.iter().enumerate() {
                let key = format!("empirical.quantiles[{place}][1]");
                ci95.extend(point.ci95.map(|ends| (key, ends)));
            }
            let values = points.iter().map(|p| (p.p, Span::from_seconds(rounded(p.value))));
            Dist::through(values.collect())?
        }
    };
    Ok((written(&dist), ci95))
}

/// Where each parameter of a law stands below the stage.
fn keys(law: &Law) -> &'static [&'static str] {
    match law {
        Law::Constant(_) => &[],
        Law::Exponential { .. } => &["exponential.mean"],
        Law::Lognormal { .. } => &["lognormal.mu", "lognormal.sigma"],
        Law::ShiftedLognormal { .. } => &["lognormal.shift", "lognormal.mu", "lognormal.sigma"],
        Law::Gamma { .. } => &["gamma.shape", "gamma.scale"],
        Law::Weibull { .. } => &["weibull.shape", "weibull.scale"],
        Law::TwoLognormals { .. } => &[
            "mixture[0].weight",
            "mixture[0].lognormal.mu",
            "mixture[0].lognormal.sigma",
            "mixture[1].lognormal.mu",
            "mixture[1].lognormal.sigma",
        ],
    }
}

fn contention_value(contention: &super::ContentionFit) -> Written {
    let points = contention.points();
    let list: Vec<(u32, f64)> = points.iter().map(|(at, f)| (*at, rounded(*f))).collect();
    let table = serde_yaml::to_value(list).expect("a list of pairs is YAML");
    let interval = |(place, (at, _)): (usize, &(u32, f64))| {
        let level = contention.levels.iter().find(|level| level.in_flight == *at)?;
        Some((format!("table[{place}][1]"), level.ci95))
    };
    let ci95 = points.iter().enumerate().skip(1).filter_map(interval).collect();
    (Mapping::from_iter([(Value::from("table"), table)]).into(), ci95)
}

fn drift_value(drift: &Drift, form: DriftForm) -> Result<Written, DistError> {
    let dist = match form {
        DriftForm::Lognormal => Dist::factor(drift.sigma)?,
        DriftForm::Empirical => {
            Dist::<Count>::empirical(drift.factors.iter().map(|f| Count(rounded(*f))).collect())?
        }
    };
    let ci95 = match form {
        DriftForm::Lognormal => BTreeMap::from([("lognormal.sigma".to_owned(), drift.ci95)]),
        // The days are what they were; how much the next ones differ is in their spread.
        DriftForm::Empirical => BTreeMap::new(),
    };
    Ok((serde_yaml::to_value(&dist).expect("a distribution is written as a map"), ci95))
}
