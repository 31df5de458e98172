//! A sparse file packed: its pieces of data with their places, under zstd. Of a disk image most is a
//! hole, which is neither read nor stored.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;

use rustix::fs::SeekFrom as Lseek;

use crate::drive::clock::monotonic_nanos;
use crate::drive::runtime::pack::Packed;
use crate::units::{Bytes, Span};

/// zstd's fastest: a memory image is packed while a session waits.
const LEVEL: i32 = 1;

/// The pieces of a file that are not holes, by start and length.
fn pieces(file: &File) -> io::Result<Vec<(u64, u64)>> {
    let length = file.metadata()?.len();
    let mut pieces = Vec::new();
    let mut at = 0;
    while at < length {
        let start = match rustix::fs::seek(file, Lseek::Data(at)) {
            Ok(start) => start,
            // Nothing but a hole up to the end.
            Err(rustix::io::Errno::NXIO) => break,
            Err(error) => return Err(error.into()),
        };
        at = rustix::fs::seek(file, Lseek::Hole(start))?;
        pieces.push((start, at - start));
    }
    Ok(pieces)
}

/// Packs a file into a new archive.
///
/// # Errors
/// If it cannot be read or the archive not be written.
pub fn pack(from: &Path, archive: &Path) -> io::Result<Packed> {
    let mut file = File::open(from)?;
    let out = File::options().write(true).create_new(true).open(archive)?;
    let mut writer = zstd::Encoder::new(BufWriter::new(out), LEVEL)?;
    let pieces = pieces(&file)?;
    writer.write_all(&file.metadata()?.len().to_le_bytes())?;
    for (start, length) in pieces {
        writer.write_all(&start.to_le_bytes())?;
        writer.write_all(&length.to_le_bytes())?;
        file.seek(SeekFrom::Start(start))?;
        let copied = io::copy(&mut (&mut file).take(length), &mut writer)?;
        if copied != length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    // A piece without length ends it, so that a cut archive is known.
    writer.write_all(&[0; 16])?;
    let mut writer = writer.finish()?;
    writer.flush()?;
    let out = writer.into_inner().map_err(io::IntoInnerError::into_error)?;
    let packed = monotonic_nanos();
    out.sync_all()?;
    let syncing = Span::from_nanos(monotonic_nanos() - packed);
    Ok(Packed { bytes: Bytes(out.metadata()?.len()), syncing })
}

/// Unpacks an archive into a new file.
///
/// # Errors
/// If the archive cannot be read or is cut short, or the file not be written.
pub fn unpack(archive: &Path, to: &Path) -> io::Result<()> {
    let mut reader = zstd::Decoder::new(BufReader::new(File::open(archive)?))?;
    let mut file = File::options().write(true).create_new(true).open(to)?;
    file.set_len(number(&mut reader)?)?;
    loop {
        let (start, length) = (number(&mut reader)?, number(&mut reader)?);
        if length == 0 {
            return Ok(());
        }
        file.seek(SeekFrom::Start(start))?;
        if io::copy(&mut (&mut reader).take(length), &mut file)? != length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

fn number(reader: &mut impl Read) -> io::Result<u64> {
    let mut bytes = [0; 8];
    reader.read_exact(&mut bytes)?;
    Ok(u64::from_le_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn a_sparse_file_comes_back_with_its_holes() {
        let dir = tempfile::tempdir().unwrap();
        let (from, archive, to) =
            (dir.path().join("a"), dir.path().join("b"), dir.path().join("c"));
        let mut file = File::create(&from).unwrap();
        file.set_len(1 << 30).unwrap();
        for at in [0_u64, 5 << 20, (1 << 30) - 9] {
            file.seek(SeekFrom::Start(at)).unwrap();
            file.write_all(b"something").unwrap();
        }
        let packed = pack(&from, &archive).unwrap();
        assert!(packed.bytes < Bytes(10_000), "{packed:?}");
        unpack(&archive, &to).unwrap();
        assert_eq!(fs::read(&from).unwrap(), fs::read(&to).unwrap());
        assert!(to.metadata().unwrap().blocks() * 512 < 1 << 20);
    }

    #[test]
    fn a_hole_and_nothing_at_all_come_back_and_a_cut_archive_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        for length in [0, 1 << 20] {
            File::create(path("from")).unwrap().set_len(length).unwrap();
            pack(&path("from"), &path("archive")).unwrap();
            unpack(&path("archive"), &path("to")).unwrap();
            assert_eq!(path("to").metadata().unwrap().len(), length);
            fs::remove_file(path("archive")).unwrap();
            fs::remove_file(path("to")).unwrap();
        }
        fs::write(path("from"), "plimsoll".repeat(999)).unwrap();
        pack(&path("from"), &path("archive")).unwrap();
        let bytes = fs::read(path("archive")).unwrap();
        fs::write(path("archive"), &bytes[..bytes.len() / 2]).unwrap();
        assert!(unpack(&path("archive"), &path("to")).is_err());
    }
}
