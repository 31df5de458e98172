//! A scenario that was read, with the origin of each of its values.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::diagnostic::Diagnostic;
use super::preset::{Mark, Preset, Presets};
use super::source::{LineColumn, Node, Path, Place, SourceKind, Sources};
use super::uses::Use;

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// Written nowhere: the type's default.
    Default,
    /// A preset.
    Preset {
        /// `name@date`.
        preset: String,
        /// How sure the value is; none for a value that is no number.
        mark: Option<Mark>,
        /// Its source, or the reason for the assumption.
        source: Option<String>,
        /// The source's date.
        date: Option<String>,
    },
    /// A file.
    File {
        /// The path as given, or as `extend` names it.
        path: String,
        /// From 1.
        line: usize,
        /// From 1, in characters.
        column: usize,
    },
    /// A `--set` of the command line.
    Set,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File { path, line, column } => write!(f, "{path}:{line}:{column}"),
            Origin::Set => f.write_str("--set"),
            Origin::Preset { preset, mark, source, date } => {
                write!(f, "preset {preset}")?;
                if let (Some(mark), Some(source), Some(date)) = (mark, source, date) {
                    write!(f, " ({mark}: {source}, {date})")?;
                }
                Ok(())
            }
        }
    }
}

/// One value for `check`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explained {
    /// The path, as `--set` takes it.
    pub path: String,
    /// The value as written; a default as it would be written.
    pub value: String,
    /// Where it comes from.
    pub origin: Origin,
}

/// What names a value: a [`Path`], or its text as `--set` takes it.
pub trait ToPath {
    /// The path in this tree.
    ///
    /// # Panics
    /// If a text is no path. Texts are for paths that we wrote; a path with a name that a person
    /// chose is built as a [`Path`].
    fn to_path(&self, tree: &Node) -> Path;
}

impl ToPath for &str {
    fn to_path(&self, tree: &Node) -> Path {
        Path::find(self, tree).expect("paths in checks are written by us and well formed")
    }
}

impl ToPath for Path {
    fn to_path(&self, _: &Node) -> Path {
        self.clone()
    }
}

impl ToPath for &Path {
    fn to_path(&self, _: &Node) -> Path {
        (*self).clone()
    }
}

/// The merged tree of a scenario: where each value stands, for checks of meaning.
#[derive(Clone, Debug)]
pub struct Located {
    /// All layers in one.
    pub tree: Node,
    /// The texts that the places are in.
    pub sources: Sources,
    /// The presets in use.
    pub uses: Vec<Use>,
    /// Those of them that are files of one's own.
    pub(super) files: Vec<Preset>,
    pub(super) repaired: BTreeSet<Path>,
}

impl Located {
    /// The same texts with another tree of their values.
    #[must_use]
    pub fn with_tree(&self, tree: Node) -> Located {
        Located { tree, ..self.clone() }
    }

    /// Where to point for a path such as `workload.classes.reviewer.share`: at the value if it was
    /// written, else at the nearest value above it.
    pub fn at(&self, path: impl ToPath) -> Place {
        self.tree.place_at(&path.to_path(&self.tree))
    }

    /// Where a range of bytes of the text at a path stands; the whole value where its text is not
    /// written out in one piece.
    pub fn within(&self, path: impl ToPath, range: Range<usize>) -> Place {
        let path = path.to_path(&self.tree);
        let place = self.tree.place_at(&path);
        let text = self.tree.at(&path).and_then(Node::text).unwrap_or_default();
        match self.sources.text_of(place).find(text) {
            Some(from) if range.end <= text.len() => {
                let from = place.start + from;
                Place { start: from + range.start, end: from + range.end, ..place }
            }
            _ => place,
        }
    }

    /// The text of the scalar at a path, as it was written; none for a default.
    pub fn written(&self, path: impl ToPath) -> Option<&str> {
        self.tree.at(&path.to_path(&self.tree))?.text()
    }

    /// Whether there is something at a path that a person or a preset wrote.
    pub fn is_written(&self, path: impl ToPath) -> bool {
        self.tree.at(&path.to_path(&self.tree)).is_some()
    }

    /// An error about the value at a path. It is dropped when this value, or one below or above
    /// it, could not be read: that was reported already.
    pub fn error(
        &self,
        code: &'static str,
        path: impl ToPath,
        message: impl Into<String>,
    ) -> Diagnostic {
        self.about(Diagnostic::error(code, message), path)
    }

    /// A warning about the value at a path; dropped as [`Located::error`] is.
    pub fn warning(
        &self,
        code: &'static str,
        path: impl ToPath,
        message: impl Into<String>,
    ) -> Diagnostic {
        self.about(Diagnostic::warning(code, message), path)
    }

    /// Adds a second value that a diagnostic speaks of, with what is to be said there.
    pub fn with(
        &self,
        diagnostic: Diagnostic,
        path: impl ToPath,
        text: impl Into<String>,
    ) -> Diagnostic {
        let path = path.to_path(&self.tree);
        let place = self.at(&path);
        self.depends(diagnostic, path).label(place, text)
    }

