//! The queue for slots: priority, then fair tags if tenants have weights, then first in, first
//! out. Leaving from the middle is lazy.

use std::collections::BTreeMap;

/// The place in the queue: what sorts lowest is served first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// Minus the priority.
    rank: i64,
    /// Start tag of fair queueing; 0 without weights.
    tag: u64,
    pub ticket: u32,
}

/// Waiting requests. A ticket tells a request that still waits from one that left.
#[derive(Debug)]
pub(super) struct Queue {
    waiting: BTreeMap<Place, u32>,
    next_ticket: u32,
    len: u64,
    fair: Option<Fair>,
}

/// Start-time fair queueing over tenants: each request's start tag is the larger of the virtual time
/// and its tenant's last finish tag, which is 1 / weight later.
#[derive(Debug)]
struct Fair {
    /// Virtual time that one request of the tenant takes.
    cost: Vec<u64>,
    finish: Vec<u64>,
    virtual_time: u64,
}

/// Tickets are numbers of 32 bits, so that a million sessions take little room.
const TICKETS: &str = "fewer than 2^32 requests wait in one replication";

/// Virtual time of one request at weight 1.
const UNIT: f64 = 1e6;

impl Queue {
    /// A queue; `weights` of tenants make it fair.
    pub fn new(weights: Option<&[f64]>) -> Self {
        let fair = weights.map(|weights| Fair {
            cost: weights.iter().map(|w| (UNIT / w).round().max(1.0) as u64).collect(),
            finish: vec![0; weights.len()],
            virtual_time: 0,
        });
        Queue { waiting: BTreeMap::new(), next_ticket: 0, len: 0, fair }
    }

    /// Requests that wait.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Where a request of this priority would stand now.
    pub fn place(&self, priority: i32, tenant: u16) -> Place {
        let tag = self.fair.as_ref().map_or(0, |fair| fair.tag(tenant));
        Place {
            rank: -i64::from(priority),
            tag,
            ticket: self.next_ticket.checked_add(1).expect(TICKETS),
        }
    }

    /// Whether nobody stands before this place.
    pub fn is_first(&mut self, place: Place, holds: impl Fn(u32, u32) -> bool) -> bool {
        self.first(holds).is_none_or(|(first, _)| place < first)
    }

    /// Joins at its place; the ticket is kept by the one who waits.
    pub fn join(&mut self, place: Place, id: u32, tenant: u16) -> u32 {
        self.next_ticket = place.ticket;
        self.len += 1;
        self.waiting.insert(place, id);
        if let Some(fair) = &mut self.fair {
            fair.finish[usize::from(tenant)] = place.tag + fair.cost[usize::from(tenant)];
        }
        place.ticket
    }

    /// Served without waiting: it counts in its tenant's share all the same.
    pub fn passed(&mut self, place: Place, tenant: u16) {
        if let Some(fair) = &mut self.fair {
            fair.finish[usize::from(tenant)] = place.tag + fair.cost[usize::from(tenant)];
            fair.virtual_time = fair.virtual_time.max(place.tag);
        }
    }

    /// One who waits gives up; `holds` tells later whether a ticket is still good.
    pub fn leave(&mut self) {
        self.len -= 1;
    }

    /// The first who still waits.
    pub fn first(&mut self, holds: impl Fn(u32, u32) -> bool) -> Option<(Place, u32)> {
        while let Some((&place, &id)) = self.waiting.first_key_value() {
            if holds(id, place.ticket) {
                return Some((place, id));
            }
            self.waiting.pop_first();
        }
        None
    }

    /// The next after `place` who still waits.
    pub fn after(&self, place: Place, holds: impl Fn(u32, u32) -> bool) -> Option<(Place, u32)> {
        use std::ops::Bound::{Excluded, Unbounded};
        let mut rest = self.waiting.range((Excluded(place), Unbounded));
        rest.find(|(place, id)| holds(**id, place.ticket)).map(|(place, id)| (*place, *id))
    }

    /// Takes one who was found away.
    pub fn take(&mut self, place: Place) {
        self.waiting.remove(&place);
        self.len -= 1;
        if let Some(fair) = &mut self.fair {
            fair.virtual_time = fair.virtual_time.max(place.tag);
        }
    }
}

impl Fair {
    fn tag(&self, tenant: u16) -> u64 {
        self.virtual_time.max(self.finish[usize::from(tenant)])
    }
}
