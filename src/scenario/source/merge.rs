//! Laying one tree over another.

use super::node::{Entry, Kind, Node};
use super::path::Path;
use crate::scenario::diagnostic::Diagnostic;

/// What the merge must know of the scenario's types.
pub trait Merge {
    /// Whether a map at `path` may have all of these keys together. Where not (two alternatives of
    /// a choice, such as `every` and `poisson`), the later map replaces the earlier one.
    fn fits(&self, path: &Path, keys: &[&str]) -> bool;
}

/// Lays `over` on `under`: maps are merged key by key, anything else is replaced; each value keeps
/// its own place. Where both are maps that cannot be one (see [`Merge::fits`]), `over` replaces
/// `under` whole. A map of numbers over a list (as `--set list.2=…` makes) changes single items.
pub fn overlay(
    under: Node,
    over: Node,
    path: &Path,
    shape: &dyn Merge,
    problems: &mut Vec<Diagnostic>,
) -> Node {
    match (under.kind, over.kind) {
        (Kind::Map(low), Kind::Map(high)) => {
            let fits = {
                let mut keys: Vec<&str> = low.iter().map(|e| e.key.as_str()).collect();
                let new =
                    high.iter().map(|e| e.key.as_str()).filter(|k| low.iter().all(|e| e.key != *k));
                keys.extend(new);
                shape.fits(path, &keys)
            };
            let kind =
                if fits { merge_maps(low, high, path, shape, problems) } else { Kind::Map(high) };
            Node { kind, place: over.place }
        }
        (Kind::Seq(items), Kind::Map(changes)) if is_indexed(&changes) => {
            let kind = change_items(items, changes, path, shape, problems);
            Node { kind, place: under.place }
        }
        (_, kind) => Node { kind, place: over.place },
    }
}

fn merge_maps(
    mut low: Vec<Entry>,
    high: Vec<Entry>,
    path: &Path,
    shape: &dyn Merge,
    problems: &mut Vec<Diagnostic>,
) -> Kind {
    for entry in high {
        match low.iter().position(|e| e.key == entry.key) {
            Some(at) => {
                let old = low[at].value.clone();
                let below = path.key(&entry.key);
                let value = overlay(old, entry.value, &below, shape, problems);
                low[at] = Entry { key: entry.key, key_place: entry.key_place, value };
            }
            None => low.push(entry),
        }
    }
    Kind::Map(low)
}

fn is_indexed(changes: &[Entry]) -> bool {
    !changes.is_empty()
        && changes.iter().all(|e| e.key.bytes().all(|b| b.is_ascii_digit()) && !e.key.is_empty())
}

fn change_items(
    mut items: Vec<Node>,
    changes: Vec<Entry>,
    path: &Path,
    shape: &dyn Merge,
    problems: &mut Vec<Diagnostic>,
) -> Kind {
    for entry in changes {
        let index = entry.key.parse::<usize>().ok().filter(|i| *i < items.len());
        let Some(index) = index else {
            let count = items.len();
            let message =
                format!("`{path}` has no item {} (items: {count}, numbered from 0)", entry.key);
            problems.push(Diagnostic::error("no-such-item", message).at(entry.key_place));
            continue;
        };
        let old = items[index].clone();
        items[index] = overlay(old, entry.value, &path.index(index), shape, problems);
    }
    Kind::Seq(items)
}
