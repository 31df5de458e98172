//! Line charts as inline SVG: no script, no outside resource.

use std::fmt::Write as _;

use super::number::three;
use crate::boundary::Unit;
use crate::measure::{Gauge, SeriesPoint};

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 220.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 34.0;
const TICKS: u32 = 4;
/// Told apart by dash as well as by colour.
const STYLES: [(&str, &str); 4] =
    [("#1f6feb", ""), ("#bf5b04", "6 3"), ("#2e7d32", "2 3"), ("#7b3fa0", "9 3 2 3")];

/// A chart of some gauges.
pub(super) struct Chart {
    /// What it shows, the unit included.
    pub title: &'static str,
    gauges: &'static [Gauge],
    scale: f64,
}

/// The charts of a record's series.
pub(super) const CHARTS: [Chart; 4] = [
    Chart {
        title: "Sessions (count)",
        gauges: &[Gauge::SessionsOpen, Gauge::SessionsInTurn],
        scale: 1.0,
    },
    Chart {
        title: "Sandboxes (count)",
        gauges: &[Gauge::SandboxesRunning, Gauge::SandboxesIdle, Gauge::SandboxesHibernated],
        scale: 1.0,
    },
    Chart { title: "Queue (count)", gauges: &[Gauge::QueueLength], scale: 1.0 },
    Chart {
        title: "Stored snapshots (GiB)",
        gauges: &[Gauge::SnapshotBytes],
        scale: 1_073_741_824.0,
    },
];

/// The chart as an SVG element; `None` where there is nothing to draw.
pub(super) fn svg(chart: &Chart, series: &[SeriesPoint]) -> Option<String> {
    let (first, last) = (series.first()?.at.seconds(), series.last()?.at.seconds());
    let value =
        |point: &SeriesPoint, gauge: Gauge| point.values[gauge as usize] as f64 / chart.scale;
    let values = series.iter().flat_map(|p| chart.gauges.iter().map(move |g| value(p, *g)));
    let top = values.fold(0.0, f64::max);
    if last <= first || top <= 0.0 {
        return None;
    }
    let x = |t: f64| LEFT + (t - first) / (last - first) * (WIDTH - LEFT - RIGHT);
    let y = |v: f64| HEIGHT - BOTTOM - v / top * (HEIGHT - TOP - BOTTOM);
    let mut out = format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">",
        chart.title
    );
    axes(&mut out, top, (first, last), &x, &y);
    for (gauge, (colour, dash)) in chart.gauges.iter().zip(STYLES) {
        let mut path = String::new();
        let mut before: Option<f64> = None;
        for point in series {
            let (px, py) = (x(point.at.seconds()), y(value(point, *gauge)));
            // A gauge keeps its value until it changes: steps, not slopes.
            let step = before.map(|_| format!("H{px:.1}V{py:.1}"));
            path.push_str(&step.unwrap_or_else(|| format!("M{px:.1} {py:.1}")));
            before = Some(py);
        }
        write!(
            out,
            "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\" stroke-dasharray=\"{dash}\"/>"
        )
        .expect("writing to text does not fail");
    }
    legend(&mut out, chart);
    out.push_str("</svg>");
    Some(out)
}

fn axes(
    out: &mut String,
    top: f64,
    (first, last): (f64, f64),
    x: &dyn Fn(f64) -> f64,
    y: &dyn Fn(f64) -> f64,
) {
    for tick in 0..=TICKS {
        let share = f64::from(tick) / f64::from(TICKS);
        let (value, time) = (top * share, first + (last - first) * share);
        let (at_y, at_x) = (y(value), x(time));
        let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        write!(
            out,
            "<line x1=\"{LEFT}\" x2=\"{right}\" y1=\"{at_y:.1}\" y2=\"{at_y:.1}\" class=\"grid\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\
             <text x=\"{at_x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            LEFT - 6.0,
            at_y + 4.0,
            three(value),
            bottom + 14.0,
            Unit::Time.show(time),
        )
        .expect("writing to text does not fail");
    }
}

fn legend(out: &mut String, chart: &Chart) {
    let mut at = LEFT;
    for (gauge, (colour, dash)) in chart.gauges.iter().zip(STYLES) {
        let (name, y) = (gauge.name(), HEIGHT - 6.0);
        write!(
            out,
            "<line x1=\"{at}\" x2=\"{}\" y1=\"{}\" y2=\"{}\" stroke=\"{colour}\" stroke-width=\"2\" \
             stroke-dasharray=\"{dash}\"/><text x=\"{}\" y=\"{y}\">{name}</text>",
            at + 22.0,
            y - 4.0,
            y - 4.0,
            at + 27.0,
        )
        .expect("writing to text does not fail");
        at += 45.0 + 7.0 * name.len() as f64;
    }
}
