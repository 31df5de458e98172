//! What each format's rows become, on small files written for the purpose.

use super::*;
use crate::units::{Span, Time};

fn seconds(s: f64) -> Span {
    Span::from_seconds(s)
}

fn calls(session: &SessionPlan) -> Vec<&CallPlan> {
    session.turns.iter().flat_map(|turn| turn.steps.iter().map(|step| &step.call)).collect()
}

#[test]
fn azure_rows_are_sessions_at_exact_times() {
    let known = Known::new(&[], &["default"]);
    let trace = trace(TraceFormat::AzureLlm);
    let (sessions, report) = read_known(&fixture("azure_crlf.csv"), &trace, &known);
    let arrivals: Vec<u64> = sessions.iter().map(|s| s.arrival.nanos()).collect();
    assert_eq!(arrivals, [0, 100_000_100, 100_000_100, 100_600_000_000]);
    let tokens: Vec<_> =
        sessions.iter().map(|s| calls(s)[0]).map(|c| (c.input, c.output)).collect();
    assert_eq!(tokens, [(100, 10), (200, 20), (300, 30), (400, 40)]);
    assert!(sessions.iter().all(|s| s.turns.len() == 1 && s.turns[0].steps.len() == 1));
    assert!(
        sessions.iter().all(|s| calls(s)[0].latency.is_none() && calls(s)[0].context.is_none())
    );
    assert_eq!((report.rows, report.sessions, report.calls), (4, 4, 4));
    assert_eq!(report.arrivals.as_ref().unwrap().ties, 1);
    insta::assert_snapshot!(report.warnings().join("\n"), @"1 arrival at the same instant as the one before: they keep the order of the file");
}

#[test]
fn line_ends_marks_blank_lines_and_column_order_do_not_matter() {
    let known = Known::new(&[], &["default"]);
    let trace = trace(TraceFormat::AzureLlm);
    let (expected, _) = read_known(&fixture("azure_crlf.csv"), &trace, &known);
    let text = std::fs::read_to_string(fixture("azure_crlf.csv")).unwrap().replace('\r', "");
    let turned: String = text
        .lines()
        .map(|line| {
            let fields: Vec<&str> = line.split(',').collect();
            format!("\"{}\",{},{}\n", fields[2], fields[0], fields[1])
        })
        .collect();
    let variants = [
        text.clone(),
        format!("\u{feff}{text}\n\n"),
        text.replace("\n2023-11-17", "\n \r\n2023-11-17"),
        text.trim_end().to_owned(),
        turned,
    ];
    for variant in &variants {
        let (_folder, path) = write_file("trace.csv", variant.as_bytes());
        assert_eq!(read_known(&path, &trace, &known).0, expected, "{variant}");
        // Gzip is told by its first bytes, and a file may have several gzip members.
        let half = variant.len() / 2;
        let packed =
            [gzip(&variant.as_bytes()[..half]), gzip(&variant.as_bytes()[half..])].concat();
        let (_folder, path) = write_file("trace.csv", &packed);
        assert_eq!(read_known(&path, &trace, &known).0, expected, "gzipped {variant}");
    }
}

