//! Secrets in every place that processes of one machine can share: planted by one session, sought by
//! another with the same reader.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::super::files::digest_bytes;
use super::super::work::STACK_BYTES;
use super::{holder, keys};

/// How long a reader waits for whoever listens at a port.
const ANSWERS_WITHIN: Duration = Duration::from_millis(500);

/// Size of a shared memory segment.
const SEGMENT_BYTES: usize = 4096;

/// Where a secret is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Secret {
    /// Among the session's files.
    File,
    /// The session's identity token.
    Identity,
    /// The environment of one of its processes.
    Environment,
    /// The arguments of one of its processes, in the list of processes.
    Processes,
    /// A file in /dev/shm.
    SharedMemory,
    /// A System V shared memory segment.
    Segment,
    /// The directory for temporary files.
    Temporary,
    /// A server at a port of the loopback interface.
    Port,
    /// The kernel's keyrings of the user and of the session.
    Keyring,
}

impl Secret {
    /// All of them.
    pub const ALL: [Secret; 9] = [
        Secret::File,
        Secret::Identity,
        Secret::Environment,
        Secret::Processes,
        Secret::SharedMemory,
        Secret::Segment,
        Secret::Temporary,
        Secret::Port,
        Secret::Keyring,
    ];

    /// What a person calls it.
    pub fn name(self) -> &'static str {
        match self {
            Secret::File => "file",
            Secret::Identity => "identity token",
            Secret::Environment => "environment",
            Secret::Processes => "process list",
            Secret::SharedMemory => "/dev/shm",
            Secret::Segment => "System V shared memory",
            Secret::Temporary => "temporary directory",
            Secret::Port => "loopback port",
            Secret::Keyring => "kernel keyring",
        }
    }
}

/// What has been planted; it is removed when this is dropped.
#[derive(Debug, Default)]
pub struct Planted(Vec<Undo>);

#[derive(Debug)]
enum Undo {
    File(PathBuf),
    Holder(Child),
    Segment(i32),
    Listener { stop: Arc<AtomicBool>, port: u16 },
    Keys(Vec<keys::Key>),
}

impl Drop for Planted {
    fn drop(&mut self) {
        for undo in self.0.drain(..) {
            undo.undo();
        }
    }
}

impl Undo {
    /// What cannot be removed goes with the sandbox.
    fn undo(self) {
        match self {
            Undo::File(path) => drop(fs::remove_file(path)),
            Undo::Holder(mut child) => {
                let _ = child.kill();
                let _ = child.wait();
            }
            // SAFETY: removes a segment by its number; no memory of ours is touched.
            Undo::Segment(id) => unsafe {
                libc::shmctl(id, libc::IPC_RMID, std::ptr::null_mut());
            },
            Undo::Listener { stop, port } => {
                stop.store(true, Ordering::SeqCst);
                // Wakes the thread that waits for a connection.
                drop(TcpStream::connect((Ipv4Addr::LOCALHOST, port)));
            }
            Undo::Keys(keys) => keys.iter().for_each(keys::Key::remove),
        }
    }
}

/// Plants a secret and returns where it is. `files` and `identity` are the session's, `program` is
/// executed as `guest hold` where a process is needed.
///
/// # Errors
/// If there is no such place here.
pub fn plant(
    kind: Secret,
    secret: &str,
    (files, identity): (&Path, &Path),
    program: &OsStr,
    planted: &mut Planted,
) -> io::Result<String> {
    // Names that say nothing of the secret, and that no other has.
    let name = format!("plimsoll-{}", &digest_bytes(secret.as_bytes())[..12]);
    let mut file = |path: PathBuf| -> io::Result<String> {
        fs::File::create_new(&path)?.write_all(secret.as_bytes())?;
        let place = path.display().to_string();
        planted.0.push(Undo::File(path));
        Ok(place)
    };
    match kind {
        Secret::File => file(files.join(name)),
        Secret::Identity => Ok(identity.display().to_string()),
        Secret::SharedMemory => file(Path::new("/dev/shm").join(name)),
        Secret::Temporary => file(std::env::temp_dir().join(name)),
        Secret::Environment => {
            planted.0.push(Undo::Holder(holder(program, None, Some(secret))?));
            Ok("environ".into())
        }
        Secret::Processes => {
            planted.0.push(Undo::Holder(holder(program, Some(secret), None)?));
            Ok("cmdline".into())
        }
        Secret::Segment => {
            let key = i32::from_str_radix(&name[name.len() - 7..], 16).map_err(io::Error::other)?;
            planted.0.push(Undo::Segment(make_segment(key, secret)?));
            Ok(key.to_string())
        }
        Secret::Port => {
            let (port, stop) = listen(secret)?;
            planted.0.push(Undo::Listener { stop, port });
            // Where the loopback interface is down a port can be had that nobody reaches, not even its
            // own session: there is no such place.
            drop(TcpStream::connect((Ipv4Addr::LOCALHOST, port))?);
            Ok(port.to_string())
        }
        Secret::Keyring => {
            planted.0.push(Undo::Keys(keys::plant(&name, secret)?));
            Ok(name)
        }
    }
}

