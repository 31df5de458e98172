//! Snapshots: storing a sandbox's files and identity, and verifying that they come back.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Inner, Order, Sandbox, Saved, Source, Tier};
use crate::drive::guest::protocol::{Message, Request};
use crate::drive::runtime::blame::babble;
use crate::drive::runtime::{
    Created, Limits, RuntimeError, SandboxId, SnapshotId, SnapshotInfo, Stage, Stages,
};
use crate::units::{Bytes, Span};

/// A snapshot in the store.
#[derive(Debug)]
pub struct Stored<T: Tier> {
    limits: Limits,
    identity: String,
    files: String,
    nonce: String,
    inner: T::Stored,
}

impl<T: Tier> Inner<T> {
    /// Digest and size of a sandbox's files, as its guest reads them.
    async fn digest(
        &self,
        name: SandboxId,
        sandbox: &Sandbox<T>,
    ) -> Result<(String, Bytes), RuntimeError> {
        let request = |id| Request::Digest { id };
        let what = "reading the files";
        match self.desk.ask(name, sandbox.slot, &sandbox.link, what, request).await?.0 {
            Message::Digest { digest, bytes, .. } => Ok((digest, Bytes(bytes))),
            Message::Refused { reason, .. } => Err(RuntimeError::Work { sandbox: name, reason }),
            other => Err(babble(name, &other)),
        }
    }

    pub(super) async fn snapshot(&self, name: SandboxId) -> Result<SnapshotInfo, RuntimeError> {
        let sandbox = self.take(name)?;
        let stored = self.store(name, &sandbox).await;
        // Stored or not, the sandbox is over.
        let removed = self.remove(sandbox.slot, Some(&sandbox), Span::ZERO).await;
        let (info, stored) = stored?;
        removed?;
        self.table().snapshots.insert(info.snapshot, Arc::new(stored));
        Ok(info)
    }

    async fn store(
        &self,
        name: SandboxId,
        sandbox: &Sandbox<T>,
    ) -> Result<(SnapshotInfo, Stored<T>), RuntimeError> {
        let asked = self.desk.clock.now();
        let (files, unpacked) = self.digest(name, sandbox).await?;
        let began = self.desk.clock.now();
        let mut stages = Stages::default();
        stages.push(Stage::Verify, began.since(asked));
        let snapshot = SnapshotId(self.snapshots_made.fetch_add(1, Ordering::Relaxed));
        let place = self.desk.journal.directory().snapshots().join(snapshot.0.to_string());
        let make = place.clone();
        self.desk.blocking("make a snapshot's directory", move || fs::create_dir(&make)).await?;
        let saved = self.tier.save(&self.desk, sandbox, &place, &mut stages).await;
        if saved.is_err() {
            // Half a snapshot is of no use.
            let remove = move || fs::remove_dir_all(&place);
            let _ = self.desk.blocking("remove half a snapshot", remove).await;
        }
        let Saved { stored: inner, bytes, memory, memory_raw } = saved?;
        let stored = began + stages.service();
        let info =
            SnapshotInfo { snapshot, bytes, unpacked, memory, memory_raw, began, stored, stages };
        let (limits, identity) = (sandbox.limits, sandbox.identity.clone());
        let nonce = sandbox.nonce.clone();
        Ok((info, Stored { limits, identity, files, nonce, inner }))
    }

    pub(super) async fn restore(
        &self,
        name: SandboxId,
        snapshot: SnapshotId,
    ) -> Result<Created, RuntimeError> {
        let stored = self.table().snapshots.get(&snapshot).cloned();
        let stored = stored.ok_or(RuntimeError::UnknownSnapshot(snapshot))?;
        self.take_name(name)?;
        let source = Source::Snapshot(&stored.inner);
        let order = Order { sandbox: name, limits: stored.limits, source };
        let outcome = match self.bring_up(order).await {
            Ok((mut created, sandbox)) => {
                let began = self.desk.clock.now();
                let verified = self.verify(name, snapshot, &stored, &sandbox).await;
                created.stages.push(Stage::Verify, self.desk.clock.now().since(began));
                match verified {
                    Ok(()) => Ok((created, sandbox)),
                    Err(error) => {
                        let _ = self.remove(sandbox.slot, Some(&sandbox), Span::ZERO).await;
                        Err(error)
                    }
                }
            }
            Err(error) => Err(error),
        };
        self.settle(name, outcome)
    }

    /// That files and identity are those of the sandbox that was stored, and the memory too if it
    /// is kept.
    async fn verify(
        &self,
        name: SandboxId,
        snapshot: SnapshotId,
        stored: &Stored<T>,
        sandbox: &Sandbox<T>,
    ) -> Result<(), RuntimeError> {
        let same = |what, stored: &str, found: &str| {
            if stored == found {
                return Ok(());
            }
            let (stored, found) = (stored.to_owned(), found.to_owned());
            Err(RuntimeError::StateLost { snapshot, what, stored, found })
        };
        same("identity", &stored.identity, &sandbox.identity)?;
        if self.tier.abilities().snapshot_memory {
            same("memory", &stored.nonce, &sandbox.nonce)?;
        }
        let (files, _) = self.digest(name, sandbox).await?;
        same("files", &stored.files, &files)
    }

    pub(super) async fn drop_snapshot(&self, snapshot: SnapshotId) -> Result<(), RuntimeError> {
        let stored = self.table().snapshots.remove(&snapshot);
        let stored = stored.ok_or(RuntimeError::UnknownSnapshot(snapshot))?;
        self.tier.forget(&self.desk, &stored.inner).await?;
        let place = self.desk.journal.directory().snapshots().join(snapshot.0.to_string());
        self.desk.blocking("remove a snapshot", move || fs::remove_dir_all(&place)).await
    }
}
