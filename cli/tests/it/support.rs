//! A folder with a backend in it, the built command, and a worker.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use everstep::prelude::*;
use everstep::store::Status;

/// The built command.
pub(crate) const EVERSTEP: &str = env!("CARGO_BIN_EXE_everstep");

/// A folder of its own.
pub(crate) struct Place {
    folder: tempfile::TempDir,
}

/// What a run of the command left.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder") }
    }

    /// A place whose backend is set up.
    pub(crate) fn ready() -> Self {
        let place = Self::new();
        place.ok(["setup"]);
        place
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.path().join("everstep.db")
    }

    pub(crate) fn command<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Command {
        let mut command = Command::new(EVERSTEP);
        command.args(args).current_dir(self.path()).stdin(Stdio::null());
        for variable in [
            "EVERSTEP_URL",
            "EVERSTEP_PAYLOADS",
            "EVERSTEP_ARCHIVE",
            "NO_COLOR",
            "COLUMNS",
            "AWS_REGION",
            "AWS_PROFILE",
        ] {
            command.env_remove(variable);
        }
        command
    }

    /// Runs the command.
    pub(crate) fn run<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Ran {
        self.command(args).output().expect("the command runs").into()
    }

    /// Runs the command, which must succeed; returns its standard output.
    #[track_caller]
    pub(crate) fn ok<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> String {
        let ran = self.run(args);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        ran.out
    }

    /// Runs the command, which must end with `code`; returns its standard error.
    #[track_caller]
    pub(crate) fn fails<A: AsRef<OsStr>>(
        &self,
        code: u8,
        args: impl IntoIterator<Item = A>,
    ) -> String {
        let ran = self.run(args);
        assert_eq!(ran.code, Some(code.into()), "{ran:?}");
        assert!(ran.err.starts_with("error: "), "{ran:?}");
        ran.err
    }

    /// Runs the command with `--json`; returns its lines, each of which must be version 1.
    #[track_caller]
    pub(crate) fn json<A: AsRef<OsStr>>(
        &self,
        args: impl IntoIterator<Item = A>,
    ) -> Vec<serde_json::Value> {
        let args = args.into_iter().map(|arg| arg.as_ref().to_owned());
        objects(&self.ok(args.chain([OsStr::new("--json").to_owned()])))
    }

    /// Runs the command with something on its standard input.
    pub(crate) fn with_input<A: AsRef<OsStr>>(
        &self,
        input: &str,
        args: impl IntoIterator<Item = A>,
    ) -> Ran {
        let mut command = self.command(args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the command runs");
        let mut stdin = child.stdin.take().expect("piped");
        stdin.write_all(input.as_bytes()).expect("written");
        drop(stdin);
        child.wait_with_output().expect("it ends").into()
    }

    /// Works on this place's backend until the execution stands at `status`.
    pub(crate) fn work_until(&self, id: &str, status: Status) {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let backend = self.backend().await;
            let client = Client::new(&backend);
            let worker = app().backend(backend).worker().await.expect("a worker");
            let id: ExecutionId = id.try_into().expect("an id");
            let reached = async {
                let start = Instant::now();
                // Until the record says so: it is all that a second process can see.
                while client.describe(&id).await.expect("a record").projection.status != status {
                    assert!(start.elapsed() < Duration::from_secs(60), "{id} is never {status}");
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            };
            worker.run_until(reached).await.expect("it works");
        });
    }
}

impl Place {
    /// Works on this place's backend while `commands` run.
    pub(crate) fn work_beside(&self, commands: impl FnOnce(&Self) + Send) {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        let runtime = runtime.expect("a runtime");
        let (over, stop) = tokio::sync::oneshot::channel::<()>();
        std::thread::scope(|threads| {
            let worker = threads.spawn(|| {
                runtime.block_on(async {
                    let app = app().backend(self.backend().await);
                    app.worker().await.expect("a worker").run_until(stop).await
                })
            });
            commands(self);
            drop(over);
            let _stopped = worker.join().expect("no panic").expect("it works");
        });
    }

    async fn backend(&self) -> Backend {
        let url = format!("sqlite:{}", self.database().display());
        Backend::from_url(&url).await.expect("the backend")
    }
}

fn app() -> App {
    let app = App::new().workflow(greet).workflow(refuse).workflow(decide).workflow(tally);
    app.schedules().version("1.0")
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

/// Standard output as versioned objects.
#[track_caller]
pub(crate) fn objects(out: &str) -> Vec<serde_json::Value> {
    let object = |line: &str| {
        let object: serde_json::Value = serde_json::from_str(line).expect(line);
        assert_eq!(object["v"], 1, "{line}");
        object
    };
    out.lines().map(object).collect()
}

#[step]
async fn compose(name: &str) -> everstep::Result<String> {
    Ok(format!("Hello, {name}!"))
}

/// Greets once it is told how loudly, after two days in any case.
#[workflow]
pub(crate) async fn greet(name: String) -> everstep::Result<String> {
    let text = compose(&name).await?;
    let loud: bool = timeout(days(2), signal("loud")).await.unwrap_or(Ok(false))?;
    Ok(if loud { text.to_uppercase() } else { text })
}

#[step]
async fn stumble() -> everstep::Result<()> {
    Err(everstep::Error::msg("no\u{1b}[31m way").terminal())
}

/// Fails.
#[workflow]
async fn refuse(_: ()) -> everstep::Result<()> {
    stumble().await
}

/// Waits for two answers; for the second until an hour is over.
#[workflow]
async fn decide(_: ()) -> everstep::Result<String> {
    let first = promise::<String>("answer");
    let second = promise::<u32>("answer").timeout(hours(1)).heartbeat(minutes(30));
    let first = first.await.unwrap_or_else(|error| error.to_string());
    Ok(format!("{first}, {}", second.await?))
}

/// Adds what it is told to, up to ten.
#[workflow]
async fn tally(_: ()) -> everstep::Result<i64> {
    let mut additions = updates::<i64, i64>("add");
    let mut sum = 0;
    while sum < 10 {
        let addition = additions.next().await;
        if *addition.request() < 0 {
            addition.reject("it only goes up");
            continue;
        }
        sum += addition.request();
        addition.reply(&sum);
    }
    Ok(sum)
}
