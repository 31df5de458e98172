//! The root file system of sandboxes that other programs make: the guest and what it is linked to,
//! nothing else. One for a whole run; sandboxes lay what they write over it.
//!
//! ```text
//! /plimsoll        the guest, without its symbols
//! /lib…/ld-…, *.so loader and shared libraries, at the paths they have outside
//! /scratch         where a sandbox's files go
//! /dev /proc /run /sys /tmp
//! ```

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The guest, as it sees itself.
pub const BINARY: &str = "/plimsoll";
/// The files, as the guest sees them.
pub const FILES: &str = "/scratch";
/// The identity token, as the guest sees it.
pub const IDENTITY: &str = "/identity";

const DIRECTORIES: [&str; 6] = ["dev", "proc", "run", "scratch", "sys", "tmp"];

/// Offsets in the header of a 64-bit ELF file; elf(5).
mod elf {
    pub const HEADER: usize = 64;
    pub const PROGRAM_OFFSET: usize = 32;
    pub const SECTION_OFFSET: usize = 40;
    pub const PROGRAM_SIZE: usize = 54;
    pub const PROGRAM_COUNT: usize = 56;
    pub const SECTION_COUNT: usize = 60;
    pub const SECTION_NAMES: usize = 62;
    pub const ENTRY_OFFSET: usize = 8;
    pub const ENTRY_BYTES: usize = 32;
}

/// Builds the root in a new directory.
///
/// # Errors
/// If a file cannot be read or written.
pub fn build(root: &Path, binary: &Path, needs: &[PathBuf]) -> io::Result<()> {
    fs::create_dir(root)?;
    for name in DIRECTORIES {
        fs::create_dir(root.join(name))?;
    }
    fs::set_permissions(root.join("tmp"), fs::Permissions::from_mode(0o1777))?;
    let target = below(root, Path::new(BINARY));
    fs::write(&target, slim(fs::read(binary)?))?;
    fs::set_permissions(&target, fs::Permissions::from_mode(0o755))?;
    for path in needs {
        let target = below(root, path);
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::copy(path, &target)?;
    }
    Ok(())
}

/// Where a path of the sandbox is outside.
pub fn below(root: &Path, inside: &Path) -> PathBuf {
    root.join(inside.strip_prefix("/").unwrap_or(inside))
}

/// The search path for these libraries.
pub fn library_path(needs: &[PathBuf]) -> String {
    let directories: std::collections::BTreeSet<_> =
        needs.iter().filter_map(|path| path.parent()).collect();
    let directories: Vec<_> = directories.iter().map(|path| path.display().to_string()).collect();
    directories.join(":")
}

/// A program without symbols and debugging sections: what no segment loads is cut off. They are
/// most of a development build, and would be read at each start of a virtual machine. What is no
/// 64-bit little-endian ELF file stays as it is.
fn slim(mut program: Vec<u8>) -> Vec<u8> {
    if program.len() < elf::HEADER || !program.starts_with(b"\x7fELF\x02\x01") {
        return program;
    }
    let word16 = |at: usize| u16::from_le_bytes([program[at], program[at + 1]]) as usize;
    let word64 = |at: usize| -> Option<usize> {
        let bytes: [u8; 8] = program.get(at..at + 8)?.try_into().ok()?;
        usize::try_from(u64::from_le_bytes(bytes)).ok()
    };
    let (size, count) = (word16(elf::PROGRAM_SIZE), word16(elf::PROGRAM_COUNT));
    let end = || -> Option<usize> {
        let table = word64(elf::PROGRAM_OFFSET)?;
        let mut end = table.checked_add(size.checked_mul(count)?)?;
        for k in 0..count {
            let entry = table + k * size;
            let last = word64(entry + elf::ENTRY_OFFSET)?
                .checked_add(word64(entry + elf::ENTRY_BYTES)?)?;
            end = end.max(last);
        }
        Some(end)
    };
    let Some(end) = end().filter(|end| *end <= program.len()) else { return program };
    program.truncate(end);
    // There is no table of sections any more.
    program[elf::SECTION_OFFSET..elf::SECTION_OFFSET + 8].fill(0);
    program[elf::SECTION_COUNT..elf::SECTION_COUNT + 2].fill(0);
    program[elf::SECTION_NAMES..elf::SECTION_NAMES + 2].fill(0);
    program
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slim_program_still_runs_and_is_smaller() {
        let dir = tempfile::tempdir().unwrap();
        let own = fs::read(std::env::current_exe().unwrap()).unwrap();
        let slim = slim(own.clone());
        assert!(slim.len() < own.len(), "{} of {}", slim.len(), own.len());
        let path = dir.path().join("slim");
        fs::write(&path, slim).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let output = std::process::Command::new(&path).arg("--list").output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && text.contains("a_slim_program_still_runs"), "{text}");
    }

    #[test]
    fn what_is_no_program_stays_as_it_is() {
        let script = b"#!/bin/sh\nexit 0\n".to_vec();
        assert_eq!(slim(script.clone()), script);
        // A header that names a table beyond the file's end.
        let mut broken = vec![0xff_u8; 64];
        broken[..6].copy_from_slice(b"\x7fELF\x02\x01");
        assert_eq!(slim(broken.clone()), broken);
    }
}