#[test]
fn rows_out_of_time_order_are_sorted_and_counted() {
    let text = "TIMESTAMP,ContextTokens,GeneratedTokens,NumImages\n\
                2023-11-16 18:00:05,5,1,0\n2023-11-16 18:00:00,1,1,0\n2023-11-16 18:00:09,9,1,2\n";
    let (_folder, path) = write_file("trace.csv", text.as_bytes());
    let known = Known::new(&["only"], &["default"]);
    let (sessions, report) = read_known(&path, &trace(TraceFormat::AzureLlm), &known);
    let found: Vec<_> =
        sessions.iter().map(|s| (s.session, s.arrival.seconds(), calls(s)[0].input)).collect();
    assert_eq!(found, [(1, 0.0, 1), (0, 5.0, 5), (2, 9.0, 9)]);
    insta::assert_snapshot!(report.warnings().join("\n"), @r"
    1 row out of time order: sessions are sorted by arrival
    not read: `NumImages`
    ");
}

#[test]
fn mooncake_keeps_file_order_at_ties_and_counts_blocks() {
    let known = Known::new(&[], &["default"]);
    let (sessions, report) =
        read_known(&fixture("mooncake.jsonl"), &trace(TraceFormat::Mooncake), &known);
    let found: Vec<_> = sessions.iter().map(|s| (s.arrival.nanos(), calls(s)[0].output)).collect();
    let (second, third) = (3_001_000_000, 6_001_000_000);
    let expected =
        [(0, 10), (0, 20), (0, 30), (second, 40), (second, 50), (third, 60), (third, 70)];
    assert_eq!(found, expected);
    // Hits: 0 1 in the second line, none in the third (4 is new), all of the fourth.
    let blocks = report.prefix_blocks.unwrap();
    assert_eq!((blocks.total, blocks.leading_hits), (13, 5));
    insta::assert_snapshot!(report.warnings().join("\n"), @"arrivals come in ticks of 3.001s: 7 arrivals on 3 stamps, up to 3 at once, which may be the recorder's grid and not the demand; `spread_ticks: true` spreads them");
}

#[test]
fn mooncake_ticks_can_be_spread() {
    let known = Known::new(&[], &["default"]);
    let spread = Trace { spread_ticks: true, ..trace(TraceFormat::Mooncake) };
    let (sessions, report) = read_known(&fixture("mooncake.jsonl"), &spread, &known);
    let found: Vec<u64> = sessions.iter().map(|s| s.arrival.nanos()).collect();
    // The median gap of 3001 ms and 3000 ms is the larger; the last batch has no next stamp.
    let expected = [
        0,
        1_000_333_333,
        2_000_666_666,
        3_001_000_000,
        4_501_000_000,
        6_001_000_000,
        7_501_500_000,
    ];
    assert_eq!(found, expected);
    assert!(sessions.iter().map(|s| s.session).eq(0..7), "the order of the file is kept");
    assert_eq!(report.warnings(), [] as [String; 0]);
}

#[test]
fn agent_requests_become_turns() {
    let known = Known::new(&[], &["default", "opus"]);
    let (sessions, report) =
        read_known(&fixture("agent_sessions.csv"), &trace(TraceFormat::AgentSessions), &known);
    // Sorted by identifier: a, then b.
    assert_eq!(
        sessions.iter().map(|s| (s.session, s.turns.len())).collect::<Vec<_>>(),
        [(0, 2), (1, 4)]
    );
    let thinks: Vec<Span> = sessions[1].turns.iter().map(|turn| turn.think).collect();
    assert_eq!(thinks, [Span::ZERO, seconds(6.0), seconds(88.0), seconds(30.25)]);
    let b = calls(&sessions[1]);
    let latency: Vec<Span> = b.iter().map(|call| call.latency.unwrap()).collect();
    assert_eq!(latency, [seconds(4.0), seconds(2.5), Span::ZERO, seconds(3.0)]);
    // New tokens: 1000; 1300 − 1000 − 100; 1450 − 1300 − 50; 1500 − 1450 − 30.
    assert_eq!(b.iter().map(|call| call.input).collect::<Vec<_>>(), [1_000, 200, 100, 20]);
    let contexts: Vec<_> = b.iter().map(|call| call.context.unwrap()).collect();
    assert_eq!(contexts, [1_000, 1_300, 1_450, 1_500]);
    // After a compaction nothing is new.
    assert_eq!(calls(&sessions[0])[1].input, 0);
    // `opus` is known; `sonnet` is not and goes to the class's model.
    assert!(b.iter().all(|call| call.model == ModelId(1)));
    assert!(calls(&sessions[0]).iter().all(|call| call.model == ModelId(0)));
    assert_eq!((report.rows, report.sub_agent_rows, report.calls, report.sessions), (7, 1, 6, 2));
    let totals = TokenTotals { input: 7_950, cached: Some(3_648), output: 395 };
    assert_eq!(report.tokens, totals);
    assert_eq!(report.shrunk_contexts, 1);
    insta::assert_snapshot!(report.warnings().join("\n"), @r"
    the format has no session arrival times: all arrive at 0 unless `arrivals` says otherwise
    1 value of `api_time_s` not recorded: replayed as no time
    1 value of `think_time_s` not recorded: replayed as no time
    1 row of sub-agents left out (`sub_agents: skip`)
    2 calls of model `sonnet`, unknown here, use the class's model
    ");
}

#[test]
fn agent_turns_may_begin_where_a_person_spoke() {
    let known = Known::new(&[], &["default"]);
    let turns = Trace { turns: TraceTurns::UserMessage, ..trace(TraceFormat::AgentSessions) };
    let (sessions, _) = read_known(&fixture("agent_sessions.csv"), &turns, &known);
    let b = &sessions[1];
    assert_eq!(b.turns.iter().map(|turn| turn.steps.len()).collect::<Vec<_>>(), [2, 1, 1]);
    assert_eq!(b.turns[1].think, seconds(88.0));
    // The gap before the second request is the wait of a tool call after the first.
    let tools = &b.turns[0].steps[0].tools;
    assert_eq!((tools.len(), tools[0].io, tools[0].cpu), (1, seconds(6.0), Span::ZERO));
    assert!(b.turns[0].steps[1].tools.is_empty());
    // Whoever sends a tool result along is no person; and an unrecorded gap is no tool call.
    assert_eq!(sessions[0].turns.len(), 1);
    assert!(sessions[0].turns[0].steps[0].tools.is_empty());
    let (by_request, _) =
        read_known(&fixture("agent_sessions.csv"), &trace(TraceFormat::AgentSessions), &known);
    assert!(sessions.iter().map(length).eq(by_request.iter().map(length)));
}

#[test]
fn agent_start_times_are_kept_where_they_can_be() {
    let known = Known::new(&[], &["default"]);
    let starts = Trace {
        timing: TraceTiming::StartTimes,
        order: TraceOrder::File,
        ..trace(TraceFormat::AgentSessions)
    };
    let (sessions, report) = read_known(&fixture("agent_sessions.csv"), &starts, &known);
    // In the order of the file b is first. Starts 0, 10, 100, 130.25; calls take 4, 2.5, 0, 3.
    let thinks: Vec<Span> = sessions[0].turns.iter().map(|turn| turn.think).collect();
    assert_eq!(thinks, [Span::ZERO, seconds(6.0), seconds(87.5), seconds(30.25)]);
    // a's second request starts at 8 s, before its first ends at 10 s.
    assert_eq!(sessions[1].turns[1].think, Span::ZERO);
    assert_eq!(report.overlaps, 1);
}

#[test]
fn agent_rows_are_put_in_the_order_of_their_numbers() {
    let header = "session_id,parent_id,seq,t_s,input_tokens,cached_tokens,output_tokens,\
                  api_time_s,think_time_s,model,input_types\n";
    let text = format!(
        "{header}s,,3,30,40,,4,1,9,default,tool_result\ns,,1,10,20,,2,1,9,default,text\n\
         s,,4,40,50,,5,1,9,default,tool_result\n"
    );
    let (_folder, path) = write_file("trace.csv", text.as_bytes());
    let known = Known::new(&[], &["default"]);
    let (sessions, report) = read_known(&path, &trace(TraceFormat::AgentSessions), &known);
    let contexts: Vec<_> = calls(&sessions[0]).iter().map(|call| call.context.unwrap()).collect();
    assert_eq!(contexts, [20, 40, 50]);
    assert_eq!(sessions[0].turns[0].think, Span::ZERO, "the first request's gap is ignored");
    assert_eq!((report.out_of_order, report.holes), (1, 2));
    assert_eq!(report.tokens.cached, None, "absent is not zero");
    insta::assert_snapshot!(report.warnings().join("\n"), @r"
    the format has no session arrival times: all arrive at 0 unless `arrivals` says otherwise
    1 row out of the order of `seq`: sorted by it
    2 request numbers missing: rows are not in the file
    3 values of `cached_tokens` not recorded: left out of the totals
    ");
}

#[test]
fn captures_of_one_conversation_are_reported() {
    let text = std::fs::read_to_string(fixture("agent_sessions.csv")).unwrap();
    let header = text.lines().next().unwrap();
    let rows = |id: &str, from: u64, times: u64| -> String {
        let row = |k: u64| {
            let (t, input, output) = (times * k, 1_000 + 100 * k + k * k, 10 + 7 * k % 23);
            format!("{id},,{k},n,{t},{input},0,{output},1,1,,opus,text,\n")
        };
        (from..from + 12).map(row).collect()
    };
    let text = format!("{header}\n{}{}{}", rows("x", 0, 10), rows("y", 0, 10), rows("z", 3, 11));
    let (_folder, path) = write_file("trace.csv", text.as_bytes());
    let known = Known::new(&[], &["opus", "default"]);
    let (_, report) = read_known(&path, &trace(TraceFormat::AgentSessions), &known);
    insta::assert_snapshot!(report.warnings().join("\n"), @r"
    the format has no session arrival times: all arrive at 0 unless `arrivals` says otherwise
    3 request numbers missing: rows are not in the file
    session `y` is a copy of `x`: the two weigh double
    sessions `x` and `z` share 7 runs of three requests: probably one conversation, captured twice
    ");
}

#[test]
fn plans_are_sorted_and_exact() {
    let known = Known::new(&["a", "b"], &["default", "other"]);
    let (sessions, report) =
        read_known(&fixture("plans.jsonl"), &trace(TraceFormat::Plans), &known);
    assert_eq!(sessions.iter().map(|s| s.session).collect::<Vec<_>>(), [0, 3]);
    assert!(sessions.iter().all(|s| s.arrival == Time::from_nanos(61_000_170_000)));
    let (close, abandon) = (&sessions[0], &sessions[1]);
    assert_eq!((close.class, abandon.class), (ClassId(1), ClassId(0)));
    assert_eq!(abandon.turns[1].think, Span::from_nanos(8_640_000_000_000_001));
    assert_eq!(abandon.turns[0].steps[0].tools[1].cpu, Span::from_nanos(1));
    assert_eq!(abandon.turns[0].steps[0].call.latency, None);
    let step = &close.turns[0].steps[0];
    assert_eq!(step.call.latency, Some(seconds(0.25)));
    assert_eq!((step.call.context, step.call.model), (Some(1_700), ModelId(1)));
    assert_eq!(*step.backoff, [0.1, 0.300_000_000_000_000_04]);
    assert_eq!((&*step.errors, &*close.boot_faults), (&[true, false][..], &[true, true][..]));
    assert_eq!((report.sessions, report.calls, report.tokens.input), (2, 2, 120));
}

#[test]
fn what_plans_may_leave_out_has_its_documented_value() {
    let text = r#"{"session": 1, "arrival_s": 2, "turns": [{"steps": [{"model": {"name": "default", "input": 1, "output": 2}}]}]}"#;
    let (_folder, path) = write_file("plans.jsonl", text.as_bytes());
    let known = Known::new(&[], &[]);
    let (sessions, _) = read_known(&path, &trace(TraceFormat::Plans), &known);
    let call = CallPlan { input: 1, output: 2, ..CallPlan::default() };
    let step = StepPlan { call, ..StepPlan::default() };
    let turns = vec![TurnPlan { think: Span::ZERO, steps: vec![step] }];
    let arrival = Time::from_nanos(2_000_000_000);
    assert_eq!(sessions, [SessionPlan { session: 1, arrival, turns, ..SessionPlan::default() }]);
}