/// Looks for a secret at a place. What cannot be read does not have it.
pub fn seek(kind: Secret, place: &str, secret: &str) -> bool {
    let has = |bytes: &[u8]| {
        let secret = secret.as_bytes();
        bytes.windows(secret.len()).any(|window| window == secret)
    };
    match kind {
        Secret::File | Secret::Identity | Secret::SharedMemory | Secret::Temporary => {
            fs::read(place).is_ok_and(|bytes| has(&bytes))
        }
        Secret::Environment | Secret::Processes => {
            let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
            processes.map(|entry| entry.path().join(place)).any(|path| {
                // A process of another user, or one that has ended, shows nothing.
                fs::read(path).is_ok_and(|bytes| has(&bytes))
            })
        }
        Secret::Segment => {
            place.parse().ok().and_then(read_segment).is_some_and(|bytes| has(&bytes))
        }
        Secret::Port => place.parse().ok().and_then(read_port).is_some_and(|bytes| has(&bytes)),
        Secret::Keyring => keys::read(place).iter().any(|bytes| has(bytes)),
    }
}

/// A new segment with a secret in it, readable for everybody.
fn make_segment(key: i32, secret: &str) -> io::Result<i32> {
    let flags = libc::IPC_CREAT | libc::IPC_EXCL | 0o666;
    // SAFETY: plain numbers go in, a number comes out.
    let id = unsafe { libc::shmget(key, SEGMENT_BYTES, flags) };
    if id < 0 {
        return Err(io::Error::last_os_error());
    }
    with_segment(id, 0, |memory| {
        let bytes = secret.as_bytes();
        let length = bytes.len().min(SEGMENT_BYTES);
        // SAFETY: the segment is that large, and nobody else knows of it yet.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), memory, length) };
    })?;
    Ok(id)
}

fn read_segment(key: i32) -> Option<Vec<u8>> {
    // SAFETY: as above; without IPC_CREAT only a segment that is there is found.
    let id = unsafe { libc::shmget(key, 0, 0o444) };
    if id < 0 {
        return None;
    }
    let mut bytes = vec![0_u8; SEGMENT_BYTES];
    with_segment(id, libc::SHM_RDONLY, |memory| {
        // SAFETY: both are that large; whoever planted the secret does not write any more.
        unsafe { std::ptr::copy_nonoverlapping(memory, bytes.as_mut_ptr(), SEGMENT_BYTES) };
    })
    .ok()?;
    Some(bytes)
}

fn with_segment(id: i32, flags: i32, work: impl FnOnce(*mut u8)) -> io::Result<()> {
    // SAFETY: the kernel chooses where the segment goes.
    let memory = unsafe { libc::shmat(id, std::ptr::null(), flags) };
    if memory.addr() == usize::MAX {
        return Err(io::Error::last_os_error());
    }
    work(memory.cast());
    // SAFETY: it was attached above and nothing points into it any more.
    unsafe { libc::shmdt(memory) };
    Ok(())
}

/// A server that tells the secret to whoever comes.
fn listen(secret: &str) -> io::Result<(u16, Arc<AtomicBool>)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let port = listener.local_addr()?.port();
    let stop = Arc::new(AtomicBool::new(false));
    let (stopped, secret) = (Arc::clone(&stop), secret.to_owned());
    thread::Builder::new().stack_size(STACK_BYTES).spawn(move || {
        for stream in listener.incoming() {
            if stopped.load(Ordering::SeqCst) {
                return;
            }
            // Whoever hangs up has had enough.
            let _ = stream.and_then(|mut stream| stream.write_all(secret.as_bytes()));
        }
    })?;
    Ok((port, stop))
}

fn read_port(port: u16) -> Option<Vec<u8>> {
    let address = (Ipv4Addr::LOCALHOST, port).into();
    let mut stream = TcpStream::connect_timeout(&address, ANSWERS_WITHIN).ok()?;
    stream.set_read_timeout(Some(ANSWERS_WITHIN)).ok()?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each reader finds what is there, and not what is gone or is another's.
    #[test]
    fn what_is_planted_is_found_until_it_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let identity = dir.path().join("identity");
        fs::write(&identity, "a token").unwrap();
        // Any program that waits for the end of its input, whatever its arguments.
        let script = dir.path().join("holder");
        fs::write(&script, "#!/bin/sh\necho\nread wait\n").unwrap();
        fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        for kind in Secret::ALL {
            let random = super::super::draw().unwrap();
            let secret = if kind == Secret::Identity { "a token" } else { &random };
            let mut planted = Planted::default();
            let place = (dir.path(), identity.as_path());
            let place = match plant(kind, secret, place, script.as_os_str(), &mut planted) {
                Ok(place) => place,
                Err(error) => {
                    println!("skipped: {}: {error}", kind.name());
                    continue;
                }
            };
            assert!(seek(kind, &place, secret), "{}", kind.name());
            assert!(!seek(kind, &place, "another secret that nobody has"), "{}", kind.name());
            drop(planted);
            assert_eq!(seek(kind, &place, secret), kind == Secret::Identity, "{}", kind.name());
        }
    }
}
