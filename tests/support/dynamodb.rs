//! DynamoDB for tests: an emulator in this process, or the one that `EVERSTEP_TEST_DYNAMODB`
//! names; and one that can be killed.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::config::{Credentials, Region, SharedCredentialsProvider};
use everstep::aws::{DynamoStore, load_config};
use everstep::store::EventStore;
use uuid::Uuid;

use crate::apart::{Apart, serve_apart};

/// The address of another DynamoDB to run the tests on: `http://127.0.0.1:8000`.
pub const ENDPOINT_VARIABLE: &str = "EVERSTEP_TEST_DYNAMODB";

/// The region that everything is in.
pub const REGION: &str = "eu-west-1";

/// A DynamoDB. The emulator has a thread and a runtime of its own, so that a test may stop its
/// clock, and ends when this is dropped.
#[derive(Debug)]
pub struct DynamoDb(At);

#[derive(Debug)]
enum At {
    Emulator(Apart),
    Named(String),
}

impl DynamoDb {
    /// An empty one in memory, or the one the environment names.
    #[must_use]
    pub fn start() -> Self {
        match std::env::var(ENDPOINT_VARIABLE) {
            Ok(url) => Self(At::Named(url)),
            Err(_) => Self::emulate(),
        }
    }

    /// An emulator in memory, empty, whatever the environment names: for a test of what calls cost.
    #[must_use]
    pub fn emulate() -> Self {
        Self::serve(dynoxide::Database::memory)
    }

    /// An emulator that keeps its tables in `file`, as they were if the file is there.
    #[must_use]
    pub fn on_file(file: &Path) -> Self {
        let file = file.to_str().expect("a path of a test is UTF-8").to_owned();
        Self::serve(move || dynoxide::Database::new(&file))
    }

    fn serve(open: impl FnOnce() -> dynoxide::Result<dynoxide::Database> + Send + 'static) -> Self {
        Self(At::Emulator(serve_apart(async move |listener| {
            dynoxide::server::serve_on(listener, open().expect("a database")).await;
        })))
    }

    /// Its address.
    #[must_use]
    pub fn url(&self) -> &str {
        match &self.0 {
            At::Emulator(apart) => apart.url(),
            At::Named(url) => url,
        }
    }

    /// A store in a new table of its own.
    pub async fn store(&self) -> DynamoStore {
        let store = store_at(self.url(), &new_table()).await.with_shards(FEW_SHARDS);
        store.setup().await.expect("setup");
        store
    }
}

const FILE: &str = "EVERSTEP_TEST_EMULATOR_FILE";
const ADDRESS: &str = "EVERSTEP_TEST_EMULATOR_ADDRESS";

/// How long an emulator may take until it answers, on a busy machine.
const START_MAX: Duration = Duration::from_secs(60);

/// An emulator that can be killed, since it is a process of its own: the test program that starts it,
/// once more, with nothing but an ignored test that [serves](Self::serve). It ends when this is dropped.
#[derive(Debug)]
pub struct MortalDynamoDb {
    test: &'static str,
    file: PathBuf,
    address: SocketAddr,
    child: Child,
}

impl MortalDynamoDb {
    /// Starts one that keeps its tables in `file`, by the ignored `test`: `kills::the_emulator`.
    ///
    /// # Panics
    /// It does not start.
    pub async fn start(test: &'static str, file: &Path) -> Self {
        let address = address_of_its_own();
        let child = begin(test, file, address);
        let mut this = Self { test, file: file.to_owned(), address, child };
        this.until_it_answers().await;
        this
    }

    /// Its address, which stays the same.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Kills it, by SIGKILL: whatever it is doing stays half done, and nobody gets an answer.
    ///
    /// # Panics
    /// It is dead already.
    pub fn kill(&mut self) {
        let exit = self.child.try_wait().expect("a child of this process");
        assert!(exit.is_none(), "the emulator has ended by itself: {exit:?}");
        self.child.kill().expect("a child of this process");
        self.child.wait().expect("a child of this process");
    }

    /// Starts it again after its death, on what is in its file.
    ///
    /// # Panics
    /// It does not start.
    pub async fn revive(&mut self) {
        self.child = begin(self.test, &self.file, self.address);
        self.until_it_answers().await;
    }

    async fn until_it_answers(&mut self) {
        let deadline = Instant::now() + START_MAX;
        while tokio::net::TcpStream::connect(self.address).await.is_err() {
            let exit = self.child.try_wait().expect("a child of this process");
            assert!(exit.is_none(), "the emulator does not start: {exit:?}");
            assert!(Instant::now() < deadline, "the emulator does not answer");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Is the emulator, if this process was started as one.
    ///
    /// # Panics
    /// The file is damaged, or somebody else has the address.
    pub async fn serve() {
        let told = |name: &str| std::env::var(name).ok();
        let (Some(file), Some(address)) = (told(FILE), told(ADDRESS)) else { return };
        let database = dynoxide::Database::new(&file).expect("a database");
        let listener = tokio::net::TcpListener::bind(address).await.expect("the address is free");
        dynoxide::server::serve_on(listener, database).await;
    }
}

impl Drop for MortalDynamoDb {
    fn drop(&mut self) {
        // It may be dead.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn begin(test: &str, file: &Path, address: SocketAddr) -> Child {
    let mut command = Command::new(std::env::current_exe().expect("a test has a path"));
    command.args(["--exact", test, "--ignored"]);
    command.env(FILE, file).env(ADDRESS, address.to_string());
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts")
}

/// A free address whose port the kernel gives to nobody for a connection, which would have it while the
/// emulator is dead.
fn address_of_its_own() -> SocketAddr {
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range");
    let first = range.ok().and_then(|range| range.split_whitespace().next()?.parse().ok());
    let first: u16 = first.unwrap_or(32_768);
    let [high, low, ..] = Uuid::new_v4().into_bytes();
    let random = usize::from(u16::from_be_bytes([high, low]));
    let ports = (first / 2..first).cycle().skip(random).take(usize::from(first));
    let mut free =
        ports.filter(|port| std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok());
    (Ipv4Addr::LOCALHOST, free.next().expect("a free port")).into()
}

/// A sweep asks for each shard, and most tests have one execution.
pub const FEW_SHARDS: u8 = 8;

/// A table's name that no other test uses.
#[must_use]
pub fn new_table() -> String {
    format!("everstep-{}", Uuid::new_v4().simple())
}

/// The store in `table` at `url`.
pub async fn store_at(url: &str, table: &str) -> DynamoStore {
    DynamoStore::new(&config_at(url).await, table).expect("a table's name")
}

/// Our configuration with `url` as the only endpoint and invented credentials.
pub async fn config_at(url: &str) -> aws_config::SdkConfig {
    let credentials = Credentials::new("test", "test", None, None, "everstep-tests");
    load_config()
        .await
        .into_builder()
        .endpoint_url(url)
        .region(Region::new(REGION))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build()
}
