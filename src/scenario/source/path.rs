//! Paths to values: `workload.classes.reviewer.share`, `profile.day[2]`.

use std::fmt;

use super::node::{Kind, Node};

/// One step of a [`Path`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Segment {
    /// A key of a map.
    Key(String),
    /// A place in a list, from 0.
    Index(usize),
}

/// A path from the top of a scenario to a value.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path(pub Vec<Segment>);

impl Path {
    /// The path to the whole scenario.
    pub fn top() -> Self {
        Path(Vec::new())
    }

    /// This path and one key more.
    #[must_use]
    pub fn key(&self, key: impl Into<String>) -> Self {
        self.with(Segment::Key(key.into()))
    }

    /// This path and one index more.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        self.with(Segment::Index(index))
    }

    fn with(&self, segment: Segment) -> Self {
        let mut path = self.clone();
        path.0.push(segment);
        path
    }

    /// The path of these keys, whatever characters they hold.
    pub fn of<'a>(keys: impl IntoIterator<Item = &'a str>) -> Self {
        Path(keys.into_iter().map(|key| Segment::Key(key.to_owned())).collect())
    }

    /// The path without its last step; none for the top.
    pub fn parent(&self) -> Option<Path> {
        let (_, rest) = self.0.split_last()?;
        Some(Path(rest.to_vec()))
    }

    /// The last step's key, if it is one.
    pub fn last_key(&self) -> Option<&str> {
        match self.0.last()? {
            Segment::Key(key) => Some(key),
            Segment::Index(_) => None,
        }
    }

    /// True if `self` is `other` or lies above it.
    pub fn contains(&self, other: &Path) -> bool {
        other.0.starts_with(&self.0)
    }

    /// What a person calls the value: its key, or `key[3]` for an item of a list.
    pub fn short(&self) -> String {
        let from = self.0.iter().rposition(|s| matches!(s, Segment::Key(_))).unwrap_or(0);
        Path(self.0[from..].to_vec()).to_string()
    }

    /// Splits `a.b[2]."c.d"` (also `a.b.2`) into its parts, keys and indices alike as text.
    ///
    /// # Errors
    /// What is wrong, as a lower-case fragment: an empty part or an open quote.
    pub fn split(text: &str) -> Result<Vec<String>, String> {
        let mut parts = Vec::new();
        let mut part = String::new();
        let mut quoted = false;
        let mut was_quoted = false;
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '"' => {
                    quoted = !quoted;
                    was_quoted = true;
                }
                _ if quoted => part.push(c),
                ']' if matches!(chars.peek(), None | Some('.' | '[')) => {}
                '.' | '[' => {
                    finish(&mut parts, &mut part, &mut was_quoted)?;
                }
                _ => part.push(c),
            }
        }
        if quoted {
            return Err("a quote is not closed".to_owned());
        }
        finish(&mut parts, &mut part, &mut was_quoted)?;
        Ok(parts)
    }

    /// Reads a path, preferring the keys that `tree` has: `models.gpt-5.5.quota` finds the key
    /// `gpt-5.5` although it holds a dot. Parts that the tree lacks become keys as they stand.
    ///
    /// # Errors
    /// As for [`Path::split`].
    pub fn find(text: &str, tree: &Node) -> Result<Path, String> {
        Ok(Path::resolve(&Path::split(text)?, Some(tree)))
    }

    fn resolve(parts: &[String], tree: Option<&Node>) -> Path {
        let mut path = Path::top();
        let mut node = tree;
        let mut rest = parts;
        while !rest.is_empty() {
            let (segment, used) = step(rest, node);
            rest = &rest[used..];
            path.0.push(segment);
            node = node.and_then(|n| n.child(path.0.last().expect("a segment was pushed")));
        }
        path
    }
}

fn finish(parts: &mut Vec<String>, part: &mut String, was_quoted: &mut bool) -> Result<(), String> {
    if part.is_empty() && !*was_quoted {
        return Err("a part of the path is empty".to_owned());
    }
    *was_quoted = false;
    parts.push(std::mem::take(part));
    Ok(())
}

/// The next step and how many parts it takes: the longest run of parts that is one key.
fn step(parts: &[String], node: Option<&Node>) -> (Segment, usize) {
    match node.map(|n| &n.kind) {
        Some(Kind::Map(_)) => {
            for used in (1..=parts.len()).rev() {
                let key = parts[..used].join(".");
                if node.and_then(|n| n.get_key(&key)).is_some() {
                    return (Segment::Key(key), used);
                }
            }
            (Segment::Key(parts[0].clone()), 1)
        }
        Some(Kind::Seq(_)) => match parts[0].parse() {
            Ok(index) => (Segment::Index(index), 1),
            Err(_) => (Segment::Key(parts[0].clone()), 1),
        },
        _ => (Segment::Key(parts[0].clone()), 1),
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Key(key) if i == 0 => f.write_str(key)?,
                Segment::Key(key) => write!(f, ".{key}")?,
                Segment::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

impl From<&serde_path_to_error::Path> for Path {
    fn from(path: &serde_path_to_error::Path) -> Self {
        use serde_path_to_error::Segment as S;
        let segments = path.iter().filter_map(|segment| match segment {
            S::Seq { index } => Some(Segment::Index(*index)),
            S::Map { key } => Some(Segment::Key(key.clone())),
            S::Enum { variant } => Some(Segment::Key(variant.clone())),
            S::Unknown => None,
        });
        Path(segments.collect())
    }
}
