//! What a sandbox wrote over its image, packed: the upper directory of an overlay as a tar archive
//! under zstd.
//!
//! All of it comes back: permissions, owners, times, symbolic and hard links, devices (a deleted
//! file of the image is one, see the kernel's overlayfs.rst), and the mark of a directory that hides
//! the image's. Holes come back as holes.

use std::fs::{self, DirEntry, File, Metadata, Permissions};
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{
    FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt, lchown, symlink,
};
use std::path::{Path, PathBuf};

use rustc_hash::FxHashMap;
use rustix::fs::{AtFlags, CWD, Dev, FileType, Mode, Timespec, Timestamps, XattrFlags};
use tar::{Archive, Builder, Entry, EntryType, Header};

use super::pack::{LEVEL, Packed};
use crate::drive::clock::monotonic_nanos;
use crate::units::{Bytes, Span};

/// The kernel's mark of a directory that hides the one below it.
const OPAQUE: &str = "trusted.overlay.opaque";
/// The same, in an archive's extended header.
const OPAQUE_RECORD: &str = "SCHILY.xattr.trusted.overlay.opaque";

/// Zeros of this length are left out of a file that is unpacked.
const BLOCK: usize = 4096;

/// Packs a directory into a new archive.
///
/// # Errors
/// If something cannot be read or the archive not be written.
pub fn pack(upper: &Path, archive: &Path) -> io::Result<Packed> {
    let file = File::options().write(true).create_new(true).open(archive)?;
    let builder = Builder::new(zstd::Encoder::new(BufWriter::new(file), LEVEL)?);
    let mut packer = Packer { builder, root: upper.to_owned(), linked: FxHashMap::default() };
    packer.directory(upper)?;
    let mut writer = packer.builder.into_inner()?.finish()?;
    writer.flush()?;
    let file = writer.into_inner().map_err(io::IntoInnerError::into_error)?;
    let packed = monotonic_nanos();
    file.sync_all()?;
    let syncing = Span::from_nanos(monotonic_nanos() - packed);
    Ok(Packed { bytes: Bytes(file.metadata()?.len()), syncing })
}

struct Packer<W: Write> {
    builder: Builder<W>,
    root: PathBuf,
    /// The first name of each file that has several.
    linked: FxHashMap<(u64, u64), PathBuf>,
}

impl<W: Write> Packer<W> {
    fn directory(&mut self, directory: &Path) -> io::Result<()> {
        let mut entries = fs::read_dir(directory)?.collect::<Result<Vec<_>, _>>()?;
        entries.sort_by_key(DirEntry::file_name);
        for entry in entries {
            let (path, metadata) = (entry.path(), entry.metadata()?);
            self.entry(&path, &metadata)?;
            if metadata.is_dir() {
                self.directory(&path)?;
            }
        }
        Ok(())
    }

    fn entry(&mut self, path: &Path, metadata: &Metadata) -> io::Result<()> {
        let name = path.strip_prefix(&self.root).map_err(io::Error::other)?.to_owned();
        let kind = metadata.file_type();
        let mut header = Header::new_gnu();
        header.set_metadata(metadata);
        header.set_size(0);
        if kind.is_dir() {
            if is_opaque(path) {
                self.builder.append_pax_extensions([(OPAQUE_RECORD, b"y".as_slice())])?;
            }
            return self.builder.append_data(&mut header, name, io::empty());
        }
        if kind.is_symlink() {
            return self.builder.append_link(&mut header, name, fs::read_link(path)?);
        }
        if kind.is_socket() {
            // Nobody listens at it any more.
            return Ok(());
        }
        if kind.is_file() && metadata.nlink() > 1 {
            let known = (metadata.dev(), metadata.ino());
            if let Some(first) = self.linked.get(&known) {
                header.set_entry_type(EntryType::Link);
                return self.builder.append_link(&mut header, name, first);
            }
            self.linked.insert(known, name.clone());
        }
        if kind.is_file() {
            header.set_size(metadata.len());
            return self.builder.append_data(&mut header, name, File::open(path)?);
        }
        let device = metadata.rdev();
        header.set_device_major(rustix::fs::major(device))?;
        header.set_device_minor(rustix::fs::minor(device))?;
        self.builder.append_data(&mut header, name, io::empty())
    }
}

fn is_opaque(directory: &Path) -> bool {
    let mut value = [0_u8; 1];
    // An error means that there is no mark, or that the file system knows none.
    rustix::fs::lgetxattr(directory, OPAQUE, value.as_mut_slice()).is_ok() && value == *b"y"
}

