//! What can be wrong with a distribution.

/// Why a distribution cannot be built. The text is a lower-case fragment that says what was found
/// and what was expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DistError {
    /// No distribution has this name.
    #[error("unknown distribution `{found}`: expected one of {known}")]
    UnknownForm {
        /// The name as written.
        found: String,
        /// All names, quoted.
        known: String,
    },
    /// The distribution has no such parameter.
    #[error("unknown parameter `{parameter}` of `{form}`: expected {known}")]
    UnknownParameter {
        /// The distribution.
        form: &'static str,
        /// The name as written.
        parameter: String,
        /// Its parameters, quoted.
        known: String,
    },
    /// A parameter is given twice.
    #[error("`{parameter}` of `{form}` is given twice")]
    Repeated {
        /// The distribution.
        form: &'static str,
        /// The parameter.
        parameter: String,
    },
    /// A parametrisation is begun, and only one can be meant.
    #[error("`{form}` lacks {missing}")]
    Missing {
        /// The distribution.
        form: &'static str,
        /// What is not there, quoted.
        missing: String,
    },
    /// The parameters that are present make no parametrisation.
    #[error("`{form}` has {found}: expected {expected}")]
    Parameters {
        /// The distribution.
        form: &'static str,
        /// The parameters present, quoted, or "no parameters".
        found: String,
        /// The parametrisations there are.
        expected: String,
    },
    /// A parameter's value is out of its range.
    #[error("`{parameter}` of `{form}` is {found}: expected {expected}")]
    Value {
        /// The distribution.
        form: &'static str,
        /// The parameter.
        parameter: String,
        /// Its value as a person reads it.
        found: String,
        /// The range it must lie in.
        expected: String,
    },
}

/// Quotes names and joins them: "`a`, `b` or `c`".
pub(super) fn quoted(names: &[&str], last: &str) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        None => String::new(),
        Some((only, [])) => only.clone(),
        Some((end, rest)) => format!("{} {last} {end}", rest.join(", ")),
    }
}
