//! What arrival times tell: ties, ticks, silences.

use crate::units::{Span, Time};

/// Shortest gap that is called a silence.
const SILENCE: Span = Span::from_secs(60);
/// A silence is also this many times the mean gap: 60 s between rare arrivals are nothing.
const SILENCE_MEAN_GAPS: u64 = 100;
/// Share of the gaps between stamps that must be whole ticks.
const TICKED_SHARE: f64 = 0.9;
/// How far a gap may be from whole ticks, in ticks.
const TICK_TOLERANCE: f64 = 0.01;
/// Fewer stamps than this show no tick.
const FEWEST_STAMPS: usize = 3;

/// What a trace's arrival times look like.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ArrivalFacts {
    /// From the first arrival to the last.
    pub span: Span,
    /// Distinct instants.
    pub distinct: u64,
    /// Arrivals at the same instant as the one before them.
    pub ties: u64,
    /// Rows that are earlier than a row before them in the file.
    pub out_of_order: u64,
    /// The grid that arrivals were recorded on, if there is one.
    pub ticks: Option<Ticks>,
    /// Gaps that stand out, longest first.
    pub silences: Vec<Silence>,
}

/// A grid of recording times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticks {
    /// Median gap between distinct stamps.
    pub width: Span,
    /// Most arrivals on one stamp.
    pub largest_batch: u64,
}

/// A long gap without arrivals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Silence {
    /// The arrival before it.
    pub from: Time,
    /// How long it lasts.
    pub length: Span,
}

/// Looks at arrival times in the order of the file.
pub(super) fn facts(in_file_order: &[Time]) -> ArrivalFacts {
    let mut latest = Time::ZERO;
    let mut out_of_order = 0;
    for time in in_file_order {
        out_of_order += u64::from(*time < latest);
        latest = latest.max(*time);
    }
    let mut times = in_file_order.to_vec();
    times.sort_unstable();
    let (Some(first), Some(last)) = (times.first(), times.last()) else {
        return ArrivalFacts::default();
    };
    let span = last.since(*first);
    let rows = times.len() as u64;
    let batches: Vec<&[Time]> = times.chunk_by(|a, b| a == b).collect();
    let distinct = batches.len() as u64;
    let mean_gap = span.nanos() / (rows - 1).max(1);
    let silent = Span::from_nanos(mean_gap.saturating_mul(SILENCE_MEAN_GAPS)).max(SILENCE);
    let mut silences: Vec<Silence> = batches
        .windows(2)
        .map(|pair| Silence { from: pair[0][0], length: pair[1][0].since(pair[0][0]) })
        .filter(|silence| silence.length >= silent)
        .collect();
    silences.sort_by_key(|silence| (std::cmp::Reverse(silence.length), silence.from));
    let ticks = ticks(&batches, rows);
    ArrivalFacts { span, distinct, ties: rows - distinct, out_of_order, ticks, silences }
}

/// A grid, if arrivals share stamps and the stamps lie whole ticks apart.
fn ticks(batches: &[&[Time]], rows: u64) -> Option<Ticks> {
    if batches.len() < FEWEST_STAMPS || rows < 2 * batches.len() as u64 {
        return None;
    }
    let width = median_gap(batches)?;
    let whole = batches.windows(2).filter(|pair| {
        let ticks = pair[1][0].since(pair[0][0]).seconds() / width.seconds();
        (ticks - ticks.round()).abs() <= TICK_TOLERANCE * ticks.max(1.0)
    });
    let share = whole.count() as f64 / (batches.len() - 1) as f64;
    let largest_batch = batches.iter().map(|batch| batch.len() as u64).max()?;
    (share >= TICKED_SHARE).then_some(Ticks { width, largest_batch })
}

fn median_gap(batches: &[&[Time]]) -> Option<Span> {
    let mut gaps: Vec<Span> = batches.windows(2).map(|pair| pair[1][0].since(pair[0][0])).collect();
    gaps.sort_unstable();
    gaps.get(gaps.len() / 2).copied()
}

/// Spreads arrivals that share a stamp evenly over the time until the next stamp, at most one
/// median gap, and keeps their order. `times` are sorted; exact in nanoseconds, rounded down.
pub(super) fn spread(times: &mut [Time]) {
    let batches: Vec<&[Time]> = times.chunk_by(|a, b| a == b).collect();
    let Some(tick) = median_gap(&batches) else { return };
    let mut starts: Vec<(Time, usize)> = batches.iter().map(|b| (b[0], b.len())).collect();
    starts.push((Time::MAX, 0));
    let mut rest = times;
    for pair in starts.windows(2) {
        let ((stamp, size), (next, _)) = (pair[0], pair[1]);
        let width = next.since(stamp).min(tick).nanos();
        let (batch, after) = rest.split_at_mut(size);
        for (number, time) in batch.iter_mut().enumerate() {
            let share = u128::from(width) * number as u128 / size as u128;
            *time = stamp + Span::from_nanos(share as u64);
        }
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: &[f64]) -> Vec<Time> {
        seconds.iter().map(|s| Time::ZERO + Span::from_seconds(*s)).collect()
    }

    #[test]
    fn ties_and_disorder_are_counted() {
        let facts = facts(&at(&[0.0, 2.0, 2.0, 1.0, 3.0, 0.5]));
        assert_eq!((facts.distinct, facts.ties, facts.out_of_order), (5, 1, 2));
        assert_eq!(facts.span, Span::from_secs(3));
        assert_eq!(facts.ticks, None);
    }

    #[test]
    fn silences_stand_out_from_the_mean_gap() {
        let mut seconds: Vec<f64> = (0..1000).map(f64::from).collect();
        seconds.extend((0..1000).map(|s| 1500.0 + f64::from(s)));
        seconds.push(2499.0 + 150.0);
        let found = facts(&at(&seconds)).silences;
        let lengths: Vec<f64> = found.iter().map(|silence| silence.length.seconds()).collect();
        assert_eq!(lengths, [501.0, 150.0]);
        assert_eq!(found[0].from, at(&[999.0])[0]);
        // A minute between rare arrivals is no silence.
        assert_eq!(facts(&at(&[0.0, 61.0, 122.0])).silences, []);
    }

    #[test]
    fn ticks_need_shared_stamps_on_a_grid() {
        let grid = [0.0, 0.0, 0.0, 3.0, 3.001, 3.001, 6.0, 6.0, 12.001, 12.001, 12.001, 12.001];
        let found = facts(&at(&grid)).ticks.expect("a grid");
        assert_eq!(found.largest_batch, 4);
        let spaced = [0.0, 0.0, 1.0, 1.0, 3.5, 3.5, 4.2, 4.2, 9.9, 9.9, 10.0, 10.0];
        assert_eq!(facts(&at(&spaced)).ticks, None, "batches off any grid");
        assert_eq!(facts(&at(&[0.0, 3.0, 6.0, 9.0])).ticks, None, "one arrival a stamp");
    }

    #[test]
    fn spreading_fills_the_tick_and_leaves_silences_alone() {
        let mut times = at(&[0.0, 0.0, 0.0, 3.0, 6.0, 6.0, 60.0, 60.0]);
        spread(&mut times);
        // Gaps are 3, 3 and 54 s: the median is 3 s, and a silence is not filled.
        assert_eq!(times, at(&[0.0, 1.0, 2.0, 3.0, 6.0, 7.5, 60.0, 61.5]));
    }
}
