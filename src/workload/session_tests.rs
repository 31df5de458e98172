//! The session machine alone: what happened in, what is wanted out.

use std::sync::Arc;

use super::*;
use crate::units::{Bytes, Cores};
use crate::workload::plan::CallPlan;
use crate::workload::plan::{SessionPlan, StepPlan, TurnPlan};

fn seconds(s: u64) -> Time {
    Time::ZERO + Span::from_secs(s)
}

fn step(input: u64, output: u64, tools: usize) -> StepPlan {
    let call = CallPlan { input, output, ..CallPlan::default() };
    let tool = ToolPlan {
        cpu: Span::from_secs(1),
        cores: Cores(1.0),
        io: Span::ZERO,
        memory: Bytes(0),
        dirty: Bytes(7),
    };
    StepPlan { call, tools: vec![tool; tools].into(), ..StepPlan::default() }
}

fn turn(think: u64, steps: Vec<StepPlan>) -> TurnPlan {
    TurnPlan { think: Span::from_secs(think), steps }
}

/// The demand of one recorded session; both models have the same terms.
fn demand(turns: Vec<TurnPlan>, terms: CallTerms, compression: f64) -> Demand {
    let plan = SessionPlan { session: 5, turns, end: End::Abandon, ..SessionPlan::default() };
    Demand {
        plans: Plans::Recorded(Arc::new(vec![plan])),
        have_children: false,
        terms: vec![terms.clone(), terms],
        seed: 1,
        replication: 0,
        compression,
    }
}

fn begin(demand: &Demand) -> (Session, Vec<ToolPlan>) {
    (Session::arrive(demand, 0), Vec::new())
}

/// Brings a session into its next call; the attempt's request at `at`.
fn call(session: &mut Session, demand: &Demand, at: u64) -> Request {
    assert_eq!(session.proceed(demand, &mut Vec::new()), Want::Call);
    session.request(demand, seconds(at))
}

#[test]
fn a_session_wants_call_and_tools_step_by_step() {
    let steps = vec![step(100, 10, 2), step(5, 10, 0)];
    let demand =
        demand(vec![turn(0, steps), turn(30, vec![step(1, 1, 0)])], CallTerms::default(), 1.0);
    let (mut session, mut tools) = begin(&demand);
    assert_eq!((session.number(), session.class()), (5, ClassId(0)));
    assert_eq!(session.sandbox_ready(&demand), Want::Proceed);
    assert_eq!(call(&mut session, &demand, 0).prompt, 100);
    assert_eq!(session.served(&demand, seconds(1)), Want::Proceed);
    tools.clear();
    assert_eq!(session.proceed(&demand, &mut tools), Want::Tools);
    assert_eq!((tools.len(), tools[0].dirty), (2, Bytes(7)));
    assert_eq!(session.tool_ended(&demand), Want::Nothing);
    assert_eq!(session.tool_ended(&demand), Want::Proceed);
    // Context: 100 in, 10 out, 5 new.
    assert_eq!(call(&mut session, &demand, 2).prompt, 115);
    let think = Want::Think { span: Span::from_secs(30) };
    assert_eq!(session.served(&demand, seconds(3)), think);
    assert_eq!(session.sandbox_ready(&demand), Want::Proceed);
    assert_eq!(call(&mut session, &demand, 33).prompt, 126);
    assert_eq!(session.served(&demand, seconds(34)), Want::Leave(End::Abandon));
}

#[test]
fn a_turn_without_steps_is_over_when_its_sandbox_is_ready() {
    let demand = demand(vec![turn(0, Vec::new()), turn(40, Vec::new())], CallTerms::default(), 8.0);
    let (mut session, _) = begin(&demand);
    // Think time is compressed.
    assert_eq!(session.sandbox_ready(&demand), Want::Think { span: Span::from_secs(5) });
    assert_eq!(session.sandbox_ready(&demand), Want::Leave(End::Abandon));
}

fn patient() -> CallTerms {
    CallTerms {
        max_retries: 2,
        backoff_base: Span::from_secs(8),
        backoff_cap: Span::from_secs(12),
        ..CallTerms::default()
    }
}

#[test]
fn retries_wait_for_the_longer_of_backoff_and_retry_after_and_are_used_up() {
    let mut first = step(100, 10, 0);
    first.backoff = [0.5, 1.0, 1.0].into();
    first.errors = [false, true].into();
    let demand = demand(vec![turn(0, vec![first])], patient(), 1.0);
    let (mut session, _) = begin(&demand);
    session.sandbox_ready(&demand);
    let request = call(&mut session, &demand, 0);
    assert_eq!((request.attempt, request.fails), (0, Some(false)));
    // ½ · 8 = 4 s against 9 s.
    let after = Span::from_secs(9);
    assert_eq!(session.refused(&demand, after), Want::Retry { after });
    let request = session.request(&demand, seconds(9));
    assert_eq!((request.attempt, request.fails), (1, Some(true)));
    // 1 · min(12, 16) s.
    assert_eq!(session.failed(&demand), Want::Retry { after: Span::from_secs(12) });
    // Past the record's end a try succeeds.
    assert_eq!(session.request(&demand, seconds(21)).fails, Some(false));
    assert_eq!(session.refused(&demand, Span::ZERO), Want::Fail);
}

#[test]
fn tries_have_draws_of_their_own() {
    let demand = demand(vec![turn(0, vec![step(1, 1, 0), step(1, 1, 0)])], patient(), 1.0);
    let (mut session, _) = begin(&demand);
    session.sandbox_ready(&demand);
    let mut keys = vec![call(&mut session, &demand, 0).key];
    let Want::Retry { after: first } = session.refused(&demand, Span::ZERO) else { panic!() };
    keys.push(session.request(&demand, seconds(1)).key);
    let Want::Retry { after: second } = session.refused(&demand, Span::ZERO) else { panic!() };
    keys.push(session.request(&demand, seconds(2)).key);
    session.served(&demand, seconds(3));
    keys.push(call(&mut session, &demand, 3).key);
    let count = keys.len();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), count);
    assert!(first <= Span::from_secs(8) && second <= Span::from_secs(12) && first != second);
}

#[test]
fn the_cache_belongs_to_the_model_and_lives_from_the_calls_end() {
    let terms = CallTerms {
        cache_lifetime: Some(Span::from_secs(5)),
        context_window: Some(120),
        ..CallTerms::default()
    };
    let other = |mut plan: StepPlan| {
        plan.call.model = ModelId(1);
        plan
    };
    let steps = vec![
        step(100, 10, 0),
        step(5, 10, 0),
        other(step(1, 1, 0)),
        other(step(1, 1, 0)),
        step(1, 1, 0),
    ];
    let demand = demand(vec![turn(0, steps)], terms, 1.0);
    let (mut session, _) = begin(&demand);
    session.sandbox_ready(&demand);
    let mut seen = Vec::new();
    // Calls begin at 0, 6, 7, 13 and 14 and last a second: gaps 5, 0, 5, 0.
    for at in [0, 6, 7, 13, 14] {
        let request = call(&mut session, &demand, at);
        seen.push((request.prompt, request.cached, request.truncated));
        session.served(&demand, seconds(at + 1));
    }
    assert_eq!(
        seen,
        [
            (100, 0, false),
            (115, 100, false),
            // Another model has nothing cached; 126 tokens are cut to its window.
            (120, 0, true),
            (120, 120, true),
            (120, 0, true),
        ]
    );
}
