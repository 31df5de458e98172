//! Tenants, identities and what governance costs, worked out by hand.
//!
//! Times in comments are seconds.

use plimsoll::measure::{Counter, Metric};

use super::kit::{Case, close};
use super::script::{call, calls, step, tool, turn, turn_with, turns};

const TENANTS: &str = "{acme: {tenant: acme}, other: {tenant: other}}";

fn governed(governance: &str) -> String {
    format!("{{isolation: {{container: {{}}}}, governance: {{{governance}}}}}")
}

#[test]
fn a_tenants_sessions_past_its_quota_are_rejected_at_their_arrival() {
    // One session of acme at once. The first 0..5; the one of 1 is rejected, before it asks any policy;
    // the other tenant's of 1 is not; the one of 5 comes as the first has left.
    let ran = Case::on(&governed(
        "quotas: {acme: {sessions: 1}}, policies: {p: {at: session, latency: 0s}}",
    ))
    .classes(TENANTS)
    .session_of("acme", 0.0, &turn(0.0, 5.0))
    .session_of("acme", 1.0, &turn(0.0, 5.0))
    .session_of("other", 1.0, &turn(0.0, 5.0))
    .session_of("acme", 5.0, &turn(0.0, 5.0))
    .run();
    assert_eq!(ran.count(Counter::SessionsRejected), 1);
    assert_eq!(ran.count(Counter::SessionsCompleted), 3);
    assert_eq!(ran.count(Counter::PolicyChecks), 3);
    assert_eq!(ran.count(Counter::SandboxesMade), 3);
    assert_eq!(ran.end(), 10.0);
}

#[test]
fn an_open_session_counts_in_its_tenants_quota_also_while_it_sleeps() {
    // A: 0..1, thinks, 21..22. B at 10 is rejected, C at 22 is not.
    let ran = Case::on(
        "{isolation: {container: {snapshot: {filesystem: {}}}}, \
          idle: {timeout: 1s, then: hibernate}, governance: {quotas: {default: {sessions: 1}}}}",
    )
    .session(0.0, &turns(&[turn(0.0, 1.0), turn(20.0, 1.0)]))
    .session(10.0, &turn(0.0, 1.0))
    .session(22.0, &turn(0.0, 1.0))
    .run();
    assert_eq!(ran.count(Counter::SessionsRejected), 1);
    assert_eq!(ran.count(Counter::SessionsCompleted), 2);
}

const DAY: f64 = 86_400.0;

#[test]
fn daily_tokens_are_charged_whole_and_begin_anew_each_day() {
    // 1,000 a day. 400 + 200 at 0, 300 + 100 at 10: all of it. One token more at 20 fails its session.
    // At midnight there are 1,000 again: 999 + 1.
    let ran = Case::on(&governed("quotas: {acme: {tokens_per_day: 1000}}"))
        .classes(TENANTS)
        .session_of("acme", 0.0, &calls(&[(0.0, call(400, 200, ""))]))
        .session_of("acme", 10.0, &calls(&[(0.0, call(300, 100, ""))]))
        .session_of("acme", 20.0, &calls(&[(0.0, call(1, 0, ""))]))
        .session_of("other", 20.0, &calls(&[(0.0, call(5000, 1, ""))]))
        .session_of("acme", DAY, &calls(&[(0.0, call(999, 1, ""))]))
        .run();
    assert_eq!(ran.count(Counter::TokenQuotaFailures), 1);
    assert_eq!(ran.count(Counter::SessionsFailed), 1);
    assert_eq!(ran.count(Counter::SessionsCompleted), 4);
    assert_eq!(ran.count(Counter::TokensInput), 400 + 300 + 5000 + 999);
}

#[test]
fn daily_tokens_count_the_context_of_each_call() {
    // 300 + 100, then 400 of context + 100 new + 100: 1,000 in all. Of 999 the second is not served.
    for (quota, failed) in [(1000, 0), (999, 1)] {
        let ran = Case::on(&governed(&format!("quotas: {{acme: {{tokens_per_day: {quota}}}}}")))
            .classes(TENANTS)
            .session_of(
                "acme",
                0.0,
                &calls(&[(0.0, call(300, 100, "")), (1.0, call(100, 100, ""))]),
            )
            .run();
        assert_eq!(ran.count(Counter::TokenQuotaFailures), failed, "{quota}");
        assert_eq!(ran.count(Counter::SessionsFailed), failed);
        assert_eq!(ran.count(Counter::Turns), 2 - failed);
        assert_eq!(ran.count(Counter::TokensInput), 300 + 500 * (1 - failed));
    }
}

