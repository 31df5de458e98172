//! Which quota binds and how much to ask for, worked out by hand.
//!
//! Times in comments are seconds. Headroom is a fifth unless said otherwise, and what is asked for has two
//! digits.

use plimsoll::measure::record::{QuotaRecord, QuotaVerdict, Run};
use plimsoll::measure::{Counter, Totals};

use super::kit::{Case, close, studied};
use super::script::{call, calls, turn, turns};

const EXACT: f64 = 1e-9;

fn elastic(limits: &str) -> String {
    format!("{{isolation: {{container: {{}}}}, capacity: {{elastic: {{{limits}}}}}}}")
}

/// What holds of the quotas of every run: nobody was held up who did not ask, and nothing is used less than
/// not at all.
pub fn check_use(totals: &Totals) {
    for quota in &totals.quotas {
        assert!(quota.held_up <= quota.asked, "{quota:?}");
        assert!(quota.level.min().unwrap_or(0) >= 0 && quota.level.value() >= 0, "{quota:?}");
    }
    let tries = totals.counter(Counter::ModelAttempts);
    assert!(totals.counter(Counter::ModelSpilled) <= tries);
    for (all, reserved) in totals.tokens.iter().zip(&totals.reserved_tokens) {
        assert!(reserved.all.input <= all.input && reserved.all.output <= all.output);
        assert!(reserved.long.input <= reserved.all.input);
    }
}

fn quota<'a>(run: &'a Run, path: &str) -> &'a QuotaRecord {
    run.quotas.get(path).unwrap_or_else(|| panic!("{path} among {:?}", run.quotas.keys()))
}

/// Limit, asked, held up, peak, demand and what to ask for, and the verdict.
#[track_caller]
fn check(found: &QuotaRecord, numbers: [f64; 5], ask: Option<f64>, verdict: QuotaVerdict) {
    let [limit, asked, held_up, peak, demand] = numbers;
    close("limit", found.limit, limit, EXACT);
    close("asked", found.asked, asked, EXACT);
    close("held up", found.held_up, held_up, EXACT);
    close("peak", found.peak, peak, EXACT);
    close("demand", found.demand, demand, EXACT);
    assert_eq!((found.ask, found.verdict), (ask, verdict), "{found:?}");
}

#[test]
fn slots_that_are_waited_for_bind_and_all_at_once_are_asked_for() {
    // Five sessions at 0 for 10 each. In two slots three wait; with no limit five run at once, and a fifth
    // more are six.
    let five = |limits: &str| {
        let case = Case::on(&elastic(limits));
        (0..5).fold(case, |case, _| case.session(0.0, &turn(0.0, 10.0))).studied()
    };
    let path = "platform.capacity.elastic.max_concurrent";
    let run = five("max_concurrent: 2");
    let found = quota(&run, path);
    check(found, [2.0, 5.0, 3.0, 2.0, 5.0], Some(6.0), QuotaVerdict::Binds);
    assert!(found.first && found.lifted);
    assert_eq!(
        found.request.as_deref(),
        Some(
            "Please raise sandboxes (sessions) at once from 2 to 6 sandboxes. Reason: a peak of 5 sandboxes \
             (simulation, with no quota in the way), and 20% headroom."
        )
    );
    // Five slots are enough and leave nothing; six leave the fifth. Nothing has to be run again.
    let run = five("max_concurrent: 5");
    check(quota(&run, path), [5.0, 5.0, 0.0, 5.0, 5.0], Some(6.0), QuotaVerdict::Tight);
    assert!(!quota(&run, path).lifted && !quota(&run, path).first);
    let run = five("max_concurrent: 6");
    check(quota(&run, path), [6.0, 5.0, 0.0, 5.0, 5.0], None, QuotaVerdict::Ample);
    assert_eq!(quota(&run, path).request, None);
}

#[test]
fn a_limit_that_nobody_comes_near_is_not_named() {
    let run = Case::on(&elastic("max_concurrent: unlimited")).session(0.0, &turn(0.0, 1.0));
    assert!(run.studied().quotas.is_empty());
}

