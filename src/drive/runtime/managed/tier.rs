//! What one kind of isolation does for the machinery that all share.

use std::fmt::Debug;
use std::path::Path;

use super::desk::Desk;
use crate::drive::runtime::link::Link;
use crate::drive::runtime::{
    Abilities, Footprint, Limits, LostIsolation, RuntimeError, SandboxId, Stages,
};
use crate::units::{Bytes, Span};

/// What a sandbox is made from.
#[derive(Debug)]
pub enum Source<'a, S> {
    /// Nothing but an identity token.
    Token(&'a str),
    /// A snapshot.
    Snapshot(&'a S),
}

// Derived, these would ask the same of `S`, of which there is only a reference.
impl<S> Clone for Source<'_, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S> Copy for Source<'_, S> {}

/// A sandbox to be made.
#[derive(Debug)]
pub struct Order<'a, S> {
    pub sandbox: SandboxId,
    pub limits: Limits,
    pub source: Source<'a, S>,
}

impl<S> Clone for Order<'_, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S> Copy for Order<'_, S> {}

/// A sandbox whose guest serves.
#[derive(Debug)]
pub struct Built<B> {
    pub link: Link,
    /// SHA-256 of the token, as the guest read it.
    pub identity: String,
    /// A random number in the guest's memory and nowhere else.
    pub nonce: String,
    pub body: B,
}

/// What was stored.
#[derive(Debug)]
pub struct Saved<S> {
    pub stored: S,
    /// Size in the store.
    pub bytes: Bytes,
    /// Size of the memory in the store; zero if it is not kept.
    pub memory: Bytes,
    /// Size of that memory before compression, where it is known.
    pub memory_raw: Option<Bytes>,
}

/// One kind of isolation. The methods are called by [`Managed`](super::Managed), which keeps the
/// table of what lives, the journal and the order of things.
pub trait Tier: Debug + Send + Sync + Sized + 'static {
    /// What is known of one live sandbox.
    type Body: Debug + Send + Sync + 'static;
    /// What is known of one snapshot.
    type Stored: Debug + Send + Sync + 'static;

    /// What sandboxes of this kind can do.
    fn abilities(&self) -> Abilities;

    /// Which isolation could not be had here.
    fn lost(&self) -> Vec<LostIsolation>;

    /// Whether the guest keeps its cores below the sandbox's by itself, because nothing else does.
    fn guest_paces(&self) -> bool;

    /// Makes a sandbox and waits until its guest serves, noting where the time went. What is left of
    /// a failure is removed by [`remove`](Self::remove).
    fn build(
        &self,
        desk: &Desk,
        slot: u64,
        order: Order<'_, Self::Stored>,
        stages: &mut Stages,
    ) -> impl Future<Output = Result<Built<Self::Body>, RuntimeError>> + Send;

    /// Stops a sandbox and stores it at `place`, noting where the time went.
    fn save(
        &self,
        desk: &Desk,
        live: &super::Sandbox<Self>,
        place: &Path,
        stages: &mut Stages,
    ) -> impl Future<Output = Result<Saved<Self::Stored>, RuntimeError>> + Send;

    /// Which processes of the host a sandbox is made of.
    fn footprint(
        &self,
        desk: &Desk,
        live: &super::Sandbox<Self>,
    ) -> impl Future<Output = Result<Footprint, RuntimeError>> + Send;

    /// Removes what a snapshot is beside its directory.
    fn forget(
        &self,
        _desk: &Desk,
        _stored: &Self::Stored,
    ) -> impl Future<Output = Result<(), RuntimeError>> + Send {
        async { Ok(()) }
    }

    /// Ends a guest: asks it over the link, waits, kills it. True if it had to be killed. The
    /// body is not known where building failed half-way.
    fn stop(
        &self,
        desk: &Desk,
        slot: u64,
        live: Option<&super::Sandbox<Self>>,
        within: Span,
    ) -> impl Future<Output = Result<bool, RuntimeError>> + Send;

    /// Removes all that belongs to a slot whose guest has ended, its directory excepted.
    fn clear(
        &self,
        desk: &Desk,
        slot: u64,
    ) -> impl Future<Output = Result<(), RuntimeError>> + Send;

    /// Kills whatever runs and lets nothing new start: how many there were, and what does not end.
    /// Blocks, needs no tokio runtime.
    fn kill_all(&self) -> (u64, Vec<String>);

    /// Removes what the run has beside its sandboxes, after everything is killed. Returns what could
    /// not be removed. Blocks, needs no tokio runtime.
    fn clear_all(&self, desk: &Desk) -> Vec<String>;
}
