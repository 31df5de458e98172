//! What is wrong with a scenario, where, and what to do about it.

use super::source::{Path, Place, Sources};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The scenario cannot be used.
    Error,
    /// The scenario can be used, but probably not as meant.
    Warning,
}

/// A second place that explains the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// Where.
    pub place: Place,
    /// What is there, as a lower-case fragment.
    pub text: String,
}

/// A change that would mend it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suggestion {
    /// What to replace.
    pub place: Place,
    /// The new text.
    pub text: String,
}

/// One problem. Built by [`Diagnostic::error`] and refined: `.at(place).help("…")`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Error or warning.
    pub severity: Severity,
    /// A stable name of the kind of problem, such as `unknown-key`.
    pub code: &'static str,
    /// What is wrong, in lower case, without a full stop.
    pub message: String,
    /// Where; none for a file that cannot be read.
    pub place: Option<Place>,
    /// The file, where there is no place in it.
    pub file: Option<String>,
    /// What the caret says.
    pub caption: Option<String>,
    /// Further places.
    pub labels: Vec<Label>,
    /// What to do next.
    pub help: Option<String>,
    /// The change that would mend it, if it is certain enough.
    pub suggestion: Option<Suggestion>,
    /// The paths that the message speaks of.
    pub about: Vec<Path>,
}

impl Diagnostic {
    /// An error without a place yet.
    pub fn error(code: &'static str, message: impl Into<String>) -> Self {
        Diagnostic {
            severity: Severity::Error,
            code,
            message: message.into(),
            place: None,
            file: None,
            caption: None,
            labels: Vec::new(),
            help: None,
            suggestion: None,
            about: Vec::new(),
        }
    }

    /// A warning without a place yet.
    pub fn warning(code: &'static str, message: impl Into<String>) -> Self {
        Diagnostic { severity: Severity::Warning, ..Self::error(code, message) }
    }

    /// Where it is.
    #[must_use]
    pub fn at(mut self, place: Place) -> Self {
        self.place = Some(place);
        self
    }

    /// Which file, where there is no place.
    #[must_use]
    pub fn in_file(mut self, file: impl Into<String>) -> Self {
        self.file = Some(file.into());
        self
    }

    /// What the caret says.
    #[must_use]
    pub fn caption(mut self, text: impl Into<String>) -> Self {
        self.caption = Some(text.into());
        self
    }

    /// A second place.
    #[must_use]
    pub fn label(mut self, place: Place, text: impl Into<String>) -> Self {
        self.labels.push(Label { place, text: text.into() });
        self
    }

    /// What to do next.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help = Some(text.into());
        self
    }

    /// The text that should stand at the diagnostic's place instead.
    #[must_use]
    pub fn instead(mut self, text: impl Into<String>) -> Self {
        self.suggestion = self.place.map(|place| Suggestion { place, text: text.into() });
        self
    }
}

/// The problems of one loading.
#[derive(Clone, Debug, Default)]
pub struct Diagnostics {
    all: Vec<Diagnostic>,
}

impl Diagnostics {
    /// Adds one.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.all.push(diagnostic);
    }

    /// Sorts by file (in order of loading) and position, what has no place first, and drops exact
    /// repetitions (an alias may show one slip twice).
    pub fn sort(&mut self) {
        self.all.sort_by_key(|d| d.place.map(|p| (p.source, p.start)));
        self.all.dedup_by(|a, b| a.place == b.place && a.message == b.message);
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.all.iter()
    }

    /// How many errors.
    pub fn errors(&self) -> usize {
        self.all.iter().filter(|d| d.severity == Severity::Error).count()
    }

    /// How many warnings.
    pub fn warnings(&self) -> usize {
        self.all.len() - self.errors()
    }

    /// True if there is nothing to say.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// `3 errors, 1 warning`; empty if there is nothing.
    pub fn summary(&self) -> String {
        let count = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
        let (errors, warnings) = (self.errors(), self.warnings());
        match (errors, warnings) {
            (0, 0) => String::new(),
            (_, 0) => count(errors, "error"),
            (0, _) => count(warnings, "warning"),
            _ => format!("{}, {}", count(errors, "error"), count(warnings, "warning")),
        }
    }

    /// For machines: `{"errors": 1, "warnings": 0, "diagnostics": [{severity, code, message, path,
    /// file, line, column, end_line, end_column, labels, help, suggestion}, …]}`.
    pub fn to_json(&self, sources: &Sources) -> serde_json::Value {
        let list: Vec<_> = self.all.iter().map(|d| json_of(d, sources)).collect();
        serde_json::json!({"errors": self.errors(), "warnings": self.warnings(), "diagnostics": list})
    }
}

