//! The guest proper: reads requests, does the work, answers.

use std::io::{self, BufRead, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;

use rustix::process::{Signal, set_parent_process_death_signal};

use super::files::{digest_bytes, digest_tree};
use super::protocol::{Inside, Message, Request, line};
use super::work::{STACK_BYTES, WorkError, perform};
use crate::drive::clock::monotonic_nanos;

/// Serves until the driver closes the socket.
pub fn serve(inside: &Inside) -> ExitCode {
    // Executing can have cleared it. If it cannot be set, the socket's end still ends the guest.
    let _ = set_parent_process_death_signal(Some(Signal::KILL));
    // A write beyond the file limit shall fail, not end the guest.
    // SAFETY: ignoring a signal runs no code of ours; there is no other thread yet.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
    match serve_requests(inside) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("plimsoll guest: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve_requests(inside: &Inside) -> io::Result<()> {
    let token = std::fs::read(&inside.identity)?;
    say(&Message::Ready {
        launched_ns: inside.launched_ns,
        isolated_ns: inside.isolated_ns,
        ready_ns: monotonic_nanos(),
        identity: digest_bytes(&token),
    })?;
    drop(token);
    let files = Arc::new(inside.files.clone());
    for request in io::stdin().lock().lines() {
        let began = monotonic_nanos();
        let request: Request = serde_json::from_str(&request?)?;
        let files = Arc::clone(&files);
        // Calls of one step run side by side, each in a thread of its own.
        let body = move || answer(request, began, &files);
        if let Err(error) = thread::Builder::new().stack_size(STACK_BYTES).spawn(body) {
            say(&refused(id_of(request), false, &format!("no thread for the call: {error}")))?;
        }
    }
    Ok(())
}

fn id_of(request: Request) -> u64 {
    match request {
        Request::Exec { id, .. } | Request::Digest { id } => id,
    }
}

fn answer(request: Request, began: u64, files: &Path) {
    let message = match request {
        Request::Exec { id, work } => match perform(&work, began, &fresh_path(files, id)) {
            Ok(report) => Message::Done { id, report },
            Err(error) => refused(id, matches!(error, WorkError::Memory(_)), &error.to_string()),
        },
        Request::Digest { id } => match digest_tree(files) {
            Ok((digest, bytes)) => Message::Digest { id, digest, bytes },
            Err(error) => refused(id, false, &error.to_string()),
        },
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

fn refused(id: u64, out_of_memory: bool, reason: &str) -> Message {
    Message::Refused { id, out_of_memory, reason: reason.to_owned() }
}

/// One write for a whole line, under the lock of standard output.
fn say(message: &Message) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(&line(message))?;
    out.flush()
}
