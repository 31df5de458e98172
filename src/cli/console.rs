//! stdout carries the answer, stderr progress, notes and errors.

use std::io::{IsTerminal, Write};

use anstream::{AutoStream, ColorChoice};

use super::options::{Colour, Everywhere, Format};
use crate::report::{Look, Table};

/// Narrower than this no table fits; it is drawn as if nothing limited it.
const NARROWEST: u16 = 60;

/// Where a command prints.
#[derive(Clone, Debug)]
pub struct Console {
    /// How the answer is printed.
    pub format: Format,
    /// Only errors and the answer.
    pub quiet: bool,
    choice: ColorChoice,
}

impl Console {
    /// As the options say.
    pub fn new(options: &Everywhere) -> Self {
        let choice = match options.color {
            Colour::Auto => ColorChoice::Auto,
            Colour::Always => ColorChoice::Always,
            Colour::Never => ColorChoice::Never,
        };
        Console { format: options.format, quiet: options.quiet, choice }
    }

    /// Prints the answer. A reader that has gone away is not an error: it had enough.
    pub fn answer(&self, text: &str) {
        let mut out = AutoStream::new(std::io::stdout(), self.choice).lock();
        let _gone = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }

    /// Prints tables in the format asked for; JSON is not for tables.
    pub fn tables(&self, tables: &[Table]) {
        let look = self.look();
        let texts: Vec<String> = match self.format {
            Format::Markdown => tables.iter().map(Table::markdown).collect(),
            Format::Csv => {
                tables.iter().map(|t| t.csv().expect("writing to memory does not fail")).collect()
            }
            Format::Table | Format::Json => tables.iter().map(|t| t.terminal(look)).collect(),
        };
        self.answer(&texts.join("\n"));
    }

    /// Prints a value as JSON.
    pub fn json(&self, value: &impl serde::Serialize) {
        let text = serde_json::to_string_pretty(value).expect("answers have string keys only");
        self.answer(&(text + "\n"));
    }

    /// Tells something beside the answer.
    pub fn note(&self, text: &str) {
        if !self.quiet {
            self.stderr(&format!("{text}\n"));
        }
    }

    /// Prints to stderr, whatever `--quiet` says.
    pub fn stderr(&self, text: &str) {
        let mut err = AutoStream::new(std::io::stderr(), self.choice).lock();
        let _gone = err.write_all(text.as_bytes());
    }

    /// Whether stderr shows colours.
    pub fn colour_on_stderr(&self) -> bool {
        AutoStream::new(std::io::stderr(), self.choice).current_choice() != ColorChoice::Never
    }

    fn look(&self) -> Look {
        let out = AutoStream::new(std::io::stdout(), self.choice);
        let terminal = std::io::stdout().is_terminal();
        let columns = rustix::termios::tcgetwinsize(std::io::stdout()).ok().map(|size| size.ws_col);
        let width = columns.filter(|width| terminal && *width >= NARROWEST);
        Look { colour: out.current_choice() != ColorChoice::Never, width }
    }
}
