//! What is missing or not allowed in an AWS account is a sentence that says what to do, wherever a
//! user meets it: in the client, in a worker, in the command (B5).

use std::error::Error;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use everstep::aws::{DynamoStore, SqsQueue};
use everstep::prelude::*;
use everstep::store::EventStore;
use everstep_tests::dynamodb::{DynamoDb, REGION, config_at, new_table};
use everstep_tests::order::program;
use everstep_tests::proxy::{Fault, Proxy};

#[workflow]
async fn hello(name: String) -> everstep::Result<String> {
    Ok(format!("hello {name}"))
}

/// An account with a table and, as far as anybody asks, a queue.
struct Account {
    _db: DynamoDb,
    proxy: Proxy,
    table: String,
}

impl Account {
    async fn new() -> Self {
        let db = DynamoDb::start();
        let proxy = Proxy::start(db.url()).await;
        let table = new_table();
        let config = config_at(proxy.url()).await;
        DynamoStore::new(&config, &table).unwrap().setup().await.unwrap();
        Self { _db: db, proxy, table }
    }

    /// From now on AWS answers `operation` like this.
    fn answers(&self, operation: &str, status: u16, body: &str) {
        self.proxy.fail(operation, 1_000, Fault::Answer { status, body: body.to_owned() });
    }

    fn refuses(&self, operation: &str, code: &str) {
        self.proxy.fail(operation, 1_000, Fault::error(400, code));
    }

