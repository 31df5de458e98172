//! Comma-separated rows by named columns.
//!
//! Rows are split here, not by a CSV crate, so that each error has the true line number and blank
//! lines are counted. Quoted fields may hold commas and doubled quotes, not line breaks.

use super::decimal::{self, NotATime};
use super::error::{Problem, TraceError, closest};
use super::lines::Lines;
use crate::units::Span;

/// What a CSV field is called in messages.
const COLUMN: &str = "column";

/// A CSV file whose header has been read.
pub(super) struct Csv<const N: usize> {
    pub lines: Lines,
    names: [&'static str; N],
    /// Where the wanted columns stand in a row.
    places: [usize; N],
    width: usize,
    /// Columns that nobody asked for.
    pub unread: Vec<String>,
}

/// The wanted fields of one row.
pub(super) struct Row<'a, const N: usize> {
    names: [&'static str; N],
    fields: [&'a str; N],
}

impl<const N: usize> Csv<N> {
    /// Reads the header and finds the columns by name; all of `names` must be there.
    pub fn open(mut lines: Lines, names: [&'static str; N]) -> Result<Self, TraceError> {
        let mut header: Vec<String> = Vec::new();
        let Some(line) = lines.next()? else {
            return Err(lines.file_error(Problem::Empty("lines")));
        };
        let whole = split(line, |field| header.push(field.trim().to_owned()));
        whole.map_err(|problem| lines.error(problem))?;
        let mut places = [0; N];
        let mut missing = Vec::new();
        for (place, name) in places.iter_mut().zip(names) {
            let mut found = header.iter().enumerate().filter(|(_, column)| *column == name);
            match (found.next(), found.next()) {
                (Some((at, _)), None) => *place = at,
                (Some(_), Some(_)) => {
                    let found = format!("the header names column `{name}` twice");
                    let help = "keep one of them".to_owned();
                    return Err(lines.error(Problem::Header { found, help }));
                }
                (None, _) => missing.push(name),
            }
        }
        if !missing.is_empty() {
            return Err(lines.error(missing_columns(&header, &missing, &names)));
        }
        let unread = header.iter().filter(|column| !names.contains(&column.as_str())).cloned();
        let unread = unread.collect();
        Ok(Csv { lines, names, places, width: header.len(), unread })
    }

    /// Calls `read` with the next row; `None` after the last. `read`'s problem gets the row's line.
    pub fn next<T>(
        &mut self,
        read: impl FnOnce(Row<'_, N>) -> Result<T, Problem>,
    ) -> Result<Option<T>, TraceError> {
        let (names, places, width) = (self.names, self.places, self.width);
        let Some(line) = self.lines.next()? else { return Ok(None) };
        let mut fields = [""; N];
        let mut count = 0;
        let mut unquoted = Vec::new();
        let mut whole = Ok(());
        if line.contains('"') {
            whole = split(line, |field| unquoted.push(field.to_owned()));
            count = unquoted.len();
            for (field, place) in fields.iter_mut().zip(places) {
                *field = unquoted.get(place).map_or("", String::as_str);
            }
        } else {
            for (at, text) in line.split(',').enumerate() {
                count = at + 1;
                for (field, place) in fields.iter_mut().zip(places) {
                    if place == at {
                        *field = text;
                    }
                }
            }
        }
        let result = match whole {
            Err(problem) => Err(problem),
            Ok(()) if count != width => Err(Problem::Fields { found: count, expected: width }),
            Ok(()) => read(Row { names, fields: fields.map(str::trim) }),
        };
        result.map(Some).map_err(|problem| self.lines.error(problem))
    }
}

fn missing_columns(header: &[String], missing: &[&str], names: &[&'static str]) -> Problem {
    let help = format!("the first line must name the columns `{}`", names.join(","));
    if missing.len() == names.len() {
        let found = "the first line is no header of this format".to_owned();
        return Problem::Header { found, help };
    }
    let list: Vec<String> = missing.iter().map(|name| format!("`{name}`")).collect();
    let noun = if missing.len() == 1 { "column" } else { "columns" };
    let found = format!("the header lacks the {noun} {}", list.join(", "));
    let unknown = header.iter().map(String::as_str).filter(|column| !names.contains(column));
    let hint = closest(missing[0], unknown)
        .map(|near| format!("is `{near}` meant to be `{}`? ", missing[0]))
        .unwrap_or_default();
    Problem::Header { found, help: format!("{hint}{help}") }
}

/// Splits a line at commas outside quotes and hands on each field unquoted.
fn split(line: &str, mut field: impl FnMut(&str)) -> Result<(), Problem> {
    let mut text = String::new();
    let mut quoted = false;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                text.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => {
                field(&text);
                text.clear();
            }
            other => text.push(other),
        }
    }
    field(&text);
    if quoted {
        let found = "a quoted field does not end on its line".to_owned();
        let help = "close the quote: a field cannot hold a line break here".to_owned();
        return Err(Problem::Meaning { found, help });
    }
    Ok(())
}

impl<'a, const N: usize> Row<'a, N> {
    /// The text of a wanted column, by its place in the list of wanted names.
    pub fn text(&self, column: usize) -> &'a str {
        self.fields[column]
    }

    /// A problem with a column.
    pub fn problem(&self, column: usize, expected: &str, help: Option<&str>) -> Problem {
        field_problem((COLUMN, self.names[column]), self.fields[column], expected, help)
    }

    /// A whole number that must be there.
    pub fn whole(&self, column: usize) -> Result<u64, Problem> {
        whole((COLUMN, self.names[column]), self.fields[column])
    }

    /// A whole number, `None` where the field is empty.
    pub fn optional_whole(&self, column: usize) -> Result<Option<u64>, Problem> {
        if self.fields[column].is_empty() { Ok(None) } else { self.whole(column).map(Some) }
    }

    /// A time in decimal seconds, `None` where the field is empty.
    pub fn optional_seconds(&self, column: usize) -> Result<Option<Span>, Problem> {
        let text = self.fields[column];
        if text.is_empty() {
            return Ok(None);
        }
        time((COLUMN, self.names[column]), text, decimal::SECONDS, "seconds").map(Some)
    }
}

/// A problem with a named field; `what` is `column` or `key`.
pub(super) fn field_problem(
    (what, name): (&'static str, &str),
    found: &str,
    expected: &str,
    help: Option<&str>,
) -> Problem {
    /// Longest text quoted in a message.
    const LONGEST: usize = 60;
    let found: String = if found.is_empty() {
        "nothing".to_owned()
    } else if found.chars().count() > LONGEST {
        format!("`{}…`", found.chars().take(LONGEST).collect::<String>())
    } else {
        format!("`{found}`")
    };
    let (name, found, expected) = (name.into(), found.into(), expected.into());
    Problem::Field { what, name, found, expected, help: help.map(Into::into) }
}

/// A whole number of at least 0.
pub(super) fn whole(field: (&'static str, &str), text: &str) -> Result<u64, Problem> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(number) if digits => Ok(number),
        _ => {
            let help = if text.is_empty() {
                Some("absent is not zero: leave the row out, or write the number")
            } else {
                None
            };
            Err(field_problem(field, text, "a whole number, 0 or more", help))
        }
    }
}

/// A time in the unit that has `places` decimal places down to the nanosecond.
pub(super) fn time(
    field: (&'static str, &str),
    text: &str,
    places: i32,
    unit: &str,
) -> Result<Span, Problem> {
    decimal::scaled(text, places).map(Span::from_nanos).map_err(|error| {
        let expected = format!("a number of {unit}, 0 or more");
        let help = match error {
            NotATime::NotANumber | NotATime::Negative => None,
            NotATime::TooLong => Some("times reach to 584 years"),
        };
        field_problem(field, text, &expected, help)
    })
}
