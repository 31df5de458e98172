//! How many sandboxes may start on a host in a time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::bucket::Bucket;
use crate::units::Time;

/// Starts are one token each.
const ONE: u64 = 1;

/// The buckets of all hosts there ever were, by number, and when those come back that are empty.
#[derive(Debug, Default)]
pub(super) struct Rations {
    hosts: Vec<Ration>,
    back: BinaryHeap<Reverse<(Time, u32)>>,
}

#[derive(Debug)]
struct Ration {
    bucket: Option<Bucket>,
    empty: bool,
}

impl Rations {
    /// The next host, with its full bucket if its starts are rationed.
    pub fn add(&mut self, bucket: Option<Bucket>) {
        self.hosts.push(Ration { bucket, empty: false });
    }

    /// Whether nothing may start on the host now.
    pub fn is_empty(&self, host: u32) -> bool {
        self.hosts[host as usize].empty
    }

    /// A start on a host that is not empty.
    pub fn take(&mut self, now: Time, host: u32) {
        let ration = &mut self.hosts[host as usize];
        let Some(bucket) = &mut ration.bucket else { return };
        bucket.take(now, ONE).expect("only a host with a token is given a start");
        match bucket.ready_at(now, ONE) {
            Some(at) if at <= now => {}
            at => {
                ration.empty = true;
                self.back.extend(at.map(|at| Reverse((at, host))));
            }
        }
    }

    /// A host that was empty and has a token again by `now`, each once.
    pub fn refilled(&mut self, now: Time) -> Option<u32> {
        let Reverse((at, host)) = *self.back.peek()?;
        if at > now {
            return None;
        }
        self.back.pop();
        self.hosts[host as usize].empty = false;
        Some(host)
    }

    /// When the next host has a token again.
    pub fn next_at(&self) -> Option<Time> {
        self.back.peek().map(|Reverse((at, _))| *at)
    }
}
