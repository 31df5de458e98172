//! The queue for slots: first in, first out, no overtaking. Leaving from the middle is lazy.

use std::collections::VecDeque;

/// Waiting requests by session slot. A ticket tells a request that still waits from one that left.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: VecDeque<(u32, u64)>,
    next_ticket: u64,
    len: u64,
}

impl Queue {
    /// Requests that wait.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Joins at the end; the ticket is kept by the one who waits.
    pub fn join(&mut self, id: u32) -> u64 {
        self.next_ticket += 1;
        self.waiting.push_back((id, self.next_ticket));
        self.len += 1;
        self.next_ticket
    }

    /// One who waits gives up; `holds` tells later whether a ticket is still good.
    pub fn leave(&mut self) {
        self.len -= 1;
    }

    /// The first who still waits.
    pub fn head(&mut self, holds: impl Fn(u32, u64) -> bool) -> Option<u32> {
        while let Some(&(id, ticket)) = self.waiting.front() {
            if holds(id, ticket) {
                return Some(id);
            }
            self.waiting.pop_front();
        }
        None
    }

    /// Takes the head away, after [`Queue::head`] found it.
    pub fn pop(&mut self) {
        self.waiting.pop_front();
        self.len -= 1;
    }
}
