//! What a reader met in a trace: totals to check against, and what a person should know.

use std::collections::BTreeMap;

use super::stamps::ArrivalFacts;
use crate::scenario::types::TraceFormat;

/// What was found in a trace.
#[derive(Clone, Debug, PartialEq)]
pub struct TraceReport {
    /// The format it was read as.
    pub format: TraceFormat,
    /// Rows or lines with data, those left out included.
    pub rows: u64,
    /// Rows of sub-agents, replayed or left out.
    pub sub_agent_rows: u64,
    /// Sub-agents that are replayed.
    pub sub_agents: u64,
    /// Rows of sub-agents whose parent is not there.
    pub orphan_rows: u64,
    /// Sessions replayed.
    pub sessions: u64,
    /// Model calls replayed.
    pub calls: u64,
    /// Tokens of the calls replayed.
    pub tokens: TokenTotals,
    /// Arrival times; `None` where the format has none.
    pub arrivals: Option<ArrivalFacts>,
    /// Rows that do not follow the order of the file's own numbering.
    pub out_of_order: u64,
    /// Numbers that a session's requests skip: rows that are not in the file.
    pub holes: u64,
    /// Values that were not recorded, by column. Times are replayed as 0.
    pub missing: BTreeMap<&'static str, u64>,
    /// Calls whose prompt is shorter than what came before: their new tokens are clipped at 0.
    pub shrunk_contexts: u64,
    /// Calls that begin late in a replay by start times, because the call before lasts longer.
    pub overlaps: u64,
    /// Sessions that look like copies.
    pub duplicates: Vec<Duplicate>,
    /// Prefix blocks, where the format has them.
    pub prefix_blocks: Option<PrefixBlocks>,
    /// Models that the trace names and the scenario lacks, and the calls that go to the class's
    /// model instead.
    pub other_models: BTreeMap<String, u64>,
    /// Lines without anything on them.
    pub blank_lines: u64,
    /// Columns or keys that this format's reader does not know.
    pub unread_columns: Vec<String>,
    /// Whether arrivals were spread over their ticks.
    pub spread: bool,
}

/// Tokens as the file counts them: whole prompts in formats that record requests, new tokens in
/// `plans`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenTotals {
    /// Input tokens.
    pub input: u64,
    /// The part of them that was recorded as cached; `None` where the format does not say.
    pub cached: Option<u64>,
    /// Output tokens.
    pub output: u64,
}

/// Blocks of prompts' prefixes under a cache that never forgets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PrefixBlocks {
    /// All blocks.
    pub total: u64,
    /// Blocks in leading runs that an earlier request had brought.
    pub leading_hits: u64,
}

/// Two sessions that look like one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Duplicate {
    /// The earlier session.
    pub first: String,
    /// The later one.
    pub second: String,
    /// What they share.
    pub likeness: Likeness,
}

/// What two sessions share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Likeness {
    /// The whole sequence of (start, input tokens, output tokens).
    Identical,
    /// This many runs of three consecutive (input, output) pairs.
    Shared(u64),
}

impl TraceReport {
    /// A report on nothing yet.
    pub(super) fn new(format: TraceFormat) -> Self {
        TraceReport {
            format,
            rows: 0,
            sub_agent_rows: 0,
            sub_agents: 0,
            orphan_rows: 0,
            sessions: 0,
            calls: 0,
            tokens: TokenTotals::default(),
            arrivals: None,
            out_of_order: 0,
            holes: 0,
            missing: BTreeMap::new(),
            shrunk_contexts: 0,
            overlaps: 0,
            duplicates: Vec::new(),
            prefix_blocks: None,
            other_models: BTreeMap::new(),
            blank_lines: 0,
            unread_columns: Vec::new(),
            spread: false,
        }
    }

    /// Counts a value that was not recorded.
    pub(super) fn miss(&mut self, column: &'static str) {
        *self.missing.entry(column).or_default() += 1;
    }

