//! What a runtime claims of its sandboxes: what it does not claim may be open, but not broken.

use crate::drive::guest::probe::Secret;
use crate::drive::guest::protocol::Feature;
use crate::drive::runtime::AnyRuntime;

/// Whether sessions are claimed not to read each other's secrets of this kind.
pub fn keeps_sessions_apart(runtime: &AnyRuntime, kind: Secret) -> bool {
    match runtime {
        AnyRuntime::Shared(_) | AnyRuntime::Instant(_) => false,
        AnyRuntime::Process(_) => keeps_from_host(runtime, kind),
        AnyRuntime::Oci(_) | AnyRuntime::Microvm(_) | AnyRuntime::Docker(_) => true,
    }
}

/// Whether sessions are claimed not to read the host's. What a process sandbox could not have here,
/// it says by itself.
pub fn keeps_from_host(runtime: &AnyRuntime, kind: Secret) -> bool {
    let needs = match kind {
        Secret::File | Secret::Identity | Secret::SharedMemory | Secret::Temporary => {
            Feature::PrivateRoot
        }
        Secret::Environment | Secret::Processes => Feature::PrivateProc,
        Secret::Segment => Feature::IpcNamespace,
        Secret::Port => Feature::NetNamespace,
        Secret::Keyring => Feature::UserNamespace,
    };
    let lost = runtime.lost_isolation();
    match runtime {
        AnyRuntime::Process(_) | AnyRuntime::Shared(_) => {
            !lost.iter().any(|lost| lost.what == needs.name())
        }
        AnyRuntime::Oci(_) | AnyRuntime::Microvm(_) | AnyRuntime::Docker(_) => true,
        AnyRuntime::Instant(_) => false,
    }
}
