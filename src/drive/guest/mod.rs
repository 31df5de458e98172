//! What runs inside a process sandbox, and the launcher that builds the sandbox around it.
//!
//! 1. The driver executes its own binary as `plimsoll guest launch …`, with a socket as standard
//!    input and output. That process has one thread, so that it may fork.
//! 2. The launcher enters new namespaces and forks; the child is pid 1 of its pid namespace, builds a
//!    root of its own, gives up all privileges and executes the binary again, as `guest inside …`.
//! 3. The guest says it is ready and serves requests until the socket closes. So it ends with the
//!    driver, however that ended; the kernel's parent-death signal is a second string to that bow.
//! 4. The launcher waits for the guest and reaps it; a SIGTERM to the launcher kills the guest.
//!
//! Where another program builds the sandbox, a container runtime or a virtual machine monitor, a *tender*
//! takes the launcher's place: it runs that program, adopts what it leaves running, and reaps it.

mod files;
mod hub;
mod init;
mod launcher;
pub mod probe;
pub mod protocol;
mod root;
mod serve;
mod signals;
mod tend;
pub mod work;

use std::ffi::OsString;
use std::process::ExitCode;

pub use files::{digest_bytes, digest_tree};
pub use init::MODULES;

/// Exit code of a launcher or guest that was called in a way it does not understand.
const USAGE: u8 = 2;

/// The hidden command `guest`. `args` are those after it:
///
/// - `launch TAG SLOT BOOT`: build a sandbox and run a guest in it,
/// - `inside TAG SLOT INSIDE`: be the guest,
/// - `tend TAG SLOT TEND`: run another program that makes a sandbox, and look after that,
/// - `init`: be the guest, as the first process of a virtual machine,
/// - `hold`: do nothing but be seen, for a probe,
/// - `needs`: print the loader and the libraries that this program was loaded from,
/// - `calibrate`: print how many rounds of the hash loop this core does per second.
///
/// `BOOT`, `INSIDE` and `TEND` are JSON. Run tag and slot number are there to be seen from outside: they
/// say which run a process belongs to. Must be called before the process has a second thread.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Option<Vec<String>> = args.into_iter().map(|arg| arg.into_string().ok()).collect();
    let args = args.unwrap_or_default();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["launch", tag, slot, boot] => match serde_json::from_str(boot) {
            Ok(boot) => launcher::launch(tag, slot, &boot),
            Err(error) => usage(&error.to_string()),
        },
        ["inside", _, _, inside] => match serde_json::from_str(inside) {
            Ok(inside) => serve::serve(&inside),
            Err(error) => usage(&error.to_string()),
        },
        ["tend", _, _, tend] => match serde_json::from_str(tend) {
            Ok(tend) => tend::tend(&tend),
            Err(error) => usage(&error.to_string()),
        },
        ["init"] => init::init(),
        ["hold", ..] => probe::hold(),
        ["needs"] => match needed_files() {
            Ok(files) => {
                files.iter().for_each(|file| println!("{}", file.display()));
                ExitCode::SUCCESS
            }
            Err(error) => usage(&error.to_string()),
        },
        ["calibrate"] => {
            println!("{}", work::calibrate());
            ExitCode::SUCCESS
        }
        _ => usage("expected `launch`, `inside`, `init`, `tend`, `hold`, `needs` or `calibrate`"),
    }
}

/// The loader and the shared libraries that this program was loaded from, and that each sandbox gets.
///
/// # Errors
/// If /proc cannot be read.
pub fn needed_files() -> std::io::Result<std::collections::BTreeSet<std::path::PathBuf>> {
    Ok(root::Program::running()?.needs)
}

fn usage(problem: &str) -> ExitCode {
    eprintln!("plimsoll guest: {problem}; this command is for plimsoll's own use");
    ExitCode::from(USAGE)
}
