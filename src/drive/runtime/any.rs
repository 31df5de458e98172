//! Whichever runtime it is.

use super::{
    Abilities, CreateSpec, Created, DockerRuntime, Drained, Footprint, GuestIdentity,
    InstantRuntime, LostIsolation, MicrovmRuntime, OciRuntime, Overhead, ProcessRuntime,
    RuntimeError, SandboxId, SharedRuntime, SnapshotId, SnapshotInfo, Work, WorkReport,
};
use crate::drive::guest::probe::{ProbeFound, ProbeWork};
use crate::units::Span;

/// A sandbox backend. Cheap to clone; clones share the sandboxes.
#[derive(Clone, Debug)]
pub enum AnyRuntime {
    /// Real child processes on this machine.
    Process(ProcessRuntime),
    /// Containers by an OCI runtime.
    Oci(OciRuntime),
    /// Virtual machines by QEMU.
    Microvm(MicrovmRuntime),
    /// Containers of an engine.
    Docker(DockerRuntime),
    /// Processes of containers that several share.
    Shared(SharedRuntime),
    /// In-process stand-in with known service times.
    Instant(InstantRuntime),
}

/// Calls the same method on whichever runtime it is.
macro_rules! each {
    ($self:ident, $runtime:ident => $call:expr) => {
        match $self {
            AnyRuntime::Process($runtime) => $call,
            AnyRuntime::Oci($runtime) => $call,
            AnyRuntime::Microvm($runtime) => $call,
            AnyRuntime::Docker($runtime) => $call,
            AnyRuntime::Shared($runtime) => $call,
            AnyRuntime::Instant($runtime) => $call,
        }
    };
}

impl AnyRuntime {
    /// Makes a sandbox and waits until it can run work.
    ///
    /// # Errors
    /// If the name is taken, the runtime is closing, or the backend fails.
    pub async fn create(&self, spec: CreateSpec) -> Result<Created, RuntimeError> {
        each!(self, runtime => runtime.create(spec).await)
    }

    /// Runs a tool call in a sandbox.
    ///
    /// # Errors
    /// If there is no such sandbox, it died, or the work does not fit its limits.
    pub async fn exec(&self, sandbox: SandboxId, work: Work) -> Result<WorkReport, RuntimeError> {
        each!(self, runtime => runtime.exec(sandbox, work).await)
    }

    /// Has a sandbox's guest find something out.
    ///
    /// # Errors
    /// If there is no such sandbox, it died, or it does not have what the probe takes.
    pub async fn probe(
        &self,
        sandbox: SandboxId,
        work: ProbeWork,
    ) -> Result<ProbeFound, RuntimeError> {
        each!(self, runtime => runtime.probe(sandbox, work).await)
    }

    /// Asks a sandbox's guest who it is.
    ///
    /// # Errors
    /// If there is no such sandbox, or it died.
    pub async fn identity_of(&self, sandbox: SandboxId) -> Result<GuestIdentity, RuntimeError> {
        each!(self, runtime => runtime.identity_of(sandbox).await)
    }

    /// Which processes of the host a sandbox is made of.
    ///
    /// # Errors
    /// If there is no such sandbox, or whoever made it does not tell.
    pub async fn footprint(&self, sandbox: SandboxId) -> Result<Footprint, RuntimeError> {
        each!(self, runtime => runtime.footprint(sandbox).await)
    }

    /// Rounds of the guest's hash loop that make a reference-core second; none where nothing runs.
    pub fn rounds_per_second(&self) -> Option<f64> {
        match self {
            AnyRuntime::Process(runtime) => Some(runtime.rounds_per_second()),
            AnyRuntime::Oci(runtime) => Some(runtime.rounds_per_second()),
            AnyRuntime::Microvm(runtime) => Some(runtime.rounds_per_second()),
            AnyRuntime::Docker(runtime) => Some(runtime.rounds_per_second()),
            AnyRuntime::Shared(runtime) => Some(runtime.rounds_per_second()),
            AnyRuntime::Instant(_) => None,
        }
    }

    /// Stops a sandbox and stores its files and identity. The sandbox is then gone.
    ///
    /// # Errors
    /// If there is no such sandbox or packing fails; the sandbox is then destroyed.
    pub async fn snapshot(&self, sandbox: SandboxId) -> Result<SnapshotInfo, RuntimeError> {
        each!(self, runtime => runtime.snapshot(sandbox).await)
    }

    /// Makes a sandbox from a snapshot and verifies its files and identity. The snapshot stays.
    ///
    /// # Errors
    /// If there is no such snapshot, the backend fails, or what came back is not what was stored.
    pub async fn restore(
        &self,
        sandbox: SandboxId,
        snapshot: SnapshotId,
    ) -> Result<Created, RuntimeError> {
        each!(self, runtime => runtime.restore(sandbox, snapshot).await)
    }

    /// Stops a sandbox and removes all that belonged to it. Returns how long that took.
    ///
    /// # Errors
    /// If there is no such sandbox, or something could not be removed.
    pub async fn destroy(&self, sandbox: SandboxId) -> Result<Span, RuntimeError> {
        each!(self, runtime => runtime.destroy(sandbox).await)
    }

    /// Removes a snapshot from the store.
    ///
    /// # Errors
    /// If there is no such snapshot, or it cannot be removed.
    pub async fn drop_snapshot(&self, snapshot: SnapshotId) -> Result<(), RuntimeError> {
        each!(self, runtime => runtime.drop_snapshot(snapshot).await)
    }

    /// What the runtime can do.
    pub fn abilities(&self) -> Abilities {
        each!(self, runtime => runtime.abilities())
    }

    /// Measures what driving costs beside the work.
    ///
    /// # Errors
    /// If the sandbox that this needs cannot be made.
    pub async fn own_overhead(&self) -> Result<Overhead, RuntimeError> {
        each!(self, runtime => runtime.own_overhead().await)
    }

    /// Which isolation could not be had here.
    pub fn lost_isolation(&self) -> Vec<LostIsolation> {
        each!(self, runtime => runtime.lost_isolation())
    }

    /// Refuses what is new, destroys what lives, removes what is stored. Sandboxes that have not
    /// stopped within `bound` are killed.
    pub async fn drain(&self, bound: Span) -> Drained {
        each!(self, runtime => runtime.drain(bound).await)
    }

    /// Kills what lives and removes what is stored, at once and without a tokio runtime: for a
    /// panic and a second Ctrl-C.
    pub fn kill_now(&self) -> Drained {
        each!(self, runtime => runtime.kill_now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn futures_can_move_between_threads() {
        fn is_send<T: Send>(_: T) {}
        let runtime = AnyRuntime::Instant(InstantRuntime::default());
        is_send(runtime.exec(SandboxId(0), Work::EMPTY));
        is_send(runtime.restore(SandboxId(0), SnapshotId(0)));
    }
}
