//! `azure-llm`: `TIMESTAMP,ContextTokens,GeneratedTokens`, one request a row.
//!
//! Each row becomes a session of one turn with one step. Arrivals count from the earliest
//! timestamp, exact to the 100 ns of the file (and to 1 ns where there are more digits).

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::csv::{Csv, Row};
use super::error::{Problem, TraceError};
use super::lines::Lines;
use super::report::{TokenTotals, TraceReport};
use super::{Names, single_calls, stamps};
use crate::scenario::types::TraceFormat;
use crate::units::{Span, Time};
use crate::workload::plan::{CallPlan, SessionPlan};

const COLUMNS: [&str; 3] = ["TIMESTAMP", "ContextTokens", "GeneratedTokens"];
// Places in the list of columns.
const TIMESTAMP: usize = 0;
const CONTEXT: usize = 1;
const GENERATED: usize = 2;

pub(super) fn read(
    lines: Lines,
    names: &Names<'_>,
) -> Result<(Vec<SessionPlan>, TraceReport), TraceError> {
    let mut csv = Csv::open(lines, COLUMNS)?;
    let class = names.only_class().map_err(|problem| csv.lines.file_error(problem))?;
    let model = names.class_model(class).map_err(|problem| csv.lines.file_error(problem))?;
    let mut rows: Vec<(i128, CallPlan)> = Vec::new();
    let mut tokens = TokenTotals::default();
    while let Some(row) = csv.next(|row| {
        let (input, output) = (row.whole(CONTEXT)?, row.whole(GENERATED)?);
        Ok((timestamp(&row)?, CallPlan { model, input, output, latency: None, context: None }))
    })? {
        tokens.input += row.1.input;
        tokens.output += row.1.output;
        rows.push(row);
    }
    let Some(first) = rows.iter().map(|(nanos, _)| *nanos).min() else {
        return Err(csv.lines.file_error(Problem::Empty("rows")));
    };
    let since_first = |nanos: i128| {
        let nanos = u64::try_from(nanos - first);
        Time::ZERO + nanos.map_or(Span::MAX, Span::from_nanos)
    };
    let times: Vec<Time> = rows.iter().map(|(nanos, _)| since_first(*nanos)).collect();
    let mut report = TraceReport::new(TraceFormat::AzureLlm);
    report.rows = rows.len() as u64;
    report.tokens = tokens;
    report.arrivals = Some(stamps::facts(&times));
    report.blank_lines = csv.lines.blank();
    report.unread_columns = csv.unread;
    let calls = times.into_iter().zip(rows.into_iter().map(|(_, call)| call)).collect();
    Ok((single_calls(calls, class, &mut report), report))
}

/// Nanoseconds since 1970 of a wall-clock time, as UTC where it names no zone.
fn timestamp(row: &Row<'_, 3>) -> Result<i128, Problem> {
    let text = row.text(TIMESTAMP);
    parse_timestamp(text).ok_or_else(|| {
        row.problem(TIMESTAMP, "a time such as `2023-11-16 18:17:03.9799600`, in UTC", None)
    })
}

fn parse_timestamp(text: &str) -> Option<i128> {
    let text = text.strip_suffix("+00:00").or_else(|| text.strip_suffix('Z')).unwrap_or(text);
    // Other zones, and forms that leave out digits, are not guessed at.
    let shape = text.bytes().enumerate().all(|(at, byte)| match at {
        4 | 7 => byte == b'-',
        10 => byte == b' ' || byte == b'T',
        13 | 16 => byte == b':',
        19 => byte == b'.',
        _ => byte.is_ascii_digit(),
    });
    if !shape || text.len() < 19 || text.len() == 20 || text.len() > 29 {
        return None;
    }
    let time: DateTime = text.parse().ok()?;
    Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp().as_nanosecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_exact() {
        let second = |text: &str| parse_timestamp(text).unwrap();
        let base = second("2023-11-16 18:17:03");
        assert_eq!(base, 1_700_158_623_000_000_000);
        assert_eq!(second("2023-11-16 18:17:03.9799600") - base, 979_960_000);
        assert_eq!(second("2023-11-16T18:17:03.000000001") - base, 1);
        assert_eq!(second("2023-11-16 18:17:03.5+00:00") - base, 500_000_000);
        assert_eq!(
            second("2024-02-29 00:00:00Z") - second("2024-02-28 00:00:00"),
            86_400_000_000_000
        );
    }

    #[test]
    fn other_texts_are_no_timestamps() {
        for text in [
            "",
            "2023-11-16",
            "2023-11-16 18:17",
            "2023-11-16 18:17:03.",
            "2023-11-16 18:17:03+01:00",
            "2023-02-29 00:00:00",
            "2023-13-01 00:00:00",
            "2023-11-16 24:00:00",
            "16/11/2023 18:17:03",
            "1700158623",
            "2023-11-16 18:17:03.1234567891",
        ] {
            assert_eq!(parse_timestamp(text), None, "{text}");
        }
    }
}
