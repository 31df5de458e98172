//! What the platform's own work takes of the one machine that live runs were on.

use super::own_time::{LiveRun, found_a_core, speed};
use super::profile::Number;
use super::ratio::{Terms, ratio};
use crate::dist::rounded;
use crate::drive::samples::{OperationSample, Samples, ToolSample};
use crate::measure::record::MachineRecord;
use crate::units::Span;

/// Operations needed, with nothing else under way for cores.
const FEWEST: usize = 30;

/// The least that is told: a simulation cannot do work with no cores.
const FEWEST_CORES: f64 = 0.01;

/// Seconds after an operation that are told: less is the driver's own way from its end to its record.
const LEAST_AFTER: f64 = 1e-4;

/// A kind of operation: its name in a profile, and where its samples are.
type Kind = (&'static str, fn(&Samples) -> &Vec<OperationSample>);

/// Those that have samples of their own.
const KINDS: [Kind; 4] = [
    ("boot", |samples| &samples.boots),
    ("restore", |samples| &samples.restores),
    ("snapshot", |samples| &samples.snapshots),
    ("destroy", |samples| &samples.destroys),
];

/// Cores by operation, and how long each goes on after what it is for is there.
///
/// Cores are CPU time of the whole machine over time, for operations that nothing else was beside from
/// begin to end: what the machine does all the time is taken off its CPU time, what was stolen off the
/// time, and of a tool call its own computing off both.
pub(super) fn on_machine(runs: &[LiveRun], full_speed: f64) -> Vec<Number> {
    let told = runs.iter().enumerate();
    let told: Vec<(usize, MachineRecord, &Samples)> =
        told.filter_map(|(n, run)| Some((n, run.machine?, &run.samples))).collect();
    let mut numbers = Vec::new();
    for (kind, pick) in KINDS {
        let (mut alone, mut after) = (Vec::new(), Vec::new());
        for (run, machine, samples) in &told {
            for one in pick(samples) {
                let (cluster, Some(lasted)) = ((*run, one.session), one.lasted) else { continue };
                if let Some(busy) = one.busy {
                    let top = busy.seconds() - background(machine) * lasted.seconds();
                    alone.push(Terms { cluster, top, bottom: got(machine, lasted) });
                }
                if found_a_core(Some(*machine), one) {
                    let waited = if kind == "destroy" { Span::ZERO } else { one.took };
                    let rest = lasted.saturating_sub(waited).seconds();
                    let top = rest * speed(*machine, one, full_speed);
                    after.push(Terms { cluster, top, bottom: 1.0 });
                }
            }
        }
        // How long it goes on says nothing without what it takes.
        if let Some(cores) = cores(kind, &alone, f64::INFINITY) {
            numbers.push(cores);
            numbers.extend(goes_on(kind, &after));
        }
    }
    let tools = told.iter().flat_map(|(run, machine, samples)| {
        samples.tools.iter().filter_map(|tool| reach(*run, machine, tool))
    });
    numbers.extend(cores("exec", &tools.collect::<Vec<_>>(), 1.0));
    numbers
}

/// Reaching into a sandbox by a tool call that nothing was beside.
fn reach(run: usize, machine: &MachineRecord, tool: &ToolSample) -> Option<Terms> {
    let own = got(machine, tool.computing) * tool.cores.0.min(f64::from(machine.cores));
    let cpu = tool.busy?.seconds() - background(machine) * tool.took.seconds() - own;
    let reach = tool.took.saturating_sub(tool.computing + tool.waiting);
    Some(Terms { cluster: (run, tool.session), top: cpu, bottom: got(machine, reach) })
}

/// Seconds that the machine had of a time.
fn got(machine: &MachineRecord, span: Span) -> f64 {
    span.seconds() * (1.0 - machine.stolen_from_one())
}

fn background(machine: &MachineRecord) -> f64 {
    machine.background_cores.unwrap_or(0.0)
}

/// None where too few were alone; the simulation uses no more than `most`.
fn cores(kind: &str, terms: &[Terms], most: f64) -> Option<Number> {
    if terms.len() < FEWEST {
        return None;
    }
    // Nothing above what the machine does anyway: it waits.
    let found = ratio(terms);
    let base = found.map_or(0.0, |found| found.value).clamp(FEWEST_CORES, most);
    let how = "CPU seconds of the whole machine a second of the operation, nothing else beside it; the \
               interval is over sessions";
    let ci95 = found.and_then(|found| found.ci95);
    Some(Number::of(format!("on_machine.{kind}.cores"), base, ci95, terms.len(), how))
}

fn goes_on(kind: &str, terms: &[Terms]) -> Option<Number> {
    let found = (terms.len() >= FEWEST).then(|| ratio(terms)).flatten()?;
    let how = "mean time that it goes on after what it is for is there, a core being free";
    let key = format!("on_machine.{kind}.after");
    let value = Span::from_seconds(rounded(found.value)).to_string();
    (found.value >= LEAST_AFTER)
        .then(|| Number { value, ..Number::of(key, found.value, found.ci95, terms.len(), how) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{Bytes, Cores};

    const MACHINE: MachineRecord = MachineRecord {
        cores: 2,
        busy_s: 75.0,
        stolen_s: 25.0,
        background_cores: Some(0.1),
        stolen_alone: None,
    };

    fn operation(session: u64, took: u64, lasted: u64, busy: Option<u64>) -> OperationSample {
        OperationSample {
            session,
            in_flight: 1,
            under_way: if busy.is_some() { 1 } else { 2 },
            others: 0.0,
            crowded: 0.0,
            took: Span::from_millis(took),
            lasted: Some(Span::from_millis(lasted)),
            busy: busy.map(Span::from_millis),
            bytes: Bytes(0),
            stages: Default::default(),
        }
    }

    fn found(samples: Samples, machine: Option<MachineRecord>) -> Vec<(String, f64)> {
        let numbers = on_machine(&[LiveRun { samples, machine }], 1.0);
        numbers.into_iter().map(|number| (number.key, number.base)).collect()
    }

    fn assert_near(found: &[(String, f64)], wanted: &[(&str, f64)]) {
        let keys: Vec<&str> = found.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(keys, wanted.iter().map(|(key, _)| *key).collect::<Vec<_>>());
        for ((key, value), (_, wanted)) in found.iter().zip(wanted) {
            assert!((value - wanted).abs() < 1e-9, "{key}: {value}, not {wanted}");
        }
    }

    #[test]
    fn cores_are_cpu_time_over_time_less_what_the_machine_does_anyway() {
        // 100 ms each, a quarter stolen: 75 ms of its own. The machine is busy for 0, 100, 0, 200, … ms, 75 in
        // the mean, 10 of which it is anyway. The sandbox goes in 40 ms more, 30 of its own.
        let busy = |i: u64| [0, 100, 0, 200][i as usize % 4];
        let snapshot = |i| operation(i, 60, 100, Some(busy(i)));
        // Two that others were beside; the second found no core free.
        let beside = operation(90, 10, 30, None);
        let crowded = OperationSample { under_way: 3, ..operation(91, 10, 900, None) };
        let snapshots: Vec<_> = (0..40).map(snapshot).chain([beside, crowded]).collect();
        // As many again took no core to speak of, and some were not alone.
        let destroy = |i| operation(i, 20, 20, (i < 30).then_some(0));
        let destroys = (0..40).map(destroy).collect();
        // Of a run that did not tell how long they lasted.
        let old = OperationSample { lasted: None, ..operation(0, 60, 60, None) };
        let snapshots = [snapshots, vec![old; 50]].concat();
        let samples = Samples { snapshots, destroys, ..Samples::default() };
        let after = (40.0 * 40.0 + 20.0) / 41.0 * 0.75e-3;
        assert_near(
            &found(samples.clone(), Some(MACHINE)),
            &[
                ("on_machine.snapshot.cores", 65.0 / 75.0),
                ("on_machine.snapshot.after", after),
                ("on_machine.destroy.cores", FEWEST_CORES),
                ("on_machine.destroy.after", 0.015),
            ],
        );
        assert_eq!(found(samples, None), [], "a machine that does not tell");
    }

    #[test]
    fn too_few_tell_nothing_and_too_little_is_hardly_a_core() {
        let few = (0..29).map(|i| operation(i, 60, 100, Some(50))).collect();
        assert_eq!(found(Samples { boots: few, ..Samples::default() }, Some(MACHINE)), []);
        // Cores that the machine is busy with anyway are not the boots'.
        let idle = (0..30).map(|i| operation(i, 100, 100, Some(5))).collect();
        let found = found(Samples { boots: idle, ..Samples::default() }, Some(MACHINE));
        assert_near(&found, &[("on_machine.boot.cores", FEWEST_CORES)]);
    }

    #[test]
    fn of_a_tool_call_its_own_computing_is_taken_off() {
        // Of 100 ms it computes for 40 on half a core and waits for 20; 40 reach. 30 of computing and 30 of
        // reach are its own; the machine is busy for 40, of which 10 anyway, and 15 it computes.
        let ms = Span::from_millis;
        let tool = |session| ToolSample {
            session,
            under_way: 1,
            others: 0.0,
            crowded: 0.0,
            cpu: ms(20),
            cores: Cores(0.5),
            io: ms(20),
            took: ms(100),
            service: ms(60),
            computing: ms(40),
            waiting: ms(20),
            busy: Some(ms(40)),
            first: false,
        };
        let samples = Samples { tools: (0..30).map(tool).collect(), ..Samples::default() };
        assert_near(&found(samples, Some(MACHINE)), &[("on_machine.exec.cores", 15.0 / 30.0)]);
    }
}
