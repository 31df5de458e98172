//! Exact totals of public traces, where the folder that holds them is there: `../shared/traces`
//! beside the crate, or `PLIMSOLL_DATA`.

use super::*;
use crate::units::{Span, Time};

/// The path of a data file, or `None` with the reason printed.
fn data(name: &str) -> Option<PathBuf> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/traces");
    let folder = std::env::var_os("PLIMSOLL_DATA").map_or_else(|| beside.into(), PathBuf::from);
    let path = folder.join(name);
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: {} is not there (set PLIMSOLL_DATA to the traces folder)", path.display());
    None
}

fn default_only() -> Known {
    Known::new(&[], &["default"])
}

fn totals(report: &TraceReport) -> (u64, u64, u64) {
    (report.rows, report.tokens.input, report.tokens.output)
}

#[test]
fn azure_totals_are_exact() {
    let cases = [
        ("azure_llm_2023_code.csv", (8_819, 18_059_974, 245_896), 3_435_948_056_000),
        ("azure_llm_2023_conv_0000_1800s.csv", (10_108, 12_566_772, 2_196_947), 1_799_899_351_000),
    ];
    for (name, expected, span) in cases {
        let Some(path) = data(name) else { return };
        let known = default_only();
        let azure = trace(TraceFormat::AzureLlm);
        let (sessions, report) = read_known(&path, &azure, &known);
        assert_eq!(totals(&report), expected, "{name}");
        let facts = report.arrivals.as_ref().unwrap();
        assert_eq!((facts.span.nanos(), facts.ties, facts.out_of_order), (span, 0, 0), "{name}");
        assert_eq!(facts.ticks, None);
        // CRLF, which the files have, and LF give the same.
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains("\r\n"));
        let (_folder, other) = write_file("lf.csv", text.replace('\r', "").as_bytes());
        assert_eq!(read_known(&other, &azure, &known), (sessions, report), "{name}");
    }
}

#[test]
fn azure_silences_are_reported() {
    let Some(path) = data("azure_llm_2023_code.csv") else { return };
    let (_, report) = read_known(&path, &trace(TraceFormat::AzureLlm), &default_only());
    insta::assert_snapshot!(report.warnings().join("\n"), @"12 long gaps without arrivals: 217 s, 174 s, 168 s, 144 s, 139 s and 7 shorter; the longest begins at 2856 s");
}

#[test]
fn mooncake_totals_ticks_and_blocks_are_exact() {
    let Some(path) = data("mooncake_conversation_0000_1800s.jsonl.gz") else { return };
    let known = default_only();
    let (sessions, report) = read_known(&path, &trace(TraceFormat::Mooncake), &known);
    assert_eq!(totals(&report), (5_719, 73_604_194, 1_977_204));
    let facts = report.arrivals.as_ref().unwrap();
    assert_eq!((facts.distinct, facts.span), (600, Span::from_secs(1_797)));
    assert_eq!(facts.ticks.unwrap().width, Span::from_secs(3));
    let blocks = report.prefix_blocks.unwrap();
    assert_eq!((blocks.leading_hits, blocks.total), (49_930, 146_464));
    insta::assert_snapshot!(report.warnings().join("\n"), @"arrivals come in ticks of 3s: 5719 arrivals on 600 stamps, up to 23 at once, which may be the recorder's grid and not the demand; `spread_ticks: true` spreads them");

    let spread = Trace { spread_ticks: true, ..trace(TraceFormat::Mooncake) };
    let (spread, report) = read_known(&path, &spread, &known);
    assert_eq!(report.warnings(), [] as [String; 0]);
    let moved = |time: Time, from: Time| time.since(from).seconds();
    assert!(sessions.iter().zip(&spread).all(|(tick, spread)| {
        tick.session == spread.session && (0.0..3.0).contains(&moved(spread.arrival, tick.arrival))
    }));
    let distinct: std::collections::BTreeSet<Time> = spread.iter().map(|s| s.arrival).collect();
    assert_eq!(distinct.len(), 5_719);
}

