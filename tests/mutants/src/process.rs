//! Runs tests as processes of their own.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use anyhow::Context;

use crate::build;
use crate::copy::Checkout;

/// A test program.
pub(crate) struct Tests {
    program: PathBuf,
    folder: PathBuf,
    /// Where what is learned of this program is kept.
    pub(crate) results: PathBuf,
    pub(crate) jobs: usize,
}

/// How a test ended.
#[derive(PartialEq, Eq)]
pub(crate) enum Ended {
    Passed,
    /// This test failed, or the whole process.
    Failed(Option<String>),
    /// One was silent for longer than it was given.
    Hung,
}

impl Tests {
    pub(crate) fn new(
        checkout: &Checkout,
        tests: build::Tests,
        program: PathBuf,
        jobs: usize,
    ) -> anyhow::Result<Self> {
        let folder = checkout.copied().join(tests.folder());
        let made = std::fs::metadata(&program)?.modified()?;
        let made = made.duration_since(std::time::UNIX_EPOCH)?.as_secs();
        let results = checkout.work().join(format!("{}-{made}", tests.name()));
        std::fs::create_dir_all(&results)?;
        Ok(Self { program, folder, results, jobs })
    }

    pub(crate) fn names(&self) -> anyhow::Result<Vec<String>> {
        let output = self.command().args(["--list", "--format", "terse"]).output()?;
        let output = String::from_utf8(output.stdout)?;
        let names = output.lines().filter_map(|line| line.strip_suffix(": test"));
        Ok(names.map(String::from).collect())
    }

    /// Runs tests one after another in one process, until one fails or is silent for so long.
    /// `variable` says which mutant is on, or where those that are reached go.
    pub(crate) fn run(
        &self,
        tests: &[&str],
        (variable, value): (&str, &Path),
        longest: Duration,
    ) -> anyhow::Result<Ended> {
        let mut command = self.command();
        command.args(["--exact", "--test-threads", "1"]).args(tests).env(variable, value);
        command.process_group(0).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn()?;
        let output = BufReader::new(child.stdout.take().context("its output")?);
        let (says, said) = mpsc::channel();
        let reader = thread::spawn(move || {
            // What the test itself prints need not be text.
            for line in output.split(b'\n').map_while(Result::ok) {
                if says.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                    break;
                }
            }
        });
        let ended = loop {
            match said.recv_timeout(longest) {
                Ok(line) if line.ends_with("... FAILED") => {
                    break Ended::Failed(
                        tests
                            .iter()
                            .find(|test| line.contains(**test))
                            .map(|test| (*test).to_owned()),
                    );
                }
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => break Ended::Hung,
                Err(RecvTimeoutError::Disconnected) => {
                    break if child.wait()?.success() {
                        Ended::Passed
                    } else {
                        Ended::Failed(None)
                    };
                }
            }
        };
        // Whatever it started is in its group, and may have outlived it.
        let group = format!("-{}", child.id());
        Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status()?;
        child.wait()?;
        drop(said);
        reader.join().expect("it only reads");
        Ok(ended)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.current_dir(&self.folder).env("CARGO_MANIFEST_DIR", &self.folder);
        command.env("INSTA_UPDATE", "no").env("RUST_BACKTRACE", "0");
        command
    }
}

/// Does `work` for each of `all`, so many at once, until one of them fails.
pub(crate) fn each<T: Sync>(
    jobs: usize,
    all: &[T],
    work: impl Fn(&T) -> anyhow::Result<()> + Sync,
) -> anyhow::Result<()> {
    let next = std::sync::atomic::AtomicUsize::new(0);
    let take = || {
        while let Some(one) = all.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) {
            work(one)?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs.max(1)).map(|_| scope.spawn(take)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("a worker panicked"))
    })
}
