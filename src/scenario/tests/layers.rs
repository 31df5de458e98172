//! Precedence, merging and origins.

use super::kit::{Arrivals, GOOD, load, presets, text};
use crate::scenario::{Mark, Origin};
use crate::units::{Limit, Span};

#[test]
fn a_good_scenario_has_nothing_to_say() {
    let outcome = text(GOOD);
    assert_eq!(outcome.render(false), "");
    let demo = outcome.loaded.unwrap().value;
    assert_eq!(demo.workload.classes["reviewer"].think, Span::from_secs(120));
    assert_eq!(demo.models["gpt-5.5"].rpm, Limit::at_most(2000));
}

#[test]
fn text_that_looks_like_a_number_stays_as_written() {
    for name in ["1.10", "no", "true", "0x1F", "1e3", "007", "\"~\""] {
        let outcome = text(&GOOD.replace("name: demo", &format!("name: {name}")));
        assert_eq!(outcome.render(false), "");
        assert_eq!(outcome.loaded.unwrap().value.name, name.trim_matches('"'));
    }
}

#[test]
fn later_layers_win() {
    let files: &[(&str, &[u8])] = &[
        ("main.yaml", b"extend: base.yaml\nplatform: {idle: {timeout: 1m}}\nworkload: {classes: {coder: {think: 3s}}}\n"),
        ("base.yaml", GOOD.as_bytes()),
    ];
    let outcome = load(files, &["platform.idle.timeout=2m", "models.gpt-5.5.rpm=7", "version=3"]);
    assert_eq!(outcome.render(false), "");
    let loaded = outcome.loaded.unwrap();
    let demo = &loaded.value;
    assert_eq!(demo.platform.idle.timeout, Span::from_secs(120));
    assert_eq!(demo.workload.classes["coder"].think, Span::from_secs(3));
    assert_eq!(demo.workload.classes["coder"].share.0, 0.7);
    assert_eq!(demo.models["gpt-5.5"].rpm, Limit::at_most(7));
    assert_eq!(demo.version, 3);
    let origin = |path: &str| loaded.located.origin(path, &presets()).to_string();
    assert_eq!(origin("platform.idle.timeout"), "--set");
    assert_eq!(origin("workload.classes.coder.think"), "main.yaml:3:37");
    assert_eq!(origin("workload.classes.coder.share"), "base.yaml:6:20");
    assert_eq!(origin("platform.max_concurrent"), "default");
}

#[test]
fn another_form_replaces_and_the_same_form_merges() {
    let with = |set: &str| {
        let outcome = load(&[("main.yaml", GOOD.as_bytes())], &[set]);
        assert_eq!(outcome.render(false), "", "{set}");
        outcome.loaded.unwrap().value.workload.arrivals
    };
    assert_eq!(with("workload.arrivals.every=5s"), Arrivals::Every(Span::from_secs(5)));
    assert_eq!(with("workload.arrivals={every: 5s}"), Arrivals::Every(Span::from_secs(5)));
    assert_eq!(with("workload.arrivals=trace"), Arrivals::Trace);
    let base = GOOD.replace("{poisson: {rate: 40/min}}", "{renewal: {rate: 1/s, cv: 2}}");
    let outcome = load(&[("main.yaml", base.as_bytes())], &["workload.arrivals.renewal.cv=3"]);
    let arrivals = outcome.loaded.unwrap().value.workload.arrivals;
    assert!(
        matches!(arrivals, Arrivals::Renewal { rate, cv } if cv == 3.0 && rate.per_second() == 1.0)
    );
}

#[test]
fn a_set_changes_one_item_of_a_list() {
    let base = GOOD.to_owned() + "points: [[1, 2], [3, 4]]\n";
    for set in ["points.1.0=9", "points[1][0]=9"] {
        let outcome = load(&[("main.yaml", base.as_bytes())], &[set]);
        assert_eq!(outcome.render(false), "");
        assert_eq!(outcome.loaded.unwrap().value.points, [(1.0, 2.0), (9.0, 4.0)]);
    }
}

