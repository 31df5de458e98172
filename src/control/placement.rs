//! Which host takes a sandbox: an index that is not searched host by host.

use std::collections::BTreeSet;

use crate::scenario::types::Placement;

/// Room left on a host: memory in bytes, vCPU in millionths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Room {
    pub memory: i64,
    pub vcpu: i64,
}

impl Room {
    /// How many of these have room here side by side.
    pub fn holds(self, need: Room) -> i64 {
        let times = |here: i64, need: i64| if need > 0 { here.max(0) / need } else { i64::MAX };
        times(self.memory, need.memory).min(times(self.vcpu, need.vcpu))
    }

    /// So many more of these are in it, or fewer.
    pub fn add(&mut self, need: Room, times: i64) {
        self.memory = self.memory.saturating_add(need.memory.saturating_mul(times));
        self.vcpu = self.vcpu.saturating_add(need.vcpu.saturating_mul(times));
    }

    pub fn fits(self, need: Room) -> bool {
        need.memory <= self.memory && need.vcpu <= self.vcpu
    }
}

/// Hosts that can take a sandbox, with the room they have left.
#[derive(Debug)]
pub(super) enum Index {
    /// By host number: the largest memory and vCPU left below each node of a complete binary tree.
    First(Tree),
    /// By memory left, then vCPU left, then number.
    Best(Ordered),
    /// By most memory left, then most vCPU, then number.
    Worst(Ordered),
}

impl Index {
    pub fn new(placement: Placement) -> Self {
        match placement {
            Placement::FirstFit => Index::First(Tree::default()),
            Placement::BestFit => Index::Best(Ordered::default()),
            Placement::WorstFit => Index::Worst(Ordered::default()),
        }
    }

    /// A host's room is now this; `None` if it can take nothing.
    pub fn set(&mut self, host: u32, room: Option<Room>) {
        match self {
            Index::First(tree) => tree.set(host as usize, room),
            Index::Best(ordered) => {
                ordered.set(host, room, room.map(|r| (r.memory, r.vcpu, host)));
            }
            Index::Worst(ordered) => {
                ordered.set(host, room, room.map(|r| (-r.memory, -r.vcpu, host)));
            }
        }
    }

    /// The host that takes a sandbox which needs `need`.
    pub fn find(&self, need: Room) -> Option<u32> {
        match self {
            Index::First(tree) => tree.find(need),
            Index::Best(ordered) => {
                let from = (need.memory, i64::MIN, 0);
                ordered.keys.range(from..).find(|key| need.vcpu <= key.1).map(|key| key.2)
            }
            Index::Worst(ordered) => {
                let enough = |key: &&(i64, i64, u32)| need.memory <= -key.0;
                let mut candidates = ordered.keys.iter().take_while(enough);
                candidates.find(|key| need.vcpu <= -key.1).map(|key| key.2)
            }
        }
    }
}

/// Hosts in the order of their keys.
#[derive(Debug, Default)]
pub(super) struct Ordered {
    keys: BTreeSet<(i64, i64, u32)>,
    present: Vec<Option<(i64, i64, u32)>>,
}

impl Ordered {
    fn set(&mut self, host: u32, _room: Option<Room>, key: Option<(i64, i64, u32)>) {
        let place = host as usize;
        if place >= self.present.len() {
            self.present.resize(place + 1, None);
        }
        if self.present[place] == key {
            return;
        }
        if let Some(old) = std::mem::replace(&mut self.present[place], key) {
            self.keys.remove(&old);
        }
        if let Some(new) = key {
            self.keys.insert(new);
        }
    }
}

/// Nothing fits there.
const CLOSED: Room = Room { memory: -1, vcpu: -1 };

/// The leaves are hosts; each node has the largest memory and the largest vCPU below it.
#[derive(Debug, Default)]
pub(super) struct Tree {
    /// Node 1 is the root, nodes `leaves..` the hosts.
    nodes: Vec<Room>,
    leaves: usize,
}

impl Tree {
    fn set(&mut self, host: usize, room: Option<Room>) {
        if host >= self.leaves {
            self.grow(host + 1);
        }
        let mut node = self.leaves + host;
        self.nodes[node] = room.unwrap_or(CLOSED);
        while node > 1 {
            node /= 2;
            let (left, right) = (self.nodes[2 * node], self.nodes[2 * node + 1]);
            let most =
                Room { memory: left.memory.max(right.memory), vcpu: left.vcpu.max(right.vcpu) };
            if self.nodes[node] == most {
                break;
            }
            self.nodes[node] = most;
        }
    }

    fn grow(&mut self, hosts: usize) {
        let before: Vec<Room> = self.nodes[self.leaves.min(self.nodes.len())..].to_vec();
        self.leaves = hosts.next_power_of_two();
        self.nodes = vec![CLOSED; 2 * self.leaves];
        for (host, room) in before.into_iter().enumerate() {
            self.set(host, Some(room));
        }
    }

    fn find(&self, need: Room) -> Option<u32> {
        if self.leaves == 0 { None } else { self.find_below(1, need) }
    }

    /// The leftmost fitting leaf below a node. Memory and vCPU may be largest in different leaves,
    /// so that a branch which looks good may hold none.
    fn find_below(&self, node: usize, need: Room) -> Option<u32> {
        if !self.nodes[node].fits(need) {
            return None;
        }
        if node >= self.leaves {
            return Some((node - self.leaves) as u32);
        }
        self.find_below(2 * node, need).or_else(|| self.find_below(2 * node + 1, need))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Draws, Purpose};

    /// What each policy means, host by host.
    fn by_hand(placement: Placement, rooms: &[Option<Room>], need: Room) -> Option<u32> {
        let fitting = rooms.iter().enumerate().filter_map(|(host, room)| {
            let room = (*room)?;
            room.fits(need).then_some((room, host as u32))
        });
        match placement {
            Placement::FirstFit => fitting.map(|(_, host)| host).next(),
            Placement::BestFit => {
                fitting.min_by_key(|(r, host)| (r.memory, r.vcpu, *host)).map(|(_, host)| host)
            }
            Placement::WorstFit => {
                fitting.min_by_key(|(r, host)| (-r.memory, -r.vcpu, *host)).map(|(_, host)| host)
            }
        }
    }

    #[test]
    fn each_index_finds_what_a_search_host_by_host_finds() {
        for placement in [Placement::FirstFit, Placement::BestFit, Placement::WorstFit] {
            let mut index = Index::new(placement);
            let mut rooms: Vec<Option<Room>> = Vec::new();
            for step in 0..4000_u32 {
                let mut draws = Draws::new(7, 0, 0, Purpose::Boot, step);
                let mut below = |n: u64| draws.next_u64() % n;
                let host = below(37) as usize;
                if host >= rooms.len() {
                    rooms.resize(host + 1, None);
                }
                let (memory, vcpu) = (below(9) as i64, below(9) as i64);
                rooms[host] = (below(5) > 0).then_some(Room { memory, vcpu });
                index.set(host as u32, rooms[host]);
                let need = Room { memory: below(9) as i64, vcpu: below(9) as i64 };
                assert_eq!(
                    index.find(need),
                    by_hand(placement, &rooms, need),
                    "{placement:?} {step}"
                );
            }
        }
    }
}
