//! Which mutant is on, and which are reached.

use std::fs::File;
use std::io::Write;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// The number of the mutant that is on.
static ON: LazyLock<Option<usize>> =
    LazyLock::new(|| std::env::var("EVERSTEP_MUTANT").ok().and_then(|on| on.parse().ok()));

/// Where the numbers of those that are reached go.
static REACHED: LazyLock<Option<File>> = LazyLock::new(|| {
    let path = std::env::var_os("EVERSTEP_MUTANTS_REACHED")?;
    File::options().create(true).append(true).open(path).ok()
});

static SEEN: [AtomicBool; MUTANTS] = [const { AtomicBool::new(false) }; MUTANTS];

pub(crate) fn on(number: usize) -> bool {
    if let Some(mut file) = REACHED.as_ref()
        && !SEEN[number].swap(true, Ordering::Relaxed)
    {
        file.write_all(format!("{number}\n").as_bytes()).expect("the file of the reached mutants");
    }
    *ON == Some(number)
}
