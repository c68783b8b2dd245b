//! PostgreSQL for tests: a server of its own for whoever starts one, in a folder that goes with it.

mod proxy;

pub use proxy::{CommitFault, Proxy};

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sqlx::PgPool;
use tempfile::TempDir;

use crate::nobody::{give_to_nobody, run_as_nobody};

/// The folder with `initdb` and `postgres`, if they are not where they usually are.
pub const FOLDER_VARIABLE: &str = "EVERSTEP_RIG_POSTGRES";

/// How long it may take to start. It takes a second, on a busy machine several.
const START_MAX: Duration = Duration::from_secs(60);

/// A running server with an empty database; both are gone when this is dropped.
#[derive(Debug)]
pub struct Postgres {
    port: u16,
    server: Child,
    _folder: TempDir,
}

impl Postgres {
    /// Starts one, and waits until it answers.
    ///
    /// # Panics
    /// It is not installed or does not start: a test that needs it fails.
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        give_to_nobody(folder.path());
        let data = folder.path().join("data");
        let mut init = as_nobody("initdb");
        init.args(["--no-sync", "--no-instructions", "-E", "UTF8", "--locale=C", "-A", "trust"]);
        init.args(["-U", "everstep", "-D"]).arg(&data).current_dir(folder.path());
        let made = init.output().expect("initdb starts");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        // Another program may take the port between here and there: then the next one.
        for _ in 0..3 {
            if let Some((port, server)) = try_start(&data).await {
                return Self { port, server, _folder: folder };
            }
        }
        panic!("PostgreSQL does not start: run {:?} by hand to see why", program("postgres"));
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The URL of its database.
    #[must_use]
    pub fn url(&self) -> String {
        url_at(&self.address())
    }

    /// Connections to it.
    ///
    /// # Panics
    /// It does not answer.
    pub async fn pool(&self) -> PgPool {
        PgPool::connect(&self.url()).await.expect("it answers")
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // At once, with all that it has started. If this fails there is nothing left to end.
        let _ = Command::new("kill").args(["-QUIT", &self.server.id().to_string()]).status();
        let _ = self.server.wait();
    }
}

/// The URL of the database at another address, which a proxy has.
#[must_use]
pub fn url_at(address: &str) -> String {
    format!("postgres://everstep@{address}/postgres?sslmode=disable")
}

async fn try_start(data: &Path) -> Option<(u16, Child)> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    drop(listener);
    let mut command = as_nobody("postgres");
    command.arg("-D").arg(data).arg("-p").arg(port.to_string()).current_dir(data);
    // What dies here are clients. The machine does not, so nothing has to reach its disk.
    for setting in ["listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off"] {
        command.args(["-c", setting]);
    }
    let mut server = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("postgres starts");
    let url = url_at(&format!("127.0.0.1:{port}"));
    let deadline = Instant::now() + START_MAX;
    while Instant::now() < deadline {
        if PgPool::connect(&url).await.is_ok() {
            return Some((port, server));
        }
        if server.try_wait().is_ok_and(|exit| exit.is_some()) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // If it has ended already there is nothing to end.
    let _ = server.kill();
    let _ = server.wait();
    None
}

fn as_nobody(name: &str) -> Command {
    let mut command = Command::new(program(name));
    run_as_nobody(&mut command);
    command
}

/// A program of PostgreSQL: in the folder that the environment names, in `PATH`, or where Debian
/// has it, the newest.
fn program(name: &str) -> PathBuf {
    if let Some(folder) = std::env::var_os(FOLDER_VARIABLE) {
        return Path::new(&folder).join(name);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut debian: Vec<PathBuf> = debian.map(|version| version.path().join("bin")).collect();
    debian.sort();
    let folders = std::env::split_paths(&path).chain(debian.into_iter().rev());
    let found = folders.map(|folder| folder.join(name)).find(|program| program.is_file());
    found.unwrap_or_else(|| {
        panic!(
            "PostgreSQL's {name} is not installed: use ./tests/run, or apt-get install postgresql"
        )
    })
}
