//! Runtimes side by side, as tables.

use super::number::{spread, three, with_spread};
use super::table::{Cell, Head, Table, number, text};
use crate::study::{Measured, TierComparison, TierMeasure, TierRecord};

/// How a number is shown.
#[derive(Clone, Copy)]
enum Shown {
    Milliseconds,
    Mebibytes,
    Factor,
}

impl Shown {
    fn scale(self) -> f64 {
        match self {
            Shown::Milliseconds => 1e3,
            Shown::Mebibytes => 1.0 / f64::from(1 << 20),
            Shown::Factor => 1.0,
        }
    }
}

/// A table's title, how its observations are counted, and its columns.
struct Group {
    title: &'static str,
    counted: (&'static str, fn(&TierRecord) -> usize),
    columns: &'static [(&'static str, TierMeasure, Shown)],
}

const GROUPS: [Group; 3] = [
    Group {
        title: "Starting a sandbox",
        counted: ("boots", |tier| tier.boots),
        columns: &[
            ("cold boot p50 ms", TierMeasure::StartP50, Shown::Milliseconds),
            ("cold boot p95 ms", TierMeasure::StartP95, Shown::Milliseconds),
        ],
    },
    Group {
        title: "Working in it",
        counted: ("tool calls", |tier| tier.calls),
        columns: &[
            ("reach p50 ms", TierMeasure::ReachP50, Shown::Milliseconds),
            ("CPU factor", TierMeasure::CpuFactor, Shown::Factor),
            ("I/O wait factor", TierMeasure::IoFactor, Shown::Factor),
            ("platform time p50 ms", TierMeasure::PlatformP50, Shown::Milliseconds),
            ("platform time p95 ms", TierMeasure::PlatformP95, Shown::Milliseconds),
        ],
    },
    Group {
        title: "Putting it aside",
        counted: ("snapshots", |tier| tier.snapshots),
        columns: &[
            ("snapshot p50 ms", TierMeasure::SnapshotP50, Shown::Milliseconds),
            ("snapshot MiB", TierMeasure::SnapshotBytes, Shown::Mebibytes),
            ("restore p50 ms", TierMeasure::RestoreP50, Shown::Milliseconds),
            ("restore p95 ms", TierMeasure::RestoreP95, Shown::Milliseconds),
        ],
    },
];

/// What each runtime takes, and how many times what the first takes.
pub fn tier_tables(comparison: &TierComparison) -> Vec<Table> {
    let mut tables: Vec<Table> = GROUPS.iter().map(|group| table(comparison, group)).collect();
    let passes: Vec<String> = comparison.order.iter().map(|pass| pass.join(", ")).collect();
    if let Some(last) = tables.last_mut() {
        last.notes.push(format!(
            "{} sessions a pass, the same for every runtime; passes: {}",
            comparison.sessions,
            passes.join("; ")
        ));
        last.notes.push(format!(
            "×: over {}'s; 95% intervals by resampling passes and sessions, the same ones for all; –: seen too seldom",
            comparison.reference
        ));
        last.notes.extend(comparison.warnings.iter().map(|warning| format!("warning: {warning}")));
    }
    tables
}

fn table(comparison: &TierComparison, group: &Group) -> Table {
    let (counted, count) = group.counted;
    let mut heads: Vec<Head> = vec![text("runtime"), number(counted)];
    heads.extend(group.columns.iter().map(|(head, ..)| number(head)));
    let mut table = Table::new(group.title, heads);
    for (name, tier) in &comparison.runtimes {
        let mut cells: Vec<Cell> = vec![name.as_str().into(), count(tier).to_string().into()];
        let columns = group.columns.iter();
        cells.extend(columns.map(|(_, measure, shown)| {
            let found = tier.measures.get(measure.name());
            found.map_or_else(|| "–".to_owned(), |found| cell(found, *shown)).into()
        }));
        table.rows.push(cells);
    }
    table
}

/// `86.1 [84, 89], ×3.9 [3.6, 4.2]`.
fn cell(found: &Measured, shown: Shown) -> String {
    let scale = shown.scale();
    let value = with_spread(found.value * scale, found.ci95.map(|ci| ci.map(|end| end * scale)));
    match (found.ratio, found.ratio_ci95) {
        (Some(ratio), Some(ci)) => format!("{value}, ×{} {}", three(ratio), spread(ratio, ci)),
        (Some(ratio), None) => format!("{value}, ×{}", three(ratio)),
        (None, _) => value,
    }
}
