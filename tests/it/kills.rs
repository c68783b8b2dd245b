//! Real kills: the order example dies by SIGKILL at random moments, over and over, and what it
//! did to the outside world is counted.

use std::sync::Arc;
use std::time::Duration;

use everstep::local::{SqliteBackend, SqliteOptions};
use everstep::store::EventStore;
use everstep_tests::order::{OrderFolder, Witness, durable};
use everstep_tests::seed::Seeded;

/// How many processes die.
const KILLS: u32 = 12;

/// A life is at most so long; an order needs more than three seconds.
const LIFE_MS_MAX: u64 = 900;

fn store(folder: &OrderFolder) -> Arc<dyn EventStore> {
    let path = folder.path().join("everstep.db");
    Arc::new(SqliteBackend::open(path, &SqliteOptions::new()).unwrap().store())
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_kills_it_on_sqlite_an_order_ends_right_and_no_recorded_step_runs_again() {
    let folder = OrderFolder::new(&[]);
    let mut random = Seeded::from_env();
    let (mut kills, mut orders, mut repeats) = (0, 0, 0);
    while kills < KILLS {
        orders += 1;
        let mut witness = Witness::new(&format!("order-{orders}"));
        let mut over = false;
        while !over && kills < KILLS {
            let mut life = folder.begin(&["--id", witness.id()]);
            std::thread::sleep(Duration::from_millis(random.below(LIFE_MS_MAX)));
            over = life.try_wait().unwrap().is_some();
            if !over {
                kills += 1;
                life.kill().unwrap();
            }
            life.wait().unwrap();
            let log = durable(store(&folder), witness.id()).await;
            witness.look(folder.effects(witness.id()), log);
        }
        let last = folder.run(&["--id", witness.id()]);
        let says = String::from_utf8(last.stdout).unwrap();
        assert!(last.status.success(), "{says}{}", String::from_utf8_lossy(&last.stderr));
        assert!(says.contains(&format!("{} is confirmed", witness.id())), "{says}");
        let log = durable(store(&folder), witness.id()).await;
        witness.look(folder.effects(witness.id()), log);
        witness.must_be_over();
        repeats += witness.repeats();
    }
    tracing::info!("{orders} orders, {kills} kills, {repeats} effects whose answer was lost");
}
