//! Boundary expressions: `<quantity> < <value with unit>`.

use std::ops::Range;

use super::quantity::Quantity;
use super::unit::Unit;

/// A boundary expression, read and checked for units.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    /// The expression as written.
    pub text: String,
    /// What is compared.
    pub quantity: Quantity,
    /// Its relative change against the baseline is compared, not itself: `tco.change`.
    pub change: bool,
    /// How.
    pub comparison: Comparison,
    /// With what, in the record's base unit (seconds, bytes, money, plain).
    pub threshold: f64,
}

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    Greater,
    /// `>=`
    AtLeast,
}

/// Why a text is not a boundary expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ExprError {
    /// Where in the expression, in bytes; empty at its end if something is missing there.
    pub at: Range<usize>,
    /// What was found and what was expected, as a lower-case fragment.
    pub message: String,
    /// What to write in place of `at`.
    pub suggestion: Option<String>,
}

impl Comparison {
    /// As it is written.
    pub const fn symbol(self) -> &'static str {
        match self {
            Comparison::Less => "<",
            Comparison::AtMost => "<=",
            Comparison::Greater => ">",
            Comparison::AtLeast => ">=",
        }
    }

    /// Whether smaller values are better.
    pub const fn wants_less(self) -> bool {
        matches!(self, Comparison::Less | Comparison::AtMost)
    }

    /// Whether `value` meets `threshold`.
    pub fn holds(self, value: f64, threshold: f64) -> bool {
        match self {
            Comparison::Less => value < threshold,
            Comparison::AtMost => value <= threshold,
            Comparison::Greater => value > threshold,
            Comparison::AtLeast => value >= threshold,
        }
    }
}

/// What stands behind a quantity for its change against the baseline.
const CHANGE: &str = ".change";

impl Expr {
    /// What the compared value is measured in.
    pub fn unit(&self) -> Unit {
        if self.change { Unit::Change } else { self.quantity.unit() }
    }

    /// Reads an expression.
    pub fn parse(text: &str) -> Result<Self, ExprError> {
        let path_from = text.len() - text.trim_start().len();
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        let path_len = text[path_from..].find(|c| !is_name(c)).unwrap_or(text.len() - path_from);
        let path = &text[path_from..path_from + path_len];
        let after_path = path_from + path_len;
        if path.is_empty() {
            return Err(no_quantity(text, path_from));
        }
        if path.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(value_first(text, path_from));
        }
        let (name, change) = path.strip_suffix(CHANGE).map_or((path, false), |name| (name, true));
        let quantity = Quantity::parse(name).map_err(|error| ExprError {
            suggestion: error.suggestion.map(|whole| replace_within(name, &error.at, &whole)),
            at: path_from + error.at.start..path_from + error.at.end,
            message: error.message,
        })?;
        let (comparison, after) = comparison(text, after_path)?;
        let unit = if change { Unit::Change } else { quantity.unit() };
        let threshold = threshold(text, after, unit, path)?;
        Ok(Expr { text: text.to_owned(), quantity, change, comparison, threshold })
    }
}

/// The part of a corrected path that replaces the range `at` of the wrong one.
fn replace_within(path: &str, at: &Range<usize>, whole: &str) -> String {
    let (before, after) = (&path[..at.start], &path[at.end..]);
    let middle = whole.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
    middle.unwrap_or(whole).to_owned()
}

fn no_quantity(text: &str, from: usize) -> ExprError {
    let example = "`cold_start.p99 < 1s`";
    if text.trim().is_empty() {
        let message = format!("an empty boundary: expected one such as {example}");
        return ExprError { at: 0..text.len(), message, suggestion: None };
    }
    let is_value = text[from..].starts_with('$');
    if is_value {
        return value_first(text, from);
    }
    let end = from + text[from..].chars().next().map_or(0, char::len_utf8);
    let message = format!("expected a quantity of the record here, as in {example}");
    ExprError { at: from..end, message, suggestion: None }
}

/// `1s > cold_start.p99`.
fn value_first(text: &str, from: usize) -> ExprError {
    let operator = text.find(['<', '>']);
    let suggestion = operator.map(|at| {
        let end =
            at + text[at..].find(|c| !matches!(c, '<' | '>' | '=')).unwrap_or(text.len() - at);
        let turned: String = text[at..end].chars().map(turn).collect();
        format!("{} {turned} {}", text[end..].trim(), text[from..at].trim())
    });
    let message = "the quantity comes first, then the value that it is compared with".to_owned();
    ExprError { at: from..text.trim_end().len(), message, suggestion }
}

