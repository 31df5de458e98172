//! Samples from a table: one row a duration, plain or gzipped CSV.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use csv::StringRecord;
use flate2::bufread::MultiGzDecoder;
use indexmap::IndexMap;

use super::series::{Series, Timed};
use crate::scenario::diagnostic::closest;
use crate::units::Span;

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Which columns mean what.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Columns {
    /// The durations.
    pub value: String,
    /// What one of them is.
    pub unit: Span,
    /// What tells groups apart: each combination is a profile of its own.
    pub group: Vec<String>,
    /// Rows that count: column and value.
    pub filters: Vec<(String, String)>,
    /// The day of a row, whatever it is called; days are in the order of their text.
    pub day: Option<String>,
    /// Starts in flight when a row's began, itself counted.
    pub in_flight: Option<String>,
}

/// Why a table cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The file.
    #[error("cannot read {path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Not CSV.
    #[error("{path} is no CSV table: {source}")]
    Csv {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        source: csv::Error,
    },
    /// A column that is not there.
    #[error("{path} has no column `{column}`")]
    NoColumn {
        /// Which file.
        path: PathBuf,
        /// What was asked for.
        column: String,
        /// A column with a name like it.
        near: Option<String>,
        /// The columns that there are.
        columns: Vec<String>,
    },
    /// A cell that is not what it should be.
    #[error("{path}:{line}: `{column}` is `{found}`: expected {expected}")]
    Cell {
        /// Which file.
        path: PathBuf,
        /// From 1, the head counted.
        line: u64,
        /// The column.
        column: String,
        /// What stands there.
        found: String,
        /// What should.
        expected: &'static str,
    },
    /// No row with a time.
    #[error("{path}: {rows} rows, none of them with a time that counts")]
    NoRows {
        /// Which file.
        path: PathBuf,
        /// Rows of the file.
        rows: u64,
    },
}

impl TableError {
    /// What to do about it.
    pub fn help(&self) -> String {
        match self {
            TableError::NoColumn { near, columns, .. } => {
                let near = near.as_ref().map(|near| format!("did you mean `{near}`? "));
                format!("{}columns: {}", near.unwrap_or_default(), columns.join(", "))
            }
            TableError::Cell { .. } => {
                "leave the cell of what failed empty, or choose rows by `--where COLUMN=VALUE`"
                    .to_owned()
            }
            TableError::NoRows { .. } => {
                "`--where COLUMN=VALUE` compares text: look at how the value is written".to_owned()
            }
            TableError::File { .. } | TableError::Csv { .. } => {
                "give a table with a line of column names, plain or gzipped".to_owned()
            }
        }
    }
}

/// The series of each group, in the order in which groups come up.
///
/// # Errors
/// If the file cannot be read, lacks a column, or holds what is no duration.
pub fn read_table(path: &Path, columns: &Columns) -> Result<IndexMap<String, Series>, TableError> {
    let fail = |source| TableError::File { path: path.to_owned(), source };
    let bytes = open(path).map_err(fail)?;
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(bytes);
    let wrong = |source| TableError::Csv { path: path.to_owned(), source };
    let head = reader.headers().map_err(wrong)?.clone();
    let places = Places::find(path, &head, columns)?;
    let mut groups: IndexMap<String, Group> = IndexMap::new();
    let (mut record, mut rows) = (StringRecord::new(), 0);
    while reader.read_record(&mut record).map_err(wrong)? {
        rows += 1;
        if places.filters.iter().any(|(at, wanted)| record.get(*at) != Some(wanted)) {
            continue;
        }
        let cell = |at: usize| record.get(at).unwrap_or_default();
        let name: Vec<&str> = places.group.iter().map(|at| cell(*at)).collect();
        let group = groups.entry(name.join("-")).or_default();
        let line = record.position().map_or(0, csv::Position::line);
        let row = Row { path, line, record: &record, places: &places, columns };
        match row.value()? {
            None => group.without_time += 1,
            Some(took) => {
                let day = places.day.map(cell).unwrap_or_default().to_owned();
                group.values.push((took, day, row.in_flight()?));
            }
        }
    }
    groups.retain(|_, group| !group.values.is_empty());
    if groups.is_empty() {
        return Err(TableError::NoRows { path: path.to_owned(), rows });
    }
    let has_in_flight = columns.in_flight.is_some();
    Ok(groups.into_iter().map(|(name, group)| (name, group.series(has_in_flight))).collect())
}

