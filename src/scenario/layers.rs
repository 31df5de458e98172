//! From files, presets and `--set` to one tree.
//!
//! Precedence, later wins: preset, `extend`ed file, file, `--set path=value`. Presets are laid
//! *under* the node that `use`s them after all else is merged, so that a later layer may also
//! exchange the preset.

use std::io;
use std::path::{Component, Path as FilePath, PathBuf};

use super::diagnostic::Diagnostic;
use super::preset::{Preset, Presets};
use super::source::{
    Entry, Kind, Merge, Node, Path, Place, Segment, SourceKind, Sources, overlay, parse, parse_from,
};
use super::uses::{Use, UseSite};

/// How many files may extend one another in a row.
const MOST_EXTENDS: usize = 16;
/// One tree from all layers, and what was wrong on the way.
pub(super) struct Assembled {
    pub tree: Option<Node>,
    pub sources: Sources,
    pub problems: Vec<Diagnostic>,
    /// Paths below which a layer is missing because of a problem.
    pub incomplete: Vec<Path>,
    pub uses: Vec<Use>,
    /// Presets in files of one's own.
    pub files: Vec<Preset>,
}

/// Reads a file's bytes.
pub type ReadFile<'a> = dyn Fn(&FilePath) -> io::Result<Vec<u8>> + 'a;

pub(super) struct Assembler<'a> {
    pub read: &'a ReadFile<'a>,
    pub presets: &'a Presets,
    pub sites: &'a [UseSite],
    pub shape: &'a dyn Merge,
    pub out: Assembled,
}

impl<'a> Assembler<'a> {
    pub(super) fn new(
        read: &'a ReadFile<'a>,
        presets: &'a Presets,
        sites: &'a [UseSite],
        shape: &'a dyn Merge,
    ) -> Self {
        let out = Assembled {
            tree: None,
            sources: Sources::default(),
            problems: Vec::new(),
            incomplete: Vec::new(),
            uses: Vec::new(),
            files: Vec::new(),
        };
        Assembler { read, presets, sites, shape, out }
    }

    /// All layers of one scenario file.
    pub(super) fn file(mut self, path: &FilePath, sets: &[String]) -> Assembled {
        let tree = self.load_file(path, None, &mut Vec::new());
        self.finish(tree, sets)
    }

    /// All layers of a scenario given as text; `name` is what diagnostics call it.
    pub(super) fn text(mut self, name: &str, text: &str, sets: &[String]) -> Assembled {
        let tree = self.load_text(FilePath::new(name), text, &mut Vec::new());
        self.finish(tree, sets)
    }

    fn finish(mut self, tree: Option<Node>, sets: &[String]) -> Assembled {
        let tree = self.apply_sets(tree, sets);
        let tree = tree.map(|tree| self.with_inheritance(tree));
        self.out.tree = tree.map(|tree| self.expand(tree, &Path::top()));
        self.out
    }

    /// Reads a file; `extends` is where another file names it.
    fn load_file(
        &mut self,
        path: &FilePath,
        extends: Option<Place>,
        open: &mut Vec<PathBuf>,
    ) -> Option<Node> {
        let name = path.display().to_string();
        let bytes = match (self.read)(path) {
            Ok(bytes) => bytes,
            Err(error) => {
                self.out.problems.push(unreadable(&name, &error, extends));
                return None;
            }
        };
        match String::from_utf8(bytes) {
            Ok(text) => self.load_text(path, &text, open),
            Err(error) => {
                self.not_utf8(&name, error.as_bytes(), error.utf8_error().valid_up_to());
                None
            }
        }
    }

