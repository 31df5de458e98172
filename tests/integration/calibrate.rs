//! Calibration: profiles of the shared start times predict what they have not seen, and the command
//! round them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use indexmap::IndexMap;
use plimsoll::calibrate::{
    Columns, Form, Series, StageFit, Validated, read_table, summaries, validate,
};
use plimsoll::check::check;
use plimsoll::conduct::{RunOptions, Setup};
use plimsoll::dist::Dist;
use plimsoll::measure::TurnSample;
use plimsoll::scenario::types::{Scenario, Tier};
use plimsoll::scenario::{Loader, Mark, Origin, Presets};
use plimsoll::sim::Watch;
use plimsoll::study::{TwinProfile, foretold};
use plimsoll::units::Span;
use serde_json::Value;

/// The shared start times, or `None` after printing why there are none.
fn data() -> Option<PathBuf> {
    let beside = std::env::var_os("PLIMSOLL_DATA").map(|traces| PathBuf::from(traces).join(".."));
    let shared = beside.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"));
    let folder = shared.join("sandbox-latency");
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: there is no folder of start times at {}", folder.display());
    None
}

fn hosted(folder: &Path) -> IndexMap<String, Series> {
    let columns = Columns {
        value: "tti_ms".into(),
        unit: Span::from_millis(1),
        group: vec!["provider".into(), "mode".into()],
        filters: vec![("ok".into(), "1".into())],
        day: Some("day".into()),
        in_flight: None,
    };
    read_table(&folder.join("computesdk_tti_ms.csv.gz"), &columns).unwrap()
}

/// Each hosted provider, fitted to the first two thirds of the days, predicts the others: the median
/// error at p50 and p95 is at most 1.1 times that of carrying the quantiles over.
#[test]
fn hosted_providers_are_predicted_as_well_as_by_their_own_past_quantiles() {
    let Some(folder) = data() else { return };
    let all = hosted(&folder);
    assert_eq!(all.len(), 39);
    let days: BTreeSet<&String> = all.values().flat_map(|series| &series.days).collect();
    assert_eq!(days.len(), 23);
    let last = days.iter().nth(14).unwrap().to_string();
    let mut found: Vec<Validated> = Vec::new();
    for (name, series) in &all {
        let seen = series.part(|one| series.days[one.day] <= last);
        let unseen = series.part(|one| series.days[one.day] > last);
        // declaw joined on one of the later days.
        let Some(fit) = StageFit::of(&seen, 1) else { continue };
        found.extend(validate((name, "boot"), &fit, &seen, &unseen));
    }
    assert_eq!(found.len(), 36);
    for summary in summaries(&found) {
        println!("{summary:?}");
        let bounded = summary.stat != "p99";
        assert!(!bounded || summary.ratio <= 1.1, "{summary:?}");
    }
}

/// The sets of NSDI 2020 with ten and fifty starts in flight: fitted at ten, a table up to fifty;
/// serial starts are slower than ten at once, so they are told and no base line.
#[test]
fn starts_of_microvms_have_a_table_from_ten_to_fifty() {
    let Some(folder) = data() else { return };
    let columns = Columns {
        value: "boot_ms".into(),
        unit: Span::from_millis(1),
        group: vec!["vmm".into(), "variant".into()],
        in_flight: Some("parallel".into()),
        ..Columns::default()
    };
    let all = read_table(&folder.join("nsdi20_boot_ms.csv.gz"), &columns).unwrap();
    // Medians of the data's README, ms: serial, ten, fifty in flight.
    for (name, medians) in [
        ("firecracker-api", [160.9, 157.3, 205.9]),
        ("firecracker-file", [195.8, 179.1, 237.2]),
        ("cloud-hypervisor-base", [102.5, 79.9, 127.7]),
        ("qemu-qboot", [213.9, 196.5, 231.0]),
    ] {
        let fit = StageFit::of(&all[name], 1).unwrap();
        assert!(matches!(fit.form, Form::Law { .. }), "{name}: {}", fit.why);
        let contention = fit.contention.as_ref().unwrap();
        let points = contention.points();
        assert_eq!(points.iter().map(|p| p.0).collect::<Vec<_>>(), [10, 50], "{name}");
        assert!((points[1].1 / (medians[2] / medians[1]) - 1.0).abs() < 0.002, "{name}");
        assert!(contention.levels[0].table.is_none() && contention.levels[0].factor > 1.01);
        for (level, (in_flight, median)) in [1, 10, 50].iter().zip(medians).enumerate() {
            assert!((contention.levels[level].p50 * 1e3 - median).abs() < 0.06, "{name}");
            let predicted = fit.prediction([*in_flight]).quantile(0.5) * 1e3;
            let error = (predicted / median - 1.0).abs();
            println!("{name} at {in_flight}: {predicted:.1} ms, measured {median}");
            // The serial level is not what the profile is of.
            assert!(level == 0 || error < 0.015, "{name} at {in_flight}: {predicted}");
        }
    }
}

