//! The programs that tests deploy as Lambda functions: release builds, as their users deploy them.

use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine;

use super::ministack;

/// The folder they are in, if not the one that `tests/run` fills.
pub const FOLDER_VARIABLE: &str = "EVERSTEP_RIG_FUNCTIONS";

/// Makes a zip of a program, as `bootstrap`. Not compressed: that takes longer than it saves here.
const ZIP: &str = r#"
import sys, zipfile
with zipfile.ZipFile(sys.stdout.buffer, "w") as package:
    package.write(sys.argv[1], "bootstrap")
"#;

/// The release program of the examples `order` or `image`, or of the functions that only tests have,
/// `bootstrap`.
///
/// # Panics
/// `tests/run` has not built it, or somebody else has, and not as a release.
#[must_use]
pub fn function(name: &str) -> PathBuf {
    let built = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/functions");
    let folder = std::env::var_os(FOLDER_VARIABLE).map_or_else(|| built.into(), PathBuf::from);
    let path = folder.join(name);
    let program = std::fs::read(&path).unwrap_or_else(|error| {
        panic!("{} cannot be read: {error}: use ./tests/run", path.display())
    });
    assert!(is_release(&program), "{} is no release build: use ./tests/run", path.display());
    path
}

/// A function's package as base64: a zip of this program.
///
/// # Panics
/// It cannot be made.
#[must_use]
pub fn package(program: &Path) -> String {
    let mut python = Command::new(ministack::program().with_file_name("python"));
    let zip = python.args(["-c", ZIP]).arg(program).output().expect("python starts");
    assert!(zip.status.success(), "{}", String::from_utf8_lossy(&zip.stderr));
    base64::engine::general_purpose::STANDARD.encode(zip.stdout)
}

/// Whether a program for 64-bit Linux has no table of symbols: the release profile of this workspace
/// strips it, and no other profile does.
fn is_release(program: &[u8]) -> bool {
    const SYMBOLS: u32 = 2;
    let at = |offset: usize, bytes: usize| -> Option<u64> {
        let mut number = [0; 8];
        number[..bytes].copy_from_slice(program.get(offset..offset.checked_add(bytes)?)?);
        Some(u64::from_le_bytes(number))
    };
    // https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.sheader.html
    let sections = || -> Option<Vec<u32>> {
        let (table, size, count) = (at(0x28, 8)?, at(0x3a, 2)?, at(0x3c, 2)?);
        let kinds = (0..count).map(|section| {
            let kind = table.checked_add(section * size)?.checked_add(4)?;
            at(usize::try_from(kind).ok()?, 4)
        });
        kinds.map(|kind| u32::try_from(kind?).ok()).collect()
    };
    let is_program = program.starts_with(b"\x7fELF\x02\x01");
    is_program && sections().is_some_and(|kinds| !kinds.is_empty() && !kinds.contains(&SYMBOLS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_built_for_tests_is_no_release() {
        let this = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        assert_eq!(is_release(&this), !cfg!(debug_assertions));
        assert!(!is_release(b"#!/bin/sh\nexec target/debug/order\n"));
        assert!(!is_release(&this[..100]));
    }
}
