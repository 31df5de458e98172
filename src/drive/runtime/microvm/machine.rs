//! One machine: what it starts from, and QEMU's command line.

use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::config::Kernel;
use super::cpio::Cpio;
use super::sparse;
use crate::drive::guest::MODULES;
use crate::drive::runtime::Limits;
use crate::drive::runtime::managed::image::BINARY;
use crate::units::Bytes;

/// What the guest's kernel and its caches take beside tool work.
pub const KERNEL_MEMORY: Bytes = Bytes(128 << 20);
/// What QEMU takes beside the guest's memory: its own code, and the translated code of an emulated
/// machine.
pub const MONITOR_MEMORY: Bytes = Bytes(384 << 20);
/// What the file system takes of a disk beside the files: at most, for the sizes in use.
const DISK_OVERHEAD: Bytes = Bytes(64 << 20);

/// Names in a machine's directory.
pub const DISK: &str = "disk";
pub const MEMORY: &str = "memory";
pub const QMP: &str = "qmp";

/// Modules for the disk in the order in which they are loaded; those that a kernel lacks it has
/// built in.
const WANTED: [(&str, &str); 4] = [
    ("virtio_ring", "kernel/drivers/virtio"),
    ("virtio", "kernel/drivers/virtio"),
    ("virtio_mmio", "kernel/drivers/virtio"),
    ("virtio_blk", "kernel/drivers/block"),
];

/// What a machine's processor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accel {
    /// The host's, by its own virtualization.
    Kvm,
    /// Emulated by QEMU's translator.
    Tcg,
}

impl Accel {
    /// QEMU's name of it.
    pub fn name(self) -> &'static str {
        match self {
            Accel::Kvm => "kvm",
            Accel::Tcg => "tcg",
        }
    }
}

/// Writes the initramfs: the sandboxes' root and the modules.
///
/// # Errors
/// If a file cannot be read or written.
pub fn write_initramfs(to: &Path, root: &Path, kernel: &Kernel) -> io::Result<()> {
    let mut archive = Cpio::new(BufWriter::new(File::create(to)?));
    add_tree(&mut archive, root, root)?;
    archive.device("/dev/console", 5, 1)?;
    // The kernel gives its first process no open files where there is no console, and std then takes
    // this one for all three, or gives up.
    archive.device("/dev/null", 1, 3)?;
    for (number, (name, folder)) in WANTED.iter().enumerate() {
        for ending in ["ko", "ko.xz", "ko.zst"] {
            let path = kernel.modules.join(folder).join(format!("{name}.{ending}"));
            if path.is_file() {
                let inside = format!("{MODULES}/{number}-{name}.{ending}");
                archive.file(&inside, &fs::read(path)?)?;
                break;
            }
        }
    }
    archive.finish()?;
    Ok(())
}

fn add_tree(archive: &mut Cpio<BufWriter<File>>, root: &Path, directory: &Path) -> io::Result<()> {
    let mut entries = fs::read_dir(directory)?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let inside = path.strip_prefix(root).map_err(io::Error::other)?.display().to_string();
        if entry.file_type()?.is_dir() {
            archive.directory(&inside)?;
            add_tree(archive, root, &path)?;
        } else {
            archive.file(&inside, &fs::read(&path)?)?;
        }
    }
    Ok(())
}

/// An empty disk for files up to a size, made once per size and copied from then on.
///
/// # Errors
/// If it cannot be written, or `mke2fs` is not there.
pub fn fresh_disk(templates: &Path, files: Bytes, to: &Path) -> io::Result<()> {
    let packed = templates.join(format!("disk-{}", files.0));
    if !packed.exists() {
        // Several may be at it: each makes its own, and one name is taken last.
        let own = tempname(&packed, to);
        File::create(&own)?.set_len(files.0 + DISK_OVERHEAD.0)?;
        format_disk(&own)?;
        let archive = tempname(&packed, &own);
        sparse::pack(&own, &archive)?;
        fs::rename(&archive, &packed)?;
        fs::remove_file(&own)?;
    }
    sparse::unpack(&packed, to)
}

/// A name beside `path` that only the sandbox of `unique` uses.
fn tempname(path: &Path, unique: &Path) -> PathBuf {
    let text = unique.display().to_string().replace('/', "_");
    let mut name = path.as_os_str().to_owned();
    name.push(text);
    PathBuf::from(name)
}

fn format_disk(disk: &Path) -> io::Result<()> {
    let mut command = Command::new("mke2fs");
    // Without a journal: the disk dies with its machine, or is unmounted before it is stored.
    command.args(["-q", "-t", "ext4", "-O", "^has_journal", "-m", "0"]).arg(disk);
    let output = command.stdin(Stdio::null()).output().map_err(|error| {
        io::Error::new(error.kind(), format!("mke2fs (Debian: e2fsprogs): {error}"))
    })?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(io::Error::other(format!("mke2fs failed: {said}")))
}

/// What QEMU is told.
#[derive(Clone, Debug)]
pub struct Machine<'a> {
    pub program: &'a Path,
    pub name: String,
    pub kernel: &'a Path,
    pub initramfs: &'a Path,
    pub accel: Accel,
    pub limits: Limits,
    pub library_path: &'a str,
    /// Ticks of the host's time-stamp counter in a millisecond.
    pub tsc_khz: Option<u64>,
    /// Whether it starts from the memory in its directory.
    pub resumes: bool,
}