struct Bench(tempfile::TempDir);

impl Bench {
    fn new() -> Self {
        Bench(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_plimsoll"));
        command.args(args).current_dir(self.0.path()).env_remove("PLIMSOLL_FORMAT");
        command.output().unwrap()
    }

    #[track_caller]
    fn answer(&self, args: &[&str]) -> String {
        let output = self.run(args);
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{args:?}: {err}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Starts of two kinds on six days, with failures.
    fn starts(&self) {
        let mut text = "kind,day,ms,level\n".to_owned();
        for i in 0..1200 {
            let kind = if i % 2 == 0 { "small" } else { "large" };
            let day = i / 200;
            // A lognormal by its quantiles, each day in another order.
            let u = (f64::from((i * 7919 + day * 104_729) % 1200) + 0.5) / 1200.0;
            let base = if kind == "small" { 100.0 } else { 300.0 };
            let ms = base * libm::exp(0.2 * plimsoll::stats::special::normal_quantile(u));
            let ms = if i % 100 == 99 { String::new() } else { format!("{ms:.3}") };
            text += &format!("{kind},2026-11-{:02},{ms},1\n", day + 1);
        }
        self.write("starts.csv", &text);
    }
}

const SCENARIO: &str = "
version: 1
name: with-a-profile
workload:
  arrivals: {poisson: {rate: 6/min}}
  classes: {agent: {share: 100%, turns: {geometric: {mean: 3}}, think: 20s, model: m}}
platform:
  use: ./profiles/small.yaml
  capacity: {elastic: {max_concurrent: 40}}
  idle: {then: keep}
models: {m: {latency: {base: 1s}}}
experiment: {seed: 7, warmup: 10min, measure: 1h, replications: 2}
";

#[test]
fn a_table_becomes_profiles_that_scenarios_use_and_check_traces() {
    let bench = Bench::new();
    bench.starts();
    let args = [
        "calibrate",
        "--samples",
        "starts.csv",
        "--value",
        "ms",
        "--group",
        "kind",
        "--day",
        "day",
        "--split",
        "2/3",
        "--tier",
        "microvm",
        "--host",
        "the bench",
        "--format",
        "json",
    ];
    let answer: Value = serde_json::from_str(&bench.answer(&args)).unwrap();
    let small = &answer["profiles"][0];
    assert_eq!((&small["name"], &small["mark"]), (&"small".into(), &"measured".into()));
    let stage = &small["stages"][0];
    assert_eq!(stage["n"], 400);
    assert_eq!(stage["days"].as_array().unwrap().len(), 4);
    assert_eq!(stage["family"], "lognormal", "{}", stage["why"]);
    assert!(stage["candidates"].as_array().unwrap().len() >= 5);
    let sigma = stage["parameters"][1]["value"].as_f64().unwrap();
    assert!((sigma - 0.2).abs() < 0.02, "{sigma}");
    assert_eq!(answer["profiles"][1]["stages"][0]["without_time"], 12);
    for summary in answer["summary"].as_array().unwrap() {
        assert!(summary["profile"].as_f64().unwrap() < 0.15, "{summary}");
    }
    // The same command for people, and the same bytes again.
    let first = fs::read(bench.path("profiles/small.yaml")).unwrap();
    let table = bench.answer(&args[..args.len() - 2]);
    assert!(table.contains("Candidates") && table.contains("Predictions of what was not seen"));
    assert_eq!(fs::read(bench.path("profiles/small.yaml")).unwrap(), first);
    bench.write("scenario.yaml", SCENARIO);
    let told = bench.answer(&["check", "scenario.yaml"]);
    assert!(told.contains("preset profiles/small.yaml, measured"), "{told}");
    assert!(told.contains("the bench") && told.contains("n = 400"), "{told}");
    let run = bench.answer(&["simulate", "scenario.yaml", "--out", "out", "--format", "json"]);
    let run: Value = serde_json::from_str(&run).unwrap();
    let median = run["metrics"]["cold_start"]["p50"].as_f64().unwrap();
    assert!((median - 0.1).abs() < 0.01, "{median}");
    origins(&bench);
}

/// Each number of the profile knows its mark, sample size and interval.
fn origins(bench: &Bench) {
    let path = bench.path("scenario.yaml");
    let outcome = Loader::default().load::<Scenario>(&path, &[], &check);
    let loaded = outcome.loaded.as_ref().unwrap_or_else(|| panic!("{}", outcome.render(false)));
    for key in ["mu", "sigma"] {
        let key = format!("platform.isolation.microvm.boot.lognormal.{key}");
        let origin = loaded.located.origin(key.as_str(), Presets::embedded());
        let Origin::Preset { mark, source, date, .. } = origin else { panic!("{key}: {origin:?}") };
        let source = source.unwrap();
        assert_eq!(mark, Some(Mark::Measured));
        assert!(source.contains("95% interval") && source.contains("n = 400"), "{source}");
        assert_eq!(date.as_deref(), Some("2026-11-01 to 2026-11-04"));
    }
}

#[test]
fn what_cannot_be_calibrated_says_what_to_do() {
    let bench = Bench::new();
    bench.starts();
    bench.write("broken.csv", "kind,ms\nsmall,12\nsmall,soon\n");
    bench.write("zero.csv", "kind,ms\nsmall,0\n");
    bench.write("ragged.csv", "kind,ms\nsmall,1,2,3\n");
    bench.write("profile.txt", "");
    fs::create_dir_all(bench.path("empty")).unwrap();
    let of = |file: &'static str, more: &[&'static str]| {
        [&["calibrate", "--samples", file, "--value", "ms"], more].concat()
    };
    for (args, said) in [
        (vec!["calibrate"], "<RUN>"),
        (vec!["calibrate", "empty"], "samples.csv"),
        (vec!["calibrate", "--samples", "starts.csv"], "--value"),
        (of("nowhere.csv", &[]), "nowhere.csv"),
        (vec!["calibrate", "--samples", "starts.csv", "--value", "mss"], "did you mean `ms`?"),
        (of("starts.csv", &["--group", "kin"]), "did you mean `kind`?"),
        (of("starts.csv", &["--where", "kind"]), "COLUMN=VALUE"),
        (of("starts.csv", &["--where", "kind=huge"]), "none of them with a time"),
        (of("starts.csv", &["--unit", "fortnights"]), "units: ns"),
        (of("starts.csv", &["--stage", "bot"]), "stages: schedule"),
        (of("starts.csv", &["--tier", "vm"]), "tiers: process"),
        (of("starts.csv", &["--day", "day", "--split", "3/2"]), "between 0 and 1"),
        (of("starts.csv", &["--day", "kind", "--split", "0.1"]), "leaves a part empty"),
        (of("starts.csv", &["--in-flight", "ms"]), "a whole number from 1"),
        (of("starts.csv", &["--group", "kind", "--out", "one.yaml"]), "2 profiles"),
        (of("broken.csv", &[]), "broken.csv:3: `ms` is `soon`: expected a number above zero"),
        (of("zero.csv", &[]), "leave the cell of what failed empty"),
        (of("ragged.csv", &[]), "no CSV table"),
    ] {
        let output = bench.run(&args);
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {err}");
        assert!(err.contains(said) && err.starts_with("error"), "{args:?}:\n{err}");
        assert!(output.stdout.is_empty(), "{args:?}: errors are no answer");
    }
}

/// What a profile predicts of whole turns, worked out by hand. Each of three sessions boots in 100 ms
/// and calls a tool of 20 ms twice in one turn: with a reach of 5 ms that is 150 ms of the platform.
#[test]
fn whole_turns_are_foretold_by_simulating_the_identical_sessions() {
    let text = "version: 1\nname: foretold\nworkload:\n  arrivals: {every: 1s}\n  classes:\n    one:\n      \
                turns: 1\n      steps: 2\n      tools: {calls: 1, cpu: 10ms, io_wait: 10ms}\n      model: m\n      \
                sandbox: {vcpu: 1, memory: 1GiB}\nmodels: {m: {latency: {base: 1s}}}\nplatform: {isolation: {container: {}}}\n\
                experiment: {seed: 3, start: empty, warmup: none, measure: 10s}\n";
    let outcome = Loader::default().load_text::<Scenario>("foretold.yaml", text, &[], &check);
    let scenario = outcome.loaded.as_ref().unwrap_or_else(|| panic!("{}", outcome.render(false)));
    let set = RunOptions { compression: 1.0, sessions: Some(3) };
    let setup = Arc::new(Setup::new(&scenario.value, None, &set).unwrap());
    let ms = Span::from_millis;
    let tier =
        Tier { boot: Dist::constant(ms(100)), exec: Dist::constant(ms(5)), ..Tier::default() };
    let profile = TwinProfile { name: "p".to_owned(), tier };
    let lived: Vec<TurnSample> = [150, 160, 200]
        .into_iter()
        .zip(0..)
        .map(|(took, session)| TurnSample {
            session,
            length: ms(2000 + took),
            platform_time: ms(took),
        })
        .collect();
    let found = foretold(&setup, &lived, 3, (&profile, None), &Watch::default()).expect("turns");
    assert_eq!((found.predicted, found.turns, found.calibrated_on), (3, 3, 0));
    let stats: Vec<(&str, f64, f64)> =
        found.platform_time.iter().map(|one| (one.stat.as_str(), one.live, one.twin)).collect();
    assert_eq!(stats, [("p50", 0.16, 0.15), ("p95", 0.2, 0.15)]);
    assert!((found.platform_time[1].error + 0.25).abs() < 1e-12);
    assert_eq!(foretold(&setup, &[], 3, (&profile, None), &Watch::default()), None);
}

/// A live run keeps its operations, and they become a profile that predicts another run's.
#[test]
fn live_runs_keep_their_operations_and_are_calibrated_on_them() {
    let bench = Bench::new();
    let live =
        "live: {target: {runtime: instant}, sessions: 30, compress_time: 200, max_alive: 200}\n";
    let tools = "tools: {calls: 1, cpu: 10ms, io_wait: 5ms}, model: m";
    let platform = "platform:\n  isolation: {container: {snapshot: {filesystem: {}}}}";
    let scenario = SCENARIO
        .replace("model: m}", &format!("{tools}}}"))
        .replace("platform:\n  use: ./profiles/small.yaml", platform)
        .replace("idle: {then: keep}", "idle: {timeout: 10s, then: hibernate}");
    bench.write("live.yaml", &format!("{scenario}{live}"));
    for out in ["one", "two"] {
        let output = bench.run(&["drive", "live.yaml", "--out", out, "--quiet"]);
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        // A busy machine may make the driver late, which makes the run invalid, not its files.
        assert!(matches!(output.status.code(), Some(0 | 4)), "{err}");
        assert!(bench.path(out).join("samples.csv").is_file());
    }
    let run: Value = serde_json::from_str(&bench.read("one/run.json")).unwrap();
    assert_eq!(run["stage"]["isolation"]["value"], "unobserved", "nothing is real there");
    let answer = bench.answer(&[
        "calibrate",
        "one",
        "--validate",
        "two",
        "--out",
        "mine.yaml",
        "--format",
        "json",
    ]);
    let answer: Value = serde_json::from_str(&answer).unwrap();
    let profile = &answer["profiles"][0];
    assert_eq!(profile["name"], "with-a-profile-instant");
    assert!(profile["host"].as_str().unwrap().contains("cores"));
    let stages: Vec<&str> = profile["stages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|stage| stage["stage"].as_str().unwrap())
        .collect();
    assert_eq!(stages, ["boot", "snapshot", "restore", "exec"]);
    assert!(profile["numbers"].as_array().unwrap().iter().any(|n| n["key"] == "cpu_factor"));
    assert_eq!(answer["validation"].as_array().unwrap().len(), 4);
    let turns = &answer["turns"][0];
    assert_eq!((&turns["run"], &turns["predicted"]), (&"two".into(), &30.into()));
    assert_eq!(turns["profile"], "mine.yaml");
    let stats = turns["platform_time"].as_array().unwrap();
    assert_eq!(
        stats.iter().map(|one| one["stat"].as_str().unwrap()).collect::<Vec<_>>(),
        ["p50", "p95"]
    );
    assert!(
        stats
            .iter()
            .all(|one| one["live"].as_f64() > Some(0.0) && one["twin"].as_f64() > Some(0.0))
    );
    let uses = SCENARIO.replace("./profiles/small.yaml", "./mine.yaml");
    bench.write("scenario.yaml", &uses);
    assert!(bench.answer(&["check", "scenario.yaml"]).contains("preset mine.yaml, measured"));
}

/// A scenario that says `microvm` and is driven on processes is told what those are.
#[test]
fn a_live_verdict_has_the_tier_that_was_observed() {
    let bench = Bench::new();
    let live =
        "live: {target: {runtime: process}, sessions: 3, compress_time: 200, max_alive: 8}\n";
    let platform = "platform:\n  isolation: {microvm: {boot: 1s}}";
    let scenario = SCENARIO.replace("platform:\n  use: ./profiles/small.yaml", platform);
    bench.write("live.yaml", &format!("{scenario}{live}"));
    let output = bench.run(&["drive", "live.yaml", "--out", "out", "--quiet"]);
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(matches!(output.status.code(), Some(0 | 4)), "{err}");
    let run: Value = serde_json::from_str(&bench.read("out/run.json")).unwrap();
    let isolation = &run["stage"]["isolation"];
    // Where namespaces are not granted sessions read the host's secrets.
    assert!(
        ["container", "process"].contains(&isolation["value"].as_str().unwrap()),
        "{isolation}"
    );
    assert!(isolation["why"].as_str().unwrap().starts_with("observed: "), "{isolation}");
}
