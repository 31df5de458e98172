//! Durations of one stage with what they depend on.

use crate::units::Span;

/// One duration.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Timed {
    /// How long it took.
    pub took: Span,
    /// Which of the series' days it was measured on, from 0.
    pub day: usize,
    /// Starts under way when it began, itself counted; 1 where that is not known.
    pub in_flight: u32,
}

/// All durations of one stage of one group.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// In the order of the file.
    pub values: Vec<Timed>,
    /// Names of the days, in rising order; one where days are not told apart.
    pub days: Vec<String>,
    /// Rows of the group without a time, such as failed starts.
    pub without_time: u64,
    /// Whether starts in flight are known.
    pub has_in_flight: bool,
}

impl Series {
    /// Whether days are told apart.
    pub fn has_days(&self) -> bool {
        self.days.len() > 1
    }

    /// The part of it that a choice keeps, its days numbered anew.
    #[must_use]
    pub fn part(&self, keep: impl Fn(&Timed) -> bool) -> Series {
        let mut days: Vec<Option<usize>> = vec![None; self.days.len()];
        let kept: Vec<Timed> = self.values.iter().copied().filter(|one| keep(one)).collect();
        for one in &kept {
            days[one.day] = Some(0);
        }
        let mut names = Vec::new();
        for (place, name) in days.iter_mut().zip(&self.days) {
            if place.is_some() {
                *place = Some(names.len());
                names.push(name.clone());
            }
        }
        let renumbered = |one: Timed| Timed { day: days[one.day].unwrap_or(0), ..one };
        Series {
            values: kept.into_iter().map(renumbered).collect(),
            days: names,
            without_time: 0,
            has_in_flight: self.has_in_flight,
        }
    }

    /// The durations in seconds.
    pub(super) fn seconds(&self) -> Vec<f64> {
        self.values.iter().map(|one| one.took.seconds()).collect()
    }

    /// Which values depend on each other: those of one day. None where all are of one day.
    pub(super) fn clusters(&self) -> Option<Vec<usize>> {
        self.has_days().then(|| self.values.iter().map(|one| one.day).collect())
    }
}
