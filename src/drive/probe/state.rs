//! What survives hibernation: files, identity, memory; and what two restores of one snapshot share.

use super::{Control, Finding, Prober, random_token, unexpected};
use crate::drive::guest::probe::{ProbeFound, ProbeWork};
use crate::drive::runtime::{GuestIdentity, Limits, RuntimeError, SandboxId, SnapshotId};

/// How many times as long as the large file the sparse one is.
const SPARSE: u64 = 8;

/// A tree as a guest sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Tree {
    digest: String,
    entries: u64,
    bytes: u64,
    holes: bool,
}

/// Hibernates a session and looks at what came back, beside another session.
pub async fn hibernation(prober: &Prober<'_>, other: SandboxId) -> Vec<Finding> {
    let mut sandboxes = Vec::new();
    let mut snapshots = Vec::new();
    let found = look(prober, other, &mut sandboxes, &mut snapshots).await;
    prober.destroy(&sandboxes).await;
    for snapshot in snapshots {
        // What stays is removed at the drain.
        let _ = prober.runtime.drop_snapshot(snapshot).await;
    }
    found.unwrap_or_else(|error| vec![Finding::void("hibernation", &error)])
}

async fn look(
    prober: &Prober<'_>,
    other: SandboxId,
    sandboxes: &mut Vec<SandboxId>,
    snapshots: &mut Vec<SnapshotId>,
) -> Result<Vec<Finding>, RuntimeError> {
    let runtime = prober.runtime;
    let first = prober.create(&random_token("hibernates"), Limits::default()).await?;
    sandboxes.push(first);
    let grow = ProbeWork::Grow {
        files: prober.options.files,
        large_bytes: prober.options.large.0,
        sparse_bytes: SPARSE * prober.options.large.0,
    };
    prober.probe(first, grow).await?;
    let (tree, who) = (survey(prober, first).await?, runtime.identity_of(first).await?);
    let others = runtime.identity_of(other).await?;
    let stored = runtime.snapshot(first).await?;
    snapshots.push(stored.snapshot);
    let mut restored = Vec::new();
    for _ in 0..2 {
        let sandbox = prober.fresh();
        runtime.restore(sandbox, stored.snapshot).await?;
        sandboxes.push(sandbox);
        restored.push((sandbox, runtime.identity_of(sandbox).await?, draw(prober, sandbox).await?));
    }
    let (second, came_back, _) = &restored[0];
    let after = survey(prober, *second).await?;
    prober.probe(*second, ProbeWork::Flip).await?;
    let flipped = survey(prober, *second).await?;
    let again = draw(prober, *second).await?;
    Ok(vec![
        identity(&who, came_back, &others),
        files(&tree, &after, &flipped),
        memory(&who, came_back, &others, runtime.abilities().snapshot_memory),
        two_restores(&restored, &again),
    ])
}

fn identity(before: &GuestIdentity, after: &GuestIdentity, other: &GuestIdentity) -> Finding {
    let same = before.identity == after.identity;
    let observed = if same { "survives hibernation" } else { "is lost by hibernation" };
    let differs = before.identity != other.identity;
    let control = Control::new(differs, "another session's is another");
    Finding::judged("identity.survives", (same, true), observed, control)
}

fn files(before: &Tree, after: &Tree, flipped: &Tree) -> Finding {
    let same = before.digest == after.digest;
    let what = format!("{} files, links and directories, {} bytes", before.entries, before.bytes);
    let holes = match (before.holes, after.holes) {
        (true, true) => ", holes kept",
        (true, false) => ", holes filled",
        (false, _) => "",
    };
    let observed = if same {
        format!("{what}: the same bit for bit{holes}")
    } else {
        format!("{what}: came back changed, {} entries, {} bytes", after.entries, after.bytes)
    };
    let shows = flipped.digest != after.digest;
    let control = Control::new(shows, "one changed bit shows");
    Finding::judged("files.survive", (same, true), observed, control)
}

fn memory(
    before: &GuestIdentity,
    after: &GuestIdentity,
    other: &GuestIdentity,
    keeps: bool,
) -> Finding {
    let same = before.nonce == after.nonce;
    let (is, says) = (
        if same { "memory survives" } else { "memory is lost" },
        if keeps { "a full restore" } else { "a restore of files" },
    );
    let control = Control::new(before.nonce != other.nonce, "another session's number is another");
    Finding::judged("memory", (same == keeps, true), format!("{is}: {says}"), control)
}

fn two_restores(restored: &[(SandboxId, GuestIdentity, String)], again: &str) -> Finding {
    let [(_, one, drawn), (_, two, drawn_too)] = restored else {
        unreachable!("a snapshot was restored twice")
    };
    let shared = |same: bool| if same { "SHARED" } else { "not shared" };
    let observed = format!(
        "numbers drawn before the snapshot {}, drawn from the kernel after it {}",
        shared(one.nonce == two.nonce),
        shared(drawn == drawn_too)
    );
    let control = Control::new(drawn != again, "two draws of one sandbox differ");
    Finding::reported("two-restores.random", observed, control)
}

async fn survey(prober: &Prober<'_>, on: SandboxId) -> Result<Tree, RuntimeError> {
    match prober.probe(on, ProbeWork::Survey).await? {
        ProbeFound::Surveyed { digest, entries, bytes, holes } => {
            Ok(Tree { digest, entries, bytes, holes })
        }
        other => Err(unexpected(on, &other)),
    }
}

async fn draw(prober: &Prober<'_>, on: SandboxId) -> Result<String, RuntimeError> {
    match prober.probe(on, ProbeWork::Draw).await? {
        ProbeFound::Drawn { random } => Ok(random),
        other => Err(unexpected(on, &other)),
    }
}
