//! How an arrival rate moves over the day or week: step functions that repeat.

use crate::scenario::types::{Profile, WeekProfile};
use crate::units::{Ratio, Span, Time};

const HOUR: Span = Span::from_secs(3_600);
const DAY: Span = Span::from_secs(86_400);
const WEEK: Span = Span::from_secs(7 * 86_400);

/// Hourly factors of the day from 0:00, before scaling to mean 1.
///
/// Source (measured): the client-summed request rate of ServeGen's `m-small` over 14 days
/// (alibaba/ServeGen at f891d118, Apache-2.0), mean rate of each hour over the mean rate. The data
/// count hours from the trace's start and name no time zone; that the start is a local midnight is
/// an assumption, which the trough from 1:00 to 6:00 supports. Working hours are a plateau, and the
/// peak is in the evening.
const HOURS: [f64; 24] = [
    0.83, 0.70, 0.75, 0.70, 0.71, 0.73, 0.77, 0.87, 1.00, 1.13, 1.11, 1.08, 1.04, 1.06, 1.04, 1.03,
    1.07, 1.06, 0.99, 1.21, 1.43, 1.38, 1.25, 1.05,
];

/// Volume of each day from Monday, before scaling to mean 1.
///
/// Source (read): compressed megabytes a day of the GitHub Copilot coding-agent traces of 1 to 7
/// June 2026 (Azure/AzurePublicDataset, CC BY 4.0), a proxy for requests: a weekend day has about
/// 22 % of a weekday.
const DAYS: [f64; 7] = [567.0, 593.0, 590.0, 547.0, 523.0, 119.0, 133.0];

/// Factors of the arrival rate over a cycle; each holds until the next, the last until the first.
#[derive(Clone, Debug, PartialEq)]
pub struct ProfileCurve {
    /// Starts of the steps within the cycle, rising, and their factors.
    steps: Box<[(Span, f64)]>,
    cycle: Span,
    max: f64,
}

/// Why steps make no profile.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    /// No steps.
    #[error("the profile has no steps: expected `[[0h, 0.4], [9h, 1.6], …]`")]
    Empty,
    /// A step starts outside the cycle.
    #[error("the profile's step at {0} starts after its cycle of {1} has ended")]
    Outside(Span, Span),
    /// Steps are out of order.
    #[error("the profile's step at {0} does not start after the one before it")]
    Order(Span),
    /// No arrivals, ever.
    #[error("all factors of the profile are zero: nothing would ever arrive")]
    Zero,
}

impl ProfileCurve {
    /// The curve that a scenario describes.
    ///
    /// # Errors
    /// If there are no steps, or they do not rise, leave the cycle, or are all zero.
    pub fn new(profile: &Profile) -> Result<Self, ProfileError> {
        match profile {
            Profile::Day(steps) => Self::from_steps(steps, DAY),
            Profile::Week(WeekProfile::Steps(steps)) => Self::from_steps(steps, WEEK),
            Profile::Week(WeekProfile::OfficeHours) => Self::from_steps(&office_hours(), WEEK),
        }
    }

    fn from_steps(steps: &[(Span, Ratio)], cycle: Span) -> Result<Self, ProfileError> {
        if steps.is_empty() {
            return Err(ProfileError::Empty);
        }
        if let Some((start, _)) = steps.iter().find(|(start, _)| *start >= cycle) {
            return Err(ProfileError::Outside(*start, cycle));
        }
        if let Some(pair) = steps.windows(2).find(|pair| pair[1].0 <= pair[0].0) {
            return Err(ProfileError::Order(pair[1].0));
        }
        let steps: Box<[_]> = steps.iter().map(|(start, factor)| (*start, factor.0)).collect();
        let max = steps.iter().map(|(_, factor)| *factor).fold(0.0, f64::max);
        if max > 0.0 { Ok(ProfileCurve { steps, cycle, max }) } else { Err(ProfileError::Zero) }
    }

    /// The factor at an instant, counted from the begin of a cycle (midnight, Monday).
    pub fn factor(&self, at: Time) -> f64 {
        let place = Span::from_nanos(at.nanos() % self.cycle.nanos());
        let begun = self.steps.partition_point(|(start, _)| *start <= place);
        // Before the first step the last one of the cycle before still holds.
        let step = if begun == 0 { self.steps.len() } else { begun } - 1;
        self.steps[step].1
    }

    /// The largest factor.
    pub fn max(&self) -> f64 {
        self.max
    }

    /// The time average of the factor over a cycle.
    pub fn mean(&self) -> f64 {
        let next = self.steps.iter().skip(1).map(|(start, _)| *start);
        let ends = next.chain([self.cycle + self.steps[0].0]);
        let area = self.steps.iter().zip(ends);
        let area = area.map(|((start, factor), end)| factor * end.saturating_sub(*start).seconds());
        area.sum::<f64>() / self.cycle.seconds()
    }

    /// The begin of the hour of the cycle in which most arrives; the earliest of equals. It begins
    /// where a step does, or ends where one does: between, its mean only moves one way.
    pub fn peak_hour(&self) -> Span {
        let before = |start: Span| {
            let nanos = start.nanos() + self.cycle.nanos() - HOUR.nanos() % self.cycle.nanos();
            Span::from_nanos(nanos % self.cycle.nanos())
        };
        let starts = self.steps.iter().flat_map(|(start, _)| [*start, before(*start)]);
        let mut starts: Vec<Span> = starts.collect();
        starts.sort_unstable();
        let mut best = (f64::NEG_INFINITY, Span::ZERO);
        for start in starts {
            let arrives = self.area(start, HOUR);
            // Equal but for rounding is equal.
            if arrives > best.0 * (1.0 + 1e-12) {
                best = (arrives, start);
            }
        }
        best.1
    }

