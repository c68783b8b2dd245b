//! Old logs against today's library: for each fixture of a log that a workflow can have written, that
//! workflow. None of these logs is ever edited; a log that has something new gets a file of its own.
//!
//! `fixtures/log-v1.json` shows events of every kind without being any workflow's log, but for its
//! `order`, which tests/it/prose.rs replays. What no other fixture has of these kinds is in
//! `fixtures/histories`, whose files `everstep export` could have written.

use std::collections::BTreeSet;

use everstep::event::{ClosePolicy, Event};
use everstep::prelude::*;
use everstep::testing::{Recorded, replay};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::prose;

/// What a body of these steps does: they are recorded.
macro_rules! recorded {
    ($($argument:ident),*) => {{
        $(let _ = $argument;)*
        panic!("recorded, so not run")
    }};
}

mod ahead {
    use super::*;

    #[step]
    async fn scan(seconds: u64) -> everstep::Result<Value> {
        recorded!(seconds)
    }

    #[step]
    async fn count(scanned: &Value) -> everstep::Result<u64> {
        recorded!(scanned)
    }

    #[workflow]
    pub(super) async fn scan_and_count(seconds: u64) -> everstep::Result<u64> {
        count(&scan(seconds).await?).await
    }
}

mod gave_up {
    use super::*;

    #[step]
    async fn scan() -> everstep::Result<String> {
        recorded!()
    }

    #[workflow]
    pub(super) async fn scan_once(scanned: u32) -> everstep::Result<u32> {
        Ok(scanned + u32::from(scan().await? == "ok"))
    }
}

mod pinned {
    use super::*;

    #[workflow]
    pub(super) async fn greet_later(name: String) -> everstep::Result<String> {
        signal::<()>("go").await?;
        Ok(format!("Hello, {name}"))
    }
}

mod children {
    use super::*;

    #[derive(Debug, Serialize, Deserialize)]
    pub(super) struct Packed {
        pub(super) grams: u32,
    }

    #[derive(Debug, Serialize, Deserialize, thiserror::Error)]
    pub(super) enum PackError {
        #[error("there is no box for a {0}")]
        NoBox(String),
        #[error("{0}")]
        Other(String),
    }

    #[step]
    async fn weigh(article: &str) -> everstep::Result<u32> {
        recorded!(article)
    }

    #[workflow]
    pub(super) async fn pack(article: String) -> Result<Packed, PackError> {
        let grams = weigh(&article).await.map_err(|error| PackError::Other(error.to_string()))?;
        Ok(Packed { grams })
    }

    #[workflow]
    async fn survey(_: ()) -> everstep::Result<()> {
        Ok(())
    }

    #[derive(Serialize, Deserialize)]
    pub(super) struct Order {
        articles: [String; 3],
    }

    #[workflow]
    pub(super) async fn order(order: Order) -> everstep::Result<u32> {
        let [cup, pot, sofa] = order.articles;
        let (cup, pot, sofa, _survey) = tokio::join!(
            child(pack, cup),
            child(pack, pot).close_policy(ClosePolicy::Leave),
            child(pack, sofa).id("sofa-1"),
            child(survey, ()).start(),
        );
        match pot {
            Err(ChildError::Failed(PackError::NoBox(of))) => assert_eq!(of, "pot"),
            other => return Err(everstep::Error::msg(format!("the pot: {other:?}"))),
        }
        assert!(matches!(sofa, Err(ChildError::NotStarted { .. })), "{sofa:?}");
        Ok(cup?.grams)
    }
}

mod undone {
    use super::*;

    #[step(undo = refund)]
    async fn charge(cents: u32) -> everstep::Result<String> {
        recorded!(cents)
    }

    async fn refund(cents: u32, charge: &str) -> everstep::Result<()> {
        recorded!(cents, charge)
    }

    #[step(undo = release)]
    async fn book(what: &str) -> everstep::Result<String> {
        recorded!(what)
    }

    async fn release(what: &str, booking: &str) -> everstep::Result<()> {
        recorded!(what, booking)
    }

    #[workflow]
    pub(super) async fn trip(_who: String) -> everstep::Result<()> {
        if charge(69_80).await? == "ch-2" {
            return Err(everstep::Error::msg("no seats"));
        }
        book("hotel").await?;
        book("car").await?;
        Ok(())
    }
}

mod long_steps {
    use super::*;

    #[derive(Serialize, Deserialize)]
    pub(super) struct Folder {
        files: u32,
    }

    #[derive(Debug, Serialize, Deserialize, thiserror::Error)]
    enum CopyError {
        #[error("the disk is full")]
        DiskFull,
    }

    #[step]
    async fn copy(files: u32) -> Result<u32, CopyError> {
        recorded!(files)
    }

    #[workflow]
    pub(super) async fn backup(folder: Folder) -> everstep::Result<u32> {
        Ok(copy(folder.files).await?)
    }

    #[step]
    async fn charge(account: &str) -> everstep::Result<String> {
        recorded!(account)
    }

    #[workflow]
    pub(super) async fn sell(account: String) -> everstep::Result<String> {
        charge(&account).await
    }
}

