//! Scenario text with positions: which file a value was written in, and where.
//!
//! serde_yaml's own positions are lost in enums and after merging layers; so each text is parsed
//! once into a [`Node`] tree that keeps them, and the typed reading goes through that tree.

mod merge;
mod node;
mod parse;
mod path;

pub use merge::{Merge, overlay};
pub use node::{Entry, Kind, Node, Scalar};
pub use parse::parse;
pub(super) use parse::parse_from;
pub use path::{Path, Segment};

/// Which text of a [`Sources`] a position is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(u32);

/// A range of bytes in one text. Ordered by text in the order of loading, then by position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The text.
    pub source: SourceId,
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Place {
    /// The empty range at the start of a text.
    pub fn start_of(source: SourceId) -> Self {
        Place { source, start: 0, end: 0 }
    }
}

/// What a text is; decides what `check` says of the values in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceKind {
    /// A scenario file.
    File,
    /// One `--set path=value` of the command line.
    Set,
    /// An embedded preset, by `name@date`.
    Preset(String),
}

/// One text that values come from.
#[derive(Clone, Debug)]
pub struct Source {
    /// What people know it by: the path as given, `--set`, or `preset name@date`.
    pub name: String,
    /// Its text.
    pub text: String,
    /// What it is.
    pub kind: SourceKind,
}

/// All the texts of one loading, in the order in which they were read.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    all: Vec<Source>,
}

/// A position for people: both 1-based, the column in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineColumn {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl Sources {
    /// Adds a text.
    pub fn add(
        &mut self,
        name: impl Into<String>,
        text: impl Into<String>,
        kind: SourceKind,
    ) -> SourceId {
        let id = SourceId(u32::try_from(self.all.len()).expect("fewer than 2^32 texts"));
        self.all.push(Source { name: name.into(), text: text.into(), kind });
        id
    }

    /// The text of an id that this collection gave out.
    pub fn get(&self, id: SourceId) -> &Source {
        &self.all[id.0 as usize]
    }

    /// The first text of this kind.
    pub fn find(&self, kind: &SourceKind) -> Option<SourceId> {
        let at = self.all.iter().position(|source| source.kind == *kind)?;
        Some(SourceId(at as u32))
    }

    /// Where a place begins, for people.
    pub fn line_column(&self, place: Place) -> LineColumn {
        self.position(place.source, place.start)
    }

    /// Where a place ends, for people.
    pub fn end_line_column(&self, place: Place) -> LineColumn {
        self.position(place.source, place.end)
    }

    /// The text of a place.
    pub fn text_of(&self, place: Place) -> &str {
        self.get(place.source).text.get(place.start..place.end).unwrap_or_default()
    }

    /// The place cut to its first line, so that a caret under a long map stays one line.
    pub fn first_line(&self, place: Place) -> Place {
        let text = self.text_of(place);
        let cut = text.find(['\n', '\r']).unwrap_or(text.len());
        Place { end: place.start + text[..cut].trim_end().len(), ..place }
    }

    fn position(&self, source: SourceId, byte: usize) -> LineColumn {
        let text = &self.get(source).text;
        let floor = (0..=byte.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
        let before = &text[..floor.unwrap_or(0)];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = before.matches('\n').count() + 1;
        LineColumn { line, column: before[line_start..].chars().count() + 1 }
    }
}
