//! Who a sandbox is, and which kernel it has.

use super::{Control, Finding, Prober, Trio, unexpected};
use crate::drive::guest::digest_bytes;
use crate::drive::guest::probe::{Kernel, ProbeFound, ProbeWork};
use crate::drive::runtime::{RuntimeError, SandboxId};

/// The kernel that a sandbox sees, held against the host's.
///
/// # Errors
/// If the sandbox dies.
pub async fn kernel(
    prober: &Prober<'_>,
    sandbox: SandboxId,
    host: &Kernel,
) -> Result<(Kernel, Finding), RuntimeError> {
    let kernel = match prober.probe(sandbox, ProbeWork::Kernel).await? {
        ProbeFound::Kernel(kernel) => kernel,
        other => return Err(unexpected(sandbox, &other)),
    };
    let whose = |same: bool| if same { "the host's" } else { "its own" };
    let boot = match (&kernel.boot_id, &host.boot_id) {
        (Some(seen), Some(hosts)) => whose(seen == hosts),
        _ => "not to be read",
    };
    let release = whose(kernel.release == host.release);
    let observed = format!("release {} ({release}), boot id {boot}", kernel.release);
    let again = Kernel::here();
    let same = again.boot_id == host.boot_id && again.boot_id.is_some();
    let control = Control::new(same, "the host's boot id read again is the host's");
    Ok((kernel, Finding::reported("kernel", observed, control)))
}

/// Two sessions of one agent and one of another: each has an identity of its own, which is its token's.
///
/// # Errors
/// If one dies.
pub async fn distinct(prober: &Prober<'_>, trio: &Trio) -> Result<Finding, RuntimeError> {
    let mut seen = Vec::with_capacity(trio.sandboxes.len());
    for sandbox in trio.sandboxes {
        seen.push(prober.runtime.identity_of(sandbox).await?.identity);
    }
    let again = prober.runtime.identity_of(trio.sandboxes[0]).await?.identity;
    let mut each = trio.tokens.iter().zip(&seen);
    let own = each.all(|(token, seen)| digest_bytes(token.as_bytes()) == *seen);
    let distinct = seen[0] != seen[1] && seen[0] != seen[2] && seen[1] != seen[2];
    let observed = match (own, distinct) {
        (true, true) => "per agent and per session, each its own",
        (false, _) => "a session has another token than it was given",
        (true, false) => "two sessions have the same",
    };
    let control = Control::new(again == seen[0], "one session asked twice has the same");
    Ok(Finding::judged("identity.distinct", (own && distinct, true), observed, control))
}
