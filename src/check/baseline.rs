//! The baseline: the checks of a platform, made of the other one.

use super::{Findings, boundaries, models, path, platform};
use crate::scenario::source::{Entry, Kind, Node, Path, Place, Segment};
use crate::scenario::{Diagnostic, Located, Severity};

/// The keys of a scenario that a baseline has its own of.
const OWN: [&str; 2] = ["platform", "models"];

pub(super) fn check(findings: &mut Findings<'_>) {
    let Some(other) = findings.scenario.of_baseline() else { return };
    let Some(at) = as_scenario(findings.at) else { return };
    let mut found = Vec::new();
    let mut of_other = Findings { scenario: &other, at: &at, found: &mut found };
    platform::check(&mut of_other);
    models::check(&mut of_other);
    // What is inherited was told where it stands.
    let told = |new: &Diagnostic, old: &Diagnostic| (new.code, new.place) == (old.code, old.place);
    found.retain(|new| !findings.found.iter().any(|old| told(new, old)));
    // What is inherited, or of a preset, and only has no effect here is no slip.
    let written =
        findings.at.tree.get_key("baseline").map(|entry| (entry.key_place, entry.value.place));
    let in_baseline = |at: &Place| {
        written.is_some_and(|(key, value)| {
            at.source == key.source && at.start >= key.start && at.end <= value.end.max(key.end)
        })
    };
    found.retain(|new| {
        new.severity == Severity::Error || new.place.as_ref().is_some_and(in_baseline)
    });
    for mut diagnostic in found {
        diagnostic.message = format!("in the baseline: {}", diagnostic.message);
        diagnostic.about = diagnostic.about.iter().map(back).collect();
        findings.push(diagnostic);
    }
    unpriced(findings, &other);
}

/// The tree with the baseline in the place of the platform.
fn as_scenario(at: &Located) -> Option<Located> {
    let mut tree = at.tree.clone();
    let baseline = tree.remove_key("baseline")?;
    let mut platform = baseline.value;
    let models = platform.remove_key("models");
    let place = platform.place;
    tree.set_key(Entry {
        key: "platform".to_owned(),
        key_place: baseline.key_place,
        value: Node { place, ..platform },
    });
    if let Some(Entry { value: Node { kind: Kind::Map(entries), .. }, .. }) = models
        && let Some(own) = tree.at_mut(&path(["models"]))
    {
        entries.into_iter().for_each(|entry| own.set_key(entry));
    }
    Some(at.with_tree(tree))
}

/// A path of the other scenario, in this one.
fn back(other: &Path) -> Path {
    let Some(Segment::Key(first)) = other.0.first() else { return other.clone() };
    let mut steps = other.0.clone();
    match OWN.iter().position(|own| own == first) {
        Some(0) => steps[0] = Segment::Key("baseline".to_owned()),
        Some(_) => steps.insert(0, Segment::Key("baseline".to_owned())),
        None => {}
    }
    Path(steps)
}

/// Costs are compared, but one arm costs nothing.
fn unpriced(findings: &mut Findings<'_>, other: &crate::scenario::types::Scenario) {
    if boundaries::is_priced(findings.scenario) && !boundaries::is_priced(other) {
        let message = "the baseline has no prices, so it costs nothing and no cost can be compared";
        let found = findings.at.warning("unpriced", path(["baseline"]), message);
        findings.push(found.help("give `baseline.rates`, as the platform has `rates`"));
    }
}