/// Unpacks an archive into a directory that is there and empty.
///
/// # Errors
/// If the archive cannot be read or the files not be made.
pub fn unpack(archive: &Path, upper: &Path) -> io::Result<()> {
    let file = BufReader::new(File::open(archive)?);
    let mut reader = Archive::new(zstd::Decoder::new(file)?);
    // Times and rights of a directory are set after what is in it was made.
    let mut directories = Vec::new();
    for entry in reader.entries()? {
        let mut entry = entry?;
        let path = upper.join(entry.path()?);
        make(&mut entry, upper, &path)?;
        let header = entry.header().clone();
        match header.entry_type() {
            EntryType::Directory => directories.push((path, header)),
            EntryType::Link => {}
            _ => settle(&path, &header)?,
        }
    }
    directories.iter().rev().try_for_each(|(path, header)| settle(path, header))
}

fn make<R: Read>(entry: &mut Entry<'_, R>, upper: &Path, path: &Path) -> io::Result<()> {
    let header = entry.header().clone();
    let target = entry.link_name()?.map(|target| target.into_owned());
    let target = || target.clone().ok_or_else(|| io::Error::other("a link without its target"));
    match header.entry_type() {
        EntryType::Directory => {
            fs::create_dir(path)?;
            let marked = entry.pax_extensions()?.is_some_and(|mut records| {
                records.any(|record| {
                    record.is_ok_and(|record| record.key_bytes() == OPAQUE_RECORD.as_bytes())
                })
            });
            if marked {
                rustix::fs::lsetxattr(path, OPAQUE, b"y", XattrFlags::empty())?;
            }
            Ok(())
        }
        EntryType::Symlink => symlink(target()?, path),
        EntryType::Link => fs::hard_link(upper.join(target()?), path),
        EntryType::Char => node(path, FileType::CharacterDevice, &header),
        EntryType::Block => node(path, FileType::BlockDevice, &header),
        EntryType::Fifo => node(path, FileType::Fifo, &header),
        _ => write_with_holes(entry, path),
    }
}

fn node(path: &Path, kind: FileType, header: &Header) -> io::Result<()> {
    let major = header.device_major()?.unwrap_or(0);
    let minor = header.device_minor()?.unwrap_or(0);
    let device: Dev = rustix::fs::makedev(major, minor);
    Ok(rustix::fs::mknodat(CWD, path, kind, Mode::from_raw_mode(header.mode()?), device)?)
}

fn write_with_holes<R: Read>(entry: &mut R, path: &Path) -> io::Result<()> {
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(path)?;
    let mut block = [0_u8; BLOCK];
    let mut length = 0;
    loop {
        let mut filled = 0;
        while filled < BLOCK {
            match entry.read(&mut block[filled..])? {
                0 => break,
                read => filled += read,
            }
        }
        if filled == 0 {
            return file.set_len(length);
        }
        length += filled as u64;
        if block[..filled].iter().all(|byte| *byte == 0) {
            file.seek(SeekFrom::Start(length))?;
        } else {
            file.write_all(&block[..filled])?;
        }
    }
}

