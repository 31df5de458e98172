//! The sandbox's own root: a small read-only tree with nothing in it but what the guest needs.
//!
//! ```text
//! /plimsoll        the binary                    bound read-only
//! /lib…/ld-…, *.so loader and shared libraries   bound read-only, at the paths they have outside
//! /identity        the session's identity token  bound read-only
//! /scratch         the sandbox's files           bound, writable: what hibernation keeps
//! /dev/{null,zero,urandom}, /proc
//! ```

use std::collections::BTreeSet;
use std::ffi::{CStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::{StatVfsMountFlags, statvfs};
use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_bind, mount_change,
    mount_remount, unmount,
};

use super::protocol::{Boot, Feature};

/// The binary, as the guest sees it.
pub const BINARY: &str = "/plimsoll";
/// The files, as the guest sees them.
pub const FILES: &str = "/scratch";
/// The identity token, as the guest sees it.
pub const IDENTITY: &str = "/identity";

const DEVICES: [&str; 3] = ["/dev/null", "/dev/zero", "/dev/urandom"];
const NO_DATA: Option<&CStr> = None;

/// A failed step: what was tried, which isolation it was for, what the system said.
#[derive(Debug)]
pub struct StepError {
    pub feature: Option<Feature>,
    pub step: String,
    pub source: io::Error,
}

/// Names a step that may fail.
pub fn step<T, E: Into<io::Error>>(
    feature: impl Into<Option<Feature>>,
    step: impl Into<String>,
    outcome: Result<T, E>,
) -> Result<T, StepError> {
    let feature = feature.into();
    outcome.map_err(|error| StepError { feature, step: step.into(), source: error.into() })
}

/// The running binary and all that it needs to run.
#[derive(Debug)]
pub struct Program {
    pub binary: PathBuf,
    /// Loader and libraries, at the paths by which they are opened.
    pub needs: BTreeSet<PathBuf>,
}

impl Program {
    /// Finds out what this very process was loaded from. The guest is the same program, so it needs
    /// the same files.
    pub fn running() -> io::Result<Self> {
        let binary = fs::read_link("/proc/self/exe")?;
        let mut needs = BTreeSet::new();
        for line in fs::read_to_string("/proc/self/maps")?.lines() {
            let Some(start) = line.find('/') else { continue };
            let path = Path::new(&line[start..]);
            let is_library = path
                .file_name()
                .and_then(|name| name.to_str())
                .is_some_and(|name| name.contains(".so"));
            if is_library && path != binary {
                needs.insert(path.to_owned());
            }
        }
        needs.extend(interpreter(&binary)?);
        Ok(Program { binary, needs })
    }

    /// Directories with libraries, for the loader's search path.
    pub fn library_path(&self) -> String {
        let directories: BTreeSet<_> = self.needs.iter().filter_map(|path| path.parent()).collect();
        let directories: Vec<_> =
            directories.iter().map(|path| path.display().to_string()).collect();
        directories.join(":")
    }
}

/// The loader that the kernel will open for a 64-bit ELF file: its PT_INTERP segment, which may be
/// another name than the one it shows in the memory map. `None` for a static program.
fn interpreter(binary: &Path) -> io::Result<Option<PathBuf>> {
    const HEADER_BYTES: usize = 64;
    const INTERPRETER: u32 = 3;
    let file = fs::File::open(binary)?;
    let mut header = [0_u8; HEADER_BYTES];
    file.read_exact_at(&mut header, 0)?;
    let table = word64(&header, 32);
    let (size, count) = (word16(&header, 54), word16(&header, 56));
    for k in 0..u64::from(count) {
        let mut entry = [0_u8; 56];
        file.read_exact_at(&mut entry, table + k * u64::from(size))?;
        if u32::from_ne_bytes([entry[0], entry[1], entry[2], entry[3]]) == INTERPRETER {
            let length = word64(&entry, 32).min(4096) as usize;
            let mut path = vec![0_u8; length];
            file.read_exact_at(&mut path, word64(&entry, 8))?;
            path.retain(|byte| *byte != 0);
            return Ok(Some(PathBuf::from(OsString::from_vec(path))));
        }
    }
    Ok(None)
}

fn word16(bytes: &[u8], at: usize) -> u16 {
    u16::from_ne_bytes([bytes[at], bytes[at + 1]])
}

fn word64(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0_u8; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_ne_bytes(word)
}