fn turn(c: char) -> char {
    match c {
        '<' => '>',
        '>' => '<',
        other => other,
    }
}

/// Reads the operator behind the quantity; returns it and where it ends.
fn comparison(text: &str, from: usize) -> Result<(Comparison, usize), ExprError> {
    let at = text.len() - text[from..].trim_start().len();
    let is_operator = |c: char| matches!(c, '<' | '>' | '=' | '!' | '~' | '≤' | '≥' | '≠');
    let len = text[at..].find(|c| !is_operator(c)).unwrap_or(text.len() - at);
    let (operator, end) = (&text[at..at + len], at + len);
    let found = match operator {
        "<" => Comparison::Less,
        "<=" => Comparison::AtMost,
        ">" => Comparison::Greater,
        ">=" => Comparison::AtLeast,
        _ => {
            let suggestion = match operator {
                "=<" | "≤" => Some("<=".to_owned()),
                "=>" | "≥" => Some(">=".to_owned()),
                _ => None,
            };
            return Err(no_comparison(text, at, end, operator, suggestion));
        }
    };
    Ok((found, end))
}

fn no_comparison(
    text: &str,
    at: usize,
    end: usize,
    found: &str,
    suggestion: Option<String>,
) -> ExprError {
    let expected = "expected `<`, `<=`, `>` or `>=`";
    let message = match found {
        "" if text[at..].is_empty() => {
            format!("a comparison is missing: {expected} and a value")
        }
        "" => format!("{expected} behind the quantity"),
        "=" | "==" | "!=" | "≠" => {
            format!(
                "`{found}` asks whether two measured numbers are the same, which they never \
             quite are: {expected}"
            )
        }
        _ => format!("unknown comparison `{found}`: {expected}"),
    };
    let end = if found.is_empty() { text.trim_end().len().max(at) } else { end };
    ExprError { at: at..end, message, suggestion }
}

/// Reads the value behind the operator.
fn threshold(text: &str, from: usize, unit: Unit, path: &str) -> Result<f64, ExprError> {
    let value = text[from..].trim();
    let at = text.len() - text[from..].trim_start().len();
    let range = at..at + value.len();
    if value.is_empty() {
        let message =
            format!("a value is missing: expected a {} such as {}", unit.noun(), unit.example());
        return Err(ExprError { at: range, message, suggestion: None });
    }
    if let Some(more) = value.find(['<', '>', '=', '&', '|', ',']) {
        let message =
            "one boundary is one comparison: write the second one as a boundary of its own"
                .to_owned();
        return Err(ExprError { at: at + more..range.end, message, suggestion: None });
    }
    match unit.parse(value) {
        Ok(number) if unit == Unit::Share && number > 1.0 => {
            Err(above_one(value, number, path, range))
        }
        Ok(number) if number.is_finite() => Ok(number),
        Ok(_) => Err(ExprError {
            at: range,
            message: format!("`{value}` is too large"),
            suggestion: None,
        }),
        Err(error) => Err(wrong_value(value, unit, path, range, error)),
    }
}

fn above_one(value: &str, number: f64, path: &str, at: Range<usize>) -> ExprError {
    let percent = (!value.contains('%') && number <= 100.0).then(|| format!("{value}%"));
    let hint = percent.as_ref().map(|p| format!(" (`{p}`?)")).unwrap_or_default();
    let message = format!("`{path}` is a share from 0 to 1 and `{value}` is more than all{hint}");
    ExprError { at, message, suggestion: percent }
}

fn wrong_value(
    value: &str,
    unit: Unit,
    path: &str,
    at: Range<usize>,
    error: crate::units::UnitError,
) -> ExprError {
    let number = value.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    match Unit::of_text(value) {
        Some(Unit::Money) if Quantity::parse(&format!("cost.{path}")).is_ok() => {
            let message =
                format!("`{path}` is a number of tokens; what they cost is `cost.{path}`");
            ExprError { at, message, suggestion: None }
        }
        Some(other) => {
            let message = format!(
                "`{path}` is a {}, but `{value}` is a {}: expected one such as {}",
                unit.noun(),
                other.noun(),
                unit.example()
            );
            ExprError { at, message, suggestion: None }
        }
        None if unit == Unit::Money && number => {
            let message = format!("a sum of money is written with its currency: write `${value}`");
            ExprError { at, message, suggestion: Some(format!("${value}")) }
        }
        None => ExprError { at, message: error.message, suggestion: error.suggestion },
    }
}