    fn not_utf8(&mut self, name: &str, bytes: &[u8], at: usize) {
        let text = String::from_utf8_lossy(bytes);
        let source = self.out.sources.add(name, text, SourceKind::File);
        let utf16 = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]);
        let message =
            if utf16 { "this file is UTF-16, not UTF-8" } else { "this file is not UTF-8 text" };
        // The replacement character of the bad byte takes three bytes.
        let place = Place { source, start: at, end: at + 3 };
        self.out.problems.push(
            Diagnostic::error("not-utf8", message)
                .at(place)
                .caption(format!("byte 0x{:02x}", bytes[at]))
                .help("save the file as UTF-8"),
        );
    }

    fn load_text(&mut self, path: &FilePath, text: &str, open: &mut Vec<PathBuf>) -> Option<Node> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let source = self.out.sources.add(path.display().to_string(), text, SourceKind::File);
        let before = self.out.problems.len();
        let tree = parse(source, text, &mut self.out.problems);
        let start = Place::start_of(source);
        let Some(mut tree) = tree else {
            if self.out.problems.len() == before {
                self.out.problems.push(
                    Diagnostic::error("empty-file", "the file is empty")
                        .at(start)
                        .help("`plimsoll init` writes a scenario to begin with"),
                );
            }
            return None;
        };
        if tree.entries().is_none() {
            let nothing = matches!(&tree.kind, Kind::Scalar(scalar) if scalar.is_null());
            let diagnostic = if nothing {
                Diagnostic::error("empty-file", "the file is empty").at(start)
            } else {
                Diagnostic::error("not-a-map", "a scenario is a map of keys").at(tree.place)
            };
            self.out
                .problems
                .push(diagnostic.help("`plimsoll init` writes a scenario to begin with"));
            return None;
        }
        let extend = tree.remove_key("extend");
        let tree = self.with_names_alone(tree, &Path::top());
        match extend {
            Some(extend) => Some(self.extended(path, tree, &extend, open)),
            None => Some(tree),
        }
    }

    /// Lays a file over the one that it extends.
    fn extended(
        &mut self,
        path: &FilePath,
        tree: Node,
        extend: &Entry,
        open: &mut Vec<PathBuf>,
    ) -> Node {
        let at = extend.value.place;
        let Some(other) = extend.value.text() else {
            let place = if extend.value.entries().is_some() { extend.key_place } else { at };
            self.broken(
                Diagnostic::error("wrong-type", "`extend` must be the path of one file").at(place),
            );
            return tree;
        };
        let other = lexical(&path.parent().unwrap_or(FilePath::new("")).join(other));
        let this = lexical(path);
        open.push(this);
        let cycle = open.contains(&other);
        if cycle || open.len() > MOST_EXTENDS {
            let chain: Vec<String> =
                open.iter().chain([&other]).map(|p| p.display().to_string()).collect();
            let message = if cycle {
                "the files extend each other in a circle"
            } else {
                "too many files extend one another"
            };
            self.broken(
                Diagnostic::error("extend-cycle", message).at(at).help(chain.join(" extends ")),
            );
            open.pop();
            return tree;
        }
        let base = self.load_file(&other, Some(at), open);
        open.pop();
        match base {
            Some(base) => overlay(base, tree, &Path::top(), self.shape, &mut self.out.problems),
            None => {
                self.out.incomplete.push(Path::top());
                tree
            }
        }
    }

    /// A problem after which parts of the scenario are unknown.
    fn broken(&mut self, diagnostic: Diagnostic) {
        self.out.problems.push(diagnostic);
        self.out.incomplete.push(Path::top());
    }

    fn apply_sets(&mut self, tree: Option<Node>, sets: &[String]) -> Option<Node> {
        let mut tree = tree;
        for set in sets {
            let source = self.out.sources.add("--set", set.as_str(), SourceKind::Set);
            let place = Place { source, start: 0, end: set.len() };
            match self.one_set(place, set, tree.as_ref()) {
                Ok(Some(over)) => {
                    let over = self.with_names_alone(over, &Path::top());
                    tree = tree.map(|t| {
                        overlay(t, over, &Path::top(), self.shape, &mut self.out.problems)
                    });
                }
                Ok(None) => {}
                Err(message) => self.out.problems.push(
                    Diagnostic::error("bad-set", message)
                        .at(place)
                        .help("write `--set path=value`, for instance `--set experiment.seed=7`"),
                ),
            }
        }
        tree
    }

    /// The tree that holds one `--set` alone; none if its value is no YAML (reported).
    fn one_set(
        &mut self,
        place: Place,
        set: &str,
        tree: Option<&Node>,
    ) -> Result<Option<Node>, String> {
        let (text, _) = set.split_once('=').ok_or("`=` is missing between path and value")?;
        let empty = Node::empty_map(place);
        let path = Path::find(text.trim(), tree.unwrap_or(&empty))?;
        let before = self.out.problems.len();
        let value = parse_from(place.source, set, text.len() + 1, &mut self.out.problems);
        if self.out.problems.len() > before {
            return Ok(None);
        }
        let nothing = Place { start: set.len(), ..place };
        let mut node = value.unwrap_or_else(|| Node::plain("", nothing));
        for (segment, key_place) in path.0.iter().zip(part_places(&path, text, place)).rev() {
            let key = match segment {
                Segment::Key(key) => key.clone(),
                Segment::Index(index) => index.to_string(),
            };
            let mut map = Node::empty_map(key_place);
            map.set_key(Entry { key, key_place, value: node });
            node = map;
        }
        Ok(Some(node))
    }
}

fn unreadable(name: &str, error: &io::Error, extends: Option<Place>) -> Diagnostic {
    let (code, what) = match error.kind() {
        io::ErrorKind::NotFound => ("file-not-found", format!("there is no file {name}")),
        io::ErrorKind::IsADirectory => {
            ("file-unreadable", format!("{name} is a directory, not a scenario file"))
        }
        io::ErrorKind::PermissionDenied => {
            ("file-unreadable", format!("no permission to read {name}"))
        }
        _ => ("file-unreadable", format!("cannot read {name}: {error}")),
    };
    let diagnostic = Diagnostic::error(code, what);
    match extends {
        Some(place) => {
            diagnostic.at(place).help("the path is relative to the file that says `extend`")
        }
        None => diagnostic
            .in_file(name)
            .help("give the path of a scenario file; `plimsoll init` writes one"),
    }
}

/// Where each step of a path stands in the text that it was read from.
fn part_places(path: &Path, text: &str, whole: Place) -> Vec<Place> {
    let mut from = 0;
    let mut places = Vec::new();
    for segment in &path.0 {
        let part = match segment {
            Segment::Key(key) => key.clone(),
            Segment::Index(index) => index.to_string(),
        };
        let found = text[from..].find(&part).map(|at| (from + at, from + at + part.len()));
        let (start, end) = found.unwrap_or((0, text.len()));
        from = end;
        places.push(Place { source: whole.source, start, end });
    }
    places
}

/// The path without `.` and `a/..`, without asking the file system.
pub(super) fn lexical(path: &FilePath) -> PathBuf {
    let mut clean = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir
                if matches!(clean.components().next_back(), Some(Component::Normal(_))) =>
            {
                clean.pop();
            }
            other => clean.push(other),
        }
    }
    clean
}
