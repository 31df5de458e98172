//! What a guest does to find out what its sandbox is: secrets that are planted and sought, the kernel,
//! files, hogs. The driver judges; see [`crate::drive::probe`].

mod files;
mod hogs;
mod kernel;
mod keys;
mod pace;
mod secrets;

use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Mutex;

use serde::{Deserialize, Serialize};

pub use kernel::Kernel;
pub use pace::{Latency, Pace};
pub use secrets::{Planted, Secret, plant, seek};

/// What a guest is to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProbeWork {
    /// Put a secret somewhere. Answered by [`ProbeFound::Planted`].
    Plant {
        /// Where.
        kind: Secret,
        /// What.
        secret: String,
    },
    /// Look for a secret. Answered by [`ProbeFound::Sought`].
    Seek {
        /// Where.
        kind: Secret,
        /// Where exactly, as planting told.
        place: String,
        /// What.
        secret: String,
    },
    /// Remove all planted secrets.
    Unplant,
    /// Tell of the kernel.
    Kernel,
    /// Draw random bytes from the kernel.
    Draw,
    /// Make a tree of files: many small ones, links, permissions, a large one and a sparse one.
    Grow {
        /// Small files.
        files: u32,
        /// Size of the large one.
        large_bytes: u64,
        /// Size of the sparse one.
        sparse_bytes: u64,
    },
    /// Digest of that tree: names, kinds, permissions, link targets, contents.
    Survey,
    /// Change one bit of one file of that tree.
    Flip,
    /// Do the same short computation again and again, and tell how long it took at times.
    Latency {
        /// Rounds of the hash loop in one computation.
        rounds: u64,
        /// For how long.
        lasts_ns: u64,
    },
    /// Be a noisy neighbour.
    Burn {
        /// Of what kind.
        hog: Hog,
        /// Threads.
        threads: u32,
        /// For how long.
        lasts_ns: u64,
    },
    /// Start processes until it is refused.
    Bomb {
        /// At most so many.
        most: u32,
    },
    /// Take memory until it is refused.
    Eat {
        /// At most so much.
        most_bytes: u64,
    },
    /// Write files until it is refused.
    Fill {
        /// How many.
        files: u32,
        /// How large each.
        file_bytes: u64,
    },
    /// Do the reference work: computing, memory, files, syncing.
    Pace,
}

/// What a noisy neighbour takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hog {
    /// The processor.
    Cpu,
    /// Memory and caches.
    Memory,
    /// The disk.
    Disk,
}

/// What a guest found.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProbeFound {
    /// The secret is where this says.
    Planted {
        /// Path, number or name; for [`ProbeWork::Seek`].
        place: String,
    },
    /// Whether the secret was found.
    Sought {
        /// It was.
        found: bool,
    },
    /// The kernel.
    Kernel(Kernel),
    /// Random bytes, in hexadecimal.
    Drawn {
        /// 16 of them.
        random: String,
    },
    /// A tree of files.
    Surveyed {
        /// SHA-256 over all of it, in hexadecimal.
        digest: String,
        /// Files, directories and links.
        entries: u64,
        /// Their sizes.
        bytes: u64,
        /// Whether the sparse file takes less room than its size.
        holes: bool,
    },
    /// It was done.
    Done,
    /// How long computations took.
    Latency(Latency),
    /// How far a hog came.
    Reached {
        /// Processes, or bytes.
        reached: u64,
        /// What stopped it; nothing if it had as much as it was to take.
        stopped: Option<String>,
    },
    /// How long the reference work took.
    Paced(Pace),
}

/// Does it. `files` is where a sandbox's files are, `identity` its token, `program` what this very
/// program was executed as.
///
/// # Errors
/// If the sandbox does not have what it takes.
pub fn perform(
    work: &ProbeWork,
    files: &Path,
    identity: &Path,
    planted: &Mutex<Planted>,
) -> io::Result<ProbeFound> {
    let lock = || planted.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    Ok(match work {
        ProbeWork::Plant { kind, secret } => {
            let program = std::env::args_os().next().ok_or(io::ErrorKind::NotFound)?;
            let place = plant(*kind, secret, (files, identity), &program, &mut lock())?;
            ProbeFound::Planted { place }
        }
        ProbeWork::Seek { kind, place, secret } => {
            ProbeFound::Sought { found: seek(*kind, place, secret) }
        }
        ProbeWork::Unplant => {
            *lock() = Planted::default();
            ProbeFound::Done
        }
        ProbeWork::Kernel => ProbeFound::Kernel(Kernel::here()),
        ProbeWork::Draw => ProbeFound::Drawn { random: draw()? },
        ProbeWork::Grow { files: count, large_bytes, sparse_bytes } => {
            files::grow(files, *count, *large_bytes, *sparse_bytes)?;
            ProbeFound::Done
        }
        ProbeWork::Survey => files::survey(files)?,
        ProbeWork::Flip => {
            files::flip(files)?;
            ProbeFound::Done
        }
        ProbeWork::Latency { rounds, lasts_ns } => {
            ProbeFound::Latency(pace::latency(*rounds, *lasts_ns))
        }
        ProbeWork::Burn { hog, threads, lasts_ns } => {
            pace::burn(*hog, *threads, *lasts_ns, files)?;
            ProbeFound::Done
        }
        ProbeWork::Bomb { most } => hogs::bomb(*most),
        ProbeWork::Eat { most_bytes } => hogs::eat(*most_bytes)?,
        ProbeWork::Fill { files: count, file_bytes } => hogs::fill(files, *count, *file_bytes),
        ProbeWork::Pace => ProbeFound::Paced(pace::pace(files)?),
    })
}

/// 16 random bytes of the kernel's, in hexadecimal.
///
/// # Errors
/// If it gives none.
pub fn draw() -> io::Result<String> {
    let mut random = [0_u8; 16];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut random)?;
    Ok(random.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The hidden command `guest hold SECRET`: a process whose arguments and environment hold something,
/// until its standard input ends.
pub fn hold() -> ExitCode {
    let mut rest = Vec::new();
    // From here on arguments and environment are to be seen; in the middle of an exec they are not.
    let seen = io::stdout().write_all(b"\n").and_then(|()| io::stdout().flush());
    match seen.and_then(|()| io::stdin().lock().read_to_end(&mut rest)) {
        Ok(_) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// A process that holds a secret among its arguments, or in its environment, and can be seen.
fn holder(program: &OsStr, argument: Option<&str>, variable: Option<&str>) -> io::Result<Child> {
    let mut command = Command::new(program);
    command.args(["guest", "hold"]).args(argument);
    command.envs(variable.map(|value| ("PLIMSOLL_PROBE", value)));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn()?;
    let mut up = [0_u8];
    let said = child.stdout.take().map_or(Ok(()), |mut out| out.read_exact(&mut up));
    if let Err(error) = said {
        let _ = child.kill();
        let _ = child.wait();
        return Err(error);
    }
    Ok(child)
}
