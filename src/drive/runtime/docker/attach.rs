//! The way to a container's standard input and output: a connection to the engine that it hands
//! over, with a frame around each piece of output; the API's "Attach to a container".

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

use super::http::read_head;
use crate::drive::runtime::blame::STDERR;

/// The stream of a frame that is standard error; the other is standard output.
const STANDARD_ERROR: u8 = 2;
/// Longest head of an answer.
const HEAD_BYTES: usize = 16 << 10;

/// Attaches to a container that has not started. What it says on standard error goes to a file of
/// this directory.
///
/// # Errors
/// If the engine does not hand the connection over.
pub async fn attach(socket: &Path, name: &str, directory: &Path) -> io::Result<UnixStream> {
    let mut engine = UnixStream::connect(socket).await?;
    let head = format!(
        "POST /v1.40/containers/{name}/attach?stream=1&stdin=1&stdout=1&stderr=1 HTTP/1.1\r\n\
         Host: engine\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n"
    );
    engine.write_all(head.as_bytes()).await?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        if answer.len() >= HEAD_BYTES {
            return Err(io::Error::other("the engine's answer does not end"));
        }
        // The container has not started: nothing follows the head yet, and no byte may be taken
        // that belongs to what does.
        answer.push(engine.read_u8().await?);
    }
    let (status, _) = read_head(&mut answer.as_slice())?;
    if !matches!(status, 101 | 200) {
        return Err(io::Error::other(format!("attaching to a container: {status}")));
    }
    let (ours, theirs) = UnixStream::pair()?;
    let (from_driver, to_driver) = theirs.into_split();
    let (from_engine, to_engine) = engine.into_split();
    // Both end by themselves: with the container, or when the driver closes its end.
    tokio::spawn(forward(from_driver, to_engine));
    tokio::spawn(unframe(from_engine, to_driver, directory.join(STDERR)));
    Ok(ours)
}

async fn forward(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
    // A broken connection shows on the other way, too.
    let _ = tokio::io::copy(&mut from, &mut to).await;
    let _ = to.shutdown().await;
}

async fn unframe(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, stderr: PathBuf) {
    let _ = pass_frames(&mut from, &mut to, &stderr).await;
    let _ = to.shutdown().await;
}

async fn pass_frames(
    from: &mut OwnedReadHalf,
    to: &mut OwnedWriteHalf,
    stderr: &Path,
) -> io::Result<()> {
    let mut head = [0_u8; 8];
    loop {
        from.read_exact(&mut head).await?;
        let length = u32::from_be_bytes([head[4], head[5], head[6], head[7]]);
        if head[0] == STANDARD_ERROR {
            let mut text = vec![0; length as usize];
            from.read_exact(&mut text).await?;
            File::options().create(true).append(true).open(stderr)?.write_all(&text)?;
        } else {
            tokio::io::copy(&mut (&mut *from).take(u64::from(length)), to).await?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_taken_off_and_errors_kept_apart() {
        let dir = tempfile::tempdir().unwrap();
        let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let said = tokio.block_on(async {
            let (mut engine, theirs) = UnixStream::pair().unwrap();
            let (mut driver, ours) = UnixStream::pair().unwrap();
            let (from, _) = theirs.into_split();
            let (_, to) = ours.into_split();
            let relay = tokio::spawn(unframe(from, to, dir.path().join(STDERR)));
            engine.write_all(b"\x01\0\0\0\0\0\0\x03one\x02\0\0\0\0\0\0\x04oops").await.unwrap();
            engine.write_all(b"\x01\0\0\0\0\0\0\x03two").await.unwrap();
            engine.shutdown().await.unwrap();
            relay.await.unwrap();
            let mut said = String::new();
            driver.read_to_string(&mut said).await.unwrap();
            said
        });
        assert_eq!(said, "onetwo");
        assert_eq!(std::fs::read_to_string(dir.path().join(STDERR)).unwrap(), "oops");
    }
}
