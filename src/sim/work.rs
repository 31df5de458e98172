//! What is under way for each session.

use super::tools::Batch;
use super::world::Direction;
use crate::engine::{Timer, prefetch};
use crate::units::Span;

/// Physical work under way for one session or place.
#[derive(Debug, Default)]
pub(super) struct Work {
    /// Boot stages after the image, or nothing.
    pub after_image: Span,
    pub image: Span,
    /// Bytes that flow next; of a snapshot its size.
    pub bytes: f64,
    /// The boot's, restore's or snapshot's next event.
    pub timer: Option<Timer>,
    pub host: u32,
    /// Whose sandbox it runs in.
    pub root: u32,
    /// Version of the image that it pulls.
    pub version: u32,
    pub fails: bool,
    /// Which way its bytes flow now.
    pub flowing: Option<Direction>,
    pub batch: Option<Box<Batch>>,
}

/// Work by session. Most sessions think, and have none: they take four bytes.
#[derive(Debug, Default)]
pub(super) struct Works {
    places: Vec<u32>,
    works: Vec<Work>,
    free: Vec<u32>,
}

/// No work is under way.
const NO_WORK: u32 = u32::MAX;

impl Works {
    /// The session's work, begun if there was none.
    #[inline]
    pub fn of(&mut self, id: u32) -> &mut Work {
        if id as usize >= self.places.len() {
            self.places.resize(id as usize + 1, NO_WORK);
        }
        if self.places[id as usize] == NO_WORK {
            let place = self.free.pop().unwrap_or_else(|| {
                self.works.push(Work::default());
                self.works.len() as u32 - 1
            });
            self.works[place as usize] = Work { root: id, ..Work::default() };
            self.places[id as usize] = place;
        }
        &mut self.works[self.places[id as usize] as usize]
    }

    /// The session's work will be wanted in a while.
    #[inline]
    pub fn hint_place(&self, id: u32) {
        if let Some(place) = self.places.get(id as usize) {
            prefetch(place);
        }
    }

    /// It will be wanted soon.
    #[inline]
    pub fn hint_work(&self, id: u32) {
        if let Some(place) = self.places.get(id as usize)
            && let Some(work) = self.works.get(*place as usize)
        {
            prefetch(work);
        }
    }

    /// The tool calls will be wanted at once.
    #[inline]
    pub fn hint_batch(&self, id: u32) {
        if let Some(place) = self.places.get(id as usize)
            && let Some(work) = self.works.get(*place as usize)
            && let Some(batch) = &work.batch
        {
            prefetch(&**batch);
        }
    }

    pub fn has(&self, id: u32) -> bool {
        self.places.get(id as usize).is_some_and(|place| *place != NO_WORK)
    }

    /// Nothing is under way any more.
    pub fn over(&mut self, id: u32) {
        if self.has(id) {
            let place = std::mem::replace(&mut self.places[id as usize], NO_WORK);
            self.free.push(place);
        }
    }
}
