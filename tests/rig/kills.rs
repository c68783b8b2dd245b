//! Real kills on DynamoDB and SQS: several orders at once, each in a process of its own, all
//! killed at one random moment, twice; then they go on when the claims of the dead have ended.

use std::sync::Arc;
use std::time::Duration;

use everstep::store::EventStore;
use everstep_tests::dynamodb::{DynamoDb, REGION, new_table, store_at};
use everstep_tests::ministack::Ministack;
use everstep_tests::order::{OrderFolder, Witness, durable};
use everstep_tests::seed::Seeded;

const ORDERS: usize = 5;

/// All processes die so often: each time costs the lease of the dead, 25 seconds.
const ROUNDS: usize = 2;

const LIFE_MS_MAX: u64 = 1_500;

#[tokio::test(flavor = "multi_thread")]
async fn whatever_kills_them_on_dynamodb_orders_end_right_and_no_recorded_step_runs_again() {
    let file = tempfile::tempdir().unwrap();
    let db = DynamoDb::on_file(&file.path().join("dynamodb.sqlite"));
    let rig = Ministack::start().await;
    let table = new_table();
    let url = format!("dynamodb://{table}?queue=orders");
    let folder = OrderFolder::new(&[
        ("EVERSTEP_URL", &url),
        ("AWS_ENDPOINT_URL_DYNAMODB", db.url()),
        ("AWS_ENDPOINT_URL_SQS", rig.url()),
        ("AWS_REGION", REGION),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
    ]);
    let store: Arc<dyn EventStore> = Arc::new(store_at(db.url(), &table).await);
    store.setup().await.unwrap();
    let queue = everstep::aws::SqsQueue::new(
        &everstep_tests::dynamodb::config_at(rig.url()).await,
        "orders",
    );
    everstep::wake::WakeQueue::setup(&queue.unwrap()).await.unwrap();

    let mut random = Seeded::from_env();
    let mut witnesses: Vec<_> =
        (1..=ORDERS).map(|order| Witness::new(&format!("order-{order}"))).collect();
    let mut kills = 0;
    for round in 1..=ROUNDS {
        // What one round leaves under way goes on only when its lease is over.
        let wait = if round == 1 { 0 } else { 25_000 };
        let mut lives: Vec<_> =
            witnesses.iter().map(|witness| folder.begin(&["--id", witness.id()])).collect();
        tokio::time::sleep(Duration::from_millis(wait + random.below(LIFE_MS_MAX))).await;
        for life in &mut lives {
            if life.try_wait().unwrap().is_none() {
                life.kill().unwrap();
                kills += 1;
            }
        }
        for mut life in lives {
            life.wait().unwrap();
        }
        for witness in &mut witnesses {
            let log = durable(Arc::clone(&store), witness.id()).await;
            witness.look(folder.effects(witness.id()), log);
        }
    }
    let lives: Vec<_> =
        witnesses.iter().map(|witness| folder.begin(&["--id", witness.id()])).collect();
    for mut life in lives {
        assert!(life.wait().unwrap().success());
    }
    let mut repeats = 0;
    for witness in &mut witnesses {
        let log = durable(Arc::clone(&store), witness.id()).await;
        witness.look(folder.effects(witness.id()), log);
        witness.must_be_over();
        repeats += witness.repeats();
    }
    tracing::info!("{ORDERS} orders, {kills} kills, {repeats} effects whose answer was lost");
}
