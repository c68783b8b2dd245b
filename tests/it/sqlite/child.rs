//! Other processes on the same file: this test program started again, told what to do by its
//! environment and telling what it did on its standard output.

use std::io::{BufRead, BufReader, Lines, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use everstep::event::StoredCommit;
use everstep::id::{ExecutionId, WriterId};
use everstep::local::{SqliteBackend, SqliteOptions};
use everstep::store::{Appended, EventStore, Message, NewItem, Sent};
use everstep::time::Timestamp;
use everstep::wake::{Wake, WakeQueue};

/// A process that is killed when the value is dropped.
pub(super) struct Process {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Process {
    pub(super) fn start(task: &str, path: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "sqlite::child::run_as_another_process", "--ignored", "--nocapture"])
            .env("CHILD_TASK", task)
            .env("CHILD_PATH", path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// The rest of the next line that begins with `did:`; `None` when there are no more.
    pub(super) fn next(&mut self) -> Option<String> {
        loop {
            // The test runner's own words may stand before ours on the line.
            let line = self.lines.next()?.unwrap();
            if let Some((_, did)) = line.split_once("did:") {
                return Some(did.to_owned());
            }
        }
    }

    /// Lets a process go on that said it is ready.
    pub(super) fn go(&mut self) {
        self.child.stdin.take().unwrap().write_all(b"go\n").unwrap();
    }

    /// Kills the process (SIGKILL) and returns what it had said by then.
    pub(super) fn kill(&mut self) -> Vec<String> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        std::iter::from_fn(|| self.next()).collect()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(super) fn execution(number: usize) -> ExecutionId {
    ExecutionId::new(format!("order-{number}")).unwrap()
}

pub(super) fn commit(number: u64) -> StoredCommit {
    let body = format!("\"{}\"", "x".repeat(300));
    StoredCommit {
        number,
        writer: WriterId::random(),
        hash: [7; 32],
        body: body.into(),
        life: None,
    }
}

fn say(what: &str) {
    // One write for the line, so that a kill does not cut it.
    std::io::stdout().write_all(format!("did:{what}\n").as_bytes()).unwrap();
}

#[test]
#[ignore = "the other process of the tests beside it"]
fn run_as_another_process() {
    let (Ok(task), Ok(path)) = (std::env::var("CHILD_TASK"), std::env::var("CHILD_PATH")) else {
        return;
    };
    let path = PathBuf::from(path);
    let backend =
        SqliteBackend::open(&path, &SqliteOptions::new().visibility(Duration::from_secs(3_600)))
            .unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        match task.as_str() {
            "append" => append_for_ever(&backend).await,
            "race" => race(&backend).await,
            "receive" => receive(&backend).await,
            "work" => super::many::work(&path).await,
            other => panic!("no task {other}"),
        }
    });
}

/// Appends to four logs at once and sends a wake for each commit.
async fn append_for_ever(backend: &SqliteBackend) {
    let tasks: Vec<_> = (0..4)
        .map(|task| {
            let (store, queue) = (backend.store(), backend.queue());
            tokio::spawn(async move {
                let id = execution(task);
                let mut next = store.load(&id).await.unwrap().unwrap().commits.len() as u64;
                loop {
                    let commit = commit(next);
                    assert_eq!(store.append(&id, &commit).await.unwrap(), Appended::Done);
                    say(&format!("{task} {next} {}", commit.writer));
                    let wake = Wake::news(ExecutionId::new(format!("{task}-{next}")).unwrap());
                    queue.send(&wake, Duration::ZERO).await.unwrap();
                    say(&format!("wake {task}-{next}"));
                    next += 1;
                }
            })
        })
        .collect();
    let (stopped, ..) = futures::future::select_all(tasks).await;
    panic!("it goes on until it is killed: {stopped:?}");
}

/// Tries to write each of two hundred commits, and sends as many items, as soon as all others are
/// ready too.
async fn race(backend: &SqliteBackend) {
    say("ready");
    std::io::stdin().read_line(&mut String::new()).unwrap();
    let (store, id) = (backend.store(), execution(0));
    for number in 1..=200 {
        let commit = commit(number);
        match store.append(&id, &commit).await.unwrap() {
            Appended::Done => say(&format!("{number} {}", commit.writer)),
            Appended::Taken { .. } | Appended::Gone => {}
        }
        let item = NewItem {
            id: format!("{number} of {}", std::process::id()),
            arrived_at: Timestamp(0),
            message: Message::Resume,
        };
        assert_eq!(store.send(&id, &item).await.unwrap(), Sent::New);
    }
}

/// Receives a wake and keeps it.
async fn receive(backend: &SqliteBackend) {
    let host = backend.host().unwrap();
    let wakes = backend.queue().receive(1, Duration::from_secs(20)).await.unwrap();
    assert_eq!(wakes.len(), 1);
    say(&host.to_string());
    std::future::pending().await
}