mod messages {
    use super::*;

    #[workflow]
    pub(super) async fn meter(_reading: u64) -> everstep::Result<()> {
        let reading = signal::<u64>("reading").await?;
        continue_as_new(&reading).await
    }

    #[derive(Serialize, Deserialize)]
    enum Command {
        Put(String, u32),
        Order,
    }

    #[workflow]
    pub(super) async fn cart(_: Value) -> everstep::Result<()> {
        publish(&json!({ "pieces": 1 }));
        let mut commands = updates::<Command, Value>("command");
        loop {
            let command = commands.next().await;
            let reply = match command.request() {
                Command::Put(article, 1) => Ok(json!({ article: 1 })),
                Command::Put(..) => Err(json!({ "OutOfStock": { "left": 3 } })),
                Command::Order => return Ok(()),
            };
            command.answer(reply);
        }
    }

    #[step]
    async fn pack(pieces: u32) -> everstep::Result<()> {
        recorded!(pieces)
    }

    #[derive(Serialize, Deserialize)]
    pub(super) struct Parcel {
        pieces: u32,
    }

    #[workflow]
    pub(super) async fn ship(parcel: Parcel) -> everstep::Result<()> {
        set_tag("stage", "packing");
        pack(parcel.pieces).await?;
        set_tag("stage", "shipped = \"gone\"");
        Ok(())
    }
}

mod promises {
    use std::time::Duration;

    use everstep::PromiseError;

    use super::*;

    /// This log counts from its first turn, today's code from the start before it.
    const LATER: Duration = Duration::from_millis(10);

    #[workflow]
    pub(super) async fn fulfil_order(_: Value) -> everstep::Result<Value> {
        let approval = promise::<Value>("approval").timeout(days(2) + LATER).heartbeat(minutes(10));
        let first = promise::<()>("scan");
        let second = promise::<()>("scan").heartbeat(minutes(1));
        let gift = promise::<()>("gift").timeout(seconds(30) + LATER);
        drop(promise::<()>("gift"));
        let (approval, first, second, gift) = tokio::join!(approval, first, second, gift);
        assert!(matches!(first, Err(PromiseError::Failed { .. })), "{first:?}");
        assert!(matches!(second, Err(PromiseError::HeartbeatMissed { .. })), "{second:?}");
        assert!(matches!(gift, Err(PromiseError::TimedOut { .. })), "{gift:?}");
        let approval = approval?;
        assert_eq!(approval["by"], "Eve");
        signal::<()>("go").await?; // The log ends here.
        Ok(approval)
    }
}

/// Each replayable fixture, and the workflow that could have written it.
fn fixtures() -> Vec<(&'static str, App)> {
    let app = App::new;
    vec![
        ("ahead", app().workflow(ahead::scan_and_count)),
        ("child", app().workflow(children::pack)),
        ("compensation", app().workflow(undone::trip)),
        ("gave-up", app().workflow(gave_up::scan_once)),
        ("heartbeat", app().workflow(long_steps::backup)),
        ("hours", app().workflow(messages::meter)),
        ("messages", app().workflow(messages::cart)),
        ("parent", app().workflow(children::order)),
        ("pinned", app().workflow(pinned::greet_later)),
        ("postponed", app().workflow(long_steps::sell)),
        ("promises", app().workflow(promises::fulfil_order)),
        ("tags", app().workflow(messages::ship)),
        ("terminated", app().workflow(prose::fulfil_order)),
        ("versions", app().workflow(crate::kit::pack)),
    ]
}

#[test]
fn every_old_log_is_replayed_to_what_it_says() {
    for (name, app) in fixtures() {
        let log = Recorded::from_log(prose::log(name)).unwrap();
        if let Err(error) = replay(&app, &log) {
            panic!("log-v1-{name}.json does not replay: {error}");
        }
    }
}

#[test]
fn every_file_of_an_old_log_is_replayed() {
    let replayed: BTreeSet<String> =
        fixtures().iter().map(|(name, _)| format!("log-v1-{name}.json")).collect();
    let files: BTreeSet<String> = prose::newer_files()
        .iter()
        .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    assert_eq!(replayed, files, "write the workflow of a new fixture here");
}

#[test]
fn events_of_every_kind_are_replayed() {
    let mut kinds: BTreeSet<String> = BTreeSet::new();
    let logs = fixtures().into_iter().map(|(name, _)| prose::log(name)).chain([prose::order()]);
    for event in logs.flatten().flat_map(|commit| commit.events) {
        kinds.insert(event.kind().to_owned());
    }
    for entry in
        std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/histories")).unwrap()
    {
        // tests/it/kit/histories.rs replays each of these.
        for line in std::fs::read_to_string(entry.unwrap().path()).unwrap().lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            let event: Event = serde_json::from_value(line["event"].clone()).unwrap();
            kinds.insert(event.kind().to_owned());
        }
    }
    let missing: Vec<String> =
        prose::event_rows().into_iter().filter(|kind| !kinds.contains(kind)).collect();
    assert!(missing.is_empty(), "no replayed log has {missing:?}: add one to fixtures/histories");
}
