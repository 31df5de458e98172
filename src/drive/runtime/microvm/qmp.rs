//! The QEMU Machine Protocol: JSON lines over a socket; QEMU's qmp-spec.

use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

/// Time between two looks at something that QEMU does by itself.
const LOOK: Duration = Duration::from_millis(5);

/// A machine that can be told what to do.
#[derive(Debug)]
pub struct Qmp(BufReader<UnixStream>);

impl Qmp {
    /// Connects to the socket of this name in a machine's directory.
    ///
    /// # Errors
    /// If nobody listens there, or it is no QEMU.
    pub async fn connect(directory: &Path, name: &str) -> io::Result<Self> {
        // A socket's path may have 107 bytes; a directory's can be much longer.
        let open = std::fs::File::open(directory)?;
        let path = format!("/proc/self/fd/{}/{name}", open.as_raw_fd());
        let mut qmp = Qmp(BufReader::new(UnixStream::connect(path).await?));
        qmp.hear().await?;
        qmp.tell("qmp_capabilities", json!({})).await?;
        Ok(qmp)
    }

    /// Gives a command and returns its answer.
    ///
    /// # Errors
    /// If QEMU is gone or refuses; its words are in the error.
    pub async fn tell(&mut self, command: &str, arguments: Value) -> io::Result<Value> {
        let mut line = json!({"execute": command, "arguments": arguments}).to_string();
        line.push('\n');
        self.0.get_mut().write_all(line.as_bytes()).await?;
        loop {
            let mut message = self.hear().await?;
            if let Some(error) = message.get("error") {
                let why = error["desc"].as_str().unwrap_or("no reason given");
                return Err(io::Error::other(format!("{command}: {why}")));
            }
            // Events come in between.
            if let Some(answer) = message.get_mut("return") {
                return Ok(answer.take());
            }
        }
    }

    async fn hear(&mut self) -> io::Result<Value> {
        let mut line = String::new();
        if self.0.read_line(&mut line).await? == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "QEMU closed its socket"));
        }
        serde_json::from_str(&line).map_err(io::Error::other)
    }

    /// Stops the machine and has it write its memory and devices to a file in its directory.
    ///
    /// # Errors
    /// If QEMU cannot.
    pub async fn save_to(&mut self, file: &str) -> io::Result<()> {
        self.tell("stop", json!({})).await?;
        // As fast as the disk takes it; the default is 128 MiB/s.
        let unlimited = json!({"max-bandwidth": i64::MAX});
        self.tell("migrate-set-parameters", unlimited).await?;
        let uri = format!("exec:cat > {file}");
        self.tell("migrate", json!({"uri": uri})).await?;
        loop {
            let state = self.tell("query-migrate", json!({})).await?;
            match state["status"].as_str() {
                Some("completed") => return Ok(()),
                Some("failed" | "cancelled") => {
                    let why = state["error-desc"].as_str().unwrap_or("no reason given").to_owned();
                    return Err(io::Error::other(format!("writing the memory failed: {why}")));
                }
                _ => tokio::time::sleep(LOOK).await,
            }
        }
    }

    /// Waits until the machine has its memory, and has it go on.
    ///
    /// # Errors
    /// If QEMU is gone or the machine is in a state that it does not leave by itself.
    pub async fn runs(&mut self) -> io::Result<()> {
        loop {
            let state = self.tell("query-status", json!({})).await?;
            match state["status"].as_str() {
                Some("running") => return Ok(()),
                // It was stopped when its memory was written, and comes back like that.
                Some("paused") => drop(self.tell("cont", json!({})).await?),
                Some("inmigrate" | "prelaunch" | "restore-vm") => {
                    tokio::time::sleep(LOOK).await;
                }
                other => return Err(io::Error::other(format!("the machine is {other:?}"))),
            }
        }
    }
}
