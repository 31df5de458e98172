//! Text to tree, by saphyr's event stream.

use std::collections::{HashMap, HashSet};

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span};

use super::node::{Entry, Kind, Node, Scalar};
use super::{Place, SourceId};
use crate::scenario::diagnostic::Diagnostic;

/// How many values aliases may copy: stops a few nested anchors from filling the memory.
const ALIAS_BUDGET: usize = 100_000;

/// Parses one text. What is wrong with it goes to `problems`; the tree is `None` if it is not
/// YAML at all, is empty, or is no map.
pub fn parse(source: SourceId, text: &str, problems: &mut Vec<Diagnostic>) -> Option<Node> {
    parse_from(source, text, 0, problems)
}

/// Parses the part of a text that begins at byte `from`, with positions in the whole text.
pub(in crate::scenario) fn parse_from(
    source: SourceId,
    text: &str,
    from: usize,
    problems: &mut Vec<Diagnostic>,
) -> Option<Node> {
    let body = &text[from..];
    let mut builder = Builder::new(source, body, from);
    let mut parser = Parser::new_from_str(body);
    while let Some(event) = parser.next_event() {
        let step = event.and_then(|(event, span)| builder.take(event, span));
        if let Err(error) = step {
            problems.append(&mut builder.problems);
            problems.push(builder.syntax_error(&error));
            return None;
        }
    }
    problems.append(&mut builder.problems);
    builder.root
}

/// An open list or map.
struct Open {
    node: Node,
    anchor: usize,
    form: Option<String>,
    key: Option<(String, Place)>,
    /// The keys of a map so far, so that a large one is not searched for each.
    keys: HashSet<String>,
}

struct Builder<'t> {
    source: SourceId,
    text: &'t str,
    from: usize,
    /// Byte of each character; empty if the text is ASCII.
    bytes: Vec<usize>,
    open: Vec<Open>,
    root: Option<Node>,
    documents: usize,
    anchors: HashMap<usize, Node>,
    copied: usize,
    problems: Vec<Diagnostic>,
}

impl<'t> Builder<'t> {
    fn new(source: SourceId, text: &'t str, from: usize) -> Self {
        let bytes = if text.is_ascii() {
            Vec::new()
        } else {
            text.char_indices().map(|(at, _)| at).collect()
        };
        Builder {
            source,
            text,
            from,
            bytes,
            open: Vec::new(),
            root: None,
            documents: 0,
            anchors: HashMap::new(),
            copied: 0,
            problems: Vec::new(),
        }
    }

    fn byte(&self, index: usize) -> usize {
        let byte = if self.bytes.is_empty() {
            index
        } else {
            *self.bytes.get(index).unwrap_or(&self.text.len())
        };
        self.from + byte.min(self.text.len())
    }

