//! `use: preset`: where it may stand, and laying the preset under what stands beside it.

use std::io;
use std::path::Path as FilePath;

use super::diagnostic::Diagnostic;
use super::layers::{Assembler, lexical};
use super::preset::{Preset, PresetKind};
use super::source::{Entry, Kind, Node, Path, Place, Segment, SourceKind, overlay};

/// How many presets may build on one another.
const MOST_USES: usize = 8;

/// Where a scenario may say `use: preset`.
#[derive(Clone, Copy, Debug)]
pub struct UseSite {
    /// The path, `*` for any one key: `workload.classes.*`.
    pub at: &'static str,
    /// What presets may stand there.
    pub kind: PresetKind,
    /// Whether the preset's name alone stands for `{use: name}`: `rates: azure`.
    pub name_alone: bool,
}

/// A node that is the heir of another where it does not say `use`.
#[derive(Clone, Copy, Debug)]
pub struct Heir {
    /// The heir's path; `*` at its end for each key that is there.
    pub at: &'static str,
    /// What lies under it; `*` for the same key.
    pub from: &'static str,
}

impl Heir {
    /// Each heir that is there, and what it inherits from.
    fn pairs(&self, tree: &Node) -> Vec<(Path, Path)> {
        let plain = |text: &str| Path::of(text.split('.'));
        let (Some(at), Some(from)) = (self.at.strip_suffix(".*"), self.from.strip_suffix(".*"))
        else {
            return vec![(plain(self.at), plain(self.from))];
        };
        let keys = tree.at(&plain(at)).and_then(Node::entries).unwrap_or_default();
        keys.iter().map(|entry| (plain(at).key(&entry.key), plain(from).key(&entry.key))).collect()
    }
}

impl UseSite {
    fn is_at(&self, path: &Path) -> bool {
        let parts: Vec<&str> = self.at.split('.').collect();
        parts.len() == path.0.len()
            && parts.iter().zip(&path.0).all(|(part, segment)| match segment {
                Segment::Key(key) => *part == "*" || part == key,
                Segment::Index(_) => false,
            })
    }
}

/// The site at a path.
pub(super) fn site_at(sites: &[UseSite], path: &Path) -> Option<UseSite> {
    sites.iter().find(|site| site.is_at(path)).copied()
}

/// A preset in use.
#[derive(Clone, Debug)]
pub struct Use {
    /// Below which path its values lie.
    pub path: Path,
    /// Its `name@date`.
    pub preset: String,
    /// Where `use` stands.
    pub place: Place,
}

