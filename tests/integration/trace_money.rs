//! What recorded agent sessions take of a model and cost there, worked out a second time: in a straight
//! line from the file's text, without any of the crate's readers, sessions, endpoints or prices.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use plimsoll::billing::CostKey;
use plimsoll::measure::Counter;
use serde_json::Value;

use super::kit::{close, replayed, traces};

const FILE: &str = "claude_code_sessions_a.csv.gz";

/// $5 for a million tokens of input, $0.50 of cached input, $30 of output, in millionths of a dollar.
const PRICES: [f64; 3] = [5.0, 0.5, 30.0];

/// One request of the file.
struct Row {
    seq: u64,
    input: u64,
    output: u64,
    /// What the file's own cache, which never forgets, would have held of the prompt.
    cached: u64,
    /// Whole seconds since the call before, 0 where none were recorded.
    think: u64,
}

/// The file's rows by session, each in the order of its requests; sub-agents are sessions of their own.
fn rows(folder: &Path) -> BTreeMap<String, Vec<Row>> {
    let mut text = String::new();
    let file = std::fs::File::open(folder.join(FILE)).unwrap();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
    let mut lines = text.lines();
    let heads: Vec<&str> = lines.next().unwrap().split(',').collect();
    let place = |name: &str| heads.iter().position(|head| *head == name).unwrap();
    let (id, seq, think) = (place("session_id"), place("seq"), place("think_time_s"));
    let (input, cached) = (place("input_tokens"), place("cached_tokens"));
    let output = place("output_tokens");
    let mut sessions: BTreeMap<String, Vec<Row>> = BTreeMap::new();
    for line in lines {
        let cells: Vec<&str> = line.split(',').collect();
        let whole = |place: usize| cells[place].parse::<u64>().unwrap();
        sessions.entry(cells[id].to_owned()).or_default().push(Row {
            seq: whole(seq),
            input: whole(input),
            output: whole(output),
            cached: whole(cached),
            think: if cells[think].is_empty() { 0 } else { whole(think) },
        });
    }
    sessions.values_mut().for_each(|rows| rows.sort_by_key(|row| row.seq));
    sessions
}

/// A sub-agent's session is named after its parent's.
fn is_sub_agent(id: &str) -> bool {
    id.contains('/')
}

/// Of each prompt the part that is no longer than the one before is cached, if the gap between the two is
/// at most `lifetime` seconds.
fn cached(sessions: &BTreeMap<String, Vec<Row>>, lifetime: u64) -> u64 {
    let mut sum = 0;
    for (_, rows) in sessions.iter().filter(|(id, _)| !is_sub_agent(id)) {
        for pair in rows.windows(2) {
            if pair[1].think <= lifetime {
                sum += pair[0].input.min(pair[1].input);
            }
        }
    }
    sum
}

/// The sessions replayed against a model; every model of the file stands for that one.
fn scenario(sub_agents: &str, prompt_cache: &str) -> String {
    format!(
        "version: 1\nname: money\n\
         workload:\n  arrivals: {{every: 61.00017s}}\n  trace: {{file: {FILE}, format: agent-sessions, \
         turns: request, timing: api_and_think, sub_agents: {sub_agents}, order: session_id}}\n\
         platform: {{isolation: {{microvm: {{boot: 0s}}}}, idle: {{then: keep}}, \
         capacity: {{elastic: {{max_concurrent: unlimited}}}}}}\n\
         models: {{default: {{latency: recorded, prompt_cache: {prompt_cache}, \
         rates: {{input: $5/Mtok, cached: $0.5/Mtok, output: $30/Mtok}}}}}}\n\
         experiment: {{start: empty, warmup: none, measure: end, replications: 1}}\n"
    )
}

