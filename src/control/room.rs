//! Where there is room for a sandbox: on an elastic platform, or on hosts.

use super::bucket::Bucket;
use super::effect::Effect;
use super::fleet::{Fleet, FleetConfig, Shape};
use crate::scenario::types::{CreateRate, Elastic};
use crate::units::{Bytes, Time};

/// What holds a request for a slot up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HeldUpBy {
    /// No quota: hosts are full, or the control plane stalls.
    #[default]
    NoQuota,
    /// Sandboxes at once.
    Sandboxes,
    /// vCPUs of all sandboxes.
    Vcpu,
    /// Memory of all sandboxes.
    Memory,
    /// Boots and restores per time.
    Creates,
    /// Sandboxes at once of one tenant.
    TenantSandboxes,
    /// Boots and restores per time of one tenant.
    TenantCreates,
    /// Bytes of stored snapshots.
    Storage,
}

/// Why a sandbox cannot start now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blocked {
    /// There is no room for one of its shape; when a host that is rationed takes one again, if any is.
    Full(HeldUpBy, Option<Time>),
    /// Creations are rationed; when the next is due, if ever.
    Token(Option<Time>),
    /// Its tenant has all its sandboxes; others are not held up.
    Tenant,
    /// Its tenant's creations are rationed; others are not held up.
    TenantToken(Option<Time>),
}

impl Blocked {
    /// The quota behind it.
    pub fn by(self) -> HeldUpBy {
        match self {
            Blocked::Full(by, _) => by,
            Blocked::Token(_) => HeldUpBy::Creates,
            Blocked::Tenant => HeldUpBy::TenantSandboxes,
            Blocked::TenantToken(_) => HeldUpBy::TenantCreates,
        }
    }

    /// When a token is due that it waits for.
    pub fn token_at(self) -> Option<Time> {
        match self {
            Blocked::Token(at) | Blocked::TenantToken(at) | Blocked::Full(_, at) => at,
            Blocked::Tenant => None,
        }
    }
}

/// How many sandboxes there can be.
#[derive(Clone, Debug)]
pub enum RoomConfig {
    /// The provider has room; quotas limit.
    Elastic(ElasticTerms),
    /// Hosts.
    Fleet(FleetConfig),
}

/// An elastic platform's quotas.
#[derive(Clone, Debug, Default)]
pub struct ElasticTerms {
    /// Slots in all, `None` for no limit.
    pub slots: Option<u64>,
    /// vCPUs in all, in millionths.
    pub micro_vcpu: Option<u64>,
    /// Memory in all, overhead included.
    pub memory: Option<Bytes>,
    /// Rate of boots and restores.
    pub create_rate: Option<CreateRate>,
    /// Slots of each tenant.
    pub tenant_slots: Option<u64>,
    /// Rate of boots and restores of each tenant.
    pub tenant_rate: Option<CreateRate>,
}

impl ElasticTerms {
    /// The quotas of a scenario.
    pub fn new(elastic: &Elastic) -> Self {
        let tenant = elastic.per_tenant.as_ref();
        ElasticTerms {
            slots: elastic.max_concurrent.get(),
            micro_vcpu: elastic.vcpu.map(|vcpu| Shape::new(vcpu, Bytes(0)).micro_vcpu),
            memory: elastic.memory,
            create_rate: elastic.create_rate.clone(),
            tenant_slots: tenant.and_then(|t| t.max_concurrent.get()),
            tenant_rate: tenant.and_then(|t| t.create_rate.clone()),
        }
    }
}

#[derive(Debug)]
pub(super) enum Room {
    Elastic(ElasticRoom),
    Fleet(Fleet),
}

#[derive(Debug)]
pub(super) struct ElasticRoom {
    slots: Option<u64>,
    held: u64,
    micro_vcpu: Level,
    memory: Level,
    bucket: Option<Bucket>,
    tenant_slots: Option<u64>,
    tenants: Vec<TenantRoom>,
    /// Boots and restores under way.
    starts: u32,
}

/// A sum over sandboxes with its limit, if it has one.
#[derive(Debug, Default)]
struct Level {
    limit: Option<u64>,
    held: u64,
}

impl Level {
    fn new(limit: Option<u64>) -> Self {
        Level { limit, held: 0 }
    }

    fn has_room(&self, need: u64) -> bool {
        self.limit.is_none_or(|limit| self.held + need <= limit)
    }
}

#[derive(Debug, Default)]
struct TenantRoom {
    held: u64,
    bucket: Option<Bucket>,
}

/// Creations are one token each.
const ONE: u64 = 1;

impl Room {
    pub fn new(config: &RoomConfig, tenants: usize, compression: f64) -> Self {
        let elastic = match config {
            RoomConfig::Fleet(fleet) => return Room::Fleet(Fleet::new(fleet.clone())),
            RoomConfig::Elastic(elastic) => elastic,
        };
        let bucket = |rate: &Option<CreateRate>| {
            rate.as_ref().map(|r| Bucket::new(r.limit, r.window, compression))
        };
        let tenant = || TenantRoom { held: 0, bucket: bucket(&elastic.tenant_rate) };
        Room::Elastic(ElasticRoom {
            slots: elastic.slots,
            held: 0,
            micro_vcpu: Level::new(elastic.micro_vcpu),
            memory: Level::new(elastic.memory.map(|memory| memory.0)),
            bucket: bucket(&elastic.create_rate),
            tenant_slots: elastic.tenant_slots,
            tenants: (0..tenants).map(|_| tenant()).collect(),
            starts: 0,
        })
    }

