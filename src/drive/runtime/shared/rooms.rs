//! Containers with places for sessions.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustc_hash::FxHashMap;

use crate::drive::guest::protocol::{Feature, Message, Request};
use crate::drive::journal::RunTag;
use crate::drive::runtime::blame::babble;
use crate::drive::runtime::managed::image;
use crate::drive::runtime::{
    Abilities, CreateSpec, Drained, Limits, LostIsolation, OciRuntime, ProcessRuntime,
    RuntimeError, SandboxId, oci, pack,
};
use crate::units::{Bytes, Cores};

/// The runtime that makes the containers.
#[derive(Debug)]
pub enum Outer {
    Process(ProcessRuntime),
    Oci(OciRuntime),
}

/// Calls the same method on whichever runtime it is.
macro_rules! each {
    ($self:ident, $runtime:ident => $call:expr) => {
        match $self {
            Outer::Process($runtime) => $call,
            Outer::Oci($runtime) => $call,
        }
    };
}

impl Outer {
    pub fn rounds_per_second(&self) -> f64 {
        each!(self, runtime => runtime.rounds_per_second())
    }

    pub fn abilities(&self) -> Abilities {
        each!(self, runtime => runtime.abilities())
    }

    pub fn lost(&self) -> Vec<LostIsolation> {
        each!(self, runtime => runtime.lost_isolation())
    }

    pub fn tag(&self) -> &RunTag {
        each!(self, runtime => runtime.tag())
    }

    pub fn kill_now(&self) -> Drained {
        each!(self, runtime => runtime.kill_now())
    }

    /// Asks a container's guest something that it answers with no more than that it was done.
    pub async fn ask(
        &self,
        container: SandboxId,
        socket: Option<OwnedFd>,
        what: &'static str,
        request: impl FnOnce(u64) -> Request,
    ) -> Result<(), RuntimeError> {
        let answer = each!(self, runtime => runtime.ask(container, socket, what, request).await)?;
        match answer {
            Message::Agreed { .. } => Ok(()),
            Message::Refused { reason, .. } => {
                let step = what.to_owned();
                Err(RuntimeError::Launch { sandbox: container, feature: None, step, reason })
            }
            other => Err(babble(container, &other)),
        }
    }

    /// Where sessions of a container have their files: outside, and as they see it.
    fn files_of(&self, container: SandboxId) -> Result<Files, RuntimeError> {
        let missing = || RuntimeError::UnknownSandbox(container);
        let inside = Path::new(image::FILES).to_owned();
        match self {
            Outer::Process(runtime) => {
                let live = runtime.live(container).ok_or_else(missing)?;
                let outside = runtime.desk().directory(live.slot).join(pack::FILES);
                let own_root = runtime.isolation().contains(&Feature::PrivateRoot);
                let inside = if own_root { inside } else { outside.clone() };
                Ok(Files { outside, inside, directory: runtime.desk().directory(live.slot) })
            }
            Outer::Oci(runtime) => {
                let live = runtime.live(container).ok_or_else(missing)?;
                let directory = runtime.desk().directory(live.slot);
                let outside = image::below(&directory.join(oci::ROOT), &inside);
                Ok(Files { outside, inside, directory })
            }
        }
    }

    /// Host processes whose descendants are all that a container is.
    pub fn roots(&self, container: SandboxId) -> Vec<i32> {
        match self {
            Outer::Process(runtime) => {
                runtime.live(container).map(|live| live.body.pid).into_iter().collect()
            }
            Outer::Oci(runtime) => {
                runtime.live(container).map(|live| live.body.tender.pid).into_iter().collect()
            }
        }
    }
}

/// Where the sessions of a container have their files.
#[derive(Clone, Debug)]
pub struct Files {
    /// On the host.
    pub outside: PathBuf,
    /// As a session sees it.
    pub inside: PathBuf,
    /// The container's own directory, with what it said last.
    pub directory: PathBuf,
}

/// A session's place.
#[derive(Clone, Debug)]
pub struct Place {
    pub container: SandboxId,
    pub files: Files,
}

