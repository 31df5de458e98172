//! Digests of a sandbox's files and identity: how "it survived hibernation" is known.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use sha2::{Digest, Sha256};

/// SHA-256 in hexadecimal.
pub fn digest_bytes(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Digest over the names, kinds and contents below a directory, in order of names; and the sum of
/// the file sizes. Times and owners do not count: a restored file is another file.
///
/// # Errors
/// If something cannot be read.
pub fn digest_tree(directory: &Path) -> io::Result<(String, u64)> {
    let mut hasher = Sha256::new();
    let bytes = absorb(directory, directory, &mut hasher)?;
    Ok((hex(&hasher.finalize()), bytes))
}

fn absorb(root: &Path, directory: &Path, hasher: &mut Sha256) -> io::Result<u64> {
    let mut entries = fs::read_dir(directory)?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    let mut bytes = 0;
    for entry in entries {
        let path = entry.path();
        let kind = entry.file_type()?;
        let name = path.strip_prefix(root).unwrap_or(&path).as_os_str().as_bytes();
        // Lengths before contents, so that no two trees read the same.
        hasher.update((name.len() as u64).to_le_bytes());
        hasher.update(name);
        if kind.is_dir() {
            hasher.update(b"d");
            bytes += absorb(root, &path, hasher)?;
        } else if kind.is_symlink() {
            let target = fs::read_link(&path)?;
            hasher.update(b"l");
            hasher.update((target.as_os_str().len() as u64).to_le_bytes());
            hasher.update(target.as_os_str().as_bytes());
        } else {
            let size = entry.metadata()?.len();
            hasher.update(b"f");
            hasher.update(size.to_le_bytes());
            absorb_file(&path, hasher)?;
            bytes += size;
        }
    }
    hasher.update(b"e");
    Ok(bytes)
}

fn absorb_file(path: &Path, hasher: &mut Sha256) -> io::Result<()> {
    let mut file = File::open(path)?;
    let mut buffer = vec![0_u8; 64 << 10];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok(());
        }
        hasher.update(&buffer[..read]);
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sha_256_of_the_standard_example() {
        // FIPS 180-2, appendix B.1.
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(digest_bytes(b"abc"), expected);
    }

    #[test]
    fn any_change_of_name_content_or_shape_shows() {
        let digest = |build: fn(&Path)| {
            let dir = tempfile::tempdir().unwrap();
            build(dir.path());
            digest_tree(dir.path()).unwrap()
        };
        let plain = digest(|dir| fs::write(dir.join("a"), "one").unwrap());
        assert_eq!(plain.1, 3);
        assert_eq!(plain, digest(|dir| fs::write(dir.join("a"), "one").unwrap()));
        assert_ne!(plain.0, digest(|dir| fs::write(dir.join("a"), "two").unwrap()).0);
        assert_ne!(plain.0, digest(|dir| fs::write(dir.join("b"), "one").unwrap()).0);
        assert_ne!(plain.0, digest(|_| {}).0);
        let nested = digest(|dir| {
            fs::create_dir(dir.join("a")).unwrap();
            fs::write(dir.join("a/one"), "").unwrap();
        });
        assert_ne!(plain.0, nested.0);
    }
}
