//! Runtimes side by side, as tables.

use super::number::{spread, three, with_spread};
use super::table::{Cell, Head, Table, Tone, number, text};
use crate::drive::probe::{Factors, Observation, Scale, Verdict};
use crate::study::{Measured, TierComparison, TierMeasure, TierRecord};
use crate::units::Bytes;

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
            ("destroy p50 ms", TierMeasure::DestroyP50, Shown::Milliseconds),
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

/// A runtime as it was observed: its name, what was seen from inside, what many at once do.
pub type ObservedRuntime<'a> = (&'a str, &'a Observation, Option<&'a Scale>);

/// What sandboxes of each runtime are, and what they cost the host. Ratios are over the first's.
pub fn observed_tables(all: &[ObservedRuntime<'_>]) -> Vec<Table> {
    vec![isolation(all), footprint(all), contention(all)]
}

fn isolation(all: &[ObservedRuntime<'_>]) -> Table {
    let heads =
        vec![text("runtime"), text("observed tier"), text("broken claims"), text("because")];
    let mut table = Table::new("Isolation, observed from inside", heads);
    for (name, seen, _) in all {
        let broken = seen.findings.iter().filter(|found| found.verdict == Verdict::Broken);
        let broken: Vec<&str> = broken.map(|found| found.probe.as_str()).collect();
        let told = match broken.is_empty() {
            true => Cell::from("none"),
            false => Cell::toned(broken.join(", "), Tone::Bad),
        };
        table.row([(*name).into(), seen.tier.name().into(), told, seen.because.join("; ").into()]);
    }
    table
}

fn footprint(all: &[ObservedRuntime<'_>]) -> Table {
    let heads = vec![
        text("runtime"),
        number("idle MiB"),
        number("overhead MiB"),
        number("of the host MiB"),
        number("first exec ms"),
        number("exec ms"),
        number("destroy ms"),
        number("CPU"),
        number("memory"),
        number("files"),
        number("fsync"),
    ];
    let mut table = Table::new("What a sandbox costs", heads);
    let costs: Vec<Option<[f64; 10]>> = all
        .iter()
        .map(|(_, seen, scale)| {
            let cost = seen.cost.as_ref()?;
            let mib = |bytes: Bytes| bytes.0 as f64 / f64::from(1 << 20);
            let ms = |seconds: f64| seconds * 1e3;
            let Factors { cpu, memory, file, sync } = cost.factors;
            let host = scale.and_then(|scale| scale.density.host_each).map_or(f64::NAN, mib);
            let (idle, overhead) = (mib(cost.idle.bytes), cost.overhead.map_or(f64::NAN, mib));
            let (first, exec) = (ms(cost.first_exec_s), ms(cost.exec_s));
            Some([idle, overhead, host, first, exec, ms(cost.destroy_s), cpu, memory, file, sync])
        })
        .collect();
    let reference = costs.first().copied().flatten();
    for ((name, ..), own) in all.iter().zip(&costs) {
        let mut cells: Vec<Cell> = vec![(*name).into()];
        cells.extend((0..10).map(|place| match own {
            Some(own) => beside(own[place], reference.map(|all| all[place]), place < 6).into(),
            None => "–".into(),
        }));
        table.rows.push(cells);
    }
    table.notes.push(
        "medians of starts one after the other; idle: PSS and memory files of all its host processes; overhead: the same while a call \
         holds memory, less what that asked for; of the host: what MemAvailable fell by for each of a dozen idle ones; \
         the last four: times of the same work inside over those outside"
            .to_owned(),
    );
    table
}

/// `12.3, ×4.1`; factors are ratios already.
fn beside(value: f64, reference: Option<f64>, as_ratio: bool) -> String {
    if value.is_nan() {
        return "–".to_owned();
    }
    match reference.filter(|reference| as_ratio && *reference > 0.0 && *reference != value) {
        Some(reference) => format!("{}, ×{}", three(value), three(value / reference)),
        None => three(value),
    }
}

fn contention(all: &[ObservedRuntime<'_>]) -> Table {
    let heads = vec![
        text("runtime"),
        number("starts in flight"),
        number("starts"),
        number("p50 ms"),
        number("slowest ms"),
        number("p50 over one at a time"),
    ];
    let mut table = Table::new("Starts at once", heads);
    for (name, _, scale) in all {
        for one in scale.iter().flat_map(|scale| &scale.contention) {
            table.row([
                (*name).into(),
                one.at_once.to_string().into(),
                one.starts.to_string().into(),
                three(one.p50_s * 1e3).into(),
                three(one.slowest_s * 1e3).into(),
                with_spread(one.factor, one.factor_ci95).into(),
            ]);
        }
    }
    table
}
