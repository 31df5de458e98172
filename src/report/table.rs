//! One table, several ways to show it.

use std::fmt::Write as _;

use comfy_table::presets::{NOTHING, UTF8_HORIZONTAL_ONLY};
use comfy_table::{CellAlignment, ContentArrangement};

/// How a cell is meant; its text says the same, colour is only a help.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    /// Neither.
    #[default]
    Plain,
    /// As it should be.
    Good,
    /// Not as it should be.
    Bad,
    /// Not certain.
    Unsure,
}

impl Tone {
    /// The class that a style sheet colours.
    pub fn class(self) -> &'static str {
        match self {
            Tone::Plain => "plain",
            Tone::Good => "good",
            Tone::Bad => "bad",
            Tone::Unsure => "unsure",
        }
    }

    fn ansi(self) -> Option<&'static str> {
        match self {
            Tone::Plain => None,
            Tone::Good => Some("\u{1b}[32m"),
            Tone::Bad => Some("\u{1b}[1;31m"),
            Tone::Unsure => Some("\u{1b}[33m"),
        }
    }
}

/// One cell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    /// What it says.
    pub text: String,
    /// How it is meant.
    pub tone: Tone,
}

impl Cell {
    /// A cell with a tone.
    pub fn toned(text: impl Into<String>, tone: Tone) -> Self {
        Cell { text: text.into(), tone }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Cell { text: text.into(), tone: Tone::Plain }
    }
}

/// A column's head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// What it says, the unit included.
    pub text: &'static str,
    /// Numbers stand to the right.
    pub number: bool,
}

/// A column of text.
pub const fn text(text: &'static str) -> Head {
    Head { text, number: false }
}

/// A column of numbers.
pub const fn number(text: &'static str) -> Head {
    Head { text, number: true }
}

/// A titled table with notes below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// What it shows.
    pub title: String,
    /// Its columns.
    pub heads: Vec<Head>,
    /// Its rows, each as long as `heads`.
    pub rows: Vec<Vec<Cell>>,
    /// What a reader needs to read it.
    pub notes: Vec<String>,
}

/// Where a table is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// Colours are understood.
    pub colour: bool,
    /// Width of the terminal; none on a pipe, where nothing is wrapped and no lines are drawn.
    pub width: Option<u16>,
}

impl Table {
    /// An empty table.
    pub fn new(title: impl Into<String>, heads: Vec<Head>) -> Self {
        Table { title: title.into(), heads, rows: Vec::new(), notes: Vec::new() }
    }

    /// Adds a row.
    pub fn row<const N: usize>(&mut self, cells: [Cell; N]) {
        debug_assert_eq!(N, self.heads.len(), "a row is as long as the heads");
        self.rows.push(cells.into());
    }

    /// As text, ended by a line feed.
    pub fn terminal(&self, look: Look) -> String {
        let mut table = comfy_table::Table::new();
        table.load_style(if look.width.is_some() { UTF8_HORIZONTAL_ONLY } else { NOTHING });
        match look.width {
            Some(width) => {
                table.set_width(width);
                table.set_content_arrangement(ContentArrangement::Dynamic);
            }
            None => {
                table.set_content_arrangement(ContentArrangement::Disabled);
            }
        }
        table.set_header(self.heads.iter().map(|head| aligned(head.text.to_owned(), head.number)));
        for row in &self.rows {
            let cells = row.iter().zip(&self.heads);
            table.add_row(cells.map(|(cell, head)| aligned(cell.text.clone(), head.number)));
        }
        let drawn = table.trim_fmt();
        let body = if look.colour { coloured(&drawn, self) } else { drawn };
        let mut out = String::new();
        let title = if look.colour {
            format!("\u{1b}[1m{}\u{1b}[0m", self.title)
        } else {
            self.title.clone()
        };
        out.push_str(&title);
        out.push('\n');
        for line in body.lines() {
            out.push_str(line.trim_end());
            out.push('\n');
        }
        for note in &self.notes {
            writeln!(out, "  {note}").expect("writing to text does not fail");
        }
        out
    }

    /// As Markdown, ended by a line feed.
    pub fn markdown(&self) -> String {
        let escape = |text: &str| text.replace('|', "\\|");
        let mut out = format!("### {}\n\n", self.title);
        let heads: Vec<String> = self.heads.iter().map(|h| escape(h.text)).collect();
        let rules: Vec<&str> =
            self.heads.iter().map(|h| if h.number { "---:" } else { "---" }).collect();
        writeln!(out, "| {} |\n| {} |", heads.join(" | "), rules.join(" | "))
            .expect("writing to text does not fail");
        for row in &self.rows {
            let cells: Vec<String> = row.iter().map(|cell| escape(&cell.text)).collect();
            writeln!(out, "| {} |", cells.join(" | ")).expect("writing to text does not fail");
        }
        for note in &self.notes {
            write!(out, "\n{note}\n").expect("writing to text does not fail");
        }
        out
    }

    /// As CSV, heads first.
    ///
    /// # Errors
    /// If writing fails; not to memory.
    pub fn csv(&self) -> Result<String, csv::Error> {
        let mut out = csv::Writer::from_writer(Vec::new());
        out.write_record(self.heads.iter().map(|head| head.text))?;
        for row in &self.rows {
            out.write_record(row.iter().map(|cell| cell.text.as_str()))?;
        }
        let bytes = out.into_inner().map_err(csv::IntoInnerError::into_error)?;
        Ok(String::from_utf8(bytes).expect("only text was written"))
    }
}

fn aligned(text: String, number: bool) -> comfy_table::Cell {
    let alignment = if number { CellAlignment::Right } else { CellAlignment::Left };
    comfy_table::Cell::new(text).set_alignment(alignment)
}

/// Colours the words of toned cells where they stand: colour codes in cells would count as width.
fn coloured(drawn: &str, table: &Table) -> String {
    let toned: Vec<&Cell> =
        table.rows.iter().flatten().filter(|cell| cell.tone.ansi().is_some()).collect();
    let mut out = String::with_capacity(drawn.len());
    let mut rest = drawn;
    for cell in toned {
        let Some(at) = rest.find(cell.text.as_str()) else { continue };
        let (before, from) = rest.split_at(at);
        let (word, after) = from.split_at(cell.text.len());
        out.push_str(before);
        out.push_str(cell.tone.ansi().unwrap_or_default());
        out.push_str(word);
        out.push_str("\u{1b}[0m");
        rest = after;
    }
    out.push_str(rest);
    out
}