#[test]
fn agent_session_totals_are_exact() {
    let Some(path) = data("claude_code_sessions_a.csv.gz") else { return };
    let agents = trace(TraceFormat::AgentSessions);
    let (sessions, report) = read_known(&path, &agents, &default_only());
    assert_eq!((report.sessions, report.calls, report.rows), (358, 20_195, 20_871));
    assert_eq!(report.sub_agent_rows, 676);
    assert_eq!((report.tokens.input, report.tokens.output), (2_555_541_252, 8_849_672));
    assert_eq!(report.tokens.cached, Some(2_447_061_568));
    let missing: Vec<_> = report.missing.iter().map(|(column, n)| (*column, *n)).collect();
    assert_eq!(missing, [("api_time_s", 2_766), ("think_time_s", 58)]);
    assert_eq!(report.duplicates, []);
    // Running and paused time of an infinite platform: 3,698,897.7 s, to the nanosecond.
    let total: Span = sessions.iter().map(length).sum();
    assert_eq!(total.nanos(), 3_698_897_700_000_000);
    insta::assert_snapshot!(report.warnings().join("\n"), @r"
    the format has no session arrival times: all arrive at 0 unless `arrivals` says otherwise
    2766 values of `api_time_s` not recorded: replayed as no time
    58 values of `think_time_s` not recorded: replayed as no time
    676 rows of sub-agents left out (`sub_agents: skip`)
    211 calls of model `claude-haiku-4-5-20251001`, unknown here, use the class's model
    14925 calls of model `claude-opus-4-5-20251101`, unknown here, use the class's model
    391 calls of model `claude-opus-4-6`, unknown here, use the class's model
    4668 calls of model `claude-sonnet-4-5-20250929`, unknown here, use the class's model
    ");

    let turns = Trace { turns: TraceTurns::UserMessage, ..agents };
    let (by_person, _) = read_known(&path, &turns, &default_only());
    assert!(by_person.iter().map(length).eq(sessions.iter().map(length)));
    // Top-level rows with text and without a tool result, counted with another tool.
    assert_eq!(by_person.iter().map(|s| s.turns.len()).sum::<usize>(), PERSON_ROWS);
}

/// Rows of people, first rows included.
const PERSON_ROWS: usize = 4_111;

/// What a pause on idle leaves running, counted on the plans alone.
#[test]
fn agent_session_gaps_give_the_known_pauses() {
    let Some(path) = data("claude_code_sessions_a.csv.gz") else { return };
    let (sessions, _) = read_known(&path, &trace(TraceFormat::AgentSessions), &default_only());
    let calls: Span = sessions
        .iter()
        .flat_map(|s| &s.turns)
        .flat_map(|t| &t.steps)
        .filter_map(|s| s.call.latency)
        .sum();
    for (timeout, running, pauses) in [
        (60, 666_692_700_000_000, 4_485),
        (300, 1_262_475_700_000_000, 1_606),
        (900, 1_890_471_700_000_000, 792),
    ] {
        let timeout = Span::from_secs(timeout);
        let gaps = || sessions.iter().flat_map(|s| &s.turns).map(|turn| turn.think);
        let idle: Span = gaps().map(|gap| gap.min(timeout)).sum();
        assert_eq!((idle + calls).nanos(), running);
        assert_eq!(gaps().filter(|gap| *gap > timeout).count(), pauses);
    }
}

/// Copying a real conversation into the file under another name is found.
#[test]
fn a_twin_of_a_real_session_is_reported() {
    use std::io::Read;
    let Some(path) = data("claude_code_sessions_a.csv.gz") else { return };
    let mut text = String::new();
    let file = std::fs::File::open(path).unwrap();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
    let twin: String = text
        .lines()
        .filter_map(|line| line.strip_prefix("trace_0001,"))
        .map(|rest| format!("zz_copy,{rest}\n"))
        .collect();
    let (_folder, path) = write_file("twins.csv", format!("{text}{twin}").as_bytes());
    let (_, report) = read_known(&path, &trace(TraceFormat::AgentSessions), &default_only());
    let found: Vec<_> =
        report.duplicates.iter().map(|d| (d.first.as_str(), d.second.as_str())).collect();
    assert_eq!(found, [("trace_0001", "zz_copy")]);
    assert_eq!(report.duplicates[0].likeness, Likeness::Identical);
}