#[test]
fn vcpus_and_memory_of_all_sandboxes_together() {
    // Three sandboxes of 2 vCPUs and 3 GiB at once. Four vCPUs hold two of them, of 7 GiB the same; three need 6
    // and 9.
    for (limits, path, limit, needs, ask) in [
        ("vcpu: 4", "platform.capacity.elastic.vcpu", 4.0, 6.0, 8.0),
        ("memory: 7GiB", "platform.capacity.elastic.memory", 7.0, 9.0, 11.0),
    ] {
        let case =
            Case::on(&elastic(limits)).classes("{default: {sandbox: {vcpu: 2, memory: 3GiB}}}");
        let case = (0..3).fold(case, |case, _| case.session(0.0, &turn(0.0, 10.0)));
        let run = case.studied();
        let two = needs / 3.0 * 2.0;
        check(quota(&run, path), [limit, 3.0, 1.0, two, needs], Some(ask), QuotaVerdict::Binds);
        assert_eq!(run.gauges["sandboxes_running"].max, Some(2.0), "{limits}");
        // The third begins as the first two end.
        assert_eq!(case.run().end(), 20.0);
    }
}

#[test]
fn a_small_sandbox_stands_behind_a_large_one_that_does_not_fit() {
    // 4 vCPUs. Two at 0..10; four wait from 1 for all of them; one of 2 waits from 2 behind, for there is no
    // overtaking: 10..20, 20..30.
    let classes = "{large: {sandbox: {vcpu: 4}}, small: {sandbox: {vcpu: 2}}}";
    let behind = |backfill: &str, end: f64| {
        let platform = format!(
            "{{isolation: {{container: {{}}}}, capacity: {{elastic: {{vcpu: 4}}}}{backfill}}}"
        );
        let case = Case::on(&platform).classes(classes);
        let case = case.session_of("small", 0.0, &turn(0.0, 10.0));
        let case = case.session_of("large", 1.0, &turn(0.0, 10.0));
        let case = case.session_of("small", 2.0, &turn(0.0, 10.0));
        assert_eq!(case.run().end(), end, "{backfill}");
        let run = case.studied();
        let held_up = if backfill.is_empty() { 2.0 } else { 1.0 };
        assert_eq!(quota(&run, "platform.capacity.elastic.vcpu").held_up, held_up, "{backfill}");
    };
    behind("", 30.0);
    // With backfill the small one passes at 2, and the large one waits until 12.
    behind(", queue: {backfill: true}", 22.0);
}

#[test]
fn creations_are_asked_for_by_their_busiest_window() {
    // Four at 0 and two at 0.5: a bucket of 2 lets two start; at 0.5 the third, then one each half second. With no
    // limit six start within a second.
    let case = Case::on(&elastic("create_rate: {limit: 2/s, window: 1s}"));
    let case = (0..4).fold(case, |case, _| case.session(0.0, &turn(0.0, 1.0)));
    let run = (0..2).fold(case, |case, _| case.session(0.5, &turn(0.0, 1.0))).studied();
    let found = quota(&run, "platform.capacity.elastic.create_rate");
    // Started at 0, 0, 0.5, 1, 1.5, 2: within one second that begins at 0 there are three, then two.
    check(found, [2.0, 6.0, 4.0, 3.0, 6.0], Some(8.0), QuotaVerdict::Binds);
    assert_eq!(found.unit, "creates/s");
    assert_eq!(found.window_s, Some(1.0));
    // In a window of ten seconds there is room for 20, and 6 of it are used: 0.6 a second.
    let case = Case::on(&elastic("create_rate: {limit: 2/s, window: 10s}"));
    let run = (0..6).fold(case, |case, _| case.session(0.0, &turn(0.0, 1.0))).studied();
    let found = quota(&run, "platform.capacity.elastic.create_rate");
    check(found, [2.0, 6.0, 0.0, 0.6, 0.6], None, QuotaVerdict::Ample);
}