    fn place(&self, span: Span) -> Place {
        Place {
            source: self.source,
            start: self.byte(span.start.index()),
            end: self.byte(span.end.index()),
        }
    }

    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), ScanError> {
        let place = self.place(span);
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents == 2 {
                    self.problems.push(
                        Diagnostic::error("second-document", "a second document begins here")
                            .at(place)
                            .help("a scenario is one YAML document: remove `---` and what follows"),
                    );
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                let tag = tag.as_deref();
                let str_tag = tag.is_some_and(|t| t.is_yaml_core_schema() && t.suffix == "str");
                let quoted = style != ScalarStyle::Plain || str_tag;
                let kind = Kind::Scalar(Scalar { text: text.into_owned(), quoted });
                let form = self.form(tag, place);
                self.put(Node { kind, place }, anchor, form);
            }
            Event::SequenceStart(anchor, tag) => {
                self.begin(Kind::Seq(Vec::new()), anchor, tag.as_deref(), place);
            }
            Event::MappingStart(anchor, tag) => {
                self.begin(Kind::Map(Vec::new()), anchor, tag.as_deref(), place);
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let mut open = self.open.pop().expect("the parser closes what it opened");
                open.node.place.end = place.end.max(open.node.place.end);
                self.put(open.node, open.anchor, open.form);
            }
            Event::Alias(anchor) => {
                let Some(node) = self.anchors.get(&anchor).cloned() else {
                    return Err(ScanError::new_str(
                        span.start,
                        "an alias stands inside its own anchor",
                    ));
                };
                self.copied += count(&node);
                if self.copied > ALIAS_BUDGET {
                    return Err(ScanError::new_str(
                        span.start,
                        "the aliases of this file copy too many values",
                    ));
                }
                self.put(node, 0, None);
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
        Ok(())
    }

    fn begin(&mut self, kind: Kind, anchor: usize, tag: Option<&saphyr_parser::Tag>, place: Place) {
        let form = self.form(tag, place);
        self.open.push(Open {
            node: Node { kind, place },
            anchor,
            form,
            key: None,
            keys: HashSet::new(),
        });
    }

    /// Gives a finished node to what encloses it; `form` is the tag it was written with.
    fn put(&mut self, node: Node, anchor: usize, form: Option<String>) {
        let node = match form {
            None => node,
            Some(key) => {
                let mut map = Node::empty_map(node.place);
                map.set_key(Entry { key, key_place: node.place, value: node });
                map
            }
        };
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        let Some(top) = self.open.last_mut() else {
            // Of several documents only the first counts; the others were reported.
            if self.documents <= 1 {
                self.root = Some(node);
            }
            return;
        };
        match (&mut top.node.kind, top.key.take()) {
            (Kind::Seq(items), _) => items.push(node),
            (Kind::Map(_), None) => match node.kind {
                Kind::Scalar(scalar) => top.key = Some((scalar.text, node.place)),
                _ => {
                    self.problems.push(
                        Diagnostic::error(
                            "key-not-text",
                            "a key must be a word, not a list or a map",
                        )
                        .at(node.place),
                    );
                    top.key = Some((String::from("?"), node.place));
                }
            },
            (Kind::Map(entries), Some((key, key_place))) => {
                if top.keys.insert(key.clone()) {
                    entries.push(Entry { key, key_place, value: node });
                } else if let Some(first) = entries.iter().find(|entry| entry.key == key) {
                    self.problems.push(
                        Diagnostic::error(
                            "duplicate-key",
                            format!("the key `{key}` is given twice"),
                        )
                        .at(key_place)
                        .label(first.key_place, "first given here")
                        .help("keep one of the two"),
                    );
                }
            }
            (Kind::Scalar(_), _) => unreachable!("only lists and maps are opened"),
        }
    }

    /// Reports a tag of one's own, and gives its name: `!poisson {…}` is read on as
    /// `{poisson: {…}}`, which is what was meant.
    fn form(&mut self, tag: Option<&saphyr_parser::Tag>, place: Place) -> Option<String> {
        let tag = tag.filter(|t| !t.is_yaml_core_schema())?;
        let name = &tag.suffix;
        self.problems.push(
            Diagnostic::error("yaml-tag", format!("the YAML tag `{tag}` has no meaning here"))
                .at(place)
                .help(format!("to choose a form, write it as a key: `{{{name}: …}}`")),
        );
        Some(name.clone())
    }

    fn syntax_error(&self, error: &ScanError) -> Diagnostic {
        let at = self.byte(error.marker().index());
        if let Some(tab) = self.tab_before(at) {
            return Diagnostic::error("tab-indentation", "a tab is used for indentation")
                .at(tab)
                .help("YAML is indented with spaces: replace the tab by two spaces");
        }
        let end = self.text[at - self.from..].chars().next().filter(|c| *c != '\n' && *c != '\r');
        let place =
            Place { source: self.source, start: at, end: at + end.map_or(0, char::len_utf8) };
        let (message, help) = explain(error.info());
        let diagnostic = Diagnostic::error("syntax", message).at(place);
        match help {
            Some(help) => diagnostic.help(help),
            None => diagnostic,
        }
    }

    /// A tab in the indentation of the line of the error, or of the line before.
    fn tab_before(&self, at: usize) -> Option<Place> {
        let text = self.text;
        let mut end = at - self.from;
        for _ in 0..2 {
            let start = text[..end].rfind('\n').map_or(0, |n| n + 1);
            let indent = text[start..].len() - text[start..].trim_start_matches([' ', '\t']).len();
            if let Some(tab) = text[start..start + indent].find('\t') {
                let start = self.from + start + tab;
                return Some(Place { source: self.source, start, end: start + 1 });
            }
            end = start.checked_sub(1)?;
        }
        None
    }
}

fn count(node: &Node) -> usize {
    match &node.kind {
        Kind::Scalar(_) => 1,
        Kind::Seq(items) => 1 + items.iter().map(count).sum::<usize>(),
        Kind::Map(entries) => 1 + entries.iter().map(|e| count(&e.value)).sum::<usize>(),
    }
}

/// The parser's words, and what to do about the slips that people make most.
fn explain(info: &str) -> (String, Option<&'static str>) {
    let help = if info.contains("mapping values are not allowed") {
        Some(
            "a `: ` inside a text needs quotes around the text; otherwise look for a wrong indentation",
        )
    } else if info.contains("',' or '}'") {
        Some("a map that begins with `{` ends with `}`, its entries are separated by `,`")
    } else if info.contains("',' or ']'") {
        Some("a list that begins with `[` ends with `]`, its items are separated by `,`")
    } else if info.contains("expected ':'") || info.contains("simple key") {
        Some("write `key: value`, with a space behind the colon")
    } else if info.contains("block mapping") || info.contains("indent") {
        Some("the keys of one map begin in the same column")
    } else if info.contains("quoted scalar") {
        Some("close the quote")
    } else {
        None
    };
    (format!("this is not YAML: {info}"), help)
}
