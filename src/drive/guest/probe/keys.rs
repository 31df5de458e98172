//! The kernel's keyrings: keyrings(7), add_key(2), keyctl(2).

use std::ffi::CString;
use std::io;

/// `KEY_SPEC_SESSION_KEYRING` and `KEY_SPEC_USER_KEYRING`.
const RINGS: [libc::c_long; 2] = [-3, -4];

/// Numbers of keyctl(2).
mod command {
    pub const LINK: libc::c_long = 8;
    pub const UNLINK: libc::c_long = 9;
    pub const SEARCH: libc::c_long = 10;
    pub const READ: libc::c_long = 11;
}

/// Longest payload that is read.
const PAYLOAD_BYTES: usize = 256;

/// A key and the keyring that it was put into.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    key: libc::c_long,
    ring: libc::c_long,
}

impl Key {
    /// Takes it out of its keyring; with the last link it goes.
    pub fn remove(&self) {
        // What is gone already is as well.
        let _ = keyctl(command::UNLINK, self.key, self.ring, 0, 0);
    }
}

fn keyctl(
    command: libc::c_long,
    a: libc::c_long,
    b: libc::c_long,
    c: libc::c_long,
    d: libc::c_long,
) -> io::Result<libc::c_long> {
    // SAFETY: callers pass numbers, or addresses of memory that outlives the call and is as large as
    // the command wants it.
    let outcome = unsafe { libc::syscall(libc::SYS_keyctl, command, a, b, c, d) };
    if outcome < 0 { Err(io::Error::last_os_error()) } else { Ok(outcome) }
}

fn address(text: &CString) -> libc::c_long {
    text.as_ptr() as libc::c_long
}

/// Puts a secret into the keyrings of the session and of the user.
///
/// # Errors
/// If neither takes it.
pub fn plant(name: &str, secret: &str) -> io::Result<Vec<Key>> {
    let (kind, name) = (CString::new("user")?, CString::new(name)?);
    let add = |ring: libc::c_long| -> io::Result<Key> {
        // SAFETY: the texts end in zero and outlive the call; the payload is as long as is said.
        let key = unsafe {
            let payload = secret.as_ptr();
            libc::syscall(
                libc::SYS_add_key,
                kind.as_ptr(),
                name.as_ptr(),
                payload,
                secret.len(),
                ring,
            )
        };
        if key < 0 { Err(io::Error::last_os_error()) } else { Ok(Key { key, ring }) }
    };
    let outcomes: Vec<io::Result<Key>> = RINGS.into_iter().map(add).collect();
    if outcomes.iter().all(Result::is_err) {
        return outcomes.into_iter().collect();
    }
    Ok(outcomes.into_iter().flatten().collect())
}

/// What the keys of this name hold that can be reached from here.
pub fn read(name: &str) -> Vec<Vec<u8>> {
    let (Ok(kind), Ok(name)) = (CString::new("user"), CString::new(name)) else {
        return Vec::new();
    };
    // Keys of a ring that hangs on one's session are one's own to read; keyrings(7), "Possession".
    let linked = keyctl(command::LINK, RINGS[1], RINGS[0], 0, 0).is_ok();
    let found = RINGS.into_iter().filter_map(|ring| {
        let key = keyctl(command::SEARCH, ring, address(&kind), address(&name), 0).ok()?;
        let mut payload = vec![0_u8; PAYLOAD_BYTES];
        let (to, room) = (payload.as_mut_ptr() as libc::c_long, PAYLOAD_BYTES as libc::c_long);
        let length = keyctl(command::READ, key, to, room, 0).ok()?;
        payload.truncate(usize::try_from(length).ok()?);
        Some(payload)
    });
    let found: Vec<Vec<u8>> = found.collect();
    if linked {
        let _ = keyctl(command::UNLINK, RINGS[1], RINGS[0], 0, 0);
    }
    found
}