#[test]
fn tokens_of_the_sessions_are_those_of_the_file() {
    let Some(folder) = traces() else { return };
    let rows = rows(&folder);
    let reference: Value = serde_json::from_str(
        &std::fs::read_to_string(folder.join("reference_selfcheck.json")).unwrap(),
    )
    .unwrap();
    let known = &reference["claude_code_sessions_a_lifecycle"]["totals"];
    // With sub-agents, the file's own description says 2,586,149,350 in and 9,193,265 out.
    let cases = [
        ("skip", known["input_tokens"].as_u64().unwrap(), known["output_tokens"].as_u64().unwrap()),
        ("include", 2_586_149_350, 9_193_265),
    ];
    for (sub_agents, input, output) in cases {
        let counts = |id: &str| sub_agents == "include" || !is_sub_agent(id);
        let mine = || rows.iter().filter(|(id, _)| counts(id)).flat_map(|(_, rows)| rows);
        assert_eq!(mine().map(|row| row.input).sum::<u64>(), input, "{sub_agents}");
        assert_eq!(mine().map(|row| row.output).sum::<u64>(), output, "{sub_agents}");
        let ran = replayed(&scenario(sub_agents, "none"), &folder);
        assert_eq!(ran.count(Counter::TokensInput), input, "{sub_agents}");
        assert_eq!(ran.count(Counter::TokensOutput), output, "{sub_agents}");
        assert_eq!(ran.count(Counter::TokensCached), 0, "{sub_agents}");
        assert_eq!(ran.count(Counter::ModelCalls), mine().count() as u64, "{sub_agents}");
    }
}

#[test]
fn cached_tokens_and_cost_of_the_sessions() {
    let Some(folder) = traces() else { return };
    let rows = rows(&folder);
    let own = || rows.iter().filter(|(id, _)| !is_sub_agent(id)).flat_map(|(_, rows)| rows);
    let input: u64 = own().map(|row| row.input).sum();
    let output: u64 = own().map(|row| row.output).sum();
    let for_ever = 100 * 365 * 86_400;
    // What a third program, of ten lines of Python, makes of the file: tokens from the cache, and dollars.
    let cases = [
        ("none", None, 0, 13_043.196_42),
        ("{lifetime: 5m}", Some(300), 2_284_017_440, 2_765.117_94),
        ("{lifetime: 36500d}", Some(for_ever), 2_477_588_393, 1_894.048_651_5),
    ];
    for (cache, lifetime, tokens, dollars) in cases {
        let mine = lifetime.map_or(0, |lifetime| cached(&rows, lifetime));
        assert_eq!(mine, tokens, "{cache}: cached, here");
        let parts = [input - mine, mine, output].map(|tokens| tokens as f64);
        let millionths: f64 = parts.iter().zip(PRICES).map(|(n, price)| n * price).sum();
        close(&format!("{cache}: cost, here"), millionths / 1e6, dollars, 1e-12);

        let ran = replayed(&scenario("skip", cache), &folder);
        assert_eq!(ran.count(Counter::TokensCached), mine, "{cache}: cached, simulated");
        assert_eq!(ran.count(Counter::TokensInput), input, "{cache}");
        let cost = ran.cost();
        let keys = [CostKey::TokensInput, CostKey::TokensCached, CostKey::TokensOutput];
        for ((key, tokens), price) in keys.into_iter().zip(parts).zip(PRICES) {
            let name = format!("{cache}: {}", key.name());
            close(&name, cost.get(key).unwrap(), tokens * price / 1e6, 1e-12);
        }
        close(&format!("{cache}: tco"), cost.tco, dollars, 1e-12);
        close(&format!("{cache}: a session"), cost.per_session.unwrap(), dollars / 358.0, 1e-12);
    }
}

/// The file's column counts blocks that were seen before anywhere in the conversation; a call's own rule
/// looks at the call before alone. Neither bounds the other: a prompt that was cut and grew again is
/// found by the first alone, the tail of a prompt that differs by the second alone.
#[test]
fn the_files_own_count_of_cached_tokens_is_another_rule() {
    let Some(folder) = traces() else { return };
    let rows = rows(&folder);
    let own = || rows.iter().filter(|(id, _)| !is_sub_agent(id)).flat_map(|(_, rows)| rows);
    assert_eq!(own().map(|row| row.cached).sum::<u64>(), 2_447_061_568);
    let mine = cached(&rows, u64::MAX);
    let apart = mine as f64 / 2_447_061_568.0 - 1.0;
    assert!((apart - 0.012_475).abs() < 1e-6, "the two rules are {apart} apart");
}
