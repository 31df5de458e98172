//! Session A's secrets, and the host's, sought by session B.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{Control, Finding, Prober, claims, random_token, unexpected};
use crate::drive::guest::probe::{Planted, ProbeFound, ProbeWork, Secret, plant, seek};
use crate::drive::runtime::{RuntimeError, SandboxId};

/// What became of one secret.
#[derive(Clone, Debug)]
pub struct SecretFound {
    /// Where it was.
    pub kind: Secret,
    /// Session B read session A's; the reason where A has no such place.
    pub from_session: Result<bool, String>,
    /// Session B read the host's; the reason where the host has no such place.
    pub from_host: Result<bool, String>,
    /// Session A read its own with the same reader.
    own: Option<bool>,
    /// The host read its own with the same reader.
    hosts_own: bool,
    claims: (bool, bool),
}

impl SecretFound {
    /// One finding for each side.
    pub fn findings(&self) -> [Finding; 2] {
        let name = match self.kind {
            Secret::Identity => "identity".to_owned(),
            kind => kind.name().replace(' ', "-").replace("/dev/", "").to_lowercase(),
        };
        let hosts = || Control::new(self.hosts_own, "the host reads its own");
        let (holds, observed, control) = match (&self.from_session, self.own) {
            (Ok(read), own) => {
                let observed = if *read { "another session reads it" } else { "not readable" };
                let own = Control::new(own == Some(true), "the session reads its own");
                (!read, observed.to_owned(), own)
            }
            (Err(why), _) => (true, format!("no such place in a sandbox: {why}"), hosts()),
        };
        let session =
            Finding::judged(format!("secret.{name}"), (holds, self.claims.0), observed, control);
        let (holds, observed) = match &self.from_host {
            Ok(true) => (false, "a session reads the host's".to_owned()),
            Ok(false) => (true, "not readable".to_owned()),
            Err(why) => (true, format!("no such place on the host: {why}")),
        };
        let host =
            Finding::judged(format!("host.{name}"), (holds, self.claims.1), observed, hosts());
        [session, host]
    }
}

/// A secret of the host's own.
struct Hosts {
    directory: PathBuf,
    secret: String,
    place: io::Result<String>,
    /// The host's reader found it.
    found: bool,
    // Removed with this.
    _planted: Planted,
}

impl Hosts {
    fn plant(kind: Secret, launcher: &Path) -> io::Result<Self> {
        let secret = random_token("secret of the host");
        let name = secret.rsplit(' ').next().unwrap_or_default().to_owned();
        let directory = std::env::temp_dir().join(format!("plimsoll-probe-{name}"));
        fs::create_dir(&directory)?;
        let identity = directory.join("identity");
        let mut planted = Planted::default();
        let place = fs::write(&identity, &secret).and_then(|()| {
            let files = (directory.as_path(), identity.as_path());
            plant(kind, &secret, files, launcher.as_os_str(), &mut planted)
        });
        let found = place.as_ref().is_ok_and(|place| seek(kind, place, &secret));
        Ok(Hosts { directory, secret, place, found, _planted: planted })
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        // An empty directory of the temporary ones, if it stays.
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// Plants and seeks secrets of all kinds: of session A, whose token this is, sought by session B.
///
/// # Errors
/// If one of them dies.
pub async fn all(
    prober: &Prober<'_>,
    between: (SandboxId, SandboxId),
    token: &str,
) -> Result<Vec<SecretFound>, RuntimeError> {
    let mut found = Vec::with_capacity(Secret::ALL.len());
    for kind in Secret::ALL {
        found.push(one(prober, kind, between, token).await?);
    }
    Ok(found)
}

async fn one(
    prober: &Prober<'_>,
    kind: Secret,
    (a, b): (SandboxId, SandboxId),
    token: &str,
) -> Result<SecretFound, RuntimeError> {
    let launcher = prober.options.launcher.clone();
    let planted = tokio::task::spawn_blocking(move || Hosts::plant(kind, &launcher)).await;
    let hosts = planted.unwrap_or_else(|error| Err(error.into()));
    let from_host = match &hosts {
        Ok(Hosts { place: Ok(place), secret, .. }) => {
            Ok(sought(prober, b, kind, place, secret).await?)
        }
        Ok(Hosts { place: Err(error), .. }) | Err(error) => Err(error.to_string()),
    };
    let hosts_own = hosts.as_ref().is_ok_and(|hosts| hosts.found);
    // Removing can wait for a process.
    let _ = tokio::task::spawn_blocking(move || drop(hosts)).await;
    let random = random_token("secret of session A");
    let secret = if kind == Secret::Identity { token } else { &random };
    let work = ProbeWork::Plant { kind, secret: secret.to_owned() };
    let (from_session, own) = match prober.probe(a, work).await {
        Ok(ProbeFound::Planted { place }) => {
            let own = sought(prober, a, kind, &place, secret).await?;
            (Ok(sought(prober, b, kind, &place, secret).await?), Some(own))
        }
        Ok(other) => return Err(unexpected(a, &other)),
        Err(RuntimeError::Work { reason, .. }) => (Err(reason), None),
        Err(error) => return Err(error),
    };
    prober.probe(a, ProbeWork::Unplant).await?;
    let runtime = prober.runtime;
    let claims =
        (claims::keeps_sessions_apart(runtime, kind), claims::keeps_from_host(runtime, kind));
    Ok(SecretFound { kind, from_session, from_host, own, hosts_own, claims })
}

async fn sought(
    prober: &Prober<'_>,
    on: SandboxId,
    kind: Secret,
    place: &str,
    secret: &str,
) -> Result<bool, RuntimeError> {
    let (place, secret) = (place.to_owned(), secret.to_owned());
    match prober.probe(on, ProbeWork::Seek { kind, place, secret }).await? {
        ProbeFound::Sought { found } => Ok(found),
        other => Err(unexpected(on, &other)),
    }
}
