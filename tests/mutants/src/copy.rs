//! The copy of the checkout that is changed.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};

use crate::find::Found;

/// What the changed code asks.
const ON: &str = include_str!("../on.rs");

pub(crate) struct Checkout {
    root: PathBuf,
}

impl Checkout {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        Ok(Self { root: root.canonicalize()? })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Where all that is written goes.
    pub(crate) fn work(&self) -> PathBuf {
        self.root.join("target/mutants")
    }

    pub(crate) fn copied(&self) -> PathBuf {
        self.work().join("checkout")
    }

    /// Copies every file but those that are changed, which [`crate::build`] writes.
    pub(crate) fn copy(&self, found: &Found) -> anyhow::Result<()> {
        let mut git = Command::new("git");
        git.current_dir(&self.root).args(["ls-files", "-z", "--cached", "--others"]);
        let output = git.arg("--exclude-standard").output().context("git")?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        for name in String::from_utf8(output.stdout)?.split_terminator('\0') {
            let from = self.root.join(name);
            if !from.is_file() || found.files.iter().any(|(file, _)| file == Path::new(name)) {
                continue;
            }
            let mut bytes = std::fs::read(&from)?;
            if name == "sdk/src/lib.rs" {
                bytes.extend_from_slice(b"\nmod mutants;\n");
            }
            self.write(Path::new(name), &bytes)?;
            let mode = std::fs::metadata(&from)?.permissions();
            std::fs::set_permissions(self.copied().join(name), mode)?;
        }
        let count = found.mutants.len();
        let on = format!("{ON}\nconst MUTANTS: usize = {count};\n");
        self.write(Path::new("sdk/src/mutants.rs"), on.as_bytes())
    }

    /// A file that is as it should be is not written: it would be compiled again.
    pub(crate) fn write(&self, name: &Path, bytes: &[u8]) -> anyhow::Result<()> {
        let to = self.copied().join(name);
        if std::fs::read(&to).is_ok_and(|there| there == bytes) {
            return Ok(());
        }
        std::fs::create_dir_all(to.parent().context("a folder")?)?;
        std::fs::write(&to, bytes).with_context(|| format!("{}", to.display()))
    }
}