/// A group while it is read.
#[derive(Default)]
struct Group {
    values: Vec<(Span, String, u32)>,
    without_time: u64,
}

impl Group {
    fn series(self, has_in_flight: bool) -> Series {
        let mut days: BTreeMap<&str, usize> =
            self.values.iter().map(|(_, day, _)| (day.as_str(), 0)).collect();
        for (number, place) in days.values_mut().enumerate() {
            *place = number;
        }
        let timed = |(took, day, in_flight): &(Span, String, u32)| Timed {
            took: *took,
            day: days[day.as_str()],
            in_flight: *in_flight,
        };
        Series {
            values: self.values.iter().map(timed).collect(),
            days: days.keys().map(|day| (*day).to_owned()).collect(),
            without_time: self.without_time,
            has_in_flight,
        }
    }
}

/// The file's bytes; whether it is gzipped is told by its first two, not by its name.
fn open(path: &Path) -> io::Result<Box<dyn Read>> {
    let mut file = BufReader::new(File::open(path)?);
    let mut magic = Vec::new();
    file.by_ref().take(2).read_to_end(&mut magic)?;
    let gzipped = magic == GZIP_MAGIC;
    let whole = BufReader::new(io::Cursor::new(magic).chain(file));
    Ok(if gzipped { Box::new(MultiGzDecoder::new(whole)) } else { Box::new(whole) })
}

/// Where the columns stand.
struct Places<'a> {
    value: usize,
    group: Vec<usize>,
    filters: Vec<(usize, &'a str)>,
    day: Option<usize>,
    in_flight: Option<usize>,
}

impl<'a> Places<'a> {
    fn find(path: &Path, head: &StringRecord, columns: &'a Columns) -> Result<Self, TableError> {
        let at = |column: &str| {
            head.iter().position(|name| name == column).ok_or_else(|| TableError::NoColumn {
                path: path.to_owned(),
                column: column.to_owned(),
                near: closest(column, head.iter()).map(str::to_owned),
                columns: head.iter().map(str::to_owned).collect(),
            })
        };
        let optional = |column: &Option<String>| column.as_deref().map(at).transpose();
        let filter = |(column, value): &'a (String, String)| Ok((at(column)?, value.as_str()));
        Ok(Places {
            value: at(&columns.value)?,
            group: columns.group.iter().map(|column| at(column)).collect::<Result<_, _>>()?,
            filters: columns.filters.iter().map(filter).collect::<Result<_, _>>()?,
            day: optional(&columns.day)?,
            in_flight: optional(&columns.in_flight)?,
        })
    }
}

/// A row that counts.
struct Row<'a> {
    path: &'a Path,
    line: u64,
    record: &'a StringRecord,
    places: &'a Places<'a>,
    columns: &'a Columns,
}

impl Row<'_> {
    /// Its duration; none where its cell is empty.
    fn value(&self) -> Result<Option<Span>, TableError> {
        let text = self.record.get(self.places.value).unwrap_or_default();
        if text.is_empty() {
            return Ok(None);
        }
        let number = text.parse::<f64>().ok().filter(|x| x.is_finite() && *x > 0.0);
        let wrong = || self.wrong(&self.columns.value, text, "a number above zero");
        let took = Span::from_seconds(number.ok_or_else(wrong)? * self.columns.unit.seconds());
        if took.is_zero() { Err(wrong()) } else { Ok(Some(took)) }
    }

    fn in_flight(&self) -> Result<u32, TableError> {
        let (Some(at), Some(column)) = (self.places.in_flight, &self.columns.in_flight) else {
            return Ok(1);
        };
        let text = self.record.get(at).unwrap_or_default();
        let number = text.parse().ok().filter(|n| *n > 0);
        number.ok_or_else(|| self.wrong(column, text, "a whole number from 1"))
    }

    fn wrong(&self, column: &str, found: &str, expected: &'static str) -> TableError {
        TableError::Cell {
            path: self.path.to_owned(),
            line: self.line,
            column: column.to_owned(),
            found: found.to_owned(),
            expected,
        }
    }
}
