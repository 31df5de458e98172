//! What driver, launcher and guest say to each other: arguments, then JSON lines over a socket.
//!
//! Stamps are nanoseconds of the monotonic clock, which all processes of a machine share.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::probe::{ProbeFound, ProbeWork};

/// An isolation that the launcher builds. The driver finds out at its start which of them this
/// machine allows; from then on a launcher that cannot have one of those asked for fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Feature {
    /// Its own users: root inside is nobody special outside. The others need it, unless the driver
    /// runs as root.
    UserNamespace,
    /// Its own mounts.
    MountNamespace,
    /// Sees only its own processes, which all die with it.
    PidNamespace,
    /// Its own System V and POSIX message queues and shared memory.
    IpcNamespace,
    /// Its own host name.
    UtsNamespace,
    /// Its own network, which has no interface that is up.
    NetNamespace,
    /// A root file system of its own, by pivot_root.
    PrivateRoot,
    /// A /proc that shows only its own processes.
    PrivateProc,
}

impl Feature {
    /// All of them, in the order they are built.
    pub const ALL: [Feature; 8] = [
        Feature::UserNamespace,
        Feature::MountNamespace,
        Feature::PidNamespace,
        Feature::IpcNamespace,
        Feature::UtsNamespace,
        Feature::NetNamespace,
        Feature::PrivateRoot,
        Feature::PrivateProc,
    ];

    /// What a person calls it.
    pub fn name(self) -> &'static str {
        match self {
            Feature::UserNamespace => "user namespace",
            Feature::MountNamespace => "mount namespace",
            Feature::PidNamespace => "pid namespace",
            Feature::IpcNamespace => "ipc namespace",
            Feature::UtsNamespace => "uts namespace",
            Feature::NetNamespace => "network namespace",
            Feature::PrivateRoot => "root file system of its own",
            Feature::PrivateProc => "/proc of its own",
        }
    }

    /// Features that cannot be had without this one.
    pub fn dependents(self) -> &'static [Feature] {
        match self {
            Feature::MountNamespace => &[Feature::PrivateRoot, Feature::PrivateProc],
            Feature::PrivateRoot | Feature::PidNamespace => &[Feature::PrivateProc],
            _ => &[],
        }
    }
}

/// Limits that the launcher sets by rlimits.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct GuestLimits {
    /// Private writable memory: RLIMIT_DATA.
    pub data_bytes: u64,
    /// Largest file: RLIMIT_FSIZE.
    pub file_bytes: u64,
    /// Threads: RLIMIT_NPROC, set only inside a user namespace, because elsewhere it counts all of
    /// the user's processes.
    pub processes: u64,
}

/// What the launcher is to build.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Boot {
    /// Pid of the driver; a launcher whose parent is somebody else has been orphaned.
    pub driver: i32,
    /// What to isolate.
    pub features: BTreeSet<Feature>,
    /// Files of the sandbox, on the host.
    pub files: PathBuf,
    /// File with the identity token, on the host.
    pub identity: PathBuf,
    /// Empty directory on which the sandbox's root is mounted, in its own mount namespace.
    pub root: PathBuf,
    /// `cgroup.procs` files to join.
    pub cgroups: Vec<PathBuf>,
    /// Resource limits.
    pub limits: GuestLimits,
}

/// What a tender is to look after: a sandbox that another program makes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Tend {
    /// Pid of the driver; a tender whose parent is somebody else has been orphaned.
    pub driver: i32,
    /// `cgroup.procs` files that the program joins, and with it all that it starts.
    pub cgroups: Vec<PathBuf>,
    /// Where the program is started.
    pub directory: PathBuf,
    /// The program and its arguments. It has the driver's socket as standard input and output.
    pub run: Vec<String>,
    /// With it, the program returns when the sandbox runs, and this file then names the sandbox's
    /// process. Without, the program is the sandbox.
    pub pid_file: Option<PathBuf>,
    /// What removes the sandbox once its process has ended; nothing if empty.
    pub after: Vec<String>,
}

/// What the launcher tells the guest that it becomes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Inside {
    /// Files, as the guest sees them.
    pub files: PathBuf,
    /// Identity token file, as the guest sees it.
    pub identity: PathBuf,
    /// When the launcher's `main` began.
    pub launched_ns: u64,
    /// When the sandbox was built and the guest was executed.
    pub isolated_ns: u64,
    /// Whether the guest dies with its parent. A container's parent ends as soon as it runs.
    #[serde(default)]
    pub with_parent: bool,
    /// What the guest limits itself to, where nobody before it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<GuestLimits>,
}

