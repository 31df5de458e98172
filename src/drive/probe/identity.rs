//! Who a sandbox is, and which kernel it has.

use super::{Control, Finding, Prober, random_token, unexpected};
use crate::drive::guest::digest_bytes;
use crate::drive::guest::probe::{Kernel, ProbeFound, ProbeWork};
use crate::drive::runtime::{Limits, RuntimeError};

/// The kernel that a sandbox sees, held against the host's.
///
/// # Errors
/// If no sandbox can be made, or it dies.
pub async fn kernel(
    prober: &Prober<'_>,
    host: &Kernel,
) -> Result<(Kernel, Finding), RuntimeError> {
    let sandbox = prober.create(&random_token("kernel"), Limits::default()).await?;
    let found = prober.probe(sandbox, ProbeWork::Kernel).await;
    prober.destroy(&[sandbox]).await;
    let kernel = match found? {
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
/// If no sandbox can be made, or one dies.
pub async fn distinct(prober: &Prober<'_>) -> Result<Finding, RuntimeError> {
    let names = ["agent one, session 1", "agent one, session 2", "agent two, session 1"];
    let tokens = names.map(random_token);
    let mut sandboxes = Vec::new();
    let mut seen = Vec::new();
    let mut again = None;
    let outcome = async {
        for token in &tokens {
            let sandbox = prober.create(token, Limits::default()).await?;
            sandboxes.push(sandbox);
            seen.push(prober.runtime.identity_of(sandbox).await?.identity);
        }
        // The first is asked again when all three live.
        again = Some(prober.runtime.identity_of(sandboxes[0]).await?.identity);
        Ok::<(), RuntimeError>(())
    };
    let outcome = outcome.await;
    prober.destroy(&sandboxes).await;
    outcome?;
    let own = tokens.iter().zip(&seen).all(|(token, seen)| digest_bytes(token.as_bytes()) == *seen);
    let distinct = seen[0] != seen[1] && seen[0] != seen[2] && seen[1] != seen[2];
    let observed = match (own, distinct) {
        (true, true) => "per agent and per session, each its own",
        (false, _) => "a session has another token than it was given",
        (true, false) => "two sessions have the same",
    };
    let same = again.as_ref() == Some(&seen[0]);
    let control = Control::new(same, "one session asked twice has the same");
    Ok(Finding::judged("identity.distinct", (own && distinct, true), observed, control))
}
