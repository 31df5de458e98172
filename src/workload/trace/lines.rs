//! Numbered lines of a plain or gzipped text file, one buffer for all.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;

use super::error::{Place, Problem, TraceError};

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The lines of a trace file that are not blank.
pub(super) struct Lines {
    file: PathBuf,
    reader: Box<dyn BufRead>,
    gzipped: bool,
    buffer: Vec<u8>,
    number: u64,
    blank: u64,
}

impl Lines {
    /// Opens a file. Whether it is gzipped is told by its first bytes, not by its name.
    pub fn open(path: &Path) -> Result<Lines, TraceError> {
        let fail = |error| TraceError::new(Place::file(path), Problem::Open(error));
        let mut file = BufReader::with_capacity(1 << 16, File::open(path).map_err(fail)?);
        let mut magic = [0; 2];
        let sniffed = read_up_to(&mut file, &mut magic).map_err(fail)?;
        let head = io::Cursor::new(magic[..sniffed].to_vec());
        let whole = BufReader::with_capacity(1 << 16, head.chain(file));
        let gzipped = magic[..sniffed] == GZIP_MAGIC;
        let reader: Box<dyn BufRead> = if gzipped {
            Box::new(BufReader::with_capacity(1 << 16, MultiGzDecoder::new(whole)))
        } else {
            Box::new(whole)
        };
        let file = path.to_owned();
        Ok(Lines { file, reader, gzipped, buffer: Vec::new(), number: 0, blank: 0 })
    }

    /// The next line that is not blank, without its end; `None` after the last.
    pub fn next(&mut self) -> Result<Option<&str>, TraceError> {
        loop {
            self.buffer.clear();
            if let Err(error) = self.reader.read_until(b'\n', &mut self.buffer) {
                let problem =
                    if self.gzipped { Problem::Gzip(error) } else { Problem::Read(error) };
                return Err(self.error(problem));
            }
            if self.buffer.is_empty() {
                return Ok(None);
            }
            self.number += 1;
            if self.number == 1 && self.buffer.starts_with(BYTE_ORDER_MARK) {
                self.buffer.drain(..BYTE_ORDER_MARK.len());
            }
            if self.buffer.iter().any(|byte| !byte.is_ascii_whitespace()) {
                break;
            }
            self.blank += 1;
        }
        match std::str::from_utf8(&self.buffer) {
            Ok(line) => Ok(Some(line.trim_end_matches(['\n', '\r']))),
            Err(_) => Err(self.error(Problem::NotText)),
        }
    }

    /// An error at the line read last.
    pub fn error(&self, problem: Problem) -> TraceError {
        let line = (self.number > 0).then_some(self.number);
        TraceError::new(Place { file: self.file.clone(), line, column: None }, problem)
    }

    /// An error of the whole file.
    pub fn file_error(&self, problem: Problem) -> TraceError {
        TraceError::new(Place::file(&self.file), problem)
    }

    /// Number of the line read last, from 1.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Blank lines met so far.
    pub fn blank(&self) -> u64 {
        self.blank
    }
}

/// Fills as much of `buffer` as the file has.
fn read_up_to(file: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..])? {
            0 => break,
            n => filled += n,
        }
    }
    Ok(filled)
}
