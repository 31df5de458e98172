//! The guest proper: reads requests, does the work, answers.

use std::io::{self, BufRead, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::thread;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::process::{Signal, set_parent_process_death_signal};

use super::files::{digest_bytes, digest_tree};
use super::probe::{self, Planted};
use super::protocol::{Inside, Message, Request, line};
use super::work::{STACK_BYTES, WorkError, perform};
use crate::drive::clock::monotonic_nanos;

/// Serves until the driver closes the socket.
pub fn serve(inside: &Inside) -> ExitCode {
    let began_ns = monotonic_nanos();
    if inside.with_parent {
        // Executing can have cleared it. If it cannot be set, the socket's end still ends the guest.
        let _ = set_parent_process_death_signal(Some(Signal::KILL));
    }
    // A write beyond the file limit shall fail, not end the guest.
    // SAFETY: ignoring a signal runs no code of ours; there is no other thread yet.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
    match serve_requests(inside, began_ns) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("plimsoll guest: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What every call of a guest shares.
struct Guest {
    inside: Inside,
    nonce: String,
    /// Secrets that probes have planted.
    planted: Mutex<Planted>,
}

fn serve_requests(inside: &Inside, began_ns: u64) -> io::Result<()> {
    let_them_block()?;
    if let Some(limits) = &inside.limits {
        super::init::limit(limits)?;
    }
    let guest = Arc::new(Guest::new(inside)?);
    say(&Message::Ready {
        launched_ns: inside.launched_ns,
        isolated_ns: inside.isolated_ns,
        began_ns,
        ready_ns: monotonic_nanos(),
        identity: guest.identity()?,
        nonce: guest.nonce.clone(),
    })?;
    guest.serve()
}

/// Serves in a machine, once it is known whose it is.
///
/// # Errors
/// If the driver cannot be understood, or is not to be heard.
pub fn serve_machine(inside: &Inside, asked: u64) -> io::Result<()> {
    let guest = Arc::new(Guest::new(inside)?);
    let (identity, nonce) = (guest.identity()?, guest.nonce.clone());
    say(&Message::Hello { id: asked, identity, nonce })?;
    guest.serve()
}

/// The next line, `None` at the end. Waits also where the descriptor does not: a sandbox that has its
/// kernel in between may have been given one that its kernel reads without blocking.
fn next_line(input: &mut (impl BufRead + AsFd)) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    loop {
        match input.read_until(b'\n', &mut line) {
            Ok(_) => return Ok((!line.is_empty()).then_some(line)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                poll(&mut [PollFd::new(&input, PollFlags::IN)], None)?;
            }
            Err(error) => return Err(error),
        }
    }
}

/// Has reads and writes wait, whatever the descriptors were set to by those who had them before.
fn let_them_block() -> io::Result<()> {
    let wait = |fd: BorrowedFd<'_>| fcntl_setfl(fd, fcntl_getfl(fd)? - OFlags::NONBLOCK);
    wait(io::stdin().as_fd())?;
    Ok(wait(io::stdout().as_fd())?)
}

impl Guest {
    fn new(inside: &Inside) -> io::Result<Self> {
        // The number is drawn anew by each guest that starts.
        let (nonce, planted) = (probe::draw()?, Mutex::default());
        Ok(Guest { inside: inside.clone(), nonce, planted })
    }

    /// Answers requests until the driver says no more.
    fn serve(self: &Arc<Self>) -> io::Result<()> {
        let mut input = io::stdin().lock();
        while let Some(line) = next_line(&mut input)? {
            let began = monotonic_nanos();
            let request: Request = serde_json::from_slice(&line)?;
            let Some(id) = id_of(&request) else { return Ok(()) };
            if matches!(request, Request::Host { .. }) {
                // The driver says nothing more until this is answered, so nothing is buffered here.
                say(&Message::Agreed { id })?;
                return super::hub::serve();
            }
            let guest = Arc::clone(self);
            // Calls of one step run side by side, each in a thread of its own.
            let body = move || answer(&request, id, began, &guest);
            if let Err(error) = thread::Builder::new().stack_size(STACK_BYTES).spawn(body) {
                say(&refused(id, false, &format!("no thread for the call: {error}")))?;
            }
        }
        Ok(())
    }

    /// SHA-256 of the identity token as the file has it now.
    fn identity(&self) -> io::Result<String> {
        Ok(digest_bytes(&std::fs::read(&self.inside.identity)?))
    }
}

/// The number of a request that is answered.
fn id_of(request: &Request) -> Option<u64> {
    match request {
        Request::Exec { id, .. }
        | Request::Digest { id }
        | Request::Hello { id }
        | Request::Enter { id, .. }
        | Request::Probe { id, .. }
        | Request::Host { id }
        | Request::Join { id, .. }
        | Request::Part { id, .. } => Some(*id),
        Request::End => None,
    }
}

fn answer(request: &Request, id: u64, began: u64, guest: &Guest) {
    let files = &guest.inside.files;
    let message = match request {
        Request::Exec { work, .. } => match perform(work, began, &fresh_path(files, id)) {
            Ok(report) => Message::Done { id, report },
            Err(error) => refused(id, matches!(error, WorkError::Memory(_)), &error.to_string()),
        },
        Request::Digest { .. } => match digest_tree(files) {
            Ok((digest, bytes)) => Message::Digest { id, digest, bytes },
            Err(error) => refused(id, false, &error.to_string()),
        },
        Request::Hello { .. } => match guest.identity() {
            Ok(identity) => Message::Hello { id, identity, nonce: guest.nonce.clone() },
            Err(error) => refused(id, false, &error.to_string()),
        },
        Request::Probe { work, .. } => {
            match probe::perform(work, files, &guest.inside.identity, &guest.planted) {
                Ok(found) => Message::Probed { id, found },
                Err(error) => refused(id, false, &error.to_string()),
            }
        }
        Request::Enter { .. } | Request::End => refused(id, false, "a guest is entered once"),
        Request::Host { .. } | Request::Join { .. } | Request::Part { .. } => {
            refused(id, false, "this guest is one session's")
        }
    };
    if let Err(error) = say(&message) {
        // Nobody listens any more: the driver is gone and the main thread is about to end.
        eprintln!("plimsoll guest: {error}");
    }
}

/// The file that a call writes. Request numbers start anew after a restore, hence the search.
fn fresh_path(files: &Path, id: u64) -> PathBuf {
    let plain = files.join(format!("work-{id}"));
    if !plain.exists() {
        return plain;
    }
    (1_u64..)
        .map(|again| files.join(format!("work-{id}.{again}")))
        .find(|path| !path.exists())
        .expect("fewer than 2^64 files")
}

pub(super) fn refused(id: u64, out_of_memory: bool, reason: &str) -> Message {
    Message::Refused { id, out_of_memory, reason: reason.to_owned() }
}

/// One write for a whole line, under the lock of standard output.
pub(super) fn say(message: &Message) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(&line(message))?;
    out.flush()
}
