//! An initramfs: a cpio archive in the "new ASCII" form that the kernel unpacks as its first root;
//! the kernel's buffer-format.rst.

use std::io::{self, Write};

const MAGIC: &str = "070701";
const DIRECTORY: u32 = 0o040_755;
const PROGRAM: u32 = 0o100_755;
const CHARACTER_DEVICE: u32 = 0o020_600;
const TRAILER: &str = "TRAILER!!!";

/// Writes an archive, entry by entry. Directories come before what is in them.
#[derive(Debug)]
pub struct Cpio<W: Write> {
    out: W,
    entries: u32,
    /// Directories that are in it already.
    made: Vec<String>,
}

impl<W: Write> Cpio<W> {
    /// An empty archive.
    pub fn new(out: W) -> Self {
        Cpio { out, entries: 0, made: Vec::new() }
    }

    /// A directory and those above it, unless they are there already. Paths are absolute or not, it
    /// is the same.
    ///
    /// # Errors
    /// If writing fails.
    pub fn directory(&mut self, path: &str) -> io::Result<()> {
        let path = path.trim_matches('/');
        let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
        for end in ends.filter(|end| *end > 0) {
            let part = &path[..end];
            if !self.made.iter().any(|made| made == part) {
                self.made.push(part.to_owned());
                self.entry(part, DIRECTORY, (0, 0), &[])?;
            }
        }
        Ok(())
    }

    /// A file that may be executed, and the directories above it.
    ///
    /// # Errors
    /// If writing fails, or it is longer than the form allows.
    pub fn file(&mut self, path: &str, content: &[u8]) -> io::Result<()> {
        self.above(path)?;
        self.entry(path.trim_matches('/'), PROGRAM, (0, 0), content)
    }

    /// A character device by its numbers.
    ///
    /// # Errors
    /// If writing fails.
    pub fn device(&mut self, path: &str, major: u32, minor: u32) -> io::Result<()> {
        self.above(path)?;
        self.entry(path.trim_matches('/'), CHARACTER_DEVICE, (major, minor), &[])
    }

    fn above(&mut self, path: &str) -> io::Result<()> {
        match path.trim_matches('/').rsplit_once('/') {
            Some((above, _)) => self.directory(above),
            None => Ok(()),
        }
    }

    /// Ends the archive.
    ///
    /// # Errors
    /// If writing fails.
    pub fn finish(mut self) -> io::Result<W> {
        self.entry(TRAILER, 0, (0, 0), &[])?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn entry(
        &mut self,
        name: &str,
        mode: u32,
        (major, minor): (u32, u32),
        content: &[u8],
    ) -> io::Result<()> {
        self.entries += 1;
        let size = u32::try_from(content.len()).map_err(io::Error::other)?;
        let name_size = u32::try_from(name.len() + 1).map_err(io::Error::other)?;
        let (inode, links, nobody, time, checksum) = (self.entries, 1, 0, 0, 0);
        let fields = [
            inode, mode, nobody, nobody, links, time, size, 0, 0, major, minor, name_size, checksum,
        ];
        let mut header = MAGIC.to_owned();
        for field in fields {
            header.push_str(&format!("{field:08X}"));
        }
        header.push_str(name);
        header.push('\0');
        self.padded(header.as_bytes())?;
        self.padded(content)
    }

    /// Header with name, and content, each fill up four bytes.
    fn padded(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)?;
        self.out.write_all(&[0; 3][..bytes.len().wrapping_neg() % 4])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_as_the_kernels_page_has_it() {
        let mut archive = Cpio::new(Vec::new());
        archive.file("/a/b", b"hello").unwrap();
        archive.directory("a").unwrap();
        archive.device("dev/console", 5, 1).unwrap();
        let bytes = archive.finish().unwrap();
        assert_eq!(bytes.len() % 4, 0);
        // The directory: 110 bytes of header, "a" and a zero fill 112.
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let expected = "07070100000001000041ED00000000000000000000000100000000000000000000000000000000\
                        000000000000000000000002000000\
                        00a\0";
        assert_eq!(&text[..112], expected);
        assert_eq!(&text[112 + 110..112 + 114], "a/b\0");
        // 110 + 4 fill 116 with two zeros, then the content and three more.
        assert_eq!(&text[112 + 116..112 + 124], "hello\0\0\0");
        assert_eq!(text.matches(MAGIC).count(), 5, "a, a/b, dev, dev/console, the trailer");
        assert!(text.contains(TRAILER));
    }
}
