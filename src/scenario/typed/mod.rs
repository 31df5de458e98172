//! Tree to typed value, finding all that is wrong and not only the first.
//!
//! serde stops at the first error. So each error is noted, a stand-in of the right type is put in
//! its place, and the reading starts anew, until it succeeds. The stand-ins are found by what serde
//! says it expects. What a stand-in itself gives rise to is not reported, and paths with stand-ins
//! are returned, so that later checks do not judge them.

mod complaint;
mod stand_in;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use serde::de::DeserializeOwned;
use serde_yaml::Value;

use super::diagnostic::{Diagnostic, closest};
use super::source::{Kind, Node, Path, Segment};
use complaint::Complaint;
use words::Words;

/// How many readings at most: a scenario with more slips than this shows the rest next time.
const MOST_READINGS: usize = 5_000;
/// How many stand-ins are tried at one path before its parent is replaced.
const MOST_TRIES: usize = 12;

/// What the typed reading must know beside the type.
pub(super) struct Context<'a> {
    /// Parts that could not be loaded whole: keys missing below them are not reported.
    pub incomplete: &'a [Path],
    /// Keys that are taken out before the typed reading (`use`, `extend`), to be listed as known.
    pub extra_keys: &'a dyn Fn(&Path) -> Vec<&'static str>,
}

/// The outcome of a reading.
pub(super) struct Reading<T> {
    /// The value; with stand-ins where there were problems. None only if no stand-in helped.
    pub value: Option<T>,
    /// The problems, in no order.
    pub problems: Vec<Diagnostic>,
    /// Where the value has stand-ins.
    pub repaired: BTreeSet<Path>,
}

/// Reads a tree into a type.
pub(super) fn read<T: DeserializeOwned>(tree: &Node, context: &Context<'_>) -> Reading<T> {
    let mut reader = Reader {
        words: Words { tree, extra_keys: context.extra_keys },
        value: tree.to_value(),
        context,
        problems: Vec::new(),
        repaired: BTreeSet::new(),
        excused: BTreeSet::new(),
        probes: BTreeMap::new(),
        tries: BTreeMap::new(),
    };
    for _ in 0..MOST_READINGS {
        match attempt::<T>(&reader.value) {
            Ok(value) => return reader.done(Some(value)),
            Err((path, message)) => {
                if !reader.mend(&path, &message) {
                    break;
                }
            }
        }
    }
    reader.done(None)
}

/// One reading: the value, or where it failed and serde's words.
fn attempt<T: DeserializeOwned>(value: &Value) -> Result<T, (Path, String)> {
    let mut track = serde_path_to_error::Track::new();
    let inner = serde_path_to_error::Deserializer::new(value.clone(), &mut track);
    let read = serde_yaml::with::singleton_map_recursive::deserialize(inner);
    read.map_err(|error: serde_yaml::Error| (Path::from(&track.path()), error.to_string()))
}

struct Reader<'a> {
    words: Words<'a>,
    value: Value,
    context: &'a Context<'a>,
    problems: Vec<Diagnostic>,
    repaired: BTreeSet<Path>,
    /// Missing keys whose misspelling was reported already.
    excused: BTreeSet<Path>,
    /// Paths with a stand-in that makes serde list what it knows, for the problem of this number.
    probes: BTreeMap<Path, usize>,
    tries: BTreeMap<Path, usize>,
}

