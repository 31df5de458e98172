//! The guest as the first process of a virtual machine.
//!
//! The kernel gives it an initramfs and nothing else. It loads the modules that the machine's devices
//! need, mounts the disk, and talks with the driver over the serial port:
//!
//! 1. It says that it is up.
//! 2. The driver tells it the identity of a new sandbox, or that the disk has one already.
//! 3. From then on it serves like every guest, until the driver has the machine end.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use rustix::mount::{MountFlags, mount};
use rustix::process::{Resource, Rlimit, setrlimit};
use rustix::system::{RebootCommand, finit_module, reboot};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

use super::protocol::{GuestLimits, Inside, Message, Request, line};
use super::serve;
use crate::drive::clock::monotonic_nanos;

/// Where modules stand in the initramfs; they are loaded in the order of their names.
pub const MODULES: &str = "/modules";

const SERIAL: &str = "/dev/ttyS0";
const DISK_DEVICE: &str = "/dev/vda";
const DISK: &str = "/disk";

/// How long a device may take to show up once its modules are loaded.
const DEVICE_WITHIN: Duration = Duration::from_secs(10);

/// `MODULE_INIT_COMPRESSED_FILE` of finit_module(2).
const COMPRESSED: i32 = 4;

/// Serves, and has the machine end when that is over.
pub fn init() -> ExitCode {
    let began_ns = monotonic_nanos();
    if let Err(error) = serve_machine(began_ns) {
        // Nobody reads the console; the driver sees that the machine ends before it is up.
        eprintln!("plimsoll guest: {error}");
    }
    rustix::fs::sync();
    // The monitor is told to end instead of starting the machine again.
    let _ = reboot(RebootCommand::Restart);
    ExitCode::FAILURE
}

fn serve_machine(began_ns: u64) -> io::Result<()> {
    for (kind, place) in [("devtmpfs", "/dev"), ("proc", "/proc")] {
        mount(kind, place, kind, MountFlags::NOSUID, None)?;
    }
    open_serial()?;
    load_modules()?;
    wait_for(Path::new(DISK_DEVICE))?;
    fs::create_dir_all(DISK)?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOATIME;
    mount(DISK_DEVICE, DISK, "ext4", flags, None)?;
    say(&Message::Up { began_ns, up_ns: monotonic_nanos() })?;
    let mut first = String::new();
    io::stdin().lock().read_line(&mut first)?;
    let Request::Enter { id, token, limits } = serde_json::from_str(&first)? else {
        return Err(io::Error::other("the driver did not say whose machine this is"));
    };
    let inside = Inside {
        files: Path::new(DISK).join("files"),
        identity: Path::new(DISK).join("identity"),
        launched_ns: 0,
        isolated_ns: 0,
        with_parent: false,
        limits: None,
    };
    if let Some(token) = token {
        fs::create_dir(&inside.files)?;
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create_new(true).mode(0o400).open(&inside.identity)?;
        file.write_all(token.as_bytes())?;
    }
    limit(&limits)?;
    serve::serve_machine(&inside, id)
}

/// Makes the serial port standard input, output and error, without a terminal's habits.
fn open_serial() -> io::Result<()> {
    let flags = OFlags::RDWR | OFlags::NOCTTY;
    let serial = rustix::fs::open(SERIAL, flags, Mode::empty())?;
    let mut settings = tcgetattr(&serial)?;
    settings.make_raw();
    tcsetattr(&serial, OptionalActions::Now, &settings)?;
    rustix::stdio::dup2_stdin(&serial)?;
    rustix::stdio::dup2_stdout(&serial)?;
    // What is said in despair must not look like an answer.
    rustix::stdio::dup2_stderr(File::options().write(true).open("/dev/null")?)?;
    Ok(())
}

/// Loads what the initramfs brings. A module that the kernel has built in is not among them.
fn load_modules() -> io::Result<()> {
    let Ok(entries) = fs::read_dir(MODULES) else { return Ok(()) };
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    for path in paths {
        let is_plain = path.extension().is_some_and(|extension| extension == "ko");
        let flags = if is_plain { 0 } else { COMPRESSED };
        match finit_module(File::open(&path)?, c"", flags) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => {}
            Err(error) => {
                let text = format!("loading {}: {error}", path.display());
                return Err(io::Error::new(error.kind(), text));
            }
        }
    }
    Ok(())
}

fn wait_for(device: &Path) -> io::Result<()> {
    let step = Duration::from_millis(2);
    let mut waited = Duration::ZERO;
    while !device.exists() {
        if waited >= DEVICE_WITHIN {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the disk does not show up"));
        }
        thread::sleep(step);
        waited += step;
    }
    Ok(())
}

/// Sets what a guest may use, for good.
///
/// # Errors
/// If a limit is above one that holds already.
pub fn limit(limits: &GuestLimits) -> io::Result<()> {
    let wanted = [
        (Resource::Data, limits.data_bytes),
        (Resource::Fsize, limits.file_bytes),
        (Resource::Core, 0),
    ];
    for (resource, value) in wanted {
        setrlimit(resource, Rlimit { current: Some(value), maximum: Some(value) })?;
    }
    Ok(())
}

fn say(message: &Message) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(&line(message))?;
    out.flush()
}
