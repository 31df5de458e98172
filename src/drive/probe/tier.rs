//! The isolation tier, concluded from what was observed.

use serde::Serialize;

use super::secrets::SecretFound;
use crate::drive::guest::probe::{Kernel, Secret};

/// What sandboxes are, by what was observed of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ObservedTier {
    /// Sessions read each other's secrets, and the host's.
    Process,
    /// Sessions read each other's secrets, not the host's.
    SharedContainer,
    /// Kept apart, under the host's kernel.
    Container,
    /// Kept apart, under gVisor's kernel.
    Gvisor,
    /// Kept apart, under a kernel of their own.
    Microvm,
    /// What was observed fits none of them, or says nothing.
    Unknown,
}

impl ObservedTier {
    /// As scenarios call it.
    pub fn name(self) -> &'static str {
        match self {
            ObservedTier::Process => "process",
            ObservedTier::SharedContainer => "shared-container",
            ObservedTier::Container => "container",
            ObservedTier::Gvisor => "gvisor",
            ObservedTier::Microvm => "microvm",
            ObservedTier::Unknown => "unknown",
        }
    }
}

/// What a tier is concluded from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// Secrets of a session that another one read.
    pub read_of_session: Vec<&'static str>,
    /// Secrets of the host that a session read.
    pub read_of_host: Vec<&'static str>,
    /// A key of a session or of the host was read. No namespace of containers holds the user's keyring:
    /// that is a hole in a container, not the lack of one.
    pub read_keys: bool,
    /// Secrets that were sought with a reader that works.
    pub sought: usize,
    /// Whether the kernel's boot id is the host's; not known if there is none.
    pub hosts_boot: Option<bool>,
    /// Whether the kernel's release and version are the host's.
    pub hosts_release: Option<bool>,
    /// The kernel tells among its messages that it is gVisor's.
    pub sentry: bool,
}

impl Evidence {
    /// Takes in a kernel.
    pub fn kernel(&mut self, seen: &Kernel, host: &Kernel) {
        self.hosts_boot = match (&seen.boot_id, &host.boot_id) {
            (Some(seen), Some(hosts)) => Some(seen == hosts),
            _ => None,
        };
        self.hosts_release = Some((&seen.release, &seen.version) == (&host.release, &host.version));
        // Where the host itself shows such messages they say nothing of the sandbox.
        self.sentry = seen.sentry && !host.sentry;
    }

    /// Takes in what became of secrets.
    pub fn secrets(&mut self, found: &[SecretFound]) {
        for secret in found {
            let (of_session, of_host) =
                (secret.from_session == Ok(true), secret.from_host == Ok(true));
            self.sought += usize::from(secret.from_session.is_ok());
            if secret.kind == Secret::Keyring {
                self.read_keys = of_session || of_host;
                continue;
            }
            if of_session {
                self.read_of_session.push(secret.kind.name());
            }
            if of_host {
                self.read_of_host.push(secret.kind.name());
            }
        }
    }
}

/// The tier and why.
pub fn conclude(evidence: &Evidence) -> (ObservedTier, Vec<String>) {
    let mut because = Vec::new();
    let shares_with_host = !evidence.read_of_host.is_empty();
    if shares_with_host {
        because.push(format!("a session reads the host's {}", evidence.read_of_host.join(", ")));
    }
    if !evidence.read_of_session.is_empty() {
        let what = evidence.read_of_session.join(", ");
        because.push(format!("a session reads another's {what}"));
    }
    if shares_with_host {
        return (ObservedTier::Process, because);
    }
    if !evidence.read_of_session.is_empty() {
        because.push("the host's secrets are kept from it".into());
        return (ObservedTier::SharedContainer, because);
    }
    if evidence.sought == 0 {
        because.push("no secret could be planted".into());
        return (ObservedTier::Unknown, because);
    }
    because.push(if evidence.read_keys {
        "no secret but a kernel keyring's is read".into()
    } else {
        format!("none of {} secrets is read by another session", evidence.sought)
    });
    if evidence.sentry && evidence.hosts_release == Some(false) {
        because.push("the kernel is not the host's and says that it is gVisor's".into());
        return (ObservedTier::Gvisor, because);
    }
    match (evidence.hosts_boot, evidence.hosts_release) {
        (Some(true), Some(true)) => {
            because.push("the kernel is the host's, by its boot id and its release".into());
            (ObservedTier::Container, because)
        }
        (Some(false), Some(_)) => {
            because.push("the kernel has booted on its own, by its boot id".into());
            (ObservedTier::Microvm, because)
        }
        _ => {
            because.push("whose kernel it is does not show".into());
            (ObservedTier::Unknown, because)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apart() -> Evidence {
        Evidence {
            sought: 7,
            hosts_boot: Some(true),
            hosts_release: Some(true),
            ..Evidence::default()
        }
    }

    #[test]
    fn a_tier_follows_from_what_was_seen() {
        let tier = |evidence: &Evidence| conclude(evidence).0;
        assert_eq!(tier(&apart()), ObservedTier::Container);
        let own = Evidence { hosts_boot: Some(false), hosts_release: Some(false), ..apart() };
        assert_eq!(tier(&own), ObservedTier::Microvm);
        // A machine that boots the very kernel of its host.
        let same = Evidence { hosts_release: Some(true), ..own.clone() };
        assert_eq!(tier(&same), ObservedTier::Microvm);
        for hosts_boot in [None, Some(false)] {
            let sentry = Evidence { sentry: true, hosts_boot, ..own.clone() };
            assert_eq!(tier(&sentry), ObservedTier::Gvisor);
        }
        // Another release alone can be a disguise; a message alone somebody's prank.
        assert_eq!(tier(&Evidence { hosts_boot: None, ..own }), ObservedTier::Unknown);
        assert_eq!(tier(&Evidence { sentry: true, ..apart() }), ObservedTier::Container);
    }

    #[test]
    fn a_keyring_that_is_read_is_a_hole_in_a_container() {
        let (tier, because) = conclude(&Evidence { read_keys: true, ..apart() });
        assert_eq!(tier, ObservedTier::Container);
        assert!(because[0].contains("keyring"), "{because:?}");
    }

    #[test]
    fn who_reads_secrets_is_not_isolated_whatever_its_kernel() {
        let shared = Evidence { read_of_session: vec!["file"], ..apart() };
        assert_eq!(conclude(&shared).0, ObservedTier::SharedContainer);
        let machine = Evidence { hosts_boot: Some(false), hosts_release: Some(false), ..shared };
        assert_eq!(conclude(&machine).0, ObservedTier::SharedContainer);
        let process = Evidence { read_of_host: vec!["file"], ..machine };
        let (tier, because) = conclude(&process);
        assert_eq!(tier, ObservedTier::Process);
        assert!(because[0].contains("host's file"), "{because:?}");
        let blind = Evidence { sought: 0, ..apart() };
        assert_eq!(conclude(&blind).0, ObservedTier::Unknown);
    }
}
