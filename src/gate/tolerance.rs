//! Tolerances: defaults and what a person sets instead.

use indexmap::IndexMap;

use super::quantities::{Gated, gated};
use crate::scenario::diagnostic::closest;
use crate::units::{Quantity, Ratio};

/// Tolerances that were set, by id.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tolerances(IndexMap<String, f64>);

/// Why a text sets no tolerance.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ToleranceError {
    /// There is no `=`.
    #[error("`{0}` is no tolerance: expected `metric.stat=5%`, such as `platform_time.p95=5%`")]
    NoValue(String),
    /// The quantity is not gated.
    #[error("`{id}` is not gated{}", suggestion.as_ref().map(|s| format!(": did you mean `{s}`?")).unwrap_or_default())]
    Unknown {
        /// What was written.
        id: String,
        /// What was probably meant.
        suggestion: Option<String>,
    },
    /// The value is no share.
    #[error("the tolerance of `{id}`: {reason}")]
    Value {
        /// The quantity.
        id: String,
        /// What is wrong with its value.
        reason: String,
    },
    /// The file is no map of tolerances.
    #[error("not a map of tolerances such as `platform_time.p95: 5%`: {0}")]
    File(String),
}

impl Tolerances {
    /// Sets one from `metric.stat=5%`.
    ///
    /// # Errors
    /// If it is no tolerance, or of something that is not gated.
    pub fn set(&mut self, text: &str) -> Result<(), ToleranceError> {
        let (id, value) =
            text.split_once('=').ok_or_else(|| ToleranceError::NoValue(text.to_owned()))?;
        self.insert(id.trim(), value.trim())
    }

    /// Sets all of a YAML (or JSON) map; what was set before stays where the map says nothing.
    ///
    /// # Errors
    /// If it is no map of tolerances, or one is of something that is not gated.
    pub fn read(&mut self, text: &str) -> Result<(), ToleranceError> {
        let map: IndexMap<String, serde_yaml::Value> =
            serde_yaml::from_str(text).map_err(|e| ToleranceError::File(e.to_string()))?;
        for (id, value) in &map {
            let value = match value {
                serde_yaml::Value::String(text) => text.clone(),
                serde_yaml::Value::Number(number) => number.to_string(),
                other => {
                    let reason = format!("expected a share such as `5%`, found {other:?}");
                    return Err(ToleranceError::Value { id: id.clone(), reason });
                }
            };
            self.insert(id, &value)?;
        }
        Ok(())
    }

    fn insert(&mut self, id: &str, value: &str) -> Result<(), ToleranceError> {
        let known = gated();
        if !known.iter().any(|gated| gated.id == id) {
            let suggestion = closest(id, known.iter().map(|g| g.id.as_str())).map(str::to_owned);
            return Err(ToleranceError::Unknown { id: id.to_owned(), suggestion });
        }
        let Ratio(share) = Ratio::parse(value)
            .map_err(|error| ToleranceError::Value { id: id.to_owned(), reason: error.message })?;
        self.0.insert(id.to_owned(), share);
        Ok(())
    }

    /// The tolerance of a quantity: what was set, else its default.
    pub fn of(&self, gated: &Gated) -> f64 {
        self.0.get(&gated.id).copied().unwrap_or(gated.tolerance)
    }
}