#[derive(Debug)]
struct Room {
    container: SandboxId,
    files: Files,
    taken: u64,
    /// What each session may use: containers are for sessions of one kind.
    limits: Limits,
}

#[derive(Debug, Default)]
struct Table {
    rooms: Vec<Room>,
    /// Places by slot.
    places: FxHashMap<u64, Place>,
    made: u64,
}

/// Containers with places for sessions.
#[derive(Debug)]
pub struct Rooms {
    outer: Outer,
    per_container: u64,
    table: Mutex<Table>,
    /// Held while a container is made: who comes meanwhile may find a place in it.
    making: tokio::sync::Mutex<()>,
}

impl Rooms {
    pub fn of(outer: Outer, per_container: u64) -> Self {
        let (table, making) = (Mutex::default(), tokio::sync::Mutex::default());
        Rooms { outer, per_container, table, making }
    }

    pub fn outer(&self) -> &Outer {
        &self.outer
    }

    pub fn per_container(&self) -> u64 {
        self.per_container
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a slot a place, in a new container if there is no other. True if it was made.
    pub async fn take(&self, slot: u64, limits: &Limits) -> Result<(Place, bool), RuntimeError> {
        let _making = self.making.lock().await;
        if let Some(place) = self.take_free(slot, limits) {
            return Ok((place, false));
        }
        let container = {
            let mut table = self.table();
            table.made += 1;
            SandboxId(table.made)
        };
        let token = format!("container {}", container.0);
        let spec = CreateSpec { sandbox: container, token, limits: self.container_limits(limits) };
        let outer = &self.outer;
        each!(outer, runtime => runtime.create(spec).await)?;
        let host = |id| Request::Host { id };
        self.outer.ask(container, None, "having a container host sessions", host).await?;
        let files = self.outer.files_of(container)?;
        self.table().rooms.push(Room { container, files, taken: 0, limits: *limits });
        let place = self
            .take_free(slot, limits)
            .expect("a new container has a place, and nobody else asks");
        Ok((place, true))
    }

    fn take_free(&self, slot: u64, limits: &Limits) -> Option<Place> {
        let mut table = self.table();
        let per_container = self.per_container;
        let fits = |room: &&mut Room| room.taken < per_container && room.limits == *limits;
        let room = table.rooms.iter_mut().find(fits)?;
        room.taken += 1;
        let place = Place { container: room.container, files: room.files.clone() };
        table.places.insert(slot, place.clone());
        Some(place)
    }

    /// A container has what its sessions have together.
    fn container_limits(&self, session: &Limits) -> Limits {
        let times = self.per_container;
        Limits {
            vcpu: Cores(session.vcpu.0 * times as f64),
            memory: Bytes(session.memory.0.saturating_mul(times)),
            disk: session.disk,
            processes: session.processes.saturating_mul(times),
        }
    }

    /// The place of a slot, if it has one.
    pub fn place(&self, slot: u64) -> Option<Place> {
        self.table().places.get(&slot).cloned()
    }

    /// Sessions in a container.
    pub fn sessions_in(&self, container: SandboxId) -> u64 {
        let table = self.table();
        table.rooms.iter().find(|room| room.container == container).map_or(0, |room| room.taken)
    }

    /// Takes a slot's place back.
    pub fn leave(&self, slot: u64) {
        let mut table = self.table();
        let Some(place) = table.places.remove(&slot) else { return };
        if let Some(room) = table.rooms.iter_mut().find(|room| room.container == place.container) {
            room.taken -= 1;
        }
    }

    /// Removes a container that has died, so that nobody is sent there any more.
    pub async fn bury(&self, container: SandboxId) {
        self.table().rooms.retain(|room| room.container != container);
        let outer = &self.outer;
        // What cannot be removed now is tried again at the run's end.
        let _ = each!(outer, runtime => runtime.destroy(container).await);
    }

    /// Removes all containers; nobody may live in one.
    pub async fn clear(&self) -> Result<(), RuntimeError> {
        let rooms = std::mem::take(&mut self.table().rooms);
        let outer = &self.outer;
        for room in rooms {
            each!(outer, runtime => runtime.destroy(room.container).await)?;
        }
        Ok(())
    }
}
