//! A record for people and for other programs. Nothing is computed here.
//!
//! | form | for |
//! |---|---|
//! | [`sections`], [`Table::terminal`], [`Table::markdown`] | people: three significant digits, intervals |
//! | [`tidy_csv`], [`Run::to_json`](crate::measure::record::Run::to_json) | programs: full precision |
//! | [`html`] | people: one self-contained page with charts |
//! | [`write_results`] | the files of `results/` |

mod arms;
mod calibration;
mod chart;
mod comparison;
mod costs;
mod decisions;
mod files;
mod html;
pub mod number;
mod provisioned;
mod quotas;
mod sections;
mod table;
mod tidy;
mod tiers;

#[cfg(test)]
mod tests;

pub use calibration::calibration_tables;
pub use costs::cost_tables;
pub use decisions::{foretold_table, gate_table, model_error_table, plan_table};
pub use files::{FilesError, Host, Manifest, Record, text as write_text, write_results};
pub use html::{HtmlError, Part, html};
pub use sections::{headline, sections};
pub use table::{Cell, Head, Look, Table, Tone, number as number_head, text as text_head};
pub use tidy::{TidyError, tidy_csv};
pub use tiers::{ObservedRuntime, observed_tables, tier_tables};
