//! The driver's end of the socket to one guest.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustc_hash::FxHashMap;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Interest, Lines};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::drive::clock::monotonic_nanos;
use crate::drive::guest::protocol::{Message, Request, line};

/// Why a link is of no more use.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The guest ended or never began.
    #[error("the guest closed its end")]
    Gone,
    /// It said something that is not in the protocol.
    #[error("the guest said `{0}`")]
    Babble(String),
    /// The socket failed.
    #[error(transparent)]
    Socket(#[from] io::Error),
}

/// A message and when the driver had it, on the monotonic clock.
pub type Heard = (Message, u64);

#[derive(Debug, Default)]
struct Pending {
    waiting: FxHashMap<u64, oneshot::Sender<Heard>>,
    closed: bool,
}

fn lock(pending: &Mutex<Pending>) -> MutexGuard<'_, Pending> {
    pending.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A guest that can be asked. Requests may overlap; answers find their askers by number.
#[derive(Debug)]
pub struct Link {
    writer: tokio::sync::Mutex<OwnedWriteHalf>,
    pending: Arc<Mutex<Pending>>,
    next: AtomicU64,
    reader: JoinHandle<()>,
}

impl Link {
    /// Waits for the first message, which says whether there is a guest, and opens the link.
    ///
    /// # Errors
    /// If the guest goes before it says anything, or talks nonsense.
    pub async fn open(stream: UnixStream) -> Result<(Heard, Link), LinkError> {
        let (reader, writer) = stream.into_split();
        let mut lines = BufReader::new(reader).lines();
        let first = hear(&mut lines).await?;
        Ok((first, Link::over(lines, writer)))
    }

    /// Opens the link to a guest that has said its first message in an earlier life.
    pub fn resume(stream: UnixStream) -> Link {
        let (reader, writer) = stream.into_split();
        Link::over(BufReader::new(reader).lines(), writer)
    }

    fn over(lines: Lines<BufReader<OwnedReadHalf>>, writer: OwnedWriteHalf) -> Link {
        let pending = Arc::new(Mutex::new(Pending::default()));
        let reader = tokio::spawn(route(lines, Arc::clone(&pending)));
        let next = AtomicU64::new(0);
        Link { writer: tokio::sync::Mutex::new(writer), pending, next, reader }
    }

    /// Asks the guest and waits for the answer to that request.
    ///
    /// # Errors
    /// If the guest is gone or goes meanwhile.
    pub async fn ask(&self, request: impl FnOnce(u64) -> Request) -> Result<Heard, LinkError> {
        self.ask_with(None, request).await
    }

    /// As [`ask`](Self::ask), with a socket that goes along; for a guest on this machine.
    ///
    /// # Errors
    /// If the guest is gone or goes meanwhile.
    pub async fn ask_with(
        &self,
        socket: Option<OwnedFd>,
        request: impl FnOnce(u64) -> Request,
    ) -> Result<Heard, LinkError> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (answer, answered) = oneshot::channel();
        {
            let mut pending = lock(&self.pending);
            if pending.closed {
                return Err(LinkError::Gone);
            }
            pending.waiting.insert(id, answer);
        }
        let bytes = line(&request(id));
        let mut writer = self.writer.lock().await;
        let sent = match &socket {
            None => writer.write_all(&bytes).await,
            Some(socket) => send_with(&writer, socket.as_fd(), &bytes).await,
        };
        drop(writer);
        if sent.is_err() {
            lock(&self.pending).waiting.remove(&id);
            return Err(LinkError::Gone);
        }
        answered.await.map_err(|_| LinkError::Gone)
    }

    /// Tells the guest something that is not answered.
    pub async fn tell(&self, request: &Request) {
        // A guest that is gone needs to be told nothing.
        let _ = self.writer.lock().await.write_all(&line(request)).await;
    }

    /// Tells the guest to end: it reads the end of its input.
    pub async fn close(&self) {
        // A socket that is broken already says the same.
        let _ = self.writer.lock().await.shutdown().await;
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

/// Sends a line and a socket in one message, which the other end takes in one piece.
async fn send_with(writer: &OwnedWriteHalf, socket: BorrowedFd<'_>, line: &[u8]) -> io::Result<()> {
    let stream = writer.as_ref();
    let sent = stream
        .async_io(Interest::WRITABLE, || {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            let sockets = [socket];
            control.push(SendAncillaryMessage::ScmRights(&sockets));
            let piece = [io::IoSlice::new(line)];
            Ok(sendmsg(stream, &piece, &mut control, SendFlags::NOSIGNAL)?)
        })
        .await?;
    if sent == line.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
}

async fn hear(lines: &mut Lines<BufReader<OwnedReadHalf>>) -> Result<Heard, LinkError> {
    let Some(text) = lines.next_line().await? else { return Err(LinkError::Gone) };
    let heard = monotonic_nanos();
    let message = serde_json::from_str(&text).map_err(|_| LinkError::Babble(text))?;
    Ok((message, heard))
}

/// Hands answers to their askers until the guest goes; then all who still wait are told.
async fn route(mut lines: Lines<BufReader<OwnedReadHalf>>, pending: Arc<Mutex<Pending>>) {
    while let Ok((message, heard)) = hear(&mut lines).await {
        let id = match &message {
            Message::Done { id, .. }
            | Message::Digest { id, .. }
            | Message::Hello { id, .. }
            | Message::Probed { id, .. }
            | Message::Agreed { id }
            | Message::Refused { id, .. } => *id,
            Message::Ready { .. } | Message::Up { .. } | Message::Failed { .. } => break,
        };
        let asker = lock(&pending).waiting.remove(&id);
        if let Some(asker) = asker {
            // An asker that was cancelled does not listen.
            let _ = asker.send((message, heard));
        }
    }
    let mut pending = lock(&pending);
    pending.closed = true;
    pending.waiting.clear();
}
