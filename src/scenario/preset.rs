//! Presets: dated values with a source for each number, embedded in the binary.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use super::diagnostic::{Diagnostic, closest};
use super::source::{Kind, Node, Path, SourceId, SourceKind, Sources, parse};

/// What a preset describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PresetKind {
    /// A platform: isolation, capacity, idle policy.
    Platform,
    /// A model: latency, quota, token prices.
    Model,
    /// A class of sessions.
    Workload,
    /// Prices of a platform.
    Rates,
}

impl PresetKind {
    /// What a person calls it.
    pub fn name(self) -> &'static str {
        match self {
            PresetKind::Platform => "platform",
            PresetKind::Model => "model",
            PresetKind::Workload => "workload",
            PresetKind::Rates => "rates",
        }
    }

    /// The folder below `scenarios/presets`.
    pub fn folder(self) -> &'static str {
        match self {
            PresetKind::Platform => "platforms",
            PresetKind::Model => "models",
            PresetKind::Workload => "workloads",
            PresetKind::Rates => "rates",
        }
    }
}

/// How sure a number is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mark {
    /// Read in a primary source.
    P,
    /// Read in a secondary source.
    S,
    /// Computed from marked numbers or measured from public data.
    C,
    /// Unverified.
    U,
    /// Assumed, for want of a source; the note says why.
    #[serde(rename = "assumed")]
    Assumed,
    /// Measured by `plimsoll calibrate`; the note says where, on how many, and how sure.
    #[serde(rename = "measured")]
    Measured,
}

impl std::fmt::Display for Mark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Mark::P => "primary source",
            Mark::S => "secondary source",
            Mark::C => "computed",
            Mark::U => "unverified",
            Mark::Assumed => "assumed",
            Mark::Measured => "measured",
        })
    }
}

/// Where a preset's number comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Note {
    /// How sure it is.
    pub mark: Mark,
    /// The source, or the reason for an assumption.
    pub source: String,
    /// The source's date.
    pub date: String,
    /// The machine that it was measured on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// How many observations it rests on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n: Option<u64>,
    /// 95% intervals by path below the note's value, `.` for the value itself; times in seconds,
    /// sizes in bytes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ci95: BTreeMap<String, [f64; 2]>,
}

impl Note {
    /// The source with all that is known of a value, the rest of whose path is `below`.
    fn told(&self, below: &str) -> String {
        let mut text = self.source.clone();
        if let Some(host) = &self.host {
            text += &format!("; on {host}");
        }
        if let Some(n) = self.n {
            text += &format!("; n = {n}");
        }
        if let Some([low, high]) = self.ci95.get(if below.is_empty() { "." } else { below }) {
            text += &format!("; 95% interval {low} to {high}");
        }
        text
    }
}

#[derive(Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "a map of name, date, kind, description, values and notes"
)]
struct Text {
    name: String,
    date: String,
    kind: PresetKind,
    description: String,
    #[serde(rename = "values")]
    _values: serde_yaml::Value,
    notes: BTreeMap<String, Note>,
}

/// One preset.
#[derive(Clone, Debug)]
pub struct Preset {
    /// Its name without the date.
    pub name: String,
    /// Its date, as in the file's name.
    pub date: String,
    /// What it describes.
    pub kind: PresetKind,
    /// What it is, in a sentence or two.
    pub description: String,
    /// The whole file.
    pub text: String,
    /// The path of a file of one's own; none for an embedded preset.
    file: Option<String>,
    notes: Vec<(Path, Note)>,
}

/// A preset file that is not one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("preset {file}: {message}")]
pub struct PresetError {
    /// The file.
    pub file: String,
    /// What is wrong.
    pub message: String,
}

impl Preset {
    /// `name@date`; of a file of one's own its path.
    pub fn id(&self) -> String {
        self.file.clone().unwrap_or_else(|| format!("{}@{}", self.name, self.date))
    }

    /// Reads a file of one's own, known by its path.
    ///
    /// # Errors
    /// As for [`Preset::read`].
    pub fn read_own(path: &str, text: &str) -> Result<Self, PresetError> {
        let preset = Preset::read(path, text)?;
        Ok(Preset { file: Some(path.to_owned()), ..preset })
    }

    /// Reads a preset file.
    ///
    /// # Errors
    /// If it is no YAML, lacks a key, or has a note for a value that is not there.
    pub fn read(file: &str, text: &str) -> Result<Self, PresetError> {
        let fail = |message: String| PresetError { file: file.to_owned(), message };
        let head: Text = serde_yaml::from_str(text).map_err(|e| fail(e.to_string()))?;
        let tree = values_of(&mut Sources::default(), file, text)
            .ok_or_else(|| fail("no `values`".into()))?;
        let mut notes = Vec::new();
        for (at, note) in head.notes {
            let path = Path::find(&at, &tree).map_err(|e| fail(format!("note `{at}`: {e}")))?;
            if tree.at(&path).is_none() {
                return Err(fail(format!("note `{at}`: no such value")));
            }
            notes.push((path, note));
        }
        // The longest path first: the nearest note speaks for a value.
        notes.sort_by_key(|(path, _)| std::cmp::Reverse(path.0.len()));
        let Text { name, date, kind, description, .. } = head;
        Ok(Preset { name, date, kind, description, text: text.to_owned(), file: None, notes })
    }