/// Keeps what is mounted from now on to this mount namespace.
pub fn detach_mounts() -> Result<(), StepError> {
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    step(Feature::MountNamespace, "making mounts private", mount_change("/", private))
}

/// Builds the root and moves into it.
pub fn enter(boot: &Boot, program: &Program) -> Result<(), StepError> {
    let root = Feature::PrivateRoot;
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    let small = c"size=1m,mode=755";
    step(root, "mounting a tmpfs as root", mount("plimsoll", &boot.root, "tmpfs", flags, small))?;
    bind(boot, &program.binary, BINARY, ReadOnly::Yes)?;
    for path in &program.needs {
        bind(boot, path, path, ReadOnly::Yes)?;
    }
    bind(boot, &boot.identity, IDENTITY, ReadOnly::Yes)?;
    bind(boot, &boot.files, FILES, ReadOnly::No)?;
    for device in DEVICES {
        bind(boot, Path::new(device), device, ReadOnly::No)?;
    }
    let proc = boot.root.join("proc");
    step(root, "making /proc", fs::create_dir(&proc))?;
    if boot.features.contains(&Feature::PrivateProc) {
        let flags = flags | MountFlags::NOEXEC;
        let outcome = mount("proc", &proc, "proc", flags, NO_DATA);
        step(Feature::PrivateProc, "mounting /proc", outcome)?;
    }
    step(root, "entering the root", std::env::set_current_dir(&boot.root))?;
    // With both arguments the same, the old root is stacked on the new one and can be let go
    // without a directory to put it in; see pivot_root(2).
    step(root, "pivot_root", rustix::process::pivot_root(".", "."))?;
    step(root, "letting the old root go", unmount(".", UnmountFlags::DETACH))?;
    step(root, "entering /", std::env::set_current_dir("/"))?;
    let sealed = MountFlags::BIND | MountFlags::RDONLY | flags;
    step(root, "making the root read-only", mount_remount("/", sealed, c""))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum ReadOnly {
    Yes,
    No,
}

/// Binds a file or directory of the host to a place below the new root.
fn bind(
    boot: &Boot,
    source: &Path,
    inside: impl AsRef<Path>,
    read_only: ReadOnly,
) -> Result<(), StepError> {
    let inside = inside.as_ref();
    let target = boot.root.join(inside.strip_prefix("/").unwrap_or(inside));
    let outcome = place_and_bind(source, &target, read_only);
    step(Feature::PrivateRoot, format!("binding {}", source.display()), outcome)
}

fn place_and_bind(source: &Path, target: &Path, read_only: ReadOnly) -> io::Result<()> {
    if let Some(parent) = target.parent() {
        fs::create_dir_all(parent)?;
    }
    if source.is_dir() {
        fs::create_dir(target)?;
    } else {
        fs::File::create(target)?;
    }
    mount_bind(source, target)?;
    if read_only == ReadOnly::Yes {
        // Inside a user namespace flags of the original mount may be added to, never taken away.
        let flags = inherited_flags(target)? | MountFlags::BIND | MountFlags::RDONLY;
        mount_remount(target, flags, c"")?;
    }
    Ok(())
}

fn inherited_flags(path: &Path) -> io::Result<MountFlags> {
    let pairs = [
        (StatVfsMountFlags::NOSUID, MountFlags::NOSUID),
        (StatVfsMountFlags::NODEV, MountFlags::NODEV),
        (StatVfsMountFlags::NOEXEC, MountFlags::NOEXEC),
        (StatVfsMountFlags::NOATIME, MountFlags::NOATIME),
        (StatVfsMountFlags::NODIRATIME, MountFlags::NODIRATIME),
        (StatVfsMountFlags::RELATIME, MountFlags::RELATIME),
    ];
    let present = statvfs(path)?.f_flag;
    let carried = pairs.iter().filter(|(seen, _)| present.contains(*seen));
    Ok(carried.fold(MountFlags::empty(), |flags, (_, flag)| flags | *flag))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dynamic_program_names_its_loader_and_libraries() {
        let program = Program::running().unwrap();
        let loader = interpreter(&program.binary).unwrap();
        if let Some(loader) = loader {
            assert!(loader.is_absolute() && loader.exists(), "{}", loader.display());
            assert!(program.needs.contains(&loader));
            assert!(!program.library_path().is_empty());
        } else {
            assert!(program.needs.is_empty(), "a static program needs nothing");
        }
        assert!(program.needs.iter().all(|path| path.exists()));
    }
}
