//! A tree of files as sessions leave them, and a digest that shows any change of it.

use std::fs::{self, File, Permissions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::super::work::churn;
use super::ProbeFound;

/// Directories that the small files are spread over.
const DIRECTORIES: u32 = 37;
const TREE: &str = "probe-tree";
const LARGE: &str = "large";
const SPARSE: &str = "sparse";
const BLOCK: usize = 64 << 10;

/// Makes the tree.
///
/// # Errors
/// If a file cannot be made.
pub fn grow(files: &Path, count: u32, large_bytes: u64, sparse_bytes: u64) -> io::Result<()> {
    let root = files.join(TREE);
    fs::create_dir(&root)?;
    for k in 0..DIRECTORIES.min(count) {
        let directory = root.join(format!("d{k}"));
        fs::create_dir(&directory)?;
        fs::set_permissions(&directory, Permissions::from_mode(0o700 | (k % 8) << 3))?;
    }
    for k in 0..count {
        let path = root.join(format!("d{}/f{k}", k % DIRECTORIES));
        fs::write(&path, format!("content of file {k}\n").repeat(k as usize % 50))?;
        // Whoever owns a file may read it; the rest differs from file to file.
        fs::set_permissions(&path, Permissions::from_mode(0o400 | (k % 256)))?;
        if k % 50 == 0 {
            symlink(format!("../d1/f{k}"), root.join(format!("link{k}")))?;
        }
    }
    symlink("/nowhere/at/all", root.join("dangling"))?;
    large(&root.join(LARGE), large_bytes)?;
    let mut sparse = File::create_new(root.join(SPARSE))?;
    sparse.write_all(b"the beginning")?;
    sparse.seek(SeekFrom::Start(sparse_bytes))?;
    sparse.write_all(b"the end")?;
    Ok(())
}

/// A file that cannot be compressed.
fn large(path: &Path, bytes: u64) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    let (mut state, mut left) = (1_u64, bytes);
    let mut block = vec![0_u8; BLOCK];
    while left > 0 {
        for word in block.chunks_exact_mut(8) {
            state = churn(2, state);
            word.copy_from_slice(&state.to_le_bytes());
        }
        let size = left.min(BLOCK as u64) as usize;
        file.write_all(&block[..size])?;
        left -= size as u64;
    }
    Ok(())
}

/// Changes one bit of the large file.
///
/// # Errors
/// If it is not there.
pub fn flip(files: &Path) -> io::Result<()> {
    let path = files.join(TREE).join(LARGE);
    let mut file = File::options().read(true).write(true).open(path)?;
    let middle = file.metadata()?.len() / 2;
    let mut byte = [0_u8];
    file.seek(SeekFrom::Start(middle))?;
    file.read_exact(&mut byte)?;
    byte[0] ^= 1;
    file.seek(SeekFrom::Start(middle))?;
    file.write_all(&byte)
}

/// Digest of the tree.
///
/// # Errors
/// If something cannot be read.
pub fn survey(files: &Path) -> io::Result<ProbeFound> {
    let root = files.join(TREE);
    let mut survey = Survey { hasher: Sha256::new(), entries: 0, bytes: 0 };
    survey.directory(&root, &root)?;
    let sparse = fs::metadata(root.join(SPARSE))?;
    Ok(ProbeFound::Surveyed {
        digest: survey.hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect(),
        entries: survey.entries,
        bytes: survey.bytes,
        holes: sparse.blocks() * 512 < sparse.len() / 2,
    })
}

struct Survey {
    hasher: Sha256,
    entries: u64,
    bytes: u64,
}

impl Survey {
    fn directory(&mut self, root: &Path, directory: &Path) -> io::Result<()> {
        let mut paths = fs::read_dir(directory)?
            .map(|entry| Ok(entry?.path()))
            .collect::<io::Result<Vec<PathBuf>>>()?;
        paths.sort();
        for path in paths {
            self.entry(root, &path)?;
        }
        Ok(())
    }

    fn entry(&mut self, root: &Path, path: &Path) -> io::Result<()> {
        let is = fs::symlink_metadata(path)?;
        self.entries += 1;
        self.text(path.strip_prefix(root).unwrap_or(path).as_os_str().as_bytes());
        // Kind and permissions are in the mode; a link's own say nothing.
        let mode = if is.is_symlink() { is.mode() & 0o170_000 } else { is.mode() };
        self.hasher.update(mode.to_le_bytes());
        if is.is_dir() {
            return self.directory(root, path);
        }
        if is.is_symlink() {
            self.text(fs::read_link(path)?.as_os_str().as_bytes());
            return Ok(());
        }
        self.bytes += is.len();
        self.hasher.update(is.len().to_le_bytes());
        let mut file = File::open(path)?;
        let mut block = vec![0_u8; BLOCK];
        loop {
            match file.read(&mut block)? {
                0 => return Ok(()),
                read => self.hasher.update(&block[..read]),
            }
        }
    }

    /// Lengths before contents, so that no two trees read the same.
    fn text(&mut self, text: &[u8]) {
        self.hasher.update((text.len() as u64).to_le_bytes());
        self.hasher.update(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(files: &Path) -> String {
        match survey(files).unwrap() {
            ProbeFound::Surveyed { digest, .. } => digest,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn any_change_shows_and_two_trees_are_alike() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for dir in [&one, &two] {
            grow(dir.path(), 120, 200_000, 1 << 20).unwrap();
        }
        let found = survey(one.path()).unwrap();
        let ProbeFound::Surveyed { entries, bytes, holes, .. } = found else { panic!("{found:?}") };
        // 37 directories, 120 files, 3 links among them and a dangling one, and the two others.
        assert_eq!(entries, 37 + 120 + 3 + 1 + 2);
        assert!(bytes > (1 << 20) + 200_000 && holes);
        let whole = digest(one.path());
        assert_eq!(whole, digest(two.path()));
        flip(one.path()).unwrap();
        assert_ne!(whole, digest(one.path()));
        flip(one.path()).unwrap();
        assert_eq!(whole, digest(one.path()));
        let file = one.path().join(TREE).join("d3/f3");
        fs::set_permissions(file, Permissions::from_mode(0o777)).unwrap();
        assert_ne!(whole, digest(one.path()));
        fs::remove_file(two.path().join(TREE).join("dangling")).unwrap();
        assert_ne!(whole, digest(two.path()));
    }
}
