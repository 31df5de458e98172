//! A hibernated sandbox in the store: its files and its identity, as a tar archive under zstd.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Write};
use std::path::Path;

use crate::drive::clock::monotonic_nanos;
use crate::units::{Bytes, Span};

/// zstd's own default: the best ratio that still is fast.
pub const LEVEL: i32 = zstd::DEFAULT_COMPRESSION_LEVEL;

/// Name of the directory with the files, in the sandbox's directory and in the archive.
pub const FILES: &str = "files";
/// Name of the archive in a snapshot's directory.
pub const ARCHIVE: &str = "files.tar.zst";
/// Name of the identity token's file, in the same places as the files.
pub const IDENTITY: &str = "identity";

/// What packing gave.
#[derive(Clone, Copy, Debug)]
pub struct Packed {
    /// Size of the archive.
    pub bytes: Bytes,
    /// The part of the time that was spent waiting for the disk, at the end.
    pub syncing: Span,
}

/// Packs a sandbox's files and identity into a new archive.
///
/// # Errors
/// If something cannot be read or the archive not be written.
pub fn pack(sandbox: &Path, archive: &Path) -> io::Result<Packed> {
    let file = File::options().write(true).create_new(true).open(archive)?;
    let mut builder = tar::Builder::new(zstd::Encoder::new(BufWriter::new(file), LEVEL)?);
    builder.follow_symlinks(false);
    builder.append_path_with_name(sandbox.join(IDENTITY), IDENTITY)?;
    builder.append_dir_all(FILES, sandbox.join(FILES))?;
    let mut writer = builder.into_inner()?.finish()?;
    writer.flush()?;
    let file = writer.into_inner().map_err(io::IntoInnerError::into_error)?;
    let packed = monotonic_nanos();
    file.sync_all()?;
    Ok(Packed {
        bytes: Bytes(file.metadata()?.len()),
        syncing: Span::from_nanos(monotonic_nanos() - packed),
    })
}

/// Unpacks an archive into a sandbox's directory.
///
/// # Errors
/// If the archive cannot be read or the files not be written.
pub fn unpack(archive: &Path, sandbox: &Path) -> io::Result<()> {
    let file = BufReader::new(File::open(archive)?);
    let mut reader = tar::Archive::new(zstd::Decoder::new(file)?);
    fs::create_dir_all(sandbox)?;
    reader.unpack(sandbox)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drive::guest::digest_tree;

    #[test]
    fn what_is_packed_comes_back_to_the_byte() {
        let dir = tempfile::tempdir().unwrap();
        let (before, after) = (dir.path().join("before"), dir.path().join("after"));
        fs::create_dir_all(before.join("files/deep/er")).unwrap();
        fs::write(before.join(IDENTITY), "a token").unwrap();
        fs::write(before.join("files/deep/er/text"), "plimsoll ".repeat(9999)).unwrap();
        fs::write(before.join("files/empty"), "").unwrap();
        let long = "n".repeat(180);
        fs::write(before.join("files").join(long), "long names too").unwrap();
        std::os::unix::fs::symlink("/nowhere", before.join("files/link")).unwrap();
        let archive = dir.path().join("0");
        let packed = pack(&before, &archive).unwrap();
        assert!(packed.bytes < Bytes(9999));
        unpack(&archive, &after).unwrap();
        assert_eq!(digest_tree(&before).unwrap(), digest_tree(&after).unwrap());
    }

    #[test]
    fn a_damaged_archive_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let before = dir.path().join("before");
        fs::create_dir_all(before.join("files")).unwrap();
        fs::write(before.join(IDENTITY), "a token").unwrap();
        fs::write(before.join("files/text"), "plimsoll ".repeat(9999)).unwrap();
        let archive = dir.path().join("0");
        pack(&before, &archive).unwrap();
        let bytes = fs::read(&archive).unwrap();
        fs::write(&archive, &bytes[..bytes.len() / 2]).unwrap();
        assert!(unpack(&archive, &dir.path().join("after")).is_err());
    }
}
