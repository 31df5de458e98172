//! How virtual machines are set up, and where their kernel is.

use std::path::{Path, PathBuf};

use crate::drive::runtime::oci::Keep;
use crate::drive::runtime::process::ProcessConfig;
use crate::drive::runtime::{Common, RuntimeError};

/// QEMU's program for the machines that plimsoll makes.
const QEMU: &str = "qemu-system-x86_64";

/// How virtual machines are set up.
#[derive(Clone, Debug)]
pub struct MicrovmConfig {
    /// What all runtimes have.
    pub common: Common,
    /// QEMU, by path or by name.
    pub program: PathBuf,
    /// The guest's kernel; looked for if not given.
    pub kernel: Option<PathBuf>,
    /// What hibernation is to keep.
    pub keep: Keep,
    /// Whether to try the processor's own virtualization; else all is emulated.
    pub kvm: bool,
}

impl MicrovmConfig {
    /// Defaults on this machine.
    ///
    /// # Errors
    /// If this program's own path or the state directory cannot be found.
    pub fn here() -> Result<Self, RuntimeError> {
        Ok(MicrovmConfig::with(ProcessConfig::here()?.common()))
    }

    /// Defaults with settings of one's own.
    pub fn with(common: Common) -> Self {
        MicrovmConfig { common, program: QEMU.into(), kernel: None, keep: Keep::Most, kvm: true }
    }
}

/// A kernel and where its modules are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kernel {
    /// The kernel itself.
    pub image: PathBuf,
    /// Its directory of modules.
    pub modules: PathBuf,
}

impl Kernel {
    /// A kernel image and the modules that stand where its package puts them: `/boot/vmlinuz-V`
    /// beside `/lib/modules/V`, in the root or in an unpacked package.
    fn of(image: &Path) -> Self {
        let name = image.file_name().unwrap_or_default().to_string_lossy();
        let version = name.strip_prefix("vmlinuz-").unwrap_or(&name);
        let root = image.parent().and_then(Path::parent).unwrap_or(Path::new("/"));
        Kernel { image: image.to_owned(), modules: root.join("lib/modules").join(version) }
    }
}

/// The kernel that was named, or the newest of those that can be found: unpacked ones first, then
/// installed ones for the cloud, then other installed ones.
pub fn find_kernel(named: Option<&Path>) -> Option<Kernel> {
    if let Some(image) = named {
        return image.is_file().then(|| Kernel::of(image));
    }
    let unpacked = kernels_directory().map(|directory| images(&directory.join("boot")));
    let installed = images(Path::new("/boot"));
    let is_cloud = |image: &&PathBuf| image.to_string_lossy().contains("cloud");
    let cloud = installed.iter().rfind(is_cloud).cloned();
    let newest = unpacked.and_then(|mut images| images.pop());
    newest.or(cloud).or(installed.last().cloned()).map(|image| Kernel::of(&image))
}

/// Where `tests/run` unpacks a kernel: `$PLIMSOLL_KERNELS`, else `plimsoll/kernels` in the user's cache.
pub fn kernels_directory() -> Option<PathBuf> {
    let variable =
        |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    variable("PLIMSOLL_KERNELS").or_else(|| {
        let cache =
            variable("XDG_CACHE_HOME").or_else(|| Some(variable("HOME")?.join(".cache")))?;
        Some(cache.join("plimsoll/kernels"))
    })
}

/// Kernel images of a directory, in order of their names.
fn images(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let mut images: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    images.retain(|path| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("vmlinuz-"))
    });
    images.sort();
    images
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_stand_beside_the_kernel() {
        let kernel = Kernel::of(Path::new("/cache/boot/vmlinuz-6.1.0-cloud-amd64"));
        assert_eq!(kernel.modules, Path::new("/cache/lib/modules/6.1.0-cloud-amd64"));
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(find_kernel(Some(&dir.path().join("none"))), None);
        let image = dir.path().join("vmlinuz-9");
        std::fs::write(&image, "").unwrap();
        assert_eq!(find_kernel(Some(&image)).unwrap().image, image);
        assert_eq!(images(dir.path()), [image]);
    }
}