impl Reader<'_> {
    fn done<T>(mut self, value: Option<T>) -> Reading<T> {
        // A misspelt key's value is not known, although its type had a default for it.
        self.repaired.append(&mut self.excused);
        Reading { value, problems: self.problems, repaired: self.repaired }
    }

    /// Notes a problem and puts a stand-in; false if nothing more can be done.
    fn mend(&mut self, path: &Path, message: &str) -> bool {
        let tries = self.tries.entry(path.clone()).or_default();
        *tries += 1;
        let tries = *tries;
        if tries > MOST_TRIES {
            let Some(parent) = path.parent() else { return false };
            return self.put(&parent, Value::Null);
        }
        match Complaint::read(message) {
            Complaint::UnknownKey { key, known } => self.unknown_key(path, &key, &known),
            Complaint::Missing { key } => self.missing(path, &key),
            Complaint::UnknownVariant { variant, known } => {
                self.unknown_variant(path, &variant, &known)
            }
            Complaint::NeedsSettings => self.needs_settings(path),
            Complaint::TakesNoSettings => self.takes_no_settings(path),
            Complaint::NotOneKey => {
                self.report(path, |words| words.not_one_key(path));
                self.probe(path, Value::String(stand_in::PROBE.into()))
            }
            Complaint::Unexpected { expected } => self.unexpected(path, &expected, tries),
            Complaint::Own(message) => self.own(path, &message),
        }
    }

    /// Whether what is wrong at `path` comes from a stand-in.
    fn stands_in(&self, path: &Path) -> bool {
        self.repaired.iter().any(|repaired| repaired.contains(path))
    }

    fn report(&mut self, path: &Path, diagnostic: impl FnOnce(&Words<'_>) -> Diagnostic) {
        if !self.stands_in(path) {
            let mut diagnostic = diagnostic(&self.words);
            diagnostic.about.insert(0, path.clone());
            self.problems.push(diagnostic);
        }
    }

    /// Puts a stand-in that makes serde list what it knows at this path.
    fn probe(&mut self, path: &Path, value: Value) -> bool {
        if !self.stands_in(path) {
            self.probes.insert(path.clone(), self.problems.len() - 1);
        }
        self.put(path, value)
    }

    fn put(&mut self, path: &Path, value: Value) -> bool {
        self.repaired.insert(path.clone());
        match slot(&mut self.value, path) {
            Some(old) => {
                *old = value;
                true
            }
            None => false,
        }
    }

    fn unknown_key(&mut self, path: &Path, key: &str, known: &[String]) -> bool {
        let Some(parent) = path.parent() else { return false };
        if let Some(problem) = self.probes.remove(&parent) {
            self.words.add_keys(&mut self.problems[problem], &parent, known);
        }
        let there: Vec<String> = self.keys_at(&parent);
        let free: Vec<&str> =
            known.iter().map(String::as_str).filter(|k| there.iter().all(|t| t != k)).collect();
        let meant = closest(key, free).or_else(|| closest(key, known.iter().map(String::as_str)));
        self.report(path, |words| words.unknown_key(&parent, key, known, meant));
        if let Some(meant) = meant {
            self.excused.insert(parent.key(meant));
        }
        match slot(&mut self.value, &parent) {
            Some(Value::Mapping(map)) => map.remove(key).is_some(),
            _ => false,
        }
    }

    fn keys_at(&self, path: &Path) -> Vec<String> {
        let entries = self.words.tree.at(path).and_then(Node::entries).unwrap_or_default();
        entries.iter().map(|entry| entry.key.clone()).collect()
    }

    fn missing(&mut self, path: &Path, key: &str) -> bool {
        let at = path.key(key);
        let excused =
            self.excused.contains(&at) || self.context.incomplete.iter().any(|p| p.contains(&at));
        if !excused {
            self.report(path, |words| words.missing(path, key));
        }
        let Some(parent) = slot(&mut self.value, path) else { return false };
        if !parent.is_mapping() {
            *parent = Value::Mapping(serde_yaml::Mapping::new());
        }
        if let Value::Mapping(map) = parent {
            map.insert(Value::String(key.to_owned()), Value::Null);
        }
        self.repaired.insert(at);
        true
    }

    fn unknown_variant(&mut self, path: &Path, variant: &str, known: &[String]) -> bool {
        // Written as a word, the path ends at the choice; as a one-key map, at the key.
        let as_word = slot(&mut self.value, path).is_some_and(|v| v.as_str() == Some(variant));
        let Some(choice) = (if as_word { Some(path.clone()) } else { path.parent() }) else {
            return false;
        };
        if let Some(problem) = self.probes.remove(&choice) {
            words::add_forms(&mut self.problems[problem], known);
        }
        self.report(&choice, |words| words.unknown_variant(&choice, variant, known, as_word));
        let first = known.first().cloned().unwrap_or_default();
        self.put(&choice, Value::String(first))
    }

    fn needs_settings(&mut self, path: &Path) -> bool {
        let Some(variant) = slot(&mut self.value, path).and_then(|v| v.as_str().map(str::to_owned))
        else {
            return false;
        };
        self.report(path, |words| words.needs_settings(path, &variant));
        let mut map = serde_yaml::Mapping::new();
        map.insert(Value::String(variant), Value::Null);
        self.put(path, Value::Mapping(map))
    }

    fn takes_no_settings(&mut self, path: &Path) -> bool {
        let key = match slot(&mut self.value, path) {
            Some(Value::Mapping(map)) => {
                map.keys().next().and_then(|k| k.as_str().map(str::to_owned))
            }
            _ => None,
        };
        let Some(variant) = key else { return false };
        self.report(path, |words| words.takes_no_settings(path, &variant));
        self.put(path, Value::String(variant))
    }

    fn unexpected(&mut self, path: &Path, expected: &str, tries: usize) -> bool {
        if let Some(text) = self.text_meant(path, expected) {
            return match slot(&mut self.value, path) {
                Some(old) => {
                    *old = Value::String(text);
                    true
                }
                None => false,
            };
        }
        self.report(path, |words| words.unexpected(path, expected));
        let stand_in = stand_in::for_expected(expected, tries);
        if stand_in::lists_what_it_knows(expected) {
            return self.probe(path, stand_in);
        }
        self.put(path, stand_in)
    }

    /// A plain scalar that YAML takes for a number or a truth value, where the type wants text:
    /// it is text as written (`name: 1.10`).
    fn text_meant(&mut self, path: &Path, expected: &str) -> Option<String> {
        if expected != "a string" || self.stands_in(path) {
            return None;
        }
        match &self.words.tree.at(path)?.kind {
            Kind::Scalar(scalar) if !scalar.is_null() => Some(scalar.text.clone()),
            _ => None,
        }
    }

    fn own(&mut self, path: &Path, message: &str) -> bool {
        let about_stand_in = self.repaired.iter().any(|repaired| path.contains(repaired));
        if !about_stand_in {
            self.report(path, |words| words.own(path, message));
        }
        // What the type would take is not known: nothing makes serde say it.
        self.put(path, Value::Null)
    }
}

/// The value at a path.
fn slot<'v>(value: &'v mut Value, path: &Path) -> Option<&'v mut Value> {
    path.0.iter().try_fold(value, |value, segment| match (value, segment) {
        (Value::Mapping(map), Segment::Key(key)) => map.get_mut(key.as_str()),
        (Value::Sequence(items), Segment::Index(index)) => items.get_mut(*index),
        _ => None,
    })
}
