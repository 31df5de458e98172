//! One session's life in a container of many.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::{Path, PathBuf};

use tokio::net::UnixStream;

use super::Shared;
use super::rooms::Place;
use crate::drive::clock::monotonic_nanos;
use crate::drive::guest::protocol::{Inside, Request};
use crate::drive::runtime::blame::no_process;
use crate::drive::runtime::managed::{
    Built, Desk, Met, Order, Sandbox, Saved, Source, Tier, note, span,
};
use crate::drive::runtime::pack::{self, ARCHIVE, FILES, IDENTITY};
use crate::drive::runtime::{
    Abilities, Drained, Footprint, LostIsolation, RuntimeError, SandboxId, Stage, Stages,
};
use crate::units::{Bytes, Span};

/// A session that lives.
#[derive(Clone, Copy, Debug)]
pub struct Session {
    /// Whose guest looks after it.
    pub container: SandboxId,
}

impl Place {
    /// A session's own directory: outside, and as it sees it.
    fn of(&self, slot: u64) -> (PathBuf, PathBuf) {
        let name = slot.to_string();
        (self.files.outside.join(&name), self.files.inside.join(name))
    }
}

impl Shared {
    /// The session's files, new or from a snapshot. Returns how long unpacking took.
    async fn prepare(
        &self,
        desk: &Desk,
        home: PathBuf,
        source: Source<'_, PathBuf>,
    ) -> Result<Span, RuntimeError> {
        let source = match source {
            Source::Token(token) => Ok(token.to_owned()),
            Source::Snapshot(archive) => Err(archive.clone()),
        };
        desk.blocking("prepare a session's files", move || match source {
            Ok(token) => {
                fs::create_dir(&home)?;
                fs::create_dir(home.join(FILES))?;
                let mut options = OpenOptions::new();
                let file = options.write(true).create_new(true).mode(0o400);
                file.open(home.join(IDENTITY))?.write_all(token.as_bytes())?;
                Ok(Span::ZERO)
            }
            Err(archive) => {
                let began = monotonic_nanos();
                pack::unpack(&archive, &home)?;
                Ok(span(began, monotonic_nanos()))
            }
        })
        .await
    }

    /// Has the container's guest start a session's process, and waits for its first word.
    async fn join(
        &self,
        desk: &Desk,
        slot: u64,
        sandbox: SandboxId,
        place: &Place,
    ) -> Result<Met, RuntimeError> {
        let sockets = || -> io::Result<(UnixStream, OwnedFd)> {
            let (ours, theirs) = StdUnixStream::pair()?;
            ours.set_nonblocking(true)?;
            Ok((UnixStream::from_std(ours)?, theirs.into()))
        };
        let (ours, theirs) = sockets().map_err(no_process)?;
        let (_, home) = place.of(slot);
        let inside = Inside {
            files: home.join(FILES),
            identity: home.join(IDENTITY),
            launched_ns: 0,
            isolated_ns: 0,
            with_parent: true,
            limits: None,
        };
        let tag = desk.journal.tag().as_str().to_owned();
        let join = |id| Request::Join { id, tag, slot, inside };
        let outer = self.rooms.outer();
        outer.ask(place.container, Some(theirs), "starting a session's process", join).await?;
        desk.meet(sandbox, &place.files.directory, ours).await
    }
}

impl Tier for Shared {
    type Body = Session;
    type Stored = PathBuf;

    fn abilities(&self) -> Abilities {
        let containers = self.rooms.outer().abilities();
        Abilities {
            name: "shared".into(),
            real: true,
            snapshot_files: true,
            snapshot_memory: false,
            // The container's, for all its sessions together.
            limits_processes: containers.limits_processes,
            limits_memory: containers.limits_memory,
            limits_cpu: containers.limits_cpu,
            clock_shared: containers.clock_shared,
        }
    }

    fn lost(&self) -> Vec<LostIsolation> {
        let mut lost = self.rooms.outer().lost();
        lost.push(LostIsolation {
            what: "isolation between sessions".into(),
            why: "they share a container, as on a traditional platform".into(),
            mend: "choose another `live.target.runtime`".into(),
        });
        lost
    }

    fn guest_paces(&self) -> bool {
        !self.rooms.outer().abilities().limits_cpu
    }

