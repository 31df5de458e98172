//! Snapshots: storing a sandbox's files and identity, and verifying that they come back.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Inner;
use super::build::{BringUp, Source};
use super::pack;
use super::sandbox::{Sandbox, babble};
use crate::drive::guest::protocol::{Message, Request};
use crate::drive::runtime::{
    Created, Limits, RuntimeError, SandboxId, SnapshotId, SnapshotInfo, Stage, Stages,
};
use crate::units::{Bytes, Span};

/// A snapshot in the store.
#[derive(Debug)]
pub struct Stored {
    archive: PathBuf,
    limits: Limits,
    identity: String,
    files: String,
}

impl Inner {
    /// Digest and size of a sandbox's files, as its guest reads them.
    async fn digest(
        &self,
        name: SandboxId,
        sandbox: &Sandbox,
    ) -> Result<(String, Bytes), RuntimeError> {
        let within = self.config.exec_within;
        let request = |id| Request::Digest { id };
        match self.ask(name, sandbox, "reading the files", within, request).await?.0 {
            Message::Digest { digest, bytes, .. } => Ok((digest, Bytes(bytes))),
            Message::Refused { reason, .. } => Err(RuntimeError::Work { sandbox: name, reason }),
            other => Err(babble(name, &other)),
        }
    }

    pub(super) async fn snapshot(&self, name: SandboxId) -> Result<SnapshotInfo, RuntimeError> {
        let sandbox = self.take(name)?;
        let stored = self.store(name, &sandbox).await;
        // Stored or not, the sandbox is over.
        let removed = self.remove(sandbox.slot, Some(&sandbox.link), Span::ZERO).await;
        let (info, stored) = stored?;
        removed?;
        self.table().snapshots.insert(info.snapshot, Arc::new(stored));
        Ok(info)
    }

    async fn store(
        &self,
        name: SandboxId,
        sandbox: &Sandbox,
    ) -> Result<(SnapshotInfo, Stored), RuntimeError> {
        let mut stages = Stages::default();
        let asked = self.clock.now();
        let (files, unpacked) = self.digest(name, sandbox).await?;
        let began = self.clock.now();
        stages.push(Stage::Verify, began.since(asked));
        self.stop(sandbox.slot, Some(&sandbox.link), self.config.stop_within).await?;
        let stopped = self.clock.now();
        stages.push(Stage::Stop, stopped.since(began));
        let snapshot = SnapshotId(self.snapshots_made.fetch_add(1, Ordering::Relaxed));
        let archive = self.journal.directory().snapshots().join(snapshot.0.to_string());
        let (from, to) = (sandbox.directory.clone(), archive.clone());
        let packed = self
            .blocking("pack a sandbox's files", move || {
                pack::pack(&from, &to).inspect_err(|_| {
                    // Half an archive is of no use.
                    let _ = fs::remove_file(&to);
                })
            })
            .await?;
        let done = self.clock.now();
        stages.push(Stage::Pack, done.since(stopped).saturating_sub(packed.syncing));
        stages.push(Stage::Sync, packed.syncing);
        let (limits, identity) = (sandbox.limits, sandbox.identity.clone());
        let bytes = packed.bytes;
        let info = SnapshotInfo { snapshot, bytes, unpacked, began, stored: done, stages };
        Ok((info, Stored { archive, limits, identity, files }))
    }

    pub(super) async fn restore(
        &self,
        name: SandboxId,
        snapshot: SnapshotId,
    ) -> Result<Created, RuntimeError> {
        let stored = self.table().snapshots.get(&snapshot).cloned();
        let stored = stored.ok_or(RuntimeError::UnknownSnapshot(snapshot))?;
        self.take_name(name)?;
        let order = BringUp {
            sandbox: name,
            limits: stored.limits,
            source: Source::Archive(&stored.archive),
            features: self.features.get().expect("found out at the start"),
        };
        let outcome = match self.bring_up(order).await {
            Ok((mut created, sandbox)) => {
                let began = self.clock.now();
                let verified = self.verify(name, snapshot, &stored, &sandbox).await;
                created.stages.push(Stage::Verify, self.clock.now().since(began));
                match verified {
                    Ok(()) => Ok((created, sandbox)),
                    Err(error) => {
                        let _ = self.remove(sandbox.slot, Some(&sandbox.link), Span::ZERO).await;
                        Err(error)
                    }
                }
            }
            Err(failed) => Err(failed.error),
        };
        self.settle(name, outcome)
    }

    /// That files and identity are those of the sandbox that was stored.
    async fn verify(
        &self,
        name: SandboxId,
        snapshot: SnapshotId,
        stored: &Stored,
        sandbox: &Sandbox,
    ) -> Result<(), RuntimeError> {
        let same = |what, stored: &str, found: &str| {
            if stored == found {
                return Ok(());
            }
            let (stored, found) = (stored.to_owned(), found.to_owned());
            Err(RuntimeError::StateLost { snapshot, what, stored, found })
        };
        same("identity", &stored.identity, &sandbox.identity)?;
        let (files, _) = self.digest(name, sandbox).await?;
        same("files", &stored.files, &files)
    }

    pub(super) async fn drop_snapshot(&self, snapshot: SnapshotId) -> Result<(), RuntimeError> {
        let stored = self.table().snapshots.remove(&snapshot);
        let stored = stored.ok_or(RuntimeError::UnknownSnapshot(snapshot))?;
        let archive = stored.archive.clone();
        self.blocking("remove a snapshot", move || fs::remove_file(&archive)).await
    }
}