    /// The note that speaks for a value of this preset: its own or that of the nearest value above.
    pub fn note(&self, path: &Path) -> Option<&Note> {
        self.notes.iter().find(|(above, _)| above.contains(path)).map(|(_, note)| note)
    }

    /// What the note that speaks for a value says of it: its mark, its source with host, sample size
    /// and interval where they are known, and its date.
    pub fn told(&self, path: &Path) -> Option<(Mark, String, String)> {
        let (above, note) = self.notes.iter().find(|(above, _)| above.contains(path))?;
        let below = Path(path.0[above.0.len()..].to_vec()).to_string();
        Some((note.mark, note.told(&below), note.date.clone()))
    }

    /// The values as a tree, its text added to `sources`.
    pub fn values(&self, sources: &mut Sources) -> Node {
        values_of(sources, &self.id(), &self.text).expect("the preset was read before")
    }

    /// The path of a value within the preset, found by its place in the text.
    pub fn path_of(&self, source: SourceId, start: usize) -> Option<Path> {
        let mut tree = parse(source, &self.text, &mut Vec::new())?;
        let values = tree.remove_key("values")?.value;
        values
            .leaves()
            .into_iter()
            .find(|(_, leaf)| leaf.place.start == start)
            .map(|(path, _)| path)
    }
}

fn values_of(sources: &mut Sources, id: &str, text: &str) -> Option<Node> {
    let kind = SourceKind::Preset(id.to_owned());
    let source =
        sources.find(&kind).unwrap_or_else(|| sources.add(format!("preset {id}"), text, kind));
    let mut problems = Vec::new();
    let mut tree = parse(source, text, &mut problems)?;
    if !problems.is_empty() {
        return None;
    }
    Some(tree.remove_key("values")?.value).filter(|values| matches!(values.kind, Kind::Map(_)))
}

/// A collection of presets.
#[derive(Clone, Debug, Default)]
pub struct Presets {
    all: Vec<Preset>,
}

impl Presets {
    /// Those of the binary.
    pub fn embedded() -> &'static Presets {
        static ALL: LazyLock<Presets> = LazyLock::new(|| Presets {
            all: super::preset_files::FILES
                .iter()
                .map(|(file, text)| {
                    Preset::read(file, text).unwrap_or_else(|e| panic!("embedded {e}"))
                })
                .collect(),
        });
        &ALL
    }

    /// A collection of one's own.
    pub fn new(all: Vec<Preset>) -> Self {
        Presets { all }
    }

    /// All presets.
    pub fn iter(&self) -> impl Iterator<Item = &Preset> {
        self.all.iter()
    }

    /// The preset of an exact `name@date`.
    pub fn by_id(&self, id: &str) -> Option<&Preset> {
        self.all.iter().find(|preset| preset.id() == id)
    }

    /// The preset of a kind by `name@date`, or the latest by `name`.
    pub fn find(&self, kind: PresetKind, wanted: &str) -> Option<&Preset> {
        let of_kind = self.all.iter().filter(|p| p.kind == kind);
        match wanted.split_once('@') {
            Some((name, date)) => of_kind.into_iter().find(|p| p.name == name && p.date == date),
            None => of_kind.filter(|p| p.name == wanted).max_by(|a, b| a.date.cmp(&b.date)),
        }
    }

    /// Says that there is no such preset, and which there are.
    pub fn unknown(&self, kind: PresetKind, wanted: &str) -> Diagnostic {
        let of_kind: Vec<&Preset> = self.all.iter().filter(|p| p.kind == kind).collect();
        let name = wanted.split('@').next().unwrap_or(wanted);
        let same_name =
            of_kind.iter().filter(|p| p.name == name).max_by(|a, b| a.date.cmp(&b.date));
        let near = match same_name {
            Some(preset) => Some(preset.id()),
            None => closest(name, of_kind.iter().map(|p| p.name.as_str())).map(str::to_owned),
        };
        let mut there: Vec<String> = match same_name {
            Some(_) => of_kind.iter().filter(|p| p.name == name).map(|p| p.id()).collect(),
            None => of_kind.iter().map(|p| p.name.clone()).collect(),
        };
        there.dedup();
        let there = match (there.is_empty(), same_name) {
            (true, _) => format!("there are no {} presets", kind.name()),
            (false, Some(_)) => format!("of this name there are: {}", there.join(", ")),
            (false, None) => format!("{} presets: {}", kind.name(), there.join(", ")),
        };
        let help = match &near {
            Some(near) => format!("did you mean `{near}`? {there}"),
            None => there,
        };
        let what = kind.name();
        Diagnostic::error("unknown-preset", format!("there is no {what} preset `{wanted}`"))
            .help(help)
    }
}