    async fn build(
        &self,
        desk: &Desk,
        slot: u64,
        order: Order<'_, PathBuf>,
        stages: &mut Stages,
    ) -> Result<Built<Session>, RuntimeError> {
        let reserved = monotonic_nanos();
        let (place, made) = self.rooms.take(slot, &order.limits).await?;
        let placed = monotonic_nanos();
        // A place in a container that runs is found at once; else it is made first, or waited for.
        note(stages, if made { Stage::Isolate } else { Stage::Prepare }, reserved, placed);
        let (home, _) = place.of(slot);
        let unpacking = self.prepare(desk, home, order.source).await?;
        let asked = monotonic_nanos();
        stages.push(Stage::Prepare, span(placed, asked).saturating_sub(unpacking));
        if !unpacking.is_zero() {
            stages.push(Stage::Unpack, unpacking);
        }
        let met = match self.join(desk, slot, order.sandbox, &place).await {
            Err(error @ RuntimeError::GuestGone { .. }) => {
                self.rooms.bury(place.container).await;
                return Err(error);
            }
            outcome => outcome?,
        };
        note(stages, Stage::Spawn, asked, met.began);
        note(stages, Stage::Start, met.began, met.heard);
        let body = Session { container: place.container };
        Ok(Built { link: met.link, identity: met.identity, nonce: met.nonce, body })
    }

    /// All of the container, for as many sessions as are in it.
    async fn footprint(&self, _: &Desk, live: &Sandbox<Self>) -> Result<Footprint, RuntimeError> {
        let container = live.body.container;
        let sessions = self.rooms.sessions_in(container).max(1);
        Ok(Footprint { roots: self.rooms.outer().roots(container), sessions })
    }

    async fn save(
        &self,
        desk: &Desk,
        live: &Sandbox<Self>,
        place: &Path,
        stages: &mut Stages,
    ) -> Result<Saved<PathBuf>, RuntimeError> {
        let began = monotonic_nanos();
        self.stop(desk, live.slot, Some(live), desk.common.stop_within).await?;
        let stopped = monotonic_nanos();
        note(stages, Stage::Stop, began, stopped);
        let lived = self.rooms.place(live.slot);
        let lived = lived.ok_or(RuntimeError::UnknownSandbox(live.body.container))?;
        let ((from, _), archive) = (lived.of(live.slot), place.join(ARCHIVE));
        let to = archive.clone();
        let packed =
            desk.blocking("pack a session's files", move || pack::pack(&from, &to)).await?;
        let packing = span(stopped, monotonic_nanos());
        stages.push(Stage::Pack, packing.saturating_sub(packed.syncing));
        stages.push(Stage::Sync, packed.syncing);
        Ok(Saved { stored: archive, bytes: packed.bytes, memory: Bytes(0), memory_raw: None })
    }

    /// The container's guest kills and reaps: what a session wrote is in the files that it shares.
    async fn stop(
        &self,
        _: &Desk,
        slot: u64,
        live: Option<&Sandbox<Self>>,
        _: Span,
    ) -> Result<bool, RuntimeError> {
        if let Some(live) = live {
            live.link.close().await;
        }
        let Some(place) = self.rooms.place(slot) else { return Ok(false) };
        let part = |id| Request::Part { id, slot };
        let outer = self.rooms.outer();
        match outer.ask(place.container, None, "ending a session's process", part).await {
            // With the container its sessions have died.
            Err(RuntimeError::GuestGone { .. } | RuntimeError::UnknownSandbox(_)) => {
                self.rooms.bury(place.container).await;
                Ok(true)
            }
            outcome => outcome.map(|()| false),
        }
    }

    async fn clear(&self, desk: &Desk, slot: u64) -> Result<(), RuntimeError> {
        let Some(place) = self.rooms.place(slot) else { return Ok(()) };
        let (home, _) = place.of(slot);
        let remove = move || match fs::remove_dir_all(&home) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            outcome => outcome,
        };
        desk.blocking("remove a session's files", remove).await?;
        self.rooms.leave(slot);
        Ok(())
    }

    fn kill_all(&self) -> (u64, Vec<String>) {
        let Drained { killed, left, .. } = self.rooms.outer().kill_now();
        (killed, left)
    }

    fn clear_all(&self, _: &Desk) -> Vec<String> {
        // All that sessions have is in the containers, whose run has ended.
        Vec::new()
    }
}
