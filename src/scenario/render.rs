//! Diagnostics for people: rustc's form, by annotate-snippets.

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::diagnostic::{Diagnostic, Diagnostics, Severity};
use super::source::{Place, Sources};

/// Width to which messages are laid out; fixed, so that the text does not depend on the terminal.
const WIDTH: usize = 120;

/// All diagnostics, blank lines between them, and the count at the end. Empty if there are none.
pub fn render(diagnostics: &Diagnostics, sources: &Sources, colour: bool) -> String {
    if diagnostics.is_empty() {
        return String::new();
    }
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    let renderer = renderer.decor_style(DecorStyle::Ascii).term_width(WIDTH);
    let mut text = String::new();
    for diagnostic in diagnostics.iter() {
        text.push_str(&one(diagnostic, sources, &renderer));
        text.push_str("\n\n");
    }
    text.push_str(&diagnostics.summary());
    text.push('\n');
    text
}

fn one(diagnostic: &Diagnostic, sources: &Sources, renderer: &Renderer) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(diagnostic.message.as_str());
    let mut main = Group::with_title(title);
    if let Some(place) = diagnostic.place {
        main = main.elements(snippets(diagnostic, place, sources));
    }
    let mut groups = vec![main];
    if let Some(help) = &diagnostic.help {
        groups.push(Group::with_title(Level::HELP.secondary_title(help.as_str())));
    }
    renderer.render(&groups)
}

/// The source line with its caret, and those of labels in other files.
fn snippets<'a>(
    diagnostic: &'a Diagnostic,
    place: Place,
    sources: &'a Sources,
) -> Vec<Snippet<'a, annotate_snippets::Annotation<'a>>> {
    let primary =
        AnnotationKind::Primary.span(caret(place, sources)).label(diagnostic.caption.as_deref());
    let mut first = snippet(place, sources).annotation(primary);
    let mut others = Vec::new();
    for label in &diagnostic.labels {
        let context =
            AnnotationKind::Context.span(caret(label.place, sources)).label(label.text.as_str());
        if label.place.source == place.source {
            first = first.annotation(context);
        } else {
            others.push(snippet(label.place, sources).annotation(context));
        }
    }
    let mut all = vec![first];
    all.append(&mut others);
    all
}

fn snippet<'a>(
    place: Place,
    sources: &'a Sources,
) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
    let source = sources.get(place.source);
    Snippet::source(source.text.as_str()).line_start(1).path(source.name.as_str())
}

fn caret(place: Place, sources: &Sources) -> std::ops::Range<usize> {
    let place = sources.first_line(place);
    place.start..place.end
}