impl Assembler<'_> {
    fn site(&self, path: &Path) -> Option<UseSite> {
        site_at(self.sites, path)
    }

    /// Writes `rates: azure` as `rates: {use: azure}`, so that layers can be merged.
    pub(super) fn with_names_alone(&self, mut node: Node, path: &Path) -> Node {
        let alone = self.site(path).is_some_and(|site| site.name_alone) && node.text().is_some();
        if alone {
            let place = node.place;
            let mut map = Node::empty_map(place);
            map.set_key(Entry { key: "use".into(), key_place: place, value: node });
            return map;
        }
        if let Kind::Map(entries) = &mut node.kind {
            for entry in entries {
                let value = std::mem::replace(&mut entry.value, Node::empty_map(entry.key_place));
                entry.value = self.with_names_alone(value, &path.key(&entry.key));
            }
        }
        node
    }

    /// Lays what a node inherits under it: the scenario's own `platform` under a `baseline` without
    /// `use`, the models of the same names under the baseline's. Before presets are laid under, so
    /// that both share theirs.
    pub(super) fn with_inheritance(&mut self, mut tree: Node) -> Node {
        for inherits in super::HEIRS {
            for (to, from) in inherits.pairs(&tree) {
                let (Some(heir), Some(giver)) = (tree.at(&to), tree.at(&from)) else { continue };
                if heir.entries().is_none() || heir.get_key("use").is_some() {
                    continue;
                }
                let (heir, giver) = (heir.clone(), giver.clone());
                let place = heir.place;
                // Whatever is wrong with what is inherited is told where it stands.
                let merged = overlay(giver, heir, &to, self.shape, &mut Vec::new());
                if let Some(node) = tree.at_mut(&to) {
                    *node = Node { place, ..merged };
                }
            }
        }
        tree
    }

    /// Lays presets under the nodes that use them, from the top down.
    pub(super) fn expand(&mut self, node: Node, path: &Path) -> Node {
        let mut node = match self.site(path) {
            Some(site) => self.with_preset(node, site.kind, path, 0),
            None => node,
        };
        if let Kind::Map(entries) = &mut node.kind {
            for entry in entries {
                let value = std::mem::replace(&mut entry.value, Node::empty_map(entry.key_place));
                entry.value = self.expand(value, &path.key(&entry.key));
            }
        }
        node
    }

    fn with_preset(&mut self, mut node: Node, kind: PresetKind, path: &Path, depth: usize) -> Node {
        let Some(used) = node.remove_key("use") else { return node };
        let problem = match used.value.text() {
            None => Diagnostic::error("wrong-type", "`use` must be the name of one preset"),
            Some(_) if depth == MOST_USES => {
                Diagnostic::error("preset-cycle", "presets use each other in a circle")
            }
            Some(name) => match self.preset(kind, name, used.value.place) {
                Ok(preset) => {
                    self.out.uses.push(Use {
                        path: path.clone(),
                        preset: preset.id(),
                        place: used.value.place,
                    });
                    let values = preset.values(&mut self.out.sources);
                    let values = self.with_names_alone(values, path);
                    let values = self.with_preset(values, kind, path, depth + 1);
                    let merged = overlay(values, node, path, self.shape, &mut self.out.problems);
                    return Node { place: used.key_place, ..merged };
                }
                Err(problem) => *problem,
            },
        };
        let place = if used.value.text().is_some() { used.value.place } else { used.key_place };
        self.out.problems.push(problem.at(place));
        self.out.incomplete.push(path.clone());
        node
    }

    /// The preset of a name, or of a path: what has a `/` or ends like a YAML file is a path,
    /// relative to the file that says it.
    fn preset(
        &mut self,
        kind: PresetKind,
        name: &str,
        place: Place,
    ) -> Result<Preset, Box<Diagnostic>> {
        if !is_path(name) {
            let found = self.presets.find(kind, name).cloned();
            return found.ok_or_else(|| Box::new(self.presets.unknown(kind, name)));
        }
        let from = match &self.out.sources.get(place.source).kind {
            SourceKind::File => Some(self.out.sources.get(place.source).name.clone()),
            SourceKind::Preset(id) if is_path(id) => Some(id.clone()),
            SourceKind::Preset(_) | SourceKind::Set => None,
        };
        let from = from.unwrap_or_default();
        let file = lexical(&FilePath::new(&from).parent().unwrap_or(FilePath::new("")).join(name));
        let id = file.display().to_string();
        // An id without a `/` could be taken for a name.
        let id = if is_path(&id) { id } else { format!("./{id}") };
        let preset = match self.out.files.iter().find(|preset| preset.id() == id) {
            Some(preset) => preset.clone(),
            None => {
                let text = (self.read)(&file).map_err(|error| unreadable(&id, &error))?;
                let text = String::from_utf8(text).map_err(|_| broken(&id, "it is not UTF-8"))?;
                let read = Preset::read_own(&id, &text);
                let preset = read.map_err(|error| broken(&id, &error.message))?;
                self.out.files.push(preset.clone());
                preset
            }
        };
        if preset.kind != kind {
            let (wanted, found) = (kind.name(), preset.kind.name());
            let message = format!("{id} is a {found} preset, and a {wanted} preset belongs here");
            return Err(Box::new(Diagnostic::error("wrong-preset-kind", message).help(format!(
                "name a file with `kind: {wanted}`, or write this one where `{found}` values stand"
            ))));
        }
        Ok(preset)
    }
}

/// Whether what `use` names is a file's path.
fn is_path(name: &str) -> bool {
    name.contains('/') || name.ends_with(".yaml") || name.ends_with(".yml")
}

fn unreadable(id: &str, error: &io::Error) -> Box<Diagnostic> {
    let what = match error.kind() {
        io::ErrorKind::NotFound => format!("there is no file {id}"),
        _ => format!("cannot read {id}: {error}"),
    };
    let help = "a path in `use` is relative to the file that says it; `plimsoll calibrate` writes \
                profiles";
    Box::new(Diagnostic::error("file-not-found", what).help(help))
}

fn broken(id: &str, why: &str) -> Box<Diagnostic> {
    let help = "a preset file has `name`, `date`, `kind`, `description`, `values` and `notes`, as \
                `plimsoll show preset e2b` has them";
    Box::new(Diagnostic::error("bad-preset", format!("{id} is no preset: {why}")).help(help))
}