#[test]
fn a_sessions_identity_is_issued_again_when_it_is_too_old() {
    // Issued 0..2, good for 10. Turns: 2..3; the call at 9 goes by that of 2; the call at 15 by a new
    // one, 15..17, served at 18.
    let ran = Case::on(&governed("identity: {per: session, issue: 2s, lifetime: 10s}"))
        .session(0.0, &turns(&[turn(0.0, 1.0), turn(6.0, 1.0), turn(5.0, 1.0)]))
        .run();
    assert_eq!(ran.count(Counter::IdentitiesIssued), 2);
    assert_eq!(ran.metric(Metric::ModelCall), (3, 3.0));
    assert_eq!(ran.metric(Metric::Turn), (3, 1.0 + 1.0 + 3.0));
    assert_eq!(ran.metric(Metric::Session), (1, 18.0));
    // As old as its lifetime is not older: good for 13, it is used at 15.
    let ran = Case::on(&governed("identity: {per: session, issue: 2s, lifetime: 13s}"))
        .session(0.0, &turns(&[turn(0.0, 1.0), turn(6.0, 1.0), turn(5.0, 1.0)]))
        .run();
    assert_eq!(ran.count(Counter::IdentitiesIssued), 1);
}

#[test]
fn a_batch_of_tool_calls_asks_for_its_identity_once() {
    // Issued 0..1, good for 2. The call 1..4 began by it. At 4 both tools pass their policy, 0.5, then
    // wait for one new identity: both run 5.5..6.5.
    let pair = [tool(0.0, 1.0, 1.0, 0), tool(0.0, 1.0, 1.0, 0)].join(", ");
    let ran = Case::on(&governed(
        "identity: {issue: 1s, lifetime: 2s}, policies: {p: {at: tool, latency: 500ms}}",
    ))
    .session(0.0, &turn_with(0.0, 3.0, &pair))
    .run();
    assert_eq!(ran.count(Counter::IdentitiesIssued), 2);
    assert_eq!(ran.count(Counter::PolicyChecks), 2);
    assert_eq!(ran.metric(Metric::ToolExec), (2, 2.0));
    assert_eq!(ran.metric(Metric::Session), (1, 6.5));
}

#[test]
fn an_agents_identity_is_paid_by_its_first_session() {
    // The first of each class waits 2; the one of 0.5 does not, though the identity is not there yet.
    let ran = Case::on(&governed("identity: {per: agent, issue: 2s, lifetime: 1s}"))
        .classes("{a: {}, b: {}}")
        .session_of("a", 0.0, &turn(0.0, 1.0))
        .session_of("a", 0.5, &turn(0.0, 1.0))
        .session_of("a", 9.0, &turn(0.0, 1.0))
        .session_of("b", 9.0, &turn(0.0, 1.0))
        .run();
    assert_eq!(ran.count(Counter::IdentitiesIssued), 2);
    assert_eq!(ran.metric(Metric::Session), (4, 3.0 + 1.0 + 1.0 + 3.0));
}

#[test]
fn telemetry_is_paid_by_the_event() {
    // A session, a turn, two tries of calls, two tool calls, three checks: 9 events of 1,000 B at $2 a
    // GB.
    let one = step(1.0, &tool(0.0, 1.0, 1.0, 0));
    let cost = Case::on(&governed(
        "policies: {in: {at: session}, out: {at: tool}}, \
         telemetry: {bytes_per_event: 1000B, price: $2/GB}",
    ))
    .session(0.0, &format!(r#"{{"think_s": 0, "steps": [{one}, {one}]}}"#))
    .run()
    .cost();
    close("telemetry", cost.telemetry, 18e-6, 1e-12);
    close("tco", cost.tco, 18e-6, 1e-12);
}

#[test]
fn management_is_paid_by_policies_changes_and_interfaces() {
    // 2 policies · 30 changes a month · 2 h · 3 interfaces · $50: $18,000 a month, $600 a day; the
    // platform's fee is $30 a month.
    let cost = Case::on(
        "{isolation: {container: {}}, rates: {platform_fee: $30/month}, governance: { \
          policies: {a: {at: session}, b: {at: tool}}, \
          management: {changes_per_month: 30, time_per_change: 2h, interfaces: 3, \
                       hourly_rate: $50/h}}}",
    )
    .experiment("{start: empty, warmup: none, measure: 24h, replications: 1}")
    .session(0.0, &turn(0.0, 1.0))
    .run()
    .cost();
    close("management", cost.management, 600.0, 1e-12);
    close("fee", cost.platform_fee, 1.0, 1e-12);
    close("tco", cost.tco, 601.0, 1e-12);
}
