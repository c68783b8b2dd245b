//! A Redis for tests: a server of their own, a child process in a folder of its own. Where they run
//! as root it runs as nobody, and reads only what nobody may.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use redis::Value;
use redis::aio::MultiplexedConnection;
use tempfile::TempDir;

use crate::nobody::{give_to_nobody, run_as_nobody};

/// The program to start, if not the `redis-server` in the path.
pub const PROGRAM_VARIABLE: &str = "EVERSTEP_TEST_REDIS_SERVER";

/// How long it may take to start.
const START_MAX: Duration = Duration::from_secs(30);

/// A running server; it ends, and forgets, when this is dropped.
#[derive(Debug)]
pub struct Redis {
    port: u16,
    arguments: Vec<String>,
    child: Child,
    folder: TempDir,
}

impl Redis {
    /// Starts one that keeps nothing on disk.
    pub async fn start() -> Self {
        Self::start_with(&["--save", "", "--appendonly", "no"]).await
    }

    /// Starts one with these arguments beside the port.
    ///
    /// # Panics
    /// It is not installed or does not start: a test that needs it fails.
    pub async fn start_with(arguments: &[&str]) -> Self {
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        // Another program may take the port between here and there: then the next one.
        for _ in 0..3 {
            let folder = tempfile::tempdir().expect("a folder");
            give_to_nobody(folder.path());
            let port = free_port();
            let child = spawn(port, folder.path(), &arguments);
            let mut this = Self { port, arguments: arguments.clone(), child, folder };
            if this.has_started().await {
                return this;
            }
        }
        panic!("redis-server does not start: run it by hand to see why");
    }

    /// Its address.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Kills it, as a machine that fails would.
    pub fn kill(&mut self) {
        // It is dead already, or is now.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts it again on the same port.
    ///
    /// # Panics
    /// It does not start.
    pub async fn start_again(&mut self) {
        self.child = spawn(self.port, self.folder.path(), &self.arguments);
        assert!(self.has_started().await, "redis-server does not start again");
    }

    /// A connection for what a test does itself.
    ///
    /// # Panics
    /// It does not answer.
    pub async fn connection(&self) -> MultiplexedConnection {
        let client = redis::Client::open(self.url()).expect("an address");
        client.get_multiplexed_async_connection().await.expect("a connection")
    }

    /// What it answers to a command, in words: `["CLIENT", "KILL", "TYPE", "normal"]`.
    ///
    /// # Panics
    /// It refuses.
    pub async fn command(&self, words: &[&str]) -> Value {
        let mut command = redis::cmd(words[0]);
        words[1..].iter().for_each(|word| _ = command.arg(word));
        command.query_async(&mut self.connection().await).await.expect("an answer")
    }

    async fn has_started(&mut self) -> bool {
        let deadline = Instant::now() + START_MAX;
        while Instant::now() < deadline {
            // Answers of whatever kind: with TLS it hangs up on us.
            if tokio::net::TcpStream::connect(("127.0.0.1", self.port)).await.is_ok() {
                return true;
            }
            if self.child.try_wait().is_ok_and(|exit| exit.is_some()) {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        false
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}

fn spawn(port: u16, folder: &Path, arguments: &[String]) -> Child {
    let program = program();
    let mut command = Command::new(&program);
    run_as_nobody(&mut command);
    let spawned = command
        .args(["--bind", "127.0.0.1", "--port", &port.to_string()])
        .arg("--dir")
        .arg(folder)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    spawned.unwrap_or_else(|error| {
        panic!("{} cannot be started: {error}: use ./tests/run", program.display())
    })
}

fn program() -> PathBuf {
    std::env::var_os(PROGRAM_VARIABLE).map_or_else(|| "redis-server".into(), PathBuf::from)
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}
