//! A guest that hosts: the first process of a container in which many sessions live, as an application
//! server is of its workers.
//!
//! Each session is a process of its own with a socket of its own to the driver, which comes along with
//! the request to start it; unix(7), SCM_RIGHTS. Beside that the sessions share everything: files,
//! processes, memory, limits, network.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::process::{Child, Command};

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

use super::protocol::{Inside, Message, Request};
use super::serve::{refused, say};

/// Longest piece of a request that is read at once; a request is one piece.
const PIECE_BYTES: usize = 64 << 10;

/// Serves until the driver closes the socket. Sessions that still run end with this process.
///
/// # Errors
/// If the driver cannot be understood, or is not to be heard.
pub fn serve() -> io::Result<()> {
    let mut input = Input::default();
    let mut sessions = BTreeMap::new();
    while let Some(line) = input.next_line()? {
        match serde_json::from_slice(&line)? {
            Request::Join { id, tag, slot, inside } => {
                say(&match join(&tag, slot, &inside, input.sockets.pop_front()) {
                    Ok(child) => {
                        sessions.insert(slot, child);
                        Message::Agreed { id }
                    }
                    Err(error) => refused(id, false, &format!("starting a session: {error}")),
                })?;
            }
            Request::Part { id, slot } => {
                say(&match sessions.remove(&slot).map_or(Ok(()), end) {
                    Ok(()) => Message::Agreed { id },
                    Err(error) => refused(id, false, &format!("ending a session: {error}")),
                })?;
            }
            Request::End => return Ok(()),
            Request::Exec { id, .. }
            | Request::Digest { id }
            | Request::Hello { id }
            | Request::Enter { id, .. }
            | Request::Probe { id, .. }
            | Request::Host { id } => say(&refused(id, false, "a guest that hosts does no work"))?,
        }
    }
    Ok(())
}

fn join(tag: &str, slot: u64, inside: &Inside, socket: Option<OwnedFd>) -> io::Result<Child> {
    let input = socket.ok_or_else(|| io::Error::other("no socket came with the request"))?;
    let output = input.try_clone()?;
    // The name by which this very program was executed leads to it in whatever root this is.
    let program = std::env::args_os().next().ok_or(io::ErrorKind::NotFound)?;
    let inside = serde_json::to_string(inside)?;
    Command::new(program)
        .args(["guest", "inside", tag, &slot.to_string(), &inside])
        .stdin(input)
        .stdout(output)
        .spawn()
}

/// Ends a process that may have ended already. Only here it is reaped, so the number is still its own.
fn end(mut child: Child) -> io::Result<()> {
    child.kill()?;
    child.wait().map(drop)
}

/// Requests and the sockets that came with them, in order.
#[derive(Default)]
struct Input {
    read: Vec<u8>,
    sockets: VecDeque<OwnedFd>,
}

impl Input {
    /// The next line without its end, `None` when the driver has closed.
    fn next_line(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            if let Some(end) = self.read.iter().position(|byte| *byte == b'\n') {
                let rest = self.read.split_off(end + 1);
                let mut line = std::mem::replace(&mut self.read, rest);
                line.pop();
                return Ok(Some(line));
            }
            if !self.receive()? {
                return Ok(None);
            }
        }
    }

    fn receive(&mut self) -> io::Result<bool> {
        let mut piece = vec![0_u8; PIECE_BYTES];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let into = &mut [IoSliceMut::new(&mut piece)];
        let got = match recvmsg(io::stdin(), into, &mut control, RecvFlags::CMSG_CLOEXEC) {
            Ok(got) => got.bytes,
            Err(rustix::io::Errno::INTR) => return Ok(true),
            Err(error) => return Err(error.into()),
        };
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(sockets) = message {
                self.sockets.extend(sockets);
            }
        }
        self.read.extend_from_slice(&piece[..got]);
        Ok(got > 0)
    }
}
