//! SQS and Lambda for tests: ministack, a child process. `tests/run` installs it.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use everstep::aws::{DynamoStore, SqsQueue};
use everstep::backend::Backend;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::dynamodb::{DynamoDb, config_at, new_table};
use super::http::request;

/// The program to start, if not the one that `tests/run` installs.
pub const PROGRAM_VARIABLE: &str = "EVERSTEP_RIG_MINISTACK";

/// How long it may take to start. It takes a second, on a busy machine several.
const START_MAX: Duration = Duration::from_secs(60);

/// A running ministack; it ends, with the functions it runs, when this is dropped.
#[derive(Debug)]
pub struct Ministack {
    url: String,
    child: Child,
    /// Where it unpacks functions.
    _folder: TempDir,
}

impl Ministack {
    /// Starts one and waits until it answers.
    ///
    /// # Panics
    /// It is not installed or does not start: a test that needs it fails.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// The same with more in its environment, which is that of its functions as well.
    ///
    /// # Panics
    /// See [`start`](Self::start).
    pub async fn start_with(environment: &[(&str, &str)]) -> Self {
        // Another program may take the port between here and there: then the next one.
        for _ in 0..3 {
            if let Some(started) = Self::try_start(environment).await {
                return started;
            }
        }
        panic!("ministack does not start: run it by hand to see why ({})", program().display());
    }

    async fn try_start(environment: &[(&str, &str)]) -> Option<Self> {
        use std::os::unix::process::CommandExt;
        let port = free_port();
        let url = format!("http://127.0.0.1:{port}");
        let folder = tempfile::tempdir().expect("a folder");
        let child = Command::new(program())
            .env("BIND_HOST", "127.0.0.1")
            .env("GATEWAY_PORT", port.to_string())
            .env("MINISTACK_REGION", super::dynamodb::REGION)
            .env("TMPDIR", folder.path())
            .env("SFTP_ENABLED", "0")
            .env("IOT_MTLS_ENABLED", "0")
            // Where its functions find it, unless they are told of other places.
            .env("AWS_ENDPOINT_URL", &url)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Its functions are processes of the same group.
            .process_group(0)
            .spawn();
        let child = child.unwrap_or_else(|error| {
            panic!("{} cannot be started: {error}: use ./tests/run", program().display())
        });
        let mut this = Self { url, child, _folder: folder };
        let deadline = Instant::now() + START_MAX;
        while Instant::now() < deadline {
            if answers(&this.url).await.unwrap_or(false) {
                return Some(this);
            }
            if this.child.try_wait().is_ok_and(|exit| exit.is_some()) {
                return None;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        None
    }

    /// Its address.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A backend with a new table of `db` and a queue in here, `wakes`; and the environment of a
    /// function that uses it.
    ///
    /// # Panics
    /// They cannot be made.
    pub async fn backend(&self, db: &DynamoDb) -> (Backend, Value) {
        let table = new_table();
        let store = DynamoStore::new(&config_at(db.url()).await, &table).expect("a table's name");
        let wakes = SqsQueue::new(&config_at(&self.url).await, "wakes").expect("a queue's name");
        let backend = Backend::new(Arc::new(store), Arc::new(wakes));
        backend.setup().await.expect("a table and a queue");
        let environment = json!({
            "EVERSTEP_URL": format!("dynamodb://{table}?queue=wakes"),
            "AWS_ENDPOINT_URL_DYNAMODB": db.url(),
            "AWS_ENDPOINT_URL_SQS": self.url,
        });
        (backend, environment)
    }
}

impl Drop for Ministack {
    fn drop(&mut self) {
        let group = format!("-{}", self.child.id());
        // If either fails there is nothing left to end.
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        let _ = self.child.wait();
    }
}

/// The program, in the `bin` of a virtual environment of Python.
pub fn program() -> PathBuf {
    std::env::var_os(PROGRAM_VARIABLE).map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/rig/bin/ministack")),
        PathBuf::from,
    )
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}

async fn answers(url: &str) -> std::io::Result<bool> {
    Ok(request("GET", url, "/_ministack/health", "").await?.status == 200)
}