impl Machine<'_> {
    /// Memory that the machine has.
    pub fn memory(limits: &Limits) -> Bytes {
        limits.memory + KERNEL_MEMORY
    }

    /// The command. It is started in the machine's directory.
    pub fn command(&self) -> Vec<String> {
        let accel = self.accel.name();
        let cpu = if self.accel == Accel::Kvm { "host" } else { "max" };
        let memory = Machine::memory(&self.limits).0.div_ceil(1 << 20);
        let cores = (self.limits.vcpu.0.ceil() as u64).max(1);
        let words = [
            ("-name", self.name.clone()),
            ("-M", "microvm,acpi=on,pit=on,pic=on,rtc=on,isa-serial=on".into()),
            ("-accel", accel.into()),
            ("-cpu", cpu.into()),
            ("-m", format!("{memory}M")),
            ("-smp", cores.to_string()),
            ("-kernel", self.kernel.display().to_string()),
            ("-initrd", self.initramfs.display().to_string()),
            ("-append", self.append()),
            ("-chardev", "stdio,id=talk,signal=off".into()),
            ("-serial", "chardev:talk".into()),
            ("-drive", format!("id=disk,file={DISK},format=raw,if=none")),
            ("-device", "virtio-blk-device,drive=disk".into()),
            ("-qmp", format!("unix:{QMP},server=on,wait=off")),
        ];
        let mut command = vec![self.program.display().to_string()];
        let plain = ["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"];
        command.extend(plain.map(str::to_owned));
        command.extend(words.into_iter().flat_map(|(key, value)| [key.to_owned(), value]));
        if self.resumes {
            command.extend(["-incoming".to_owned(), format!("exec:cat {MEMORY}")]);
        }
        command
    }

    /// The kernel's line.
    fn append(&self) -> String {
        let mut words = vec![
            format!("rdinit={BINARY}"),
            // Nothing but the guest talks over the serial port.
            "quiet loglevel=0 console=null 8250.nr_uarts=1".into(),
            "panic=-1 reboot=t random.trust_cpu=on".into(),
        ];
        if let Some(khz) = self.tsc_khz {
            // An emulated machine cannot measure its counter, which is the host's, against anything.
            // Loops per jiffy at 250 jiffies a second.
            words.push(format!("tsc=reliable tsc_early_khz={khz} lpj={}", khz * 4));
        }
        if !self.library_path.is_empty() {
            words.push(format!("LD_LIBRARY_PATH={}", self.library_path));
        }
        words.push("-- guest init".into());
        words.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Cores;

    fn machine() -> Machine<'static> {
        Machine {
            program: Path::new("qemu"),
            name: "plimsoll-t-0".into(),
            kernel: Path::new("/k/vmlinuz"),
            initramfs: Path::new("/k/initramfs"),
            accel: Accel::Tcg,
            limits: Limits { vcpu: Cores(1.5), memory: Bytes(512 << 20), ..Limits::default() },
            library_path: "/lib",
            tsc_khz: Some(2_100_000),
            resumes: false,
        }
    }

    #[test]
    fn a_machine_has_whole_cores_and_its_kernels_memory_beside() {
        let command = machine().command().join(" ");
        assert!(command.contains("-smp 2 ") && command.contains("-m 640M "), "{command}");
        assert!(command.contains("tsc_early_khz=2100000 lpj=8400000"), "{command}");
        assert!(command.contains("-accel tcg -cpu max") && !command.contains("-incoming"));
        let resumed = Machine { resumes: true, accel: Accel::Kvm, tsc_khz: None, ..machine() };
        let command = resumed.command().join(" ");
        assert!(command.ends_with("-incoming exec:cat memory"), "{command}");
        assert!(command.contains("-accel kvm -cpu host") && !command.contains("tsc"), "{command}");
    }

    #[test]
    fn an_initramfs_has_the_root_the_console_and_the_modules_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let (root, modules) = (dir.path().join("root"), dir.path().join("modules"));
        fs::create_dir_all(root.join("dev")).unwrap();
        fs::write(root.join("plimsoll"), "the guest").unwrap();
        for (name, folder) in WANTED {
            fs::create_dir_all(modules.join(folder)).unwrap();
            fs::write(modules.join(folder).join(format!("{name}.ko")), name).unwrap();
        }
        let kernel = Kernel { image: dir.path().join("vmlinuz"), modules };
        let to = dir.path().join("initramfs");
        write_initramfs(&to, &root, &kernel).unwrap();
        let text = String::from_utf8_lossy(&fs::read(&to).unwrap()).into_owned();
        let at = |word: &str| text.find(word).unwrap_or_else(|| panic!("no {word}"));
        assert!(at("plimsoll") > at("dev"));
        assert!(at("dev/console") < at("modules/0-virtio_ring.ko"));
        assert!(at("modules/0-virtio_ring.ko") < at("modules/1-virtio.ko"));
        assert!(at("modules/2-virtio_mmio.ko") < at("modules/3-virtio_blk.ko"));
    }
}
