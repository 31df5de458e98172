//! The real binary: exit codes, formats, and the same bytes whatever the machine does.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

const SCENARIO: &str = "
version: 1
name: small
workload:
  arrivals: {poisson: {rate: 6/min}}
  classes:
    agent:
      share: 100%
      turns: {geometric: {mean: 4}}
      think: {lognormal: {median: 20s, p95: 2m}}
      steps: {geometric: {mean: 3}}
      tokens: {system: 2000, user: {lognormal: {median: 100, p95: 500}}, output: {gamma: {mean: 200, cv: 1}}}
      tools: {calls: 1, cpu: {exponential: {mean: 300ms}}, io_wait: 200ms}
      abandon: 20%
      model: m
platform:
  isolation: {microvm: {boot: {lognormal: {median: 1s, p95: 3s}}, snapshot: {filesystem: {fixed: 1s}}}}
  capacity: {elastic: {max_concurrent: 40}}
  idle: {timeout: 1m, then: hibernate}
  retention: 1h
models:
  m: {latency: {base: {lognormal: {median: 400ms, p95: 2s}}, per_output: 10ms}, rates: {input: $5/Mtok, output: $30/Mtok}}
boundaries:
  cold: cold_start.mean < 10s
experiment: {seed: 7, warmup: 10min, measure: 1h, replications: 4}
";

pub struct Bench(tempfile::TempDir);

impl Bench {
    pub fn new() -> Self {
        let bench = Bench(tempfile::tempdir().unwrap());
        bench.write("small.yaml", SCENARIO);
        bench
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_plimsoll"));
        command.args(args).current_dir(self.0.path()).env_remove("PLIMSOLL_FORMAT");
        command
    }

    pub fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("no signal ended it")
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("plimsoll writes UTF-8")
}

#[track_caller]
pub fn ends_with(output: &Output, wanted: i32) {
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(code(output), wanted, "stdout:\n{out}\nstderr:\n{err}");
}

#[test]
fn no_arguments_is_a_usage_error_with_help() {
    let output = Bench::new().run(&[]);
    ends_with(&output, 2);
    assert!(output.stdout.is_empty() && text(&output.stderr).contains("Usage:"));
}

#[test]
fn help_and_version_are_answers() {
    let bench = Bench::new();
    for args in [&["--help"][..], &["simulate", "-h"], &["--version"]] {
        let output = bench.run(args);
        ends_with(&output, 0);
        assert!(output.stderr.is_empty() && !output.stdout.is_empty(), "{args:?}");
    }
}

#[test]
fn bad_flags_files_and_scenarios_are_usage_errors_that_say_what_to_do() {
    let bench = Bench::new();
    bench.write("typo.yaml", &SCENARIO.replace("think:", "thikn:"));
    for (args, said) in [
        (&["simulate", "small.yaml", "--fast"][..], "--fast"),
        (&["simulate", "small.yaml", "--threads", "0"], "--threads"),
        (&["simulate", "nowhere.yaml"], "nowhere.yaml"),
        (&["simulate", "typo.yaml"], "did you mean `think`?"),
        (&["simulate", "small.yaml", "--set", "platform.idel.timeout=5m"], "idle"),
        (&["drive", "small.yaml"], "it has no `live`"),
        (&["gate", "small.yaml", "small.yaml"], "not a run record"),
        (&["show", "preset", "gpt-5.55"], "did you mean `gpt-5.5`?"),
        (
            &[
                "plan",
                "small.yaml",
                "--free",
                "platform.queue.capacity",
                "--from",
                "5",
                "--to",
                "4",
            ],
            "larger",
        ),
        (&["init", "../up"], "no name"),
    ] {
        let output = bench.run(args);
        ends_with(&output, 2);
        let err = text(&output.stderr);
        assert!(err.contains(said) && err.starts_with("error"), "{args:?}:\n{err}");
        assert!(output.stdout.is_empty(), "{args:?}: errors are no answer");
    }
}

#[test]
fn verdicts_are_exit_codes() {
    let bench = Bench::new();
    let simulate =
        |set: &str| bench.run(&["simulate", "small.yaml", "--out", "out", "--quiet", "--set", set]);
    ends_with(&simulate("boundaries.cold=cold_start.mean < 10s"), 0);
    ends_with(&simulate("boundaries.cold=cold_start.mean < 1ms"), 1);
    ends_with(&simulate("boundaries.cold={require: cold_start.mean < 1ms, expect: broken}"), 0);
    ends_with(&simulate("experiment.replications=1"), 4);
}

