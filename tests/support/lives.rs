//! Processes that are killed: a test program that starts itself again, with nothing but the test that
//! is the program to kill. It starts an execution, or goes on with it, and ends when that has.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use everstep::local::{SqliteBackend, SqliteOptions};
use tempfile::TempDir;

use crate::order::durable;
use crate::seed::Seeded;

const SERVICE: &str = "EVERSTEP_TEST_PROGRAM_SERVICE";
const LOG: &str = "EVERSTEP_TEST_PROGRAM_LOG";
const ID: &str = "EVERSTEP_TEST_PROGRAM_ID";

/// A life that ends at random is at most so long: most of them end in the middle of their work.
const LIFE_MS_MAX: u64 = 400;

/// What a process was started for.
#[derive(Debug)]
pub struct Task {
    /// The service that its steps write to.
    pub service: String,
    /// The URL of its backend.
    pub log: String,
    /// Its execution.
    pub id: String,
}

impl Task {
    /// The task of this process; `None` if it was not started as such a program.
    #[must_use]
    pub fn of_this_process() -> Option<Self> {
        let told = |name: &str| std::env::var(name).ok();
        Some(Self { service: told(SERVICE)?, log: told(LOG)?, id: told(ID)? })
    }
}

/// The program, and the folder of its log, which goes when this is dropped.
#[derive(Debug)]
pub struct Program {
    test: &'static str,
    folder: TempDir,
}

impl Program {
    /// The program that is the ignored `test`: `transact::kills::the_program`.
    ///
    /// # Panics
    /// There is no room for a folder.
    #[must_use]
    pub fn new(test: &'static str) -> Self {
        Self { test, folder: tempfile::tempdir().expect("a folder") }
    }

    /// The folder of its log.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn log(&self) -> PathBuf {
        self.folder().join("everstep.db")
    }

    fn begin(&self, service: &str, id: &str) -> Child {
        let mut command = Command::new(std::env::current_exe().expect("a test has a path"));
        command.args(["--exact", self.test, "--ignored"]);
        command.env(SERVICE, service).env(ID, id);
        command.env(LOG, format!("sqlite:{}", self.log().display()));
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts")
    }

    /// How many steps of an execution have their results in the log.
    async fn recorded(&self, id: &str) -> usize {
        let log = SqliteBackend::open(self.log(), &SqliteOptions::new()).expect("the log opens");
        durable(Arc::new(log.store()), id).await.len()
    }

    /// Has executions done, one after the other, by processes that die at random moments, until
    /// `between` of them have died after an effect and before its step was in the log. `effects`
    /// counts what was done for an execution. Returns the ids of all, each of which has ended.
    ///
    /// # Panics
    /// A process does not start, or the log cannot be read.
    pub async fn die_at_random(
        &self,
        service: &str,
        between: usize,
        effects: impl AsyncFn(&str) -> usize,
    ) -> Vec<String> {
        let mut random = Seeded::from_env();
        let (mut kills, mut hits) = (0, 0);
        let mut ids = Vec::new();
        while hits < between {
            let id = format!("life-{}", ids.len() + 1);
            loop {
                let mut life = self.begin(service, &id);
                if hits < between {
                    // Ever longer, so that they get somewhere on a slow machine too.
                    let moment = random.below(LIFE_MS_MAX + 10 * kills);
                    tokio::time::sleep(Duration::from_millis(moment)).await;
                    if life.try_wait().expect("a child of this process").is_none() {
                        kills += 1;
                        life.kill().expect("a child of this process");
                        life.wait().expect("a child of this process");
                        hits += usize::from(effects(&id).await > self.recorded(&id).await);
                    }
                }
                if life.wait().expect("a child of this process").success() {
                    break;
                }
            }
            ids.push(id);
        }
        tracing::info!("{} executions, {kills} kills", ids.len());
        ids
    }
}

/// A process that somebody else may kill, as soon as it has begun.
#[derive(Debug, Clone, Default)]
pub struct Life(Arc<Mutex<Option<Child>>>);

impl Life {
    /// Begins it. Whoever kills it meanwhile waits until there is something to kill.
    ///
    /// # Panics
    /// The process does not start.
    pub fn begin(&self, program: &Program, service: &str, id: &str) {
        let mut child = self.0.lock().expect("no test panics with a life");
        *child = Some(program.begin(service, id));
    }

    /// Kills it.
    ///
    /// # Panics
    /// It has not begun.
    pub fn kill(&self) {
        let mut child = self.0.lock().expect("no test panics with a life");
        child.as_mut().expect("it has begun").kill().expect("a child of this process");
    }

    /// Waits for its end. Whether it was a success.
    ///
    /// # Panics
    /// It has not begun.
    pub async fn succeeds(&self) -> bool {
        loop {
            if let Some(success) = self.success() {
                return success;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn success(&self) -> Option<bool> {
        let mut child = self.0.lock().expect("no test panics with a life");
        let exit = child.as_mut().expect("it has begun").try_wait();
        exit.expect("a child of this process").map(|exit| exit.success())
    }
}