/// Microsoft's own example: 600 requests a minute, enforced each second, reject the 11th of a second.
#[test]
fn a_limit_on_a_short_window_binds_where_the_same_on_a_minute_does_not() {
    for (window, held_up, peak, demand, ask, verdict) in [
        // Eleven in a second are 660 a minute; tried again, the last is within the next window.
        ("1s", 1.0, 600.0, 660.0, Some(800.0), QuotaVerdict::Binds),
        ("60s", 0.0, 11.0, 11.0, None, QuotaVerdict::Ample),
    ] {
        let models = format!(
            "{{default: {{latency: {{base: 1s}}, quota: {{rpm: 600, window: {window}}}, \
             retries: {{max: 1, base: 10s, cap: 10s}}}}}}"
        );
        let case = Case::on(&elastic("max_concurrent: unlimited")).models(&models);
        let one = || calls(&[(0.0, call(100, 10, r#", "u": [1.0]"#))]);
        let run = (0..11).fold(case, |case, _| case.session(0.0, &one())).studied();
        assert_eq!(run.counters["model_rate_limited"], held_up, "{window}");
        let asked = 11.0 + held_up;
        let found = quota(&run, "models.default.quota.rpm");
        check(found, [600.0, asked, held_up, peak, demand], ask, verdict);
        assert_eq!(run.counters["sessions_completed"], 11.0);
    }
}

#[test]
fn calls_at_once_and_calls_that_no_bucket_holds() {
    // Three calls of 10 at once where two may be: the third is refused, waits 20, and is served then.
    let models = "{default: {latency: {base: 10s}, quota: {concurrency: 2}, \
                  retries: {max: 1, base: 20s, cap: 20s}}}";
    let case = Case::on(&elastic("max_concurrent: unlimited")).models(models);
    let one = || calls(&[(0.0, call(100, 10, r#", "u": [1.0]"#))]);
    let run = (0..3).fold(case, |case, _| case.session(0.0, &one())).studied();
    let found = quota(&run, "models.default.quota.concurrency");
    check(found, [2.0, 4.0, 1.0, 2.0, 3.0], Some(4.0), QuotaVerdict::Binds);

    // 60,000 tokens a minute on a second are a bucket of 1,000: a call of 1,200 never fits, and needs 72,000.
    let models = "{default: {latency: {base: 1s}, quota: {tpm: 60000, window: 1s}}}";
    let case = Case::on(&elastic("max_concurrent: unlimited")).models(models);
    let run = case.session(0.0, &calls(&[(0.0, call(1_100, 100, ""))])).studied();
    assert_eq!(run.counters["sessions_failed"], 1.0);
    let found = quota(&run, "models.default.quota.tpm");
    check(found, [60_000.0, 1.0, 1.0, 0.0, 72_000.0], Some(87_000.0), QuotaVerdict::Binds);
}

/// The facts' own example: 1,000 agents that each send one turn of 20K tokens a minute need 20M a minute, and
/// the highest quota tier has 15M.
const AGENTS: &str = "
version: 1
name: agents
workload:
  arrivals: {every: 60ms}
  classes:
    agent: {turns: 1, steps: 1, think: 0s, abandon: 0%, tokens: {system: 18K, user: 1K, output: 1K}, tools: {calls: 0}, model: gpt}
platform:
  isolation: {container: {}}
  capacity: {elastic: {max_concurrent: SLOTS}}
models:
  gpt: {latency: {base: 1s}, quota: {tpm: 15M, rpm: 15000}, retries: {max: 5, base: 1s, cap: 60s}}
experiment: {start: empty, warmup: none, measure: 10m, replications: 1, headroom: HEADROOM}
";

#[test]
fn twenty_million_tokens_a_minute_against_the_highest_tier() {
    let text = AGENTS.replace("SLOTS", "unlimited").replace("HEADROOM", "20%");
    let run = studied(&text);
    // Each 60 ms one call of 20,000 tokens: 1,000 in a minute. The bucket, full at first, is empty after three.
    let found = quota(&run, "models.gpt.quota.tpm");
    close("demand", found.demand, 20e6, EXACT);
    assert_eq!((found.ask, found.verdict), (Some(24e6), QuotaVerdict::Binds));
    assert!(found.first && found.held_up > 0.0);
    assert!(
        found.request.as_ref().unwrap().starts_with(
            "Please raise tokens of model gpt from 15,000,000 to 24,000,000 tokens/min. Reason: a peak of 20,000,000 \
             tokens/min in the busiest 60 s (simulation, with no quota in the way)"
        ),
        "{:?}",
        found.request
    );
    // Of requests there are 1,000 a minute, and retries only while tokens hold them up.
    let requests = quota(&run, "models.gpt.quota.rpm");
    close("requests", requests.demand, 1_000.0, EXACT);
    assert_eq!((requests.held_up, requests.verdict), (0.0, QuotaVerdict::Ample));
    // With half as much again on top, 30M.
    let text = AGENTS.replace("SLOTS", "unlimited").replace("HEADROOM", "50%");
    assert_eq!(quota(&studied(&text), "models.gpt.quota.tpm").ask, Some(30e6));
}

/// The seed's platform as it is sold: 50 sessions, of 1,000 agents that begin a turn of ten minutes at once.
#[test]
fn a_thousand_agents_on_the_default_quota_of_foundry() {
    let platform = "{use: foundry-agent-service}";
    let case = (0..1_000).fold(Case::on(platform), |c, _| c.session(0.0, &turn(0.0, 600.0)));
    let run = case.studied();
    // 50 have a slot, 500 a place in the queue, 450 neither; the 500 leave after 30 s, long before a slot is free.
    let found = quota(&run, "platform.capacity.elastic.max_concurrent");
    check(found, [50.0, 1_000.0, 950.0, 50.0, 1_000.0], Some(1_200.0), QuotaVerdict::Binds);
    assert!(found.first);
    assert_eq!(run.counters["sessions_completed"], 50.0);
    assert_eq!(
        found.request.as_deref(),
        Some(
            "Please raise sandboxes (sessions) at once from 50 to 1,200 sandboxes. Reason: a peak of 1,000 sandboxes \
             (simulation, with no quota in the way), and 20% headroom."
        )
    );
    // The smaller regions give 15, and what to ask for is the same.
    let platform = "{use: foundry-agent-service, capacity: {elastic: {max_concurrent: 15}}}";
    let case = (0..1_000).fold(Case::on(platform), |c, _| c.session(0.0, &turn(0.0, 600.0)));
    let run = case.studied();
    let found = quota(&run, "platform.capacity.elastic.max_concurrent");
    check(found, [15.0, 1_000.0, 985.0, 15.0, 1_000.0], Some(1_200.0), QuotaVerdict::Binds);
}

#[test]
fn a_quota_that_another_one_hides_is_found_too() {
    // Each session takes a second, so 16.7 are there at once. Ten slots let ten through in a second, 12M tokens a
    // minute: no token is refused, but without the slots' limit 20M would come.
    let text = AGENTS.replace("SLOTS", "10").replace("HEADROOM", "20%");
    let run = studied(&text);
    let tokens = quota(&run, "models.gpt.quota.tpm");
    close("used", tokens.peak, 12e6, 2e-3);
    close("demand", tokens.demand, 20e6, EXACT);
    assert_eq!((tokens.held_up, tokens.verdict), (0.0, QuotaVerdict::WouldBind));
    assert_eq!(tokens.ask, Some(24e6));
    // 17 at once are 1.7 of ten, 20M only 1.3 of 15M: the slots are the first thing to ask for.
    let slots = quota(&run, "platform.capacity.elastic.max_concurrent");
    close("at once", slots.demand, 17.0, EXACT);
    assert_eq!((slots.ask, slots.verdict, slots.first), (Some(21.0), QuotaVerdict::Binds, true));
    assert!(!tokens.first);
}

#[test]
fn tenants_have_quotas_of_their_own() {
    let platform = "{isolation: {container: {}}, capacity: {elastic: {per_tenant: {max_concurrent: 1}}}, \
                    governance: {quotas: {acme: {sessions: 2, tokens_per_day: 250}}}}";
    // Three sessions of acme at 0: one past the quota of two; of those, one waits for its tenant's only slot,
    // and its call, the second of 200 tokens that day, is past the tokens.
    let one = || calls(&[(0.0, call(150, 50, ""))]);
    let run = Case::on(platform)
        .models("{default: {latency: {base: 10s}}}")
        .classes("{acme: {tenant: acme}, other: {tenant: other}}")
        .session_of("acme", 0.0, &one())
        .session_of("acme", 0.0, &one())
        .session_of("acme", 0.0, &one())
        .session_of("other", 0.0, &one())
        .studied();
    let sessions = quota(&run, "platform.governance.quotas.acme.sessions");
    check(sessions, [2.0, 3.0, 1.0, 2.0, 3.0], Some(4.0), QuotaVerdict::Binds);
    let tokens = quota(&run, "platform.governance.quotas.acme.tokens_per_day");
    check(tokens, [250.0, 2.0, 1.0, 200.0, 600.0], Some(720.0), QuotaVerdict::Binds);
    let slots = quota(&run, "platform.capacity.elastic.per_tenant.max_concurrent: acme");
    check(slots, [1.0, 2.0, 1.0, 1.0, 3.0], Some(4.0), QuotaVerdict::Binds);
    let other = quota(&run, "platform.capacity.elastic.per_tenant.max_concurrent: other");
    check(other, [1.0, 1.0, 0.0, 1.0, 1.0], Some(2.0), QuotaVerdict::Tight);
    // 3 of 1 is the tightest.
    assert!(slots.first && !sessions.first && !tokens.first);
}

#[test]
fn a_store_that_is_full_holds_new_sandboxes_up() {
    // A: 0..1, hibernated at 6 with 2 GiB, which fills the quota; B, of 7, waits until A's last turn, 21..22, has
    // ended and its snapshot is gone; A passes it, for its restore takes no more of the store. Without the quota
    // B's snapshot, of 13, lies beside A's.
    let platform = "{isolation: {microvm: {snapshot: {full: {}}}}, idle: {timeout: 5s, then: hibernate}, \
                    storage_quota: 2GiB, queue: {backfill: true}}";
    let life = turns(&[turn(0.0, 1.0), turn(20.0, 1.0)]);
    let run = Case::on(platform)
        .classes("{default: {sandbox: {memory: 2GiB}}}")
        .session(0.0, &life)
        .session(7.0, &life)
        .studied();
    let found = quota(&run, "platform.storage_quota");
    assert_eq!(found.unit, "GiB");
    // Four requests: two boots, and two restores, which a full store does not hold up.
    check(found, [2.0, 4.0, 1.0, 2.0, 4.0], Some(5.0), QuotaVerdict::Binds);
}

#[test]
fn what_came_before_the_measure_does_not_count() {
    // Before 100 five at once wait for two slots; after it one comes alone.
    let case = Case::on(&elastic("max_concurrent: 2"))
        .experiment("{start: empty, warmup: 100s, measure: 100s, replications: 1}");
    let case = (0..5).fold(case, |case, _| case.session(0.0, &turn(0.0, 10.0)));
    let run = case.session(150.0, &turn(0.0, 10.0)).studied();
    let found = quota(&run, "platform.capacity.elastic.max_concurrent");
    check(found, [2.0, 1.0, 0.0, 1.0, 1.0], None, QuotaVerdict::Ample);
    // Of a window that began before the measure, what is in it at its begin counts: three calls of 99, one of 101.
    let models = "{default: {latency: {base: 1ms}, quota: {rpm: 10, window: 60s}}}";
    let case = Case::on(&elastic("max_concurrent: unlimited"))
        .models(models)
        .experiment("{start: empty, warmup: 100s, measure: 100s, replications: 1}");
    let one = || calls(&[(0.0, call(1, 1, ""))]);
    let case = (0..4).fold(case, |case, _| case.session(10.0, &one()));
    let case = (0..3).fold(case, |case, _| case.session(99.0, &one()));
    let run = case.session(101.0, &one()).studied();
    let found = quota(&run, "models.default.quota.rpm");
    check(found, [10.0, 1.0, 0.0, 4.0, 4.0], None, QuotaVerdict::Ample);
}