    /// What a person should know before trusting a replay, a sentence each.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        self.warn_of_times(&mut warnings);
        self.warn_of_rows(&mut warnings);
        self.warn_of_sessions(&mut warnings);
        warnings
    }

    fn warn_of_times(&self, warnings: &mut Vec<String>) {
        let Some(facts) = &self.arrivals else {
            warnings.push(
                "the format has no session arrival times: all arrive at 0 unless `arrivals` says \
                 otherwise"
                    .to_owned(),
            );
            return;
        };
        if let (Some(ticks), false) = (facts.ticks, self.spread) {
            warnings.push(format!(
                "arrivals come in ticks of {}: {} arrivals on {} stamps, up to {} at once, which \
                 may be the recorder's grid and not the demand; `spread_ticks: true` spreads them",
                ticks.width, self.sessions, facts.distinct, ticks.largest_batch
            ));
        } else if let (None, false, 1..) = (facts.ticks, self.spread, facts.ties) {
            warnings.push(format!(
                "{} at the same instant as the one before: they keep the order of the file",
                count(facts.ties, "arrival")
            ));
        }
        if let Some(longest) = facts.silences.first() {
            /// Silences named one by one.
            const NAMED: usize = 5;
            let named = facts.silences.iter().take(NAMED);
            let list: Vec<String> = named.map(|s| format!("{:.0} s", s.length.seconds())).collect();
            let rest = facts.silences.len().saturating_sub(NAMED);
            let more = if rest > 0 { format!(" and {rest} shorter") } else { String::new() };
            warnings.push(format!(
                "{} without arrivals: {}{more}; the longest begins at {:.0} s",
                count(facts.silences.len() as u64, "long gap"),
                list.join(", "),
                longest.from.seconds()
            ));
        }
        if facts.out_of_order > 0 {
            let rows = count(facts.out_of_order, "row");
            warnings.push(format!("{rows} out of time order: sessions are sorted by arrival"));
        }
    }

    fn warn_of_rows(&self, warnings: &mut Vec<String>) {
        if self.out_of_order > 0 {
            let rows = count(self.out_of_order, "row");
            warnings.push(format!("{rows} out of the order of `seq`: sorted by it"));
        }
        if self.holes > 0 {
            let numbers = count(self.holes, "request number");
            warnings.push(format!("{numbers} missing: rows are not in the file"));
        }
        for (column, rows) in &self.missing {
            let values = count(*rows, "value");
            let effect = if column.ends_with("_time_s") {
                "replayed as no time"
            } else {
                "left out of the totals"
            };
            warnings.push(format!("{values} of `{column}` not recorded: {effect}"));
        }
        if self.overlaps > 0 {
            warnings.push(format!(
                "{} start before the call before has ended: they start late, right after it",
                count(self.overlaps, "call")
            ));
        }
        if self.blank_lines > 0 {
            warnings.push(format!("{} skipped", count(self.blank_lines, "blank line")));
        }
        if !self.unread_columns.is_empty() {
            let names: Vec<String> =
                self.unread_columns.iter().map(|name| format!("`{name}`")).collect();
            warnings.push(format!("not read: {}", names.join(", ")));
        }
    }

    fn warn_of_sessions(&self, warnings: &mut Vec<String>) {
        if self.orphan_rows > 0 {
            let rows = count(self.orphan_rows, "row");
            warnings.push(format!("{rows} of sub-agents left out: their parent is not there"));
        }
        if self.sub_agent_rows > 0 && self.sub_agents == 0 && self.orphan_rows == 0 {
            let rows = count(self.sub_agent_rows, "row");
            warnings.push(format!("{rows} of sub-agents left out (`sub_agents: skip`)"));
        }
        for (model, calls) in &self.other_models {
            let calls = count(*calls, "call");
            warnings
                .push(format!("{calls} of model `{model}`, unknown here, use the class's model"));
        }
        for duplicate in &self.duplicates {
            let Duplicate { first, second, likeness } = duplicate;
            warnings.push(match likeness {
                Likeness::Identical => {
                    format!("session `{second}` is a copy of `{first}`: the two weigh double")
                }
                Likeness::Shared(runs) => format!(
                    "sessions `{first}` and `{second}` share {runs} runs of three requests: \
                     probably one conversation, captured twice"
                ),
            });
        }
    }
}

fn count(number: u64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}