/// What the driver asks of a guest.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Request {
    /// Do work.
    Exec {
        /// Number of the request.
        id: u64,
        /// The work.
        work: GuestWork,
    },
    /// Read all files and tell their digest.
    Digest {
        /// Number of the request.
        id: u64,
    },
    /// Say who you are: asked of a guest that came back with its memory.
    Hello {
        /// Number of the request.
        id: u64,
    },
    /// To a machine that is up: whose it is. Answered like [`Request::Hello`].
    Enter {
        /// Number of the request.
        id: u64,
        /// The identity of a new sandbox; none where the disk has one.
        token: Option<String>,
        /// What the guest may use.
        limits: GuestLimits,
    },
    /// Find something out.
    Probe {
        /// Number of the request.
        id: u64,
        /// What.
        work: ProbeWork,
    },
    /// From now on start the processes of many sessions and look after them. Answered by
    /// [`Message::Agreed`], after which the guest understands only what follows here.
    Host {
        /// Number of the request.
        id: u64,
    },
    /// To a guest that hosts: start a session's process. Its socket comes along.
    Join {
        /// Number of the request.
        id: u64,
        /// Which run the session is of.
        tag: String,
        /// The session's slot.
        slot: u64,
        /// What its process is told.
        inside: Inside,
    },
    /// To a guest that hosts: end a session's process, if it has not ended by itself, and reap it.
    Part {
        /// Number of the request.
        id: u64,
        /// The session's slot.
        slot: u64,
    },
    /// End. For a machine, which sees no end of its input. Not answered.
    End,
}

/// Work in the guest's terms.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct GuestWork {
    /// Rounds of the hash loop, all threads together.
    pub rounds: u64,
    /// Threads to compute with.
    pub threads: u32,
    /// Share of the time that each thread computes; below 1 it sleeps in between.
    pub duty: f64,
    /// Time to wait, in nanoseconds.
    pub wait_ns: u64,
    /// Memory to hold.
    pub memory_bytes: u64,
    /// Bytes to write and sync.
    pub dirty_bytes: u64,
}

/// What launcher and guest say.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Message {
    /// The sandbox could not be built.
    Failed {
        /// The isolation that could not be had, if it was one.
        feature: Option<Feature>,
        /// What was tried.
        step: String,
        /// What the system said.
        reason: String,
    },
    /// The guest can run work.
    Ready {
        /// When the launcher's `main` began.
        launched_ns: u64,
        /// When the guest was executed.
        isolated_ns: u64,
        /// The guest's first instruction.
        began_ns: u64,
        /// Now.
        ready_ns: u64,
        /// SHA-256 of the identity token, in hexadecimal.
        identity: String,
        /// A random number that is in the guest's memory and nowhere else.
        nonce: String,
    },
    /// A machine is up and waits to be told whose it is.
    Up {
        /// The guest's first instruction.
        began_ns: u64,
        /// Now.
        up_ns: u64,
    },
    /// Who the guest is.
    Hello {
        /// Number of the request.
        id: u64,
        /// SHA-256 of the identity token as it is now, in hexadecimal.
        identity: String,
        /// The number that it drew when it started.
        nonce: String,
    },
    /// Work was done.
    Done {
        /// Number of the request.
        id: u64,
        /// Stamps.
        report: GuestReport,
    },
    /// All files were read.
    Digest {
        /// Number of the request.
        id: u64,
        /// SHA-256 over names and contents, in hexadecimal.
        digest: String,
        /// Bytes in files.
        bytes: u64,
    },
    /// Something was found out.
    Probed {
        /// Number of the request.
        id: u64,
        /// What.
        found: ProbeFound,
    },
    /// It was done, and there is nothing to tell.
    Agreed {
        /// Number of the request.
        id: u64,
    },
    /// A request failed.
    Refused {
        /// Number of the request.
        id: u64,
        /// The memory could not be had.
        out_of_memory: bool,
        /// What the system said.
        reason: String,
    },
}

/// Stamps of a piece of work; their meaning is that of [`crate::drive::runtime::WorkReport`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GuestReport {
    /// The request was read.
    pub began_ns: u64,
    /// The memory was touched.
    pub held_ns: u64,
    /// The wait was over.
    pub waited_ns: u64,
    /// The rounds were done.
    pub computed_ns: u64,
    /// The bytes were on the disk.
    pub ended_ns: u64,
    /// CPU time used.
    pub cpu_ns: u64,
}

/// A message as one line.
pub fn line<T: Serialize>(message: &T) -> Vec<u8> {
    let mut line = serde_json::to_vec(message).expect("messages hold only numbers and strings");
    line.push(b'\n');
    line
}
