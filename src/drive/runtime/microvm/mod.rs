//! Virtual machines by QEMU's `microvm`, each with a kernel of its own and the guest as its first
//! process.
//!
//! 1. All machines of a run start from one kernel and one initramfs; each has a disk of its own.
//! 2. QEMU runs under a tender, in the sandbox's control groups. The guest talks over the serial port.
//! 3. A full snapshot is memory, devices and disk; a machine that is restored goes on where it was. A
//!    snapshot of files is the disk, and the machine boots from it.
//!
//! The processor's own virtualization is used where a machine really boots under it, which is tried
//! once and remembered; else QEMU emulates, and [`MicrovmRuntime::lost_isolation`] says why.

mod config;
mod cpio;
mod machine;
mod qmp;
mod sparse;
mod tier;
mod virtualization;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::cgroup::Cgroups;
use super::managed::{Managed, image, needed_by};
use super::oci::find;
use super::tender::Tenders;
use super::{CreateSpec, Limits, LostIsolation, RuntimeError, SandboxId};
use crate::drive::clock::Clock;
use crate::drive::journal::{Journal, RunTag};
use crate::units::Span;
pub use config::{Kernel, MicrovmConfig, find_kernel, kernels_directory};
pub use machine::Accel;
use virtualization::Tried;

/// Stands for the machine that finds things out; no other has this name.
const FIRST: SandboxId = SandboxId(u64::MAX);

/// How long a machine may take to boot under the processor's own virtualization when that is tried.
const TRIAL_WITHIN: Span = Span::from_secs(15);

/// Sandboxes that are virtual machines.
#[derive(Debug)]
pub struct Microvm {
    config: MicrovmConfig,
    program: PathBuf,
    kernel: Kernel,
    cgroups: Cgroups,
    tenders: Tenders,
    library_path: String,
    tsc_khz: Option<u64>,
    found: Mutex<Found>,
}

/// What was found out at the start.
#[derive(Clone, Debug)]
struct Found {
    accel: Accel,
    boot_within: Span,
    lost: Vec<LostIsolation>,
}

/// A runtime of virtual machines.
pub type MicrovmRuntime = Managed<Microvm>;

impl Managed<Microvm> {
    /// Begins a run: journal, control groups, initramfs, and a first machine to find out what works.
    ///
    /// # Errors
    /// If there is no QEMU or no kernel, or a machine does not boot.
    pub async fn start(config: MicrovmConfig, clock: Clock) -> Result<Self, RuntimeError> {
        let program = find(&config.program).ok_or_else(|| {
            lacking("QEMU", "install it (Debian: `apt-get install qemu-system-x86`)")
        })?;
        let kernel = find_kernel(config.kernel.as_deref()).ok_or_else(|| {
            let mend = "name one as `live.target.kernel`, or unpack Debian's: `apt-get download \
                        linux-image-cloud-amd64`'s dependency, `dpkg-deb -x` it into \
                        ~/.cache/plimsoll/kernels";
            lacking("a kernel for virtual machines", mend)
        })?;
        let needs = needed_by(&config.common.launcher).await?;
        let tenders = Tenders::start()?;
        let tag = RunTag::fresh()?;
        let mut cgroups = Cgroups::plan(tag.as_str());
        let journal = Journal::begin(&config.common.state, tag, &cgroups.paths())?;
        cgroups.make();
        let common = config.common.clone();
        let lost = cgroups.lost().to_vec();
        let boot_within = common.create_within;
        let tier = Microvm {
            found: Mutex::new(Found { accel: Accel::Tcg, boot_within, lost }),
            library_path: image::library_path(&needs),
            tsc_khz: virtualization::tsc_khz(),
            config,
            program,
            kernel,
            cgroups,
            tenders,
        };
        let furnished = tier.furnish(&journal.directory().image(), &common.launcher, &needs);
        let runtime = Managed::over(tier, common, clock, journal).await?;
        furnished.map_err(|source| RuntimeError::Environment {
            what: "make the machines' initramfs".into(),
            source,
            mend: "check the free space and the rights of the state directory (PLIMSOLL_STATE), and \
                   that the kernel's modules can be read",
        })?;
        if !runtime.has_kvm().await {
            runtime.try_out(first()).await?;
        }
        Ok(runtime)
    }

    /// What a machine's processor is.
    pub fn accel(&self) -> Accel {
        self.tier().found().accel
    }

    /// Finds out whether machines boot under the processor's own virtualization, and uses it if so.
    async fn has_kvm(&self) -> bool {
        let tier = self.tier();
        let tried = if tier.config.kvm {
            let key = tier.key();
            match Tried::read(&tier.config.common.state, &key) {
                Some(tried) => tried,
                None => {
                    let tried = Tried { key, refused: self.try_kvm().await };
                    tried.write(&tier.config.common.state);
                    tried
                }
            }
        } else {
            Tried { key: String::new(), refused: Some("switched off".into()) }
        };
        let mut found = tier.found();
        match tried.refused {
            None => {
                found.accel = Accel::Kvm;
                true
            }
            Some(why) => {
                found.lost.push(LostIsolation {
                    what: "virtualization by the processor (KVM)".into(),
                    why: format!("{why}; machines are emulated (TCG)"),
                    mend: "a host with VT-x or AMD-V that lets its guests nest, and rights to \
                           /dev/kvm"
                        .into(),
                });
                false
            }
        }
    }

    /// Why no machine boots under the processor's own virtualization; `None` if one did.
    async fn try_kvm(&self) -> Option<String> {
        if let Err(error) = fs::File::options().read(true).write(true).open("/dev/kvm") {
            return Some(format!("/dev/kvm cannot be opened: {error}"));
        }
        let set = |accel, within| {
            let mut found = self.tier().found();
            (found.accel, found.boot_within) = (accel, within);
        };
        set(Accel::Kvm, TRIAL_WITHIN);
        let outcome = self.try_out(first()).await;
        set(Accel::Tcg, self.tier().config.common.create_within);
        outcome.err().map(|error| format!("a machine does not boot under it: {error}"))
    }
}

impl Microvm {
    fn found(&self) -> std::sync::MutexGuard<'_, Found> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes what all machines share: the root, and of it the initramfs.
    fn furnish(&self, image: &Path, binary: &Path, needs: &[PathBuf]) -> std::io::Result<()> {
        fs::create_dir(image)?;
        let root = image.join("root");
        image::build(&root, binary, needs)?;
        machine::write_initramfs(&image.join(tier::INITRAMFS), &root, &self.kernel)?;
        fs::remove_dir_all(&root)
    }

    /// What the outcome of trying virtualization depends on.
    fn key(&self) -> String {
        let changed = |path: &Path| path.metadata().and_then(|is| is.modified()).ok();
        format!(
            "{} {:?} {} {:?} boot {}",
            self.program.display(),
            changed(&self.program),
            self.kernel.image.display(),
            changed(&self.kernel.image),
            virtualization::boot_id(),
        )
    }
}

fn first() -> CreateSpec {
    CreateSpec { sandbox: FIRST, token: "first".into(), limits: Limits::default() }
}

fn lacking(what: &str, mend: &'static str) -> RuntimeError {
    let source = std::io::ErrorKind::NotFound.into();
    RuntimeError::Environment { what: format!("find {what}"), source, mend }
}