    pub fn open(&mut self, out: &mut Vec<Effect>) {
        if let Room::Fleet(fleet) = self {
            fleet.open(out);
        }
    }

    /// Takes room for a sandbox; on which host.
    pub fn take(&mut self, now: Time, shape: Shape, tenant: u16) -> Result<u32, Blocked> {
        match self {
            Room::Fleet(fleet) => fleet
                .take(now, shape)
                .ok_or_else(|| Blocked::Full(HeldUpBy::NoQuota, fleet.rationed_until())),
            Room::Elastic(elastic) => elastic.take(now, shape, tenant).map(|()| 0),
        }
    }

    /// A sandbox is gone.
    pub fn free(&mut self, host: u32, shape: Shape, tenant: u16) {
        match self {
            Room::Fleet(fleet) => fleet.free(host, shape),
            Room::Elastic(elastic) => {
                debug_assert!(elastic.held > 0, "a slot that is freed was held");
                elastic.held -= 1;
                elastic.micro_vcpu.held -= shape.micro_vcpu;
                elastic.memory.held -= shape.memory.0;
                elastic.tenants[usize::from(tenant)].held -= 1;
            }
        }
    }

    /// A sandbox changes its tenant: a pool's place is claimed.
    pub fn hand_over(&mut self, from: u16, to: u16) {
        if let Room::Elastic(elastic) = self {
            elastic.tenants[usize::from(from)].held -= 1;
            elastic.tenants[usize::from(to)].held += 1;
        }
    }

    /// A start begins; how many are under way on its host, itself counted.
    pub fn start_begins(&mut self, host: u32) -> u32 {
        match self {
            Room::Fleet(fleet) => fleet.start_begins(host),
            Room::Elastic(elastic) => {
                elastic.starts += 1;
                elastic.starts
            }
        }
    }

    /// A start is over; whether that makes room for another.
    pub fn start_ends(&mut self, host: u32) -> bool {
        match self {
            Room::Fleet(fleet) => fleet.start_ends(host),
            Room::Elastic(elastic) => {
                elastic.starts -= 1;
                false
            }
        }
    }

    /// A request waits, or no longer.
    pub fn waits(&mut self, shape: Shape, joins: bool) {
        if let Room::Fleet(fleet) = self {
            fleet.waits(shape, joins);
        }
    }

    /// Whether a request that leaves the queue may make room for others: those behind it may fit where
    /// it did not.
    pub fn differs_by_shape(&self) -> bool {
        match self {
            Room::Fleet(_) => true,
            Room::Elastic(e) => e.micro_vcpu.limit.is_some() || e.memory.limit.is_some(),
        }
    }

    pub fn fleet(&mut self) -> &mut Fleet {
        match self {
            Room::Fleet(fleet) => fleet,
            Room::Elastic(_) => unreachable!("an elastic platform has no hosts"),
        }
    }

    /// Slots held on an elastic platform.
    pub fn slots_held(&self) -> Option<u64> {
        match self {
            Room::Elastic(elastic) => Some(elastic.held),
            Room::Fleet(_) => None,
        }
    }
}

impl ElasticRoom {
    fn take(&mut self, now: Time, shape: Shape, tenant: u16) -> Result<(), Blocked> {
        if self.slots.is_some_and(|slots| self.held >= slots) {
            return Err(Blocked::Full(HeldUpBy::Sandboxes, None));
        }
        if !self.micro_vcpu.has_room(shape.micro_vcpu) {
            return Err(Blocked::Full(HeldUpBy::Vcpu, None));
        }
        if !self.memory.has_room(shape.memory.0) {
            return Err(Blocked::Full(HeldUpBy::Memory, None));
        }
        let own = &mut self.tenants[usize::from(tenant)];
        if self.tenant_slots.is_some_and(|slots| own.held >= slots) {
            return Err(Blocked::Tenant);
        }
        // Both tokens are there, or neither is taken.
        if let Some(bucket) = &mut own.bucket
            && let Some(later) = later(bucket, now)
        {
            return Err(Blocked::TenantToken(later));
        }
        if let Some(bucket) = &mut self.bucket {
            bucket.take(now, ONE).map_err(Blocked::Token)?;
        }
        if let Some(bucket) = &mut own.bucket {
            bucket.take(now, ONE).expect("it was looked at");
        }
        own.held += 1;
        self.held += 1;
        self.micro_vcpu.held += shape.micro_vcpu;
        self.memory.held += shape.memory.0;
        Ok(())
    }
}

/// When a bucket that has no token now will have one.
fn later(bucket: &mut Bucket, now: Time) -> Option<Option<Time>> {
    match bucket.ready_at(now, ONE) {
        Some(at) if at <= now => None,
        at => Some(at),
    }
}

/// Bytes of stored snapshots from which on nothing new boots.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Store {
    pub quota: Option<Bytes>,
    pub held: u64,
}

impl Store {
    pub fn is_full(self) -> bool {
        self.quota.is_some_and(|quota| self.held >= quota.0)
    }
}
