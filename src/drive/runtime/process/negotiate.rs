//! What this machine allows, found out by building a sandbox.

use std::collections::BTreeSet;
use std::sync::PoisonError;

use super::{LostIsolation, Managed, Process, RuntimeError};
use crate::drive::guest::protocol::Feature;
use crate::drive::runtime::{CreateSpec, Limits, SandboxId};

/// Stands for the sandbox that finds out; no other has this name.
const FIRST: SandboxId = SandboxId(u64::MAX);

impl Managed<Process> {
    /// Builds a sandbox with all isolation; takes away what fails, with what needs it, and tries
    /// again. The reason of each loss is kept.
    pub(super) async fn negotiate(&self) -> Result<(), RuntimeError> {
        let mut features = BTreeSet::from(Feature::ALL);
        let mut lost = Vec::new();
        let tier = self.tier();
        for feature in &tier.config.without {
            give_up(*feature, "switched off", &mut features, &mut lost);
        }
        loop {
            match self.try_isolation(&features).await? {
                None => break,
                Some((feature, why)) => give_up(feature, &why, &mut features, &mut lost),
            }
        }
        lost.extend(tier.cgroups.lost().iter().cloned());
        if !tier.config.cgroups {
            lost.push(LostIsolation {
                what: "limits by control groups".into(),
                why: "switched off".into(),
                mend: "leave them on".into(),
            });
        }
        *tier.lost.lock().unwrap_or_else(PoisonError::into_inner) = lost;
        Ok(())
    }

    /// Builds and removes one sandbox. Returns the isolation that could not be had, if any.
    async fn try_isolation(
        &self,
        features: &BTreeSet<Feature>,
    ) -> Result<Option<(Feature, String)>, RuntimeError> {
        let all = features.clone();
        *self.tier().features.lock().unwrap_or_else(PoisonError::into_inner) = all;
        let limits = Limits::default();
        let spec = CreateSpec { sandbox: FIRST, token: "first".into(), limits };
        match self.try_out(spec).await {
            Ok(()) => Ok(None),
            Err(RuntimeError::Launch { feature: Some(feature), sandbox, step, reason })
                if features.contains(&feature) =>
            {
                let error = RuntimeError::Launch { feature: Some(feature), sandbox, step, reason };
                Ok(Some((feature, error.to_string())))
            }
            Err(error) => Err(error),
        }
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