#[test]
fn results_are_written_and_every_format_is_printed() {
    let bench = Bench::new();
    let output = bench.run(&["simulate", "small.yaml", "--out", "out", "--format", "json"]);
    ends_with(&output, 0);
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(printed["schema"], "plimsoll/run/1");
    assert_eq!(output.stdout, fs::read(bench.path("out/run.json")).unwrap());
    for file in ["metrics.csv", "series.csv", "histograms.hlog", "report.html", "manifest.json"] {
        assert!(fs::metadata(bench.path("out").join(file)).unwrap().len() > 0, "{file}");
    }
    let manifest: Value =
        serde_json::from_slice(&fs::read(bench.path("out/manifest.json")).unwrap()).unwrap();
    assert_eq!(manifest["hash"], printed["hash"]);
    for (format, sign) in
        [("csv", "run,section,name"), ("markdown", "| boundary |"), ("table", "Boundaries")]
    {
        let output = bench.run(&["simulate", "small.yaml", "--out", "out", "--format", format]);
        ends_with(&output, 0);
        assert!(text(&output.stdout).contains(sign), "{format}");
        assert!(!text(&output.stdout).contains('\u{1b}'), "no colours on a pipe");
    }
}

#[test]
fn by_default_results_go_below_results() {
    let bench = Bench::new();
    ends_with(&bench.run(&["simulate", "small.yaml", "--quiet"]), 0);
    let runs: Vec<_> = fs::read_dir(bench.path("results/small")).unwrap().collect();
    assert_eq!(runs.len(), 1);
}

#[test]
fn a_record_is_the_same_bytes_for_any_threads_and_any_processor() {
    let bench = Bench::new();
    let record = |out: &str, threads: &str, tunables: Option<&str>| {
        let mut command = bench.command(&[
            "simulate",
            "small.yaml",
            "--quiet",
            "--out",
            out,
            "--threads",
            threads,
        ]);
        if let Some(tunables) = tunables {
            command.env("GLIBC_TUNABLES", tunables);
        }
        let output = command.output().unwrap();
        ends_with(&output, 0);
        fs::read(bench.path(out).join("run.json")).unwrap()
    };
    let one = record("one", "1", None);
    assert!(record("two", "2", None) == one, "2 threads");
    assert!(record("eight", "8", None) == one, "8 threads");
    // Old and new names of the same: without them the C library takes other paths through its mathematics.
    for tunables in ["glibc.cpu.hwcaps=-AVX2_Usable,-FMA_Usable", "glibc.cpu.hwcaps=-AVX2,-FMA"] {
        assert!(record("plain", "2", Some(tunables)) == one, "{tunables}");
    }
}

