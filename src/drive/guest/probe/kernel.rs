//! Which kernel this is, as a program sees it.

use std::fs;

use serde::{Deserialize, Serialize};

/// How much of the kernel's messages is read.
const MESSAGES: usize = 64 << 10;

/// What a program sees of its kernel and of the machine below.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kernel {
    /// `uname -r`.
    pub release: String,
    /// `uname -v`.
    pub version: String,
    /// /proc/version.
    pub banner: String,
    /// Changes with each boot of a kernel; none if it is not to be read.
    pub boot_id: Option<String>,
    /// What the processor calls itself.
    pub processor: String,
    /// The processor says that something virtualizes it.
    pub hypervisor: bool,
    /// gVisor's kernel tells of itself among its messages; dmesg(1).
    pub sentry: bool,
    /// Processes that can be seen.
    pub processes: u64,
}

impl Kernel {
    /// Looks around.
    pub fn here() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let processors = read("/proc/cpuinfo");
        let field = |name: &str| {
            let line = processors.lines().find(|line| line.starts_with(name))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        };
        let boot_id = read("/proc/sys/kernel/random/boot_id").trim().to_owned();
        let uname = rustix::system::uname();
        let processes = fs::read_dir("/proc").into_iter().flatten().flatten().filter(|entry| {
            entry.file_name().to_string_lossy().bytes().all(|byte| byte.is_ascii_digit())
        });
        Kernel {
            release: uname.release().to_string_lossy().into_owned(),
            version: uname.version().to_string_lossy().into_owned(),
            banner: read("/proc/version").trim().to_owned(),
            boot_id: Some(boot_id).filter(|id| !id.is_empty()),
            processor: field("model name").unwrap_or_default(),
            hypervisor: field("flags")
                .is_some_and(|flags| flags.split(' ').any(|flag| flag == "hypervisor")),
            sentry: messages().contains("gVisor"),
            processes: processes.count() as u64,
        }
    }
}

/// The kernel's messages, as far as they may be read; syslog(2), action 3.
fn messages() -> String {
    const READ_ALL: libc::c_int = 3;
    let mut text = vec![0_u8; MESSAGES];
    // SAFETY: the buffer is as large as is said.
    let length = unsafe { libc::klogctl(READ_ALL, text.as_mut_ptr().cast(), MESSAGES as i32) };
    text.truncate(usize::try_from(length).unwrap_or(0));
    String::from_utf8_lossy(&text).into_owned()
}
