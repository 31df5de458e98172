//! What is under way for each session.

use super::calls::NO_CALL;
use super::tools::Shared;
use super::world::Direction;
use crate::engine::{Timer, prefetch};
use crate::units::Span;

/// Physical work under way for one session or place.
#[derive(Debug)]
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
    /// The tool call in its sandbox that began last, and the class that its sandbox is of.
    pub calls: u32,
    pub class: u16,
    /// The vCPUs that its calls share on an elastic platform.
    pub shared: Option<Box<Shared>>,
}

impl Work {
    /// Nothing yet, in a sandbox of its own.
    fn of(id: u32) -> Self {
        Work {
            after_image: Span::ZERO,
            image: Span::ZERO,
            bytes: 0.0,
            timer: None,
            host: 0,
            root: id,
            version: 0,
            fails: false,
            flowing: None,
            calls: NO_CALL,
            class: 0,
            shared: None,
        }
    }
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
                self.works.push(Work::of(id));
                self.works.len() as u32 - 1
            });
            self.works[place as usize] = Work::of(id);
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

    /// The latest tool call in the session's sandbox.
    #[inline]
    pub fn latest_call(&self, id: u32) -> u32 {
        let work = self.places.get(id as usize).and_then(|place| self.works.get(*place as usize));
        work.map_or(NO_CALL, |work| work.calls)
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