#[test]
fn the_seed_is_heard_and_stands_in_the_record() {
    let bench = Bench::new();
    let of = |args: &[&str]| -> Value {
        let common = ["simulate", "small.yaml", "--out", "out", "--quiet", "--format", "json"];
        let output = bench.run(&[&common[..], args].concat());
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let (a, b) = (of(&["--seed", "8"]), of(&["--set", "experiment.seed=8"]));
    assert_eq!(a["seed"], 8);
    assert_eq!(a, b);
    assert_ne!(a["counters"], of(&[])["counters"]);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let bench = Bench::new();
    let mut child = bench
        .command(&["show", "schema"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = String::new();
    let mut out = BufReader::with_capacity(16, child.stdout.take().unwrap());
    out.read_line(&mut first).unwrap();
    drop(out);
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    assert_eq!((child.wait().unwrap().code(), err.as_str()), (Some(0), ""));
}

#[test]
fn check_explains_in_both_forms_and_writes_nothing() {
    let bench = Bench::new();
    let output = bench.run(&["check", "small.yaml", "--format", "json"]);
    ends_with(&output, 0);
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found["valid"], true);
    let derived = found["derived"].as_array().unwrap();
    let arrivals = derived.iter().find(|d| d["name"] == "arrivals").unwrap();
    assert!((arrivals["value"].as_f64().unwrap() - 6.0 * 1440.0).abs() < 1e-6, "{arrivals}");
    let timeout =
        found["values"].as_array().unwrap().iter().find(|v| v["path"] == "platform.idle.timeout");
    assert_eq!(timeout.unwrap()["origin"]["file"]["path"], "small.yaml");
    assert!(text(&bench.run(&["check", "small.yaml"]).stdout).contains("small is valid"));
    assert!(!bench.path("results").exists());
}

#[test]
fn a_starter_scenario_is_valid_and_nothing_is_overwritten() {
    let bench = Bench::new();
    let output = bench.run(&["init", "mine"]);
    ends_with(&output, 0);
    assert_eq!(text(&output.stdout), "mine.yaml\n");
    let output = bench.run(&["check", "mine.yaml"]);
    ends_with(&output, 0);
    assert!(!text(&output.stderr).contains("error"));
    ends_with(&bench.run(&["init", "mine"]), 2);
}

#[test]
fn a_resolved_scenario_is_a_scenario_again() {
    let bench = Bench::new();
    let shown = bench.run(&["show", "scenario", "small.yaml"]);
    ends_with(&shown, 0);
    bench.write("again.yaml", &text(&shown.stdout));
    let again = bench.run(&["show", "scenario", "again.yaml"]);
    ends_with(&again, 0);
    assert_eq!(text(&again.stdout), text(&shown.stdout));
}

#[test]
fn exported_plans_replay_the_same_sessions() {
    let bench = Bench::new();
    let args =
        ["simulate", "small.yaml", "--out", "out", "--quiet", "--export-plans", "plans.jsonl"];
    ends_with(&bench.run(&args), 0);
    let plans = fs::read_to_string(bench.path("plans.jsonl")).unwrap();
    let first: Value = serde_json::from_str(plans.lines().next().unwrap()).unwrap();
    assert_eq!((&first["class"], &first["session"]), (&Value::from("agent"), &Value::from(0)));
    assert!(plans.lines().count() > 300, "70 minutes at 6 a minute");
    let scenario = "
version: 1
name: replayed
workload:
  trace: {file: plans.jsonl, format: plans}
  classes: {agent: {model: m}}
platform:
  isolation: {microvm: {boot: 1s, snapshot: {filesystem: {fixed: 1s}}}}
  idle: {timeout: 1m, then: hibernate}
models:
  m: {latency: {base: 1s}}
experiment: {start: empty, warmup: none, measure: end, replications: 1}
";
    bench.write("replayed.yaml", scenario);
    let args = ["simulate", "replayed.yaml", "--out", "replayed", "--quiet", "--format", "json"];
    let replayed = bench.run(&args);
    ends_with(&replayed, 0);
    let run: Value = serde_json::from_slice(&replayed.stdout).unwrap();
    assert_eq!(
        run["counters"]["sessions_arrived"].as_f64().unwrap() as usize,
        plans.lines().count()
    );
}

#[test]
fn the_gate_tells_a_regression_from_a_pass() {
    let bench = Bench::new();
    let simulate = |out: &str, set: &str| {
        ends_with(
            &bench.run(&["simulate", "small.yaml", "--out", out, "--quiet", "--set", set]),
            0,
        );
    };
    simulate("base", "experiment.replications=4");
    simulate("slow", "platform.isolation.microvm.boot=5s");
    let (base, slow) = ("base/run.json", "slow/run.json");
    ends_with(&bench.run(&["gate", base, base]), 0);
    let output = bench.run(&["gate", base, slow, "--format", "json"]);
    ends_with(&output, 1);
    let gate: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(gate["verdict"], "regression");
    ends_with(&bench.run(&["gate", base, slow, "--tolerance", "cold_start.p98=5%"]), 2);
}

#[test]
fn a_saved_run_is_priced_line_by_line_and_at_other_rates() {
    let bench = Bench::new();
    let simulate = |out: &str, set: &str| {
        let args = ["simulate", "small.yaml", "--out", out, "--quiet", "--format", "json"];
        let output = bench.run(&[&args[..], &["--set", set]].concat());
        ends_with(&output, 0);
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let cost = |args: &[&str]| {
        let output = bench.run(&[&["cost", "--quiet", "--format", "json"], args].concat());
        ends_with(&output, 0);
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let own = simulate("own", "platform.rates=azure");
    let again = cost(&["own"]);
    assert_eq!(again["tco"], own["cost"]["tco"]);
    assert_eq!(again["ci95"], own["cost"]["ci95"]);
    let lines = again["lines"].as_array().unwrap();
    let sum: f64 = lines.iter().map(|line| line["amount"].as_f64().unwrap()).sum();
    assert!((sum / again["tco"].as_f64().unwrap() - 1.0).abs() < 1e-12);
    let vcpu = lines.iter().find(|l| l["key"] == "platform.rates.compute.vcpu").unwrap();
    assert_eq!(vcpu["rate"], "$0.0994/h");
    assert_eq!(vcpu["source"]["preset"]["preset"], "azure@2026-09");
    assert_eq!(vcpu["source"]["preset"]["date"], "2026-09-15");
    // Another card on the saved run gives what a new run with it gives: the platform is the same.
    let elsewhere = cost(&["own/run.json", "--rates", "daytona-rates"]);
    let simulated = simulate("elsewhere", "platform.rates=daytona-rates");
    assert_eq!(elsewhere["tco"], simulated["cost"]["tco"]);
    assert_eq!(elsewhere["ci95"], simulated["cost"]["ci95"]);
    assert_eq!(elsewhere["lines"], simulated["cost"]["lines"]);
    // A file of one's own is told with its line.
    bench.write("mine.yaml", "storage: $0.1/GiB-month\ncompute: {vcpu: $0.05/h}\n");
    let mine = cost(&["own", "--rates", "mine.yaml"]);
    let vcpu = mine["lines"].as_array().unwrap().iter().find(|l| l["rate"] == "$0.05/h").unwrap();
    assert_eq!(vcpu["source"]["file"]["line"], 2);
    // What the run did not record is not guessed.
    let refused = bench.run(&["cost", "own", "--rates", "aca-sessions"]);
    ends_with(&refused, 2);
    let told = text(&refused.stderr);
    assert!(told.contains("sandbox time") && told.contains("multiple of 1h"), "{told}");
    assert!(told.contains("platform.rates=aca-sessions"), "{told}");
    ends_with(&bench.run(&["cost", "own", "--rates", "e2c-rates"]), 2);
    let table = text(&bench.run(&["cost", "own", "--quiet"]).stdout);
    assert!(table.contains("Cost, line by line") && table.contains("Sources"), "{table}");
}

#[test]
fn a_plan_finds_the_smallest_that_holds() {
    let bench = Bench::new();
    let boundary = "boundaries={waits: success_rate > 95%}";
    let args = [
        "plan",
        "small.yaml",
        "--free",
        "platform.capacity.elastic.max_concurrent",
        "--from",
        "1",
        "--to",
        "64",
        "--format",
        "json",
        "--quiet",
        "--set",
        boundary,
        "--set",
        "platform.queue={timeout: 10s}",
    ];
    let output = bench.run(&args);
    ends_with(&output, 0);
    let plan: Value = serde_json::from_slice(&output.stdout).unwrap();
    let answer = plan["answer"].as_u64().unwrap();
    let tried = plan["tried"].as_array().unwrap();
    // One below may hold on the first seed and fail its recheck on a fresh one.
    let mut below = tried.iter().filter(|t| t["value"].as_u64() == Some(answer - 1));
    assert!(below.any(|t| t["holds"] != "yes"), "{plan}");
    assert!(tried.iter().any(|t| t["recheck"] == true && t["holds"] == "yes"));
    assert!(answer > 4 && answer < 64, "{answer} slots for six sessions a minute");
}

#[test]
fn ctrl_c_keeps_and_marks_what_was_measured() {
    let bench = Bench::new();
    let args = [
        "simulate",
        "small.yaml",
        "--out",
        "out",
        "--threads",
        "1",
        "--format",
        "json",
        "--set",
        "experiment.measure=1h",
        "--set",
        "experiment.replications=20000",
    ];
    let mut child =
        bench.command(&args).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut out = child.stdout.take().unwrap();
    wait_for(&bench.path("out"));
    // Long enough for a replication to be complete; the run itself would take many minutes.
    let pid = rustix::process::Pid::from_child(&child);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let pause = std::process::Command::new("sleep").arg("2").status();
            assert!(pause.is_ok_and(|status| status.success()));
            rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
        });
    });
    let mut printed = Vec::new();
    out.read_to_end(&mut printed).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let run: Value = serde_json::from_slice(&printed).unwrap();
    assert_eq!(run["quality"]["complete"], false);
    assert!(run["replications"].as_u64().unwrap() > 0);
    assert!(bench.path("out/run.json").exists());
}

fn wait_for(path: &Path) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while !path.exists() {
        assert!(std::time::Instant::now() < deadline, "{} never came", path.display());
        std::thread::yield_now();
    }
}
