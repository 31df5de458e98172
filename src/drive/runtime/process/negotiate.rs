//! What this machine allows, found out by building a sandbox.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};

use super::build::{BringUp, Source};
use super::{Inner, LostIsolation, RuntimeError};
use crate::drive::guest::protocol::Feature;
use crate::drive::runtime::{Limits, SandboxId};

/// Stands for the sandbox that finds out; no other has this name.
const FIRST: SandboxId = SandboxId(u64::MAX);

impl Inner {
    /// Finds out how many rounds make a reference-core second, by the very program that will do the
    /// work, before anything else runs.
    pub(super) async fn calibrate(&self) -> Result<(), RuntimeError> {
        let rounds = match self.config.rounds_per_second {
            Some(rounds) => rounds,
            None => measure(&self.config.launcher).await?,
        };
        self.rounds_per_second.set(rounds).expect("calibrated once");
        Ok(())
    }

    /// Builds a sandbox with all isolation; takes away what fails, with what needs it, and tries
    /// again. The reason of each loss is kept.
    pub(super) async fn negotiate(&self) -> Result<(), RuntimeError> {
        let mut features = BTreeSet::from(Feature::ALL);
        let mut lost = Vec::new();
        for feature in &self.config.without {
            give_up(*feature, "switched off", &mut features, &mut lost);
        }
        loop {
            match self.try_isolation(&features).await? {
                None => break,
                Some((feature, why)) => give_up(feature, &why, &mut features, &mut lost),
            }
        }
        lost.extend(self.cgroups.lost().iter().cloned());
        if !self.config.cgroups {
            lost.push(LostIsolation {
                what: "limits by control groups".into(),
                why: "switched off".into(),
                mend: "leave them on".into(),
            });
        }
        self.features.set(features).expect("found out once");
        self.lost.set(lost).expect("found out once");
        Ok(())
    }

    /// Builds and removes one sandbox. Returns the isolation that could not be had, if any.
    async fn try_isolation(
        &self,
        features: &BTreeSet<Feature>,
    ) -> Result<Option<(Feature, String)>, RuntimeError> {
        let order = BringUp {
            sandbox: FIRST,
            limits: Limits::default(),
            source: Source::Token("first"),
            features,
        };
        match self.bring_up(order).await {
            Ok((_, sandbox)) => {
                self.remove(sandbox.slot, Some(&sandbox.link), self.config.stop_within).await?;
                Ok(None)
            }
            Err(failed) => match failed.feature {
                Some(feature) if features.contains(&feature) => {
                    Ok(Some((feature, failed.error.to_string())))
                }
                _ => Err(failed.error),
            },
        }
    }
}

async fn measure(launcher: &std::path::Path) -> Result<f64, RuntimeError> {
    let failed = |source| RuntimeError::Environment {
        what: format!("run {} to calibrate the core", launcher.display()),
        source,
        mend: "check that the file is there and may be executed",
    };
    let mut command = Command::new(launcher);
    command.args(["guest", "calibrate"]).stdin(Stdio::null()).stderr(Stdio::null());
    let run = tokio::task::spawn_blocking(move || command.output());
    let output = run.await.map_err(|error| failed(error.into()))?.map_err(failed)?;
    let text = String::from_utf8_lossy(&output.stdout);
    match text.trim().parse() {
        Ok(rounds) if rounds > 0.0 => Ok(rounds),
        _ => Err(failed(std::io::Error::other(format!("it said `{}`", text.trim())))),
    }
}

fn give_up(
    feature: Feature,
    why: &str,
    features: &mut BTreeSet<Feature>,
    lost: &mut Vec<LostIsolation>,
) {
    if features.remove(&feature) {
        let mend = mend(feature).to_owned();
        lost.push(LostIsolation { what: feature.name().into(), why: why.into(), mend });
    }
    for dependent in feature.dependents() {
        let why = format!("it needs a {}", feature.name());
        give_up(*dependent, &why, features, lost);
    }
}

/// How to get an isolation.
pub(in crate::drive) fn mend(feature: Feature) -> &'static str {
    match feature {
        Feature::UserNamespace => {
            "allow unprivileged user namespaces: sysctl user.max_user_namespaces above 0, \
             kernel.unprivileged_userns_clone=1 (Debian), \
             kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu); in a container, a seccomp \
             profile that allows unshare; or run as root"
        }
        Feature::PrivateProc => {
            "in a container, unmask /proc (`--security-opt systempaths=unconfined`)"
        }
        Feature::PrivateRoot => {
            "in a container, a seccomp profile that allows mount and pivot_root"
        }
        Feature::MountNamespace
        | Feature::PidNamespace
        | Feature::IpcNamespace
        | Feature::UtsNamespace
        | Feature::NetNamespace => {
            "allow user namespaces, or run as root; the matching sysctl user.max_*_namespaces must \
             be above 0"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_a_lost_isolation_is_lost_with_it() {
        let mut features = BTreeSet::from(Feature::ALL);
        let mut lost = Vec::new();
        give_up(Feature::MountNamespace, "forbidden", &mut features, &mut lost);
        let names: Vec<_> = lost.iter().map(|lost| lost.what.as_str()).collect();
        assert_eq!(names, ["mount namespace", "root file system of its own", "/proc of its own"]);
        assert_eq!(lost[2].why, "it needs a root file system of its own");
        assert_eq!(features.len(), Feature::ALL.len() - 3);
    }
}
