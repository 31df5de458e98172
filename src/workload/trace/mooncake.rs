//! `mooncake`: JSON lines with `timestamp` (ms), `input_length`, `output_length`, `hash_ids`.
//!
//! Each line becomes a session of one turn with one step; sessions at one instant keep the order of
//! the file. Arrival = timestamp, not counted from the first.
//!
//! `hash_ids` are the prompt's prefix in blocks of 512 tokens; equal numbers are equal blocks.
//! Sessions do not share a prompt cache here, so blocks are only counted, for the report.

use indexmap::IndexMap;
use rustc_hash::FxHashSet;
use serde_json::value::RawValue;

use super::csv::{field_problem, time, whole};
use super::decimal::MILLISECONDS;
use super::error::{Place, Problem, TraceError};
use super::lines::Lines;
use super::plans::json_problem;
use super::report::{PrefixBlocks, TokenTotals, TraceReport};
use super::{Names, single_calls, stamps};
use crate::scenario::types::TraceFormat;
use crate::units::Time;
use crate::workload::plan::{CallPlan, ModelId, SessionPlan};

/// What a JSON field is called in messages.
const KEY: &str = "key";
const KEYS: [&str; 4] = ["timestamp", "input_length", "output_length", "hash_ids"];
/// Keys of extensions that make several lines one session: read as one-call sessions they would
/// be a different workload.
const MULTI_TURN_KEYS: [&str; 2] = ["session_id", "delay"];

/// What is gathered over all lines.
#[derive(Default)]
struct Gathered {
    calls: Vec<(Time, CallPlan)>,
    tokens: TokenTotals,
    blocks: PrefixBlocks,
    seen: FxHashSet<u64>,
    without_blocks: u64,
    unread: Vec<String>,
}

pub(super) fn read(
    mut lines: Lines,
    spread: bool,
    names: &Names<'_>,
) -> Result<(Vec<SessionPlan>, TraceReport), TraceError> {
    let class = names.only_class().map_err(|problem| lines.file_error(problem))?;
    let model = names.class_model(class).map_err(|problem| lines.file_error(problem))?;
    let mut all = Gathered::default();
    while let Some(line) = lines.next()? {
        if let Err((problem, column)) = all.line(line, model) {
            let error = lines.error(problem);
            return Err(TraceError { place: Place { column, ..error.place }, ..error });
        }
    }
    if all.calls.is_empty() {
        return Err(lines.file_error(Problem::Empty("lines")));
    }
    let mut times: Vec<Time> = all.calls.iter().map(|(time, _)| *time).collect();
    let mut report = TraceReport::new(TraceFormat::Mooncake);
    report.rows = times.len() as u64;
    report.tokens = all.tokens;
    report.arrivals = Some(stamps::facts(&times));
    report.prefix_blocks = (all.blocks.total > 0).then_some(all.blocks);
    report.blank_lines = lines.blank();
    report.unread_columns = all.unread;
    report.spread = spread;
    if all.without_blocks > 0 {
        report.missing.insert("hash_ids", all.without_blocks);
    }
    if spread {
        // Spreading needs the order of time, in which equal stamps keep the order of the file.
        all.calls.sort_by_key(|(time, _)| *time);
        times.sort_unstable();
        stamps::spread(&mut times);
        all.calls.iter_mut().zip(times).for_each(|(call, time)| call.0 = time);
    }
    Ok((single_calls(all.calls, class, &mut report), report))
}

impl Gathered {
    fn line(&mut self, line: &str, model: ModelId) -> Result<(), (Problem, Option<u64>)> {
        let fields: IndexMap<String, &RawValue> =
            serde_json::from_str(line).map_err(|error| json_problem(&error))?;
        self.fields(&fields, model).map_err(|problem| (problem, None))
    }

    fn fields(
        &mut self,
        fields: &IndexMap<String, &RawValue>,
        model: ModelId,
    ) -> Result<(), Problem> {
        let text = |key: &'static str| -> Result<&str, Problem> {
            let present: Vec<String> = fields.keys().map(|key| format!("`{key}`")).collect();
            let help = format!("the line has the keys {}", present.join(", "));
            let value = fields.get(key).map(|raw| raw.get()).filter(|text| *text != "null");
            value.ok_or_else(|| field_problem((KEY, key), "", "a number", Some(&help)))
        };
        if let Some(key) = MULTI_TURN_KEYS.iter().find(|key| fields.contains_key(**key)) {
            return Err(Problem::Meaning {
                found: format!("`{key}` joins lines to sessions of several turns"),
                help: "this reader takes each line as a session of its own; write the sessions \
                       as `plans`"
                    .to_owned(),
            });
        }
        let number = |key| whole((KEY, key), text(key)?);
        let arrival = time((KEY, KEYS[0]), text(KEYS[0])?, MILLISECONDS, "milliseconds")?;
        let (input, output) = (number(KEYS[1])?, number(KEYS[2])?);
        match fields.get(KEYS[3]).filter(|raw| raw.get() != "null") {
            Some(raw) => {
                let hashes: Vec<u64> = serde_json::from_str(raw.get()).map_err(|_| {
                    field_problem((KEY, KEYS[3]), raw.get(), "a list of whole numbers", None)
                })?;
                self.count_blocks(&hashes);
            }
            None => self.without_blocks += 1,
        }
        for key in fields.keys().filter(|key| !KEYS.contains(&key.as_str())) {
            if !self.unread.contains(key) {
                self.unread.push(key.clone());
            }
        }
        self.tokens.input += input;
        self.tokens.output += output;
        let call = CallPlan { model, input, output, latency: None, context: None };
        self.calls.push((Time::ZERO + arrival, call));
        Ok(())
    }

    /// An infinite prefix cache: the blocks of the leading run that were seen before are hits.
    fn count_blocks(&mut self, hashes: &[u64]) {
        let hits = hashes.iter().take_while(|hash| self.seen.contains(hash)).count();
        self.blocks.leading_hits += hits as u64;
        self.blocks.total += hashes.len() as u64;
        self.seen.extend(hashes);
    }
}