    /// ∫ factor dt over a time that begins at `start` of a cycle, in factor·nanoseconds.
    fn area(&self, start: Span, length: Span) -> f64 {
        let (mut at, end) = (start.nanos(), start.nanos() + length.nanos());
        let mut area = 0.0;
        while at < end {
            let place = at % self.cycle.nanos();
            let next = self.steps.iter().map(|(start, _)| start.nanos()).find(|s| *s > place);
            let step_end =
                at - place + next.unwrap_or(self.cycle.nanos() + self.steps[0].0.nanos());
            // Before the first step the last one still holds, up to it.
            let until = step_end.min(end);
            area += self.factor(Time::from_nanos(at)) * (until - at) as f64;
            at = until;
        }
        area
    }

    /// The time after which it repeats.
    pub fn cycle(&self) -> Span {
        self.cycle
    }
}

/// The week that is the product of [`HOURS`] and [`DAYS`], scaled to mean 1.
fn office_hours() -> Vec<(Span, Ratio)> {
    let mean_hour = HOURS.iter().sum::<f64>() / HOURS.len() as f64;
    let mean_day = DAYS.iter().sum::<f64>() / DAYS.len() as f64;
    let hours = DAYS.iter().flat_map(|day| HOURS.iter().map(move |hour| hour * day));
    hours
        .enumerate()
        .map(|(at, factor)| {
            let start = Span::from_nanos(HOUR.nanos() * at as u64);
            (start, Ratio(factor / (mean_hour * mean_day)))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(n: u64) -> Span {
        Span::from_secs(3_600 * n)
    }

    fn at(hours: u64, minutes: u64) -> Time {
        Time::ZERO + Span::from_secs(3_600 * hours + 60 * minutes)
    }

    #[test]
    fn steps_hold_until_the_next_and_wrap_around() {
        let steps = vec![(hours(9), Ratio(1.6)), (hours(20), Ratio(0.4))];
        let curve = ProfileCurve::new(&Profile::Day(steps)).unwrap();
        assert_eq!(curve.factor(at(0, 0)), 0.4);
        assert_eq!(curve.factor(at(8, 59)), 0.4);
        assert_eq!(curve.factor(at(9, 0)), 1.6);
        assert_eq!(curve.factor(at(19, 59)), 1.6);
        assert_eq!(curve.factor(at(20, 0)), 0.4);
        assert_eq!(curve.factor(at(24 * 3 + 10, 0)), 1.6);
        assert_eq!(curve.max(), 1.6);
        assert!((curve.mean() - (11.0 * 1.6 + 13.0 * 0.4) / 24.0).abs() < 1e-12);
    }

    #[test]
    fn office_hours_have_mean_one_and_quiet_weekends() {
        let curve = ProfileCurve::new(&Profile::Week(WeekProfile::OfficeHours)).unwrap();
        assert!((curve.mean() - 1.0).abs() < 1e-12);
        assert_eq!(curve.cycle(), WEEK);
        let day =
            |day: u64| (0..24).map(|h| curve.factor(at(24 * day + h, 30))).sum::<f64>() / 24.0;
        // Saturday and Sunday against Monday to Friday, from the source's megabytes.
        let weekend = (day(5) + day(6)) / 2.0;
        let week = (0..5).map(day).sum::<f64>() / 5.0;
        assert!((weekend / week - (119.0 + 133.0) / 2.0 / 564.0).abs() < 1e-9);
        // An hour's factor is the published one times its day's.
        assert!((curve.factor(at(20, 0)) / curve.factor(at(3, 0)) - 1.43 / 0.70).abs() < 1e-9);
    }

    #[test]
    fn the_peak_hour_is_the_hour_in_which_most_arrives() {
        let steps = |steps: &[(u64, f64)]| {
            let steps = steps.iter().map(|(min, f)| (Span::from_secs(60 * min), Ratio(*f)));
            ProfileCurve::new(&Profile::Day(steps.collect())).unwrap()
        };
        // A long plateau: its begin.
        let plateau = steps(&[(0, 0.4), (9 * 60, 1.6), (20 * 60, 0.7)]);
        assert_eq!(plateau.peak_hour(), hours(9));
        // Half an hour at 3 beside half an hour at 2, not beside 1: 14:00 to 15:00.
        let spike = steps(&[(0, 1.0), (14 * 60, 2.0), (14 * 60 + 30, 3.0), (15 * 60, 1.0)]);
        assert_eq!(spike.peak_hour(), hours(14));
        // The spike at the cycle's end goes on over midnight: 23:30 to 0:30.
        let late = steps(&[(30, 1.0), (23 * 60 + 30, 5.0)]);
        assert_eq!(late.peak_hour(), Span::from_secs(23 * 3_600 + 1_800));
        assert_eq!(steps(&[(0, 1.0)]).peak_hour(), Span::ZERO);
        let week = ProfileCurve::new(&Profile::Week(WeekProfile::OfficeHours)).unwrap();
        assert_eq!(week.peak_hour(), hours(24 + 20));
    }

    #[test]
    fn what_is_no_profile_is_refused() {
        let new = |steps: Vec<(Span, Ratio)>| ProfileCurve::new(&Profile::Day(steps)).unwrap_err();
        assert_eq!(new(vec![]), ProfileError::Empty);
        assert_eq!(new(vec![(hours(24), Ratio(1.0))]), ProfileError::Outside(hours(24), DAY));
        let order = new(vec![(hours(9), Ratio(1.0)), (hours(9), Ratio(2.0))]);
        assert_eq!(order, ProfileError::Order(hours(9)));
        assert_eq!(new(vec![(hours(0), Ratio(0.0))]), ProfileError::Zero);
    }
}
