//! One self-contained page: tables and charts, no script, nothing fetched.

use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment};
use serde::Serialize;

use super::chart::{CHARTS, svg};
use super::sections::{headline, sections};
use super::table::Table;
use crate::measure::SeriesPoint;
use crate::measure::record::Run;

/// One record of a page.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    /// What it is called on the page.
    pub name: &'a str,
    /// The record.
    pub run: &'a Run,
    /// Gauges over time of one replication.
    pub series: &'a [SeriesPoint],
}

/// Why no page could be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the page: {0}")]
pub struct HtmlError(#[from] minijinja::Error);

#[derive(Serialize)]
struct Section {
    title: String,
    heads: Vec<(&'static str, bool)>,
    rows: Vec<Vec<(String, &'static str, bool)>>,
    notes: Vec<String>,
}

#[derive(Serialize)]
struct Picture {
    title: &'static str,
    svg: String,
}

#[derive(Serialize)]
struct Block {
    name: String,
    headline: String,
    sections: Vec<Section>,
    charts: Vec<Picture>,
}

#[derive(Serialize)]
struct Page<'a> {
    title: &'a str,
    extra: Vec<Section>,
    blocks: Vec<Block>,
    version: &'static str,
}

/// The page of one or more records, `extra` tables first.
///
/// # Errors
/// If the template cannot be filled in.
pub fn html(title: &str, extra: &[Table], parts: &[Part<'_>]) -> Result<String, HtmlError> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.add_template("report", include_str!("report.html.j2"))?;
    let blocks: Vec<Block> = parts.iter().map(block).collect();
    let extra: Vec<Section> = extra.iter().map(section).collect();
    let page = Page { title, extra, blocks, version: env!("CARGO_PKG_VERSION") };
    Ok(environment.get_template("report")?.render(Serde(&page))?)
}

fn block(part: &Part<'_>) -> Block {
    let drawn = CHARTS
        .iter()
        .filter_map(|chart| Some(Picture { title: chart.title, svg: svg(chart, part.series)? }));
    Block {
        name: part.name.to_owned(),
        headline: headline(part.run),
        sections: sections(part.run).iter().map(section).collect(),
        charts: drawn.collect(),
    }
}

fn section(table: &Table) -> Section {
    let row = |row: &Vec<super::table::Cell>| {
        let cells = row.iter().zip(&table.heads);
        cells.map(|(cell, head)| (cell.text.clone(), cell.tone.class(), head.number)).collect()
    };
    Section {
        title: table.title.clone(),
        heads: table.heads.iter().map(|head| (head.text, head.number)).collect(),
        rows: table.rows.iter().map(row).collect(),
        notes: table.notes.clone(),
    }
}
