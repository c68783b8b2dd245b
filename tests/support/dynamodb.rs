//! DynamoDB for tests: an emulator in this process, or the one that `EVERSTEP_TEST_DYNAMODB`
//! names.

use std::path::Path;

use aws_sdk_dynamodb::config::{Credentials, Region, SharedCredentialsProvider};
use everstep::aws::{DynamoStore, load_config};
use everstep::store::EventStore;
use tokio::sync::oneshot;
use uuid::Uuid;

/// The address of another DynamoDB to run the tests on: `http://127.0.0.1:8000`.
pub const ENDPOINT_VARIABLE: &str = "EVERSTEP_TEST_DYNAMODB";

/// The region that everything is in.
pub const REGION: &str = "eu-west-1";

/// A DynamoDB. The emulator has a thread and a runtime of its own, so that a test may stop its
/// clock, and ends when this is dropped.
#[derive(Debug)]
pub struct DynamoDb {
    url: String,
    _stop: Option<oneshot::Sender<()>>,
}

impl DynamoDb {
    /// An empty one in memory, or the one the environment names.
    #[must_use]
    pub fn start() -> Self {
        match std::env::var(ENDPOINT_VARIABLE) {
            Ok(url) => Self { url, _stop: None },
            Err(_) => Self::emulate(None),
        }
    }

    /// An emulator that keeps its tables in `file`, as they were if the file is there.
    #[must_use]
    pub fn on_file(file: &Path) -> Self {
        Self::emulate(Some(file.to_str().expect("a path of a test is UTF-8").to_owned()))
    }

    fn emulate(file: Option<String>) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a socket that does not block");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let (stop, stopped) = oneshot::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async move {
                let database = match file {
                    None => dynoxide::Database::memory(),
                    Some(file) => dynoxide::Database::new(&file),
                };
                let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
                tokio::select! {
                    () = dynoxide::server::serve_on(listener, database.expect("a database")) => {}
                    _ = stopped => {}
                }
            });
        });
        Self { url, _stop: Some(stop) }
    }

    /// Its address.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A store in a new table of its own.
    pub async fn store(&self) -> DynamoStore {
        let store = store_at(&self.url, &new_table()).await.with_shards(FEW_SHARDS);
        store.setup().await.expect("setup");
        store
    }
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
