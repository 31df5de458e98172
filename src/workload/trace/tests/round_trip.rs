//! Plans that are written read back the same.

use std::sync::Arc;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::units::{Bytes, Cores, Span, Time};
use crate::workload::drawn::DrawnPlans;
use crate::workload::drawn::tests::{classes, models};
use crate::workload::plan::{End, Plans, ToolPlan};

fn tool() -> impl Strategy<Value = ToolPlan> {
    (any::<u64>(), 1e-9..1e9, any::<u64>(), any::<u64>(), any::<u64>()).prop_map(
        |(cpu, cores, io, memory, dirty)| ToolPlan {
            cpu: Span::from_nanos(cpu),
            cores: Cores(cores),
            io: Span::from_nanos(io),
            memory: Bytes(memory),
            dirty: Bytes(dirty),
        },
    )
}

fn step() -> impl Strategy<Value = StepPlan> {
    let call =
        (0..2_u16, any::<u32>(), any::<u32>(), option::of(any::<u64>()), option::of(any::<u64>()))
            .prop_map(|(model, input, output, latency, context)| CallPlan {
                model: ModelId(model),
                input: u64::from(input),
                output: u64::from(output),
                latency: latency.map(Span::from_nanos),
                context,
            });
    (call, vec(0.0..=1.0, 0..3), vec(any::<bool>(), 0..3), vec(tool(), 0..3)).prop_map(
        |(call, backoff, errors, tools)| StepPlan {
            call,
            backoff: backoff.into(),
            errors: errors.into(),
            tools: tools.into(),
            children: Box::default(),
        },
    )
}

fn session() -> impl Strategy<Value = SessionPlan> {
    let turn = || {
        (any::<u64>(), vec(step(), 0..3))
            .prop_map(|(think, steps)| TurnPlan { think: Span::from_nanos(think), steps })
    };
    let faults = || vec(any::<bool>(), 0..3);
    let child = vec(turn(), 1..3);
    let plan = (0..2_u16, any::<u64>(), any::<bool>(), vec(turn(), 1..4), faults(), faults());
    (plan, vec(child, 0..3)).prop_map(
        |((class, arrival, abandon, mut turns, boot, restore), children)| {
            turns[0].think = Span::ZERO;
            // Sub-agents hang on the first step there is, and are numbered as they are met.
            let mut sub_agents = Vec::new();
            if let Some(step) = turns.iter_mut().flat_map(|turn| &mut turn.steps).next() {
                for (place, mut turns) in (0..).zip(children) {
                    turns[0].think = Span::ZERO;
                    let session = 1_000 + place;
                    sub_agents.push(SessionPlan {
                        session,
                        class: ClassId(1),
                        turns,
                        ..SessionPlan::default()
                    });
                }
                step.children = (0..sub_agents.len() as u16).collect();
            }
            SessionPlan {
                session: 0,
                class: ClassId(class),
                arrival: Time::from_nanos(arrival),
                end: if abandon { End::Abandon } else { End::Close },
                turns,
                boot_faults: boot.into(),
                restore_faults: restore.into(),
                sub_agents,
            }
        },
    )
}

fn written_and_read(sessions: &[SessionPlan], known: &Known) -> Vec<SessionPlan> {
    let mut text = Vec::new();
    write_plans(&mut text, sessions, &known.names()).unwrap();
    let (_folder, path) = write_file("plans.jsonl", &text);
    read_known(&path, &trace(TraceFormat::Plans), known).0
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_plans_read_back_the_same(mut sessions in vec(session(), 1..6)) {
        let known = Known::new(&["a \"quoted\" class", "b\n"], &["default", "größer"]);
        (0..).zip(&mut sessions).for_each(|(number, session)| session.session = number);
        sessions.sort_by_key(|session| (session.arrival, session.session));
        prop_assert_eq!(written_and_read(&sessions, &known), sessions);
    }
}

#[test]
fn drawn_plans_read_back_the_same() {
    let known = Known { classes: classes(), models: models() };
    let drawn = DrawnPlans::new(5, &known.classes, &known.models).unwrap();
    let plans = Plans::Drawn(Arc::new(drawn));
    let sessions: Vec<SessionPlan> =
        (0..200).map(|k| plans.record(0, k, Time::from_nanos(k * 1_234_567_891))).collect();
    assert_eq!(written_and_read(&sessions, &known), sessions);
}

#[test]
fn the_written_form_is_the_documented_one() {
    let known = Known::new(&["a", "b"], &["default", "other"]);
    let (sessions, _) = read_known(&fixture("plans.jsonl"), &trace(TraceFormat::Plans), &known);
    let mut text = Vec::new();
    write_plans(&mut text, &sessions, &known.names()).unwrap();
    let mut expected: Vec<String> = std::fs::read_to_string(fixture("plans.jsonl"))
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect();
    expected.reverse();
    let text = String::from_utf8(text).unwrap();
    // The file of the fixture is in the order of lines, what is written in that of arrivals.
    assert_eq!(text.lines().collect::<Vec<_>>(), expected);
}