/// Owner, rights and time of what was made.
fn settle(path: &Path, header: &Header) -> io::Result<()> {
    let owner = |id: u64| u32::try_from(id).map_err(io::Error::other);
    let (user, group) = (owner(header.uid()?)?, owner(header.gid()?)?);
    let is = fs::symlink_metadata(path)?;
    if (is.uid(), is.gid()) != (user, group) {
        lchown(path, Some(user), Some(group))?;
    }
    if header.entry_type() != EntryType::Symlink {
        fs::set_permissions(path, Permissions::from_mode(header.mode()?))?;
    }
    let at = Timespec { tv_sec: header.mtime()?.cast_signed(), tv_nsec: 0 };
    let times = Timestamps { last_access: at, last_modification: at };
    Ok(rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything that a tree is, but for the times below a second.
    fn described(root: &Path) -> Vec<String> {
        let mut lines = Vec::new();
        describe(root, root, &mut lines);
        lines.sort();
        lines
    }

    fn describe(root: &Path, directory: &Path, lines: &mut Vec<String>) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let is = fs::symlink_metadata(&path).unwrap();
            let name = path.strip_prefix(root).unwrap().display().to_string();
            let content = if is.is_file() {
                crate::drive::guest::digest_bytes(&fs::read(&path).unwrap())
            } else if is.is_symlink() {
                fs::read_link(&path).unwrap().display().to_string()
            } else {
                format!("{} opaque {}", is.rdev(), is_opaque(&path))
            };
            let rights =
                format!("{:o} {}:{} {} x{}", is.mode(), is.uid(), is.gid(), is.mtime(), is.nlink());
            lines.push(format!("{name} {rights} {content}"));
            if is.is_dir() {
                describe(root, &path, lines);
            }
        }
    }

    fn round_trip(build: impl FnOnce(&Path)) -> (Vec<String>, Vec<String>, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let (before, after) = (dir.path().join("before"), dir.path().join("after"));
        fs::create_dir(&before).unwrap();
        fs::create_dir(&after).unwrap();
        build(&before);
        let archive = dir.path().join("layer");
        let packed = pack(&before, &archive).unwrap();
        assert_eq!(packed.bytes.0, fs::metadata(&archive).unwrap().len());
        unpack(&archive, &after).unwrap();
        (described(&before), described(&after), dir)
    }

    #[test]
    fn thousands_of_files_links_and_rights_come_back() {
        let (before, after, _) = round_trip(|root| {
            for k in 0..3000 {
                let directory = root.join(format!("d{}", k % 37));
                fs::create_dir_all(&directory).unwrap();
                let path = directory.join(format!("f{k}"));
                fs::write(&path, format!("content of {k}\n").repeat(k % 50)).unwrap();
                fs::set_permissions(&path, Permissions::from_mode(0o400 | (k as u32 % 8))).unwrap();
            }
            symlink("/nowhere/at/all", root.join("dangling")).unwrap();
            symlink("d1", root.join("to-a-directory")).unwrap();
            fs::hard_link(root.join("d1/f1"), root.join("the-same-file")).unwrap();
            fs::set_permissions(root.join("d2"), Permissions::from_mode(0o2700)).unwrap();
            let long = "n".repeat(240);
            fs::create_dir(root.join(&long)).unwrap();
            fs::write(root.join(&long).join(&long), "a long name").unwrap();
        });
        assert!(before.len() > 3000);
        assert_eq!(before, after);
    }

    #[test]
    fn large_and_sparse_files_come_back_with_their_holes() {
        let (before, after, dir) = round_trip(|root| {
            let mut file = File::create(root.join("sparse")).unwrap();
            file.seek(SeekFrom::Start(300 << 20)).unwrap();
            file.write_all(b"the end").unwrap();
            fs::write(root.join("large"), b"0123456789abcdef".repeat(1 << 19)).unwrap();
            File::create(root.join("only-a-hole")).unwrap().set_len(1 << 20).unwrap();
        });
        assert_eq!(before, after);
        let kept = fs::metadata(dir.path().join("after/sparse")).unwrap();
        assert_eq!(kept.len(), (300 << 20) + 7);
        assert!(kept.blocks() * 512 < 1 << 20, "{} blocks", kept.blocks());
    }

    #[test]
    fn what_an_overlay_marks_comes_back() {
        if !rustix::process::geteuid().is_root() {
            println!("skipped: only root can make what an overlay marks deleted files with");
            return;
        }
        let mut marks = true;
        let (before, after, _) = round_trip(|root| {
            rustix::fs::mknodat(
                CWD,
                root.join("deleted"),
                FileType::CharacterDevice,
                Mode::RUSR,
                0,
            )
            .unwrap();
            fs::create_dir(root.join("hides")).unwrap();
            marks = rustix::fs::lsetxattr(root.join("hides"), OPAQUE, b"y", XattrFlags::empty())
                .is_ok();
        });
        assert_eq!(before, after);
        assert!(!marks || after.iter().any(|line| line.ends_with("opaque true")), "{after:?}");
    }

    #[test]
    fn a_damaged_archive_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let (before, after) = (dir.path().join("before"), dir.path().join("after"));
        fs::create_dir(&before).unwrap();
        fs::create_dir(&after).unwrap();
        fs::write(before.join("text"), "plimsoll ".repeat(9999)).unwrap();
        let archive = dir.path().join("layer");
        pack(&before, &archive).unwrap();
        let bytes = fs::read(&archive).unwrap();
        fs::write(&archive, &bytes[..bytes.len() / 2]).unwrap();
        assert!(unpack(&archive, &after).is_err());
    }
}
