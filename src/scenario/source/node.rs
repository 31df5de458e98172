//! The positioned tree.

use super::path::{Path, Segment};
use super::{Place, SourceId};

/// A value and where it was written.
#[derive(Clone, Debug)]
pub struct Node {
    /// The value.
    pub kind: Kind,
    /// Where it stands.
    pub place: Place,
}

/// A value.
#[derive(Clone, Debug)]
pub enum Kind {
    /// Text, number, truth value or nothing.
    Scalar(Scalar),
    /// A list.
    Seq(Vec<Node>),
    /// A map, in the order written, keys unique.
    Map(Vec<Entry>),
}

/// A scalar as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scalar {
    /// The text, without quotes.
    pub text: String,
    /// Quoted, a block scalar, or tagged `!!str`: text whatever it looks like.
    pub quoted: bool,
}

/// A key and its value.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key stands.
    pub key_place: Place,
    /// The value.
    pub value: Node,
}

impl Node {
    /// An empty map.
    pub fn empty_map(place: Place) -> Self {
        Node { kind: Kind::Map(Vec::new()), place }
    }

    /// A plain scalar.
    pub fn plain(text: impl Into<String>, place: Place) -> Self {
        Node { kind: Kind::Scalar(Scalar { text: text.into(), quoted: false }), place }
    }

    /// The entries of a map.
    pub fn entries(&self) -> Option<&[Entry]> {
        match &self.kind {
            Kind::Map(entries) => Some(entries),
            _ => None,
        }
    }

    /// The entry of a key, if this is a map that has it.
    pub fn get_key(&self, key: &str) -> Option<&Entry> {
        self.entries()?.iter().find(|entry| entry.key == key)
    }

    /// The text, if this is a scalar that is not null.
    pub fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar(scalar) if !scalar.is_null() => Some(&scalar.text),
            _ => None,
        }
    }

    /// The value one step down.
    pub fn child(&self, segment: &Segment) -> Option<&Node> {
        match (&self.kind, segment) {
            (Kind::Map(_), Segment::Key(key)) => Some(&self.get_key(key)?.value),
            (Kind::Seq(items), Segment::Index(index)) => items.get(*index),
            _ => None,
        }
    }

    /// The value one step down, to change it.
    pub fn child_mut(&mut self, segment: &Segment) -> Option<&mut Node> {
        match (&mut self.kind, segment) {
            (Kind::Map(entries), Segment::Key(key)) => {
                entries.iter_mut().find(|entry| entry.key == *key).map(|entry| &mut entry.value)
            }
            (Kind::Seq(items), Segment::Index(index)) => items.get_mut(*index),
            _ => None,
        }
    }

    /// The value at a path.
    pub fn at(&self, path: &Path) -> Option<&Node> {
        path.0.iter().try_fold(self, |node, segment| node.child(segment))
    }

    /// The value at a path, to change it.
    pub fn at_mut(&mut self, path: &Path) -> Option<&mut Node> {
        path.0.iter().try_fold(self, |node, segment| node.child_mut(segment))
    }

    /// Where to point for a path: at a scalar itself, at the key of a map or list, and for a path
    /// that is not there at the nearest value above it.
    pub fn place_at(&self, path: &Path) -> Place {
        let mut node = self;
        let mut place =
            if path.0.is_empty() { Place::start_of(self.place.source) } else { self.place };
        for segment in &path.0 {
            let Some(next) = node.child(segment) else { break };
            place = match (&next.kind, segment) {
                (Kind::Scalar(scalar), _) if !scalar.text.is_empty() || scalar.quoted => next.place,
                (_, Segment::Key(key)) => node.get_key(key).map_or(next.place, |e| e.key_place),
                _ => next.place,
            };
            node = next;
        }
        place
    }

    /// Where the key of a path stands, if its last step is a key that is there.
    pub fn key_place_at(&self, path: &Path) -> Option<Place> {
        let parent = self.at(&path.parent()?)?;
        Some(parent.get_key(path.last_key()?)?.key_place)
    }

    /// Removes and returns the entry of a key.
    pub fn remove_key(&mut self, key: &str) -> Option<Entry> {
        let Kind::Map(entries) = &mut self.kind else { return None };
        let at = entries.iter().position(|entry| entry.key == key)?;
        Some(entries.remove(at))
    }

    /// Sets a key of a map, at its old place if it was there.
    pub fn set_key(&mut self, entry: Entry) {
        if let Kind::Map(entries) = &mut self.kind {
            match entries.iter_mut().find(|old| old.key == entry.key) {
                Some(old) => *old = entry,
                None => entries.push(entry),
            }
        }
    }

    /// The scalars below this node, in order, each with its path.
    pub fn leaves(&self) -> Vec<(Path, &Node)> {
        let mut found = Vec::new();
        self.collect_leaves(&Path::top(), &mut found);
        found
    }

    fn collect_leaves<'a>(&'a self, path: &Path, found: &mut Vec<(Path, &'a Node)>) {
        match &self.kind {
            Kind::Scalar(_) => found.push((path.clone(), self)),
            Kind::Seq(items) => {
                for (i, item) in items.iter().enumerate() {
                    item.collect_leaves(&path.index(i), found);
                }
            }
            Kind::Map(entries) => {
                for entry in entries {
                    entry.value.collect_leaves(&path.key(&entry.key), found);
                }
            }
        }
    }

    /// The same value for serde_yaml; scalars are resolved by serde_yaml itself.
    pub fn to_value(&self) -> serde_yaml::Value {
        use serde_yaml::Value;
        match &self.kind {
            Kind::Scalar(scalar) => scalar.to_value(),
            Kind::Seq(items) => Value::Sequence(items.iter().map(Node::to_value).collect()),
            Kind::Map(entries) => Value::Mapping(
                entries
                    .iter()
                    .map(|e| (Value::String(e.key.clone()), e.value.to_value()))
                    .collect(),
            ),
        }
    }

    /// The text that a value belongs to.
    pub fn source(&self) -> SourceId {
        self.place.source
    }
}

impl Scalar {
    /// True for nothing at all, `~` and `null`.
    pub fn is_null(&self) -> bool {
        !self.quoted && matches!(self.text.as_str(), "" | "~" | "null" | "Null" | "NULL")
    }

    /// The value that serde_yaml reads from this scalar.
    pub fn to_value(&self) -> serde_yaml::Value {
        use serde_yaml::Value;
        // What begins with a letter other than these is text; most scalars need no second parse.
        let may_be_special = |c: char| !c.is_alphabetic() || "nNtTfF".contains(c);
        let first = self.text.chars().next();
        if self.quoted || first.is_some_and(|c| !may_be_special(c)) {
            return Value::String(self.text.clone());
        }
        match serde_yaml::from_str(&self.text) {
            Ok(value @ (Value::Null | Value::Bool(_) | Value::Number(_))) => value,
            // The text alone may be no YAML scalar (`a, [b`); it is text all the same.
            _ => Value::String(self.text.clone()),
        }
    }
}