    /// The queue exists, takes every wake and has none.
    fn has_a_queue(&self) {
        let url = format!("{}/000000000000/wakes", self.proxy.url());
        self.answers("GetQueueUrl", 200, &format!(r#"{{"QueueUrl":"{url}"}}"#));
        self.answers("SendMessage", 200, r#"{"MessageId":"1"}"#);
        self.answers("ReceiveMessage", 200, "{}");
    }

    async fn backend(&self) -> Backend {
        let config = config_at(self.proxy.url()).await;
        let store = DynamoStore::new(&config, &self.table).unwrap();
        Backend::new(Arc::new(store), Arc::new(SqsQueue::new(&config, "wakes").unwrap()))
    }

    /// What the client says that starts an execution.
    async fn client_says(&self) -> String {
        let backend = self.backend().await;
        chain(&Client::new(&backend).start(hello, "you".to_owned()).await.unwrap_err())
    }

    /// What a worker says that stops.
    async fn worker_says(&self) -> String {
        let flushed = Arc::new(AtomicBool::new(false));
        let flush = Arc::clone(&flushed);
        let app = App::new().workflow(hello).backend(self.backend().await);
        let app = app.flush(move || flush.store(true, Ordering::SeqCst));
        let worker = app.worker().await.unwrap();
        let says = chain(&worker.run_until(std::future::pending::<()>()).await.unwrap_err());
        assert!(flushed.load(Ordering::SeqCst), "nobody who watches hears why it stopped");
        says
    }

    /// What the command says.
    async fn command_says(&self, args: &[&str]) -> String {
        static COMMAND: OnceLock<std::path::PathBuf> = OnceLock::new();
        let command = COMMAND.get_or_init(|| program("everstep-cli", "everstep"));
        let folder = tempfile::tempdir().unwrap();
        let output = tokio::process::Command::new(command)
            .args(args)
            .current_dir(folder.path())
            .env("EVERSTEP_URL", format!("dynamodb://{}?queue=wakes", self.table))
            .env("AWS_ENDPOINT_URL", self.proxy.url())
            .env("AWS_REGION", REGION)
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env_remove("AWS_PROFILE")
            .output()
            .await
            .unwrap();
        let says = String::from_utf8(output.stderr).unwrap();
        // The code for a backend that cannot be used.
        assert_eq!(output.status.code(), Some(i32::from(UNUSABLE)), "{says}");
        assert!(says.starts_with("error: "), "{says}");
        says
    }
}

/// The command's exit code for a backend that cannot be used, from its documentation.
const UNUSABLE: u8 = 6;

/// The whole chain of `error`, as one line.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text += &format!(": {cause}");
        source = cause.source();
    }
    text
}

#[track_caller]
fn check(says: &str, parts: &[&str]) {
    for part in parts {
        assert!(says.contains(part), "{part:?} is not in {says:?}");
    }
}

/// B5
#[tokio::test(flavor = "multi_thread")]
async fn a_missing_table_or_a_wrong_region_is_said_with_both_names_and_what_to_do() {
    let mut account = Account::new().await;
    account.has_a_queue();
    // Another region is another table: nothing but the region's name can tell.
    account.table = new_table();
    let to_do = [&*account.table.clone(), REGION, "does not exist", "everstep setup", "AWS_REGION"];
    check(&account.client_says().await, &to_do);
    check(&account.worker_says().await, &to_do);
    check(&account.command_says(&["list"]).await, &to_do);
    check(&account.command_says(&["start", "hello", "--input", "\"you\""]).await, &to_do);
}

/// B5
#[tokio::test(flavor = "multi_thread")]
async fn a_missing_queue_is_said_with_its_name_and_what_to_do() {
    let account = Account::new().await;
    account.refuses("GetQueueUrl", "QueueDoesNotExist");
    let to_do = ["\"wakes\"", REGION, "does not exist", "everstep setup", "EVERSTEP_URL"];
    check(&account.client_says().await, &to_do);
    check(&account.worker_says().await, &to_do);
    let says = account.command_says(&["start", "hello", "--input", "\"you\""]).await;
    check(&says, &to_do);
    check(&says, &["is started, but its wake was not sent"]);
}

/// B5
#[tokio::test(flavor = "multi_thread")]
async fn a_permission_that_is_missing_on_the_table_is_named() {
    let account = Account::new().await;
    account.has_a_queue();
    for operation in ["TransactWriteItems", "Query", "PutItem", "GetItem"] {
        account.refuses(operation, "AccessDeniedException");
    }
    let to_do = [&*account.table, REGION, "IAM policy", "allow dynamodb:"];
    check(&account.client_says().await, &to_do);
    check(&account.client_says().await, &["dynamodb:PutItem"]);
    check(&account.worker_says().await, &to_do);
    check(&account.worker_says().await, &["dynamodb:Query"]);
    check(&account.command_says(&["list"]).await, &to_do);
    check(&account.command_says(&["show", "a"]).await, &to_do);
}

/// B5
#[tokio::test(flavor = "multi_thread")]
async fn a_permission_that_is_missing_on_the_queue_is_named() {
    let account = Account::new().await;
    let url = format!("{}/000000000000/wakes", account.proxy.url());
    account.answers("GetQueueUrl", 200, &format!(r#"{{"QueueUrl":"{url}"}}"#));
    for operation in ["SendMessage", "ReceiveMessage"] {
        account.refuses(operation, "AccessDenied");
    }
    let to_do = ["\"wakes\"", REGION, "IAM policy"];
    check(&account.client_says().await, &to_do);
    check(&account.client_says().await, &["allow sqs:SendMessage"]);
    check(&account.worker_says().await, &to_do);
    check(&account.worker_says().await, &["allow sqs:ReceiveMessage"]);
    check(&account.command_says(&["start", "hello", "--input", "\"you\""]).await, &to_do);
}

/// B5
#[tokio::test(flavor = "multi_thread")]
async fn credentials_that_aws_does_not_take_are_said_to_be_the_cause() {
    let account = Account::new().await;
    account.has_a_queue();
    for operation in ["TransactWriteItems", "Query"] {
        account.refuses(operation, "UnrecognizedClientException");
    }
    let to_do = [&*account.table, "does not accept the credentials", "AWS_PROFILE"];
    check(&account.client_says().await, &to_do);
    check(&account.worker_says().await, &to_do);
    check(&account.command_says(&["list"]).await, &to_do);
}