    /// Notes a value that a diagnostic rests on without pointing at it: if that value could not be
    /// read, the diagnostic is dropped.
    pub fn depends(&self, mut diagnostic: Diagnostic, path: impl ToPath) -> Diagnostic {
        diagnostic.about.push(path.to_path(&self.tree));
        diagnostic
    }

    fn about(&self, diagnostic: Diagnostic, path: impl ToPath) -> Diagnostic {
        let path = path.to_path(&self.tree);
        let place = self.at(&path);
        self.depends(diagnostic, path).at(place)
    }

    /// True if the diagnostic speaks of a value that could not be read.
    pub(super) fn is_moot(&self, diagnostic: &Diagnostic) -> bool {
        let touches =
            |path: &Path| self.repaired.iter().any(|r| r.contains(path) || path.contains(r));
        diagnostic.about.iter().any(touches)
    }

    /// Where the value at a path comes from; [`Origin::Default`] if it is not written.
    pub fn origin(&self, path: impl ToPath, presets: &Presets) -> Origin {
        match self.tree.at(&path.to_path(&self.tree)) {
            Some(node) => self.origin_of(node, presets),
            None => Origin::Default,
        }
    }

    fn origin_of(&self, node: &Node, presets: &Presets) -> Origin {
        let source = self.sources.get(node.place.source);
        match &source.kind {
            SourceKind::Set => Origin::Set,
            SourceKind::File => {
                let LineColumn { line, column } = self.sources.line_column(node.place);
                Origin::File { path: source.name.clone(), line, column }
            }
            SourceKind::Preset(id) => {
                let own = self.files.iter().find(|preset| preset.id() == *id);
                let preset = own.or_else(|| presets.by_id(id));
                let told =
                    preset.and_then(|p| p.told(&p.path_of(node.place.source, node.place.start)?));
                let (mark, source, date) = match told {
                    Some((mark, source, date)) => (Some(mark), Some(source), Some(date)),
                    None => (None, None, None),
                };
                Origin::Preset { preset: id.clone(), mark, source, date }
            }
        }
    }

    /// Every value with its origin: first what was written, in the tree's order, then the defaults
    /// that `value` shows when it is written out.
    ///
    /// # Errors
    /// If the value cannot be written as YAML.
    pub fn explain<T: Serialize>(
        &self,
        value: &T,
        presets: &Presets,
    ) -> Result<Vec<Explained>, serde_yaml::Error> {
        let mut all: Vec<Explained> = self
            .tree
            .leaves()
            .into_iter()
            .map(|(path, node)| Explained {
                path: path.to_string(),
                value: node.text().unwrap_or("null").to_owned(),
                origin: self.origin_of(node, presets),
            })
            .collect();
        let full = serde_yaml::with::singleton_map_recursive::serialize(
            value,
            serde_yaml::value::Serializer,
        )?;
        let mut defaults = Vec::new();
        self.collect_defaults(&full, &self.tree, &Path::top(), &mut defaults);
        all.append(&mut defaults);
        Ok(all)
    }

    /// What `value` has and the tree does not. Where the tree has a scalar, the value may have
    /// more inside (`think: 20s` is a constant distribution): that is no default.
    fn collect_defaults(
        &self,
        value: &serde_yaml::Value,
        node: &Node,
        path: &Path,
        found: &mut Vec<Explained>,
    ) {
        let serde_yaml::Value::Mapping(map) = value else { return };
        let Some(entries) = node.entries() else { return };
        for (key, value) in map {
            let Some(key) = key.as_str() else { continue };
            let below = path.key(key);
            match entries.iter().find(|entry| entry.key == key) {
                Some(entry) => self.collect_defaults(value, &entry.value, &below, found),
                None if value.is_null() => {}
                None => found.push(Explained {
                    path: below.to_string(),
                    value: flat(value),
                    origin: Origin::Default,
                }),
            }
        }
    }
}

/// A value on one line.
fn flat(value: &serde_yaml::Value) -> String {
    use serde_yaml::Value;
    match value {
        Value::String(text) => text.clone(),
        Value::Sequence(items) => {
            format!("[{}]", items.iter().map(flat).collect::<Vec<_>>().join(", "))
        }
        Value::Mapping(map) => {
            let parts: Vec<String> =
                map.iter().map(|(k, v)| format!("{}: {}", flat(k), flat(v))).collect();
            format!("{{{}}}", parts.join(", "))
        }
        other => serde_yaml::to_string(other).unwrap_or_default().trim_end().to_owned(),
    }
}

/// A scenario that was read.
#[derive(Clone, Debug)]
pub struct Loaded<T> {
    /// The scenario.
    pub value: T,
    /// Where each of its values stands.
    pub located: Located,
}
