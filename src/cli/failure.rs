//! Why a command could not do what it was asked, in words that say what to do.

use std::error::Error;
use std::fmt::Write as _;

use super::exit::Exit;

/// A command's failure.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    message: String,
    causes: Vec<String>,
    help: Option<String>,
    /// Diagnostics that say it all already.
    rendered: Option<String>,
}

impl Failure {
    /// A failure in lower case, without a full stop.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        let message = message.into();
        Failure { exit, message, causes: Vec::new(), help: None, rendered: None }
    }

    /// An error with what caused it.
    pub fn of(exit: Exit, error: &dyn Error) -> Self {
        let mut failure = Failure::new(exit, error.to_string());
        let mut cause = error.source();
        while let Some(error) = cause {
            let text = error.to_string();
            // Many errors show their source in their own text.
            if !failure.message.contains(&text) {
                failure.causes.push(text);
            }
            cause = error.source();
        }
        failure
    }

    /// Diagnostics that were rendered already.
    pub fn rendered(exit: Exit, text: String) -> Self {
        Failure { rendered: Some(text), ..Failure::new(exit, "") }
    }

    /// What is wrong.
    pub fn message(&self) -> &str {
        self.rendered.as_deref().unwrap_or(&self.message)
    }

    /// What to do next.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help = Some(text.into());
        self
    }

    /// For people, ended by a line feed.
    pub fn render(&self, colour: bool) -> String {
        if let Some(rendered) = &self.rendered {
            let end = if rendered.ends_with('\n') { "" } else { "\n" };
            return format!("{rendered}{end}");
        }
        let (red, bold, off) =
            if colour { ("\u{1b}[1;31m", "\u{1b}[1m", "\u{1b}[0m") } else { ("", "", "") };
        let mut out = format!("{red}error{off}: {bold}{}{off}\n", self.message);
        for cause in &self.causes {
            writeln!(out, "  caused by: {cause}").expect("writing to text does not fail");
        }
        if let Some(help) = &self.help {
            writeln!(out, "help: {help}").expect("writing to text does not fail");
        }
        out
    }
}
