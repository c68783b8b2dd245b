//! Where the tests run as root the servers that they start do not: PostgreSQL refuses to, and no
//! other needs to.

use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// The user nobody, and its group.
const NOBODY: u32 = 65_534;

/// Makes `command` run as nobody, if this is root.
pub fn run_as_nobody(command: &mut Command) {
    if is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
}

/// Gives a file or a folder, without what is in it, to nobody, if this is root.
///
/// # Panics
/// There is none.
pub fn give_to_nobody(path: &Path) {
    if is_root() {
        chown(path, Some(NOBODY), Some(NOBODY)).expect("root may");
    }
}

/// Whoever owns `/proc/self` is who runs this.
fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}