#[test]
fn a_set_may_quote_keys_and_hold_equals_signs() {
    let sets = ["models.\"gpt-6.1\".rpm=9", "name=a=b"];
    let demo = load(&[("main.yaml", GOOD.as_bytes())], &sets).loaded.unwrap().value;
    assert_eq!(demo.models["gpt-6.1"].rpm, Limit::at_most(9));
    assert_eq!(demo.name, "a=b");
}

#[test]
fn presets_lie_under_what_uses_them() {
    let base = GOOD
        .replace("{share: 70%, think: 20s}", "{use: coder, share: 70%}")
        .replace("  idle: {timeout: 15m, then: hibernate}", "  use: cloud\n  idle: {then: kill}");
    let outcome = load(&[("main.yaml", base.as_bytes())], &["platform.max_concurrent=8"]);
    assert_eq!(outcome.render(false), "");
    let loaded = outcome.loaded.unwrap();
    let demo = &loaded.value;
    assert_eq!(demo.workload.classes["coder"].think, Span::from_secs(20), "the latest date");
    assert_eq!(demo.platform.idle.timeout, Span::from_secs(300));
    assert_eq!(demo.platform.max_concurrent, Some(Limit::at_most(8)));
    assert_eq!(demo.platform.rates.as_ref().unwrap().vcpu, 0.1, "a preset may use another");
    let ids: Vec<_> =
        loaded.located.uses.iter().map(|u| format!("{} {}", u.path, u.preset)).collect();
    assert_eq!(
        ids,
        [
            "workload.classes.coder coder@2026-11",
            "platform cloud@2026-11",
            "platform.rates list@2026-11"
        ]
    );
    let origin = |path: &str| loaded.located.origin(path, &presets());
    let think = origin("workload.classes.coder.think");
    assert_eq!(think.to_string(), "preset coder@2026-11 (primary source: a paper, 2026-11-22)");
    assert!(
        matches!(origin("platform.idle.timeout"), Origin::Preset { mark: Some(Mark::P), .. }),
        "by the note above"
    );
    assert_eq!(origin("platform.max_concurrent"), Origin::Set);
}

#[test]
fn a_dated_preset_and_a_preset_exchanged_by_a_later_layer() {
    let base = GOOD.replace("{share: 70%, think: 20s}", "{use: coder@2026-01}");
    let demo = text(&base).loaded.unwrap().value;
    assert_eq!(demo.workload.classes["coder"].think, Span::from_secs(60));
    let files = [("main.yaml", base.as_bytes())];
    let sets = ["workload.classes.coder.use=coder@2026-11", "workload.classes.coder.share=1"];
    let demo = load(&files, &sets).loaded.unwrap().value;
    assert_eq!(demo.workload.classes["coder"].think, Span::from_secs(20));
}

#[test]
fn rates_by_name_alone_can_be_overridden() {
    let base = GOOD.replace("platform:\n", "platform:\n  rates: list\n");
    let with = |sets: &[&str]| {
        load(&[("main.yaml", base.as_bytes())], sets).loaded.unwrap().value.platform.rates
    };
    assert_eq!(with(&[]).unwrap().vcpu, 0.1);
    assert_eq!(with(&["platform.rates.vcpu=0.3"]).unwrap().vcpu, 0.3);
}

#[test]
fn explanation_lists_written_values_and_defaults() {
    let base = GOOD
        .replace("{share: 70%, think: 20s}", "{use: coder, share: 70%}")
        .replace(", then: hibernate", "");
    let loaded = load(&[("main.yaml", base.as_bytes())], &["version=2"]).loaded.unwrap();
    let all = loaded.located.explain(&loaded.value, &presets()).unwrap();
    let lines: Vec<String> =
        all.iter().map(|e| format!("{} = {} [{}]", e.path, e.value, e.origin)).collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn anchors_and_aliases_work() {
    let base = GOOD
        .replace("{share: 70%, think: 20s}", "&c {share: 50%, think: 20s}")
        .replace("{share: 0.3, think: 2m}", "*c");
    let outcome = text(&base);
    assert_eq!(outcome.render(false), "");
    assert_eq!(
        outcome.loaded.unwrap().value.workload.classes["reviewer"].think,
        Span::from_secs(20)
    );
    // One slip seen through two aliases is one slip.
    assert_eq!(text(&base.replace("20s", "20")).diagnostics.errors(), 1);
}
