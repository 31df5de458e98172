//! What is said to people about a typed error.

use super::complaint::wanted;
use crate::scenario::diagnostic::{Diagnostic, closest, list_of};
use crate::scenario::source::{Kind, Node, Path};

pub(super) struct Words<'a> {
    pub(super) tree: &'a Node,
    pub(super) extra_keys: &'a dyn Fn(&Path) -> Vec<&'static str>,
}

impl Words<'_> {
    pub(super) fn unknown_key(
        &self,
        parent: &Path,
        key: &str,
        known: &[String],
        meant: Option<&str>,
    ) -> Diagnostic {
        let extra = (self.extra_keys)(parent);
        let meant = meant.or_else(|| closest(key, extra));
        let place =
            self.tree.key_place_at(&parent.key(key)).unwrap_or_else(|| self.tree.place_at(parent));
        let place_of =
            if parent.0.is_empty() { String::new() } else { format!(" in `{}`", parent.short()) };
        let diagnostic =
            Diagnostic::error("unknown-key", format!("unknown key `{key}`{place_of}")).at(place);
        let list = self.list_keys(parent, known);
        match meant {
            Some(meant) => {
                diagnostic.help(format!("did you mean `{meant}`? {list}")).instead(meant)
            }
            None => diagnostic.help(list),
        }
    }

    fn list_keys(&self, parent: &Path, known: &[String]) -> String {
        let mut names: Vec<&str> = (self.extra_keys)(parent);
        names.extend(known.iter().map(String::as_str));
        match names.as_slice() {
            [] => "no keys are known here".to_owned(),
            [only] => format!("the only key here is `{only}`"),
            many => format!("known keys: {}", list_of(many, "and")),
        }
    }

    /// Adds the known keys to what was said of a value that should have been a map.
    pub(super) fn add_keys(&self, diagnostic: &mut Diagnostic, path: &Path, known: &[String]) {
        diagnostic.help = Some(self.list_keys(path, known));
    }

    pub(super) fn missing(&self, path: &Path, key: &str) -> Diagnostic {
        let place = self.tree.place_at(path);
        if path.0.is_empty() {
            return Diagnostic::error("missing-key", format!("missing key `{key}`"))
                .at(place)
                .help(format!("add `{key}: …` to the scenario"));
        }
        Diagnostic::error("missing-key", format!("missing key `{key}` in `{}`", path.short()))
            .at(place)
            .help(format!("add `{key}: …` below `{path}`"))
    }

    pub(super) fn unknown_variant(
        &self,
        choice: &Path,
        variant: &str,
        known: &[String],
        as_word: bool,
    ) -> Diagnostic {
        let place = if as_word {
            self.tree.place_at(choice)
        } else {
            self.tree
                .key_place_at(&choice.key(variant))
                .unwrap_or_else(|| self.tree.place_at(choice))
        };
        let what = if as_word { "value" } else { "form" };
        let message = format!("unknown {what} `{variant}` for `{}`", choice.short());
        let diagnostic = Diagnostic::error("unknown-value", message).at(place);
        let list = forms(known);
        match closest(variant, known.iter().map(String::as_str)) {
            Some(meant) => {
                diagnostic.help(format!("did you mean `{meant}`? {list}")).instead(meant)
            }
            None => diagnostic.help(list),
        }
    }

    pub(super) fn needs_settings(&self, path: &Path, variant: &str) -> Diagnostic {
        Diagnostic::error("needs-settings", format!("`{variant}` needs settings"))
            .at(self.tree.place_at(path))
            .help(format!("write `{}: {{{variant}: …}}`", path.short()))
    }

    pub(super) fn takes_no_settings(&self, path: &Path, variant: &str) -> Diagnostic {
        let place =
            self.tree.key_place_at(&path.key(variant)).unwrap_or_else(|| self.tree.place_at(path));
        Diagnostic::error("takes-no-settings", format!("`{variant}` takes no settings"))
            .at(place)
            .help(format!("write `{}: {variant}`", path.short()))
    }

    pub(super) fn not_one_key(&self, path: &Path) -> Diagnostic {
        let keys = self.tree.at(path).and_then(Node::entries).unwrap_or_default();
        let names: Vec<&str> = keys.iter().map(|entry| entry.key.as_str()).collect();
        let message = match names.as_slice() {
            [] => format!("`{}` is empty where one form is due", path.short()),
            many => format!("`{}` takes one form, but has {}", path.short(), list_of(many, "and")),
        };
        let diagnostic = Diagnostic::error("not-one-form", message);
        match keys {
            [first, second, ..] => {
                diagnostic.at(second.key_place).label(first.key_place, "the first form")
            }
            _ => diagnostic.at(self.tree.place_at(path)),
        }
    }

    pub(super) fn unexpected(&self, path: &Path, expected: &str) -> Diagnostic {
        let found = match self.tree.at(path).map(|node| &node.kind) {
            None => "is missing".to_owned(),
            Some(Kind::Scalar(scalar)) if scalar.is_null() => "is empty".to_owned(),
            Some(Kind::Scalar(scalar)) if scalar.quoted => format!("is the text {:?}", scalar.text),
            Some(Kind::Scalar(scalar)) => format!("is `{}`", scalar.text),
            Some(Kind::Seq(items))
                if expected.starts_with("a tuple") || expected.starts_with("fewer") =>
            {
                format!("has {}", items.len())
            }
            Some(Kind::Seq(_)) => "is a list".to_owned(),
            Some(Kind::Map(_)) => "is a map".to_owned(),
        };
        let name = if path.0.is_empty() {
            "the scenario".to_owned()
        } else {
            format!("`{}`", path.short())
        };
        let text = self.tree.at(path).and_then(Node::text).unwrap_or_default();
        let message = format!("{name} must be {}, but {found}", wanted(expected, text));
        let diagnostic = Diagnostic::error("wrong-type", message).at(self.tree.place_at(path));
        match (expected, text.to_lowercase().as_str()) {
            ("a boolean", "yes" | "on" | "y") => diagnostic.help("write `true`").instead("true"),
            ("a boolean", "no" | "off" | "n") => diagnostic.help("write `false`").instead("false"),
            // One of the words that the type names in backticks may have been meant.
            _ => match closest(text, expected.split('`').skip(1).step_by(2)) {
                Some(meant) => diagnostic.help(format!("did you mean `{meant}`?")).instead(meant),
                None => diagnostic,
            },
        }
    }

    /// A type's own words: what is wrong before the first colon, what to do behind it. If they
    /// begin by naming a key that is there, it is pointed at; if they list names, the nearest is
    /// proposed.
    pub(super) fn own(&self, path: &Path, message: &str) -> Diagnostic {
        let (what, help) = match split_at_colon(message) {
            Some((what, help)) => (what, Some(help)),
            None => (message, None),
        };
        let named = what.split('`').nth(1).unwrap_or_default();
        let key_place = self.tree.key_place_at(&path.key(named));
        let place = key_place.unwrap_or_else(|| self.tree.place_at(path));
        let diagnostic = Diagnostic::error("invalid-value", what).at(place);
        let Some(help) = help else { return diagnostic };
        // Examples of amounts are no names.
        let names = help.split('`').skip(1).step_by(2);
        let names = names.filter(|name| name.starts_with(char::is_alphabetic));
        let meant = closest(named, names).filter(|_| what.starts_with("unknown "));
        if let Some(meant) = meant {
            let diagnostic = diagnostic.help(format!("did you mean `{meant}`? {help}"));
            return if key_place.is_some() { diagnostic.instead(meant) } else { diagnostic };
        }
        let diagnostic = diagnostic.help(help);
        match help.strip_prefix("write `").and_then(|rest| rest.split('`').next()) {
            Some(text) => diagnostic.instead(text),
            None => diagnostic,
        }
    }
}

/// Splits at the first `: ` that is not in backticks.
fn split_at_colon(message: &str) -> Option<(&str, &str)> {
    let at = message.match_indices(": ").map(|(at, _)| at);
    let at = at.into_iter().find(|at| message[..*at].matches('`').count().is_multiple_of(2))?;
    Some((&message[..at], &message[at + 2..]))
}

fn forms(known: &[String]) -> String {
    match known {
        [] => "nothing is known here".to_owned(),
        [only] => format!("the only one is `{only}`"),
        many => format!("one of {}", list_of(many, "or")),
    }
}

/// Adds the known forms to what was said of a choice.
pub(super) fn add_forms(diagnostic: &mut Diagnostic, known: &[String]) {
    diagnostic.help = Some(forms(known));
}