impl Extend<Diagnostic> for Diagnostics {
    fn extend<I: IntoIterator<Item = Diagnostic>>(&mut self, iter: I) {
        self.all.extend(iter);
    }
}

fn json_of(diagnostic: &Diagnostic, sources: &Sources) -> serde_json::Value {
    let mut json = serde_json::json!({
        "severity": diagnostic.severity,
        "code": diagnostic.code,
        "message": diagnostic.message,
    });
    let object = json.as_object_mut().expect("an object was written");
    if let Some(path) = diagnostic.about.first() {
        object.insert("path".into(), path.to_string().into());
    }
    if let Some(place) = diagnostic.place {
        object.extend(json_place(place, sources));
    } else if let Some(file) = &diagnostic.file {
        object.insert("file".into(), file.as_str().into());
    }
    if !diagnostic.labels.is_empty() {
        let labels = diagnostic.labels.iter().map(|label| {
            let mut json = json_place(label.place, sources);
            json.insert("text".into(), label.text.as_str().into());
            serde_json::Value::Object(json)
        });
        object.insert("labels".into(), labels.collect());
    }
    if let Some(help) = &diagnostic.help {
        object.insert("help".into(), help.as_str().into());
    }
    if let Some(suggestion) = &diagnostic.suggestion {
        let mut json = json_place(suggestion.place, sources);
        json.insert("text".into(), suggestion.text.as_str().into());
        object.insert("suggestion".into(), json.into());
    }
    json
}

fn json_place(place: Place, sources: &Sources) -> serde_json::Map<String, serde_json::Value> {
    let (start, end) = (sources.line_column(place), sources.end_line_column(place));
    let mut json = serde_json::Map::new();
    json.insert("file".into(), sources.get(place.source).name.as_str().into());
    json.insert("line".into(), start.line.into());
    json.insert("column".into(), start.column.into());
    json.insert("end_line".into(), end.line.into());
    json.insert("end_column".into(), end.column.into());
    json
}

/// The name of `known` that `text` was probably meant to be: few slips, or a unique beginning.
pub fn closest<'a>(text: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = text.to_lowercase();
    let mut best: Option<(usize, &str)> = None;
    for name in known {
        let slips = strsim::damerau_levenshtein(&lower, &name.to_lowercase());
        let allowed = (name.chars().count().max(text.chars().count()) / 3).max(1);
        let begins = lower.len() >= 3 && name.to_lowercase().starts_with(&lower);
        let slips = if begins { slips.min(1) } else { slips };
        if slips <= allowed && best.is_none_or(|(least, _)| slips < least) {
            best = Some((slips, name));
        }
    }
    best.map(|(_, name)| name)
}

/// `` `a`, `b` or `c` ``.
pub fn list_of<S: AsRef<str>>(names: &[S], last: &str) -> String {
    let quoted: Vec<String> = names.iter().map(|n| format!("`{}`", n.as_ref())).collect();
    match quoted.split_last() {
        None => String::new(),
        Some((only, [])) => only.clone(),
        Some((end, rest)) => format!("{} {last} {end}", rest.join(", ")),
    }
}
