//! `App::check`: what the program of the next release would do with what is open now.

use std::path::Path;
use std::sync::{Arc, Mutex};

use everstep::event::{Event, HistoryLine, StoredCommit};
use everstep::host::{CheckError, CheckReport, Checked};
use everstep::id::ExecutionId;
use everstep::memory::{MemoryQueue, MemoryStore};
use everstep::prelude::*;
use everstep::store::{Appended, EventStore, Status};
use everstep::testing::faults::{Faults, FaultyQueue, FaultyStore};
use serde_json::json;

#[step]
async fn reserve(order: u32) -> everstep::Result<u32> {
    Ok(order)
}

#[step]
async fn charge(order: u32) -> everstep::Result<u32> {
    Ok(order)
}

#[step]
async fn audit(order: u32) -> everstep::Result<()> {
    let _ = order;
    Ok(())
}

mod today {
    use super::*;

    #[workflow(name = "order")]
    pub(super) async fn order(number: u32) -> everstep::Result<u32> {
        reserve(number).await?;
        signal::<()>("go").await?;
        charge(number).await
    }

    #[workflow(name = "letter")]
    pub(super) async fn letter(number: u32) -> everstep::Result<u32> {
        signal::<()>("go").await?;
        Ok(number)
    }
}

fn app_of_today() -> App {
    App::new().workflow(today::order).workflow(today::letter)
}

/// A release in which orders begin with something else.
mod tomorrow {
    use super::*;

    #[workflow(name = "order")]
    pub(super) async fn charges_first(number: u32) -> everstep::Result<u32> {
        charge(number).await?;
        signal::<()>("go").await?;
        reserve(number).await
    }

    #[workflow(name = "letter")]
    pub(super) async fn needs_no_signal(number: u32) -> everstep::Result<u32> {
        Ok(number)
    }
}

/// A table with `orders` orders and a letter that wait, on a backend that counts.
struct Table {
    store: Arc<dyn EventStore>,
    backend: Backend,
    counts: Faults,
}

impl Table {
    async fn new(orders: u32) -> Self {
        let counts = Faults::none();
        let store: Arc<dyn EventStore> =
            Arc::new(FaultyStore::new(Arc::new(MemoryStore::new()), &counts));
        let queue = FaultyQueue::new(Arc::new(MemoryQueue::new()), &counts);
        let backend = Backend::new(Arc::clone(&store), Arc::new(queue));
        let table = Self { store, backend, counts };
        let client = Client::new(&table.backend);
        for number in 0..orders {
            client.start(today::order, number).id(format!("order-{number}")).await.unwrap();
        }
        client.start(today::letter, 7).id("letter-7").await.unwrap();
        table.work(app_of_today(), orders as usize + 1, Status::Suspended).await;
        table
    }

    /// Lets a host work until so many executions have this status.
    async fn work(&self, app: App, count: usize, status: Status) {
        let client = Client::new(&self.backend);
        let all = async {
            loop {
                let page = client.list().status(status).limit(1_000).page().await.unwrap();
                if page.records.len() >= count {
                    break;
                }
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        };
        let worker = app.backend(self.backend.clone()).worker().await.unwrap();
        worker.run_until(all).await.unwrap();
    }

    /// Writes the histories of these into `folder`, as `everstep export` does.
    async fn export(&self, ids: &[&str], folder: &Path) {
        let client = Client::new(&self.backend);
        for id in ids {
            let execution = ExecutionId::new(*id).unwrap();
            let log = client.history(&execution).await.unwrap();
            let lines: Vec<String> =
                HistoryLine::of(&execution, &log).map(|line| line.to_text().unwrap()).collect();
            std::fs::write(folder.join(format!("{id}.jsonl")), lines.join("\n") + "\n").unwrap();
        }
    }

    /// Has a version of a Lambda function take a turn that finds nothing to do.
    async fn pin(&self, id: &str, version: u64) {
        let id = ExecutionId::new(id).unwrap();
        let loaded = self.store.load(&id).await.unwrap().unwrap();
        let last = loaded.commits.last().unwrap();
        let events = [
            json!({ "TurnStarted": {
                "at": 0, "host": "function", "code": "0", "lease_end": 0, "function_version": version,
            } }),
            json!({ "TurnEnded": {
                "at": 0, "reason": "suspended", "wake_at": null, "armed": [],
            } }),
        ];
        let events = events.map(|event| serde_json::from_value::<Event>(event).unwrap());
        let (number, before) = (last.number + 1, Some(last.hash));
        let commit = StoredCommit::encode(number, last.writer, before, &events);
        let commit = StoredCommit { life: last.life, ..commit };
        assert_eq!(self.store.append(&id, &commit).await.unwrap(), Appended::Done);
    }

    /// What `app` finds, which must have written and woken nothing.
    async fn check(&self, app: App) -> CheckReport {
        self.counts.take_counts();
        let report = app.backend(self.backend.clone()).check().await.unwrap();
        let counts = self.counts.take_counts();
        assert_eq!((counts.items_written, counts.bytes_written), (0, 0));
        let calls: Vec<&str> = counts.calls.keys().copied().collect();
        assert_eq!(calls, ["list", "load"], "nothing else is asked of the backend");
        report
    }
}

fn counts(report: &CheckReport, workflow: &str) -> [usize; 5] {
    let Checked { go_on, unblocked, would_block, stay_blocked, would_end, .. } =
        report.workflows[workflow];
    [go_on, unblocked, would_block, stay_blocked, would_end]
}

#[tokio::test]
async fn the_program_that_wrote_the_logs_goes_on_with_all_of_them() {
    let table = Table::new(3).await;
    let report = table.check(app_of_today()).await;
    assert_eq!(counts(&report, "order"), [3, 0, 0, 0, 0]);
    assert_eq!(counts(&report, "letter"), [1, 0, 0, 0, 0]);
    assert_eq!((report.checked(), report.exit_code()), (4, 0));
    assert!(report.broken.is_empty());
    assert_eq!(
        report.to_string(),
        "workflow  go on  unblocked  would block  stay blocked  would end\n\
         letter        1          0            0             0          0\n\
         order         3          0            0             0          0\n"
    );
}

#[tokio::test]
async fn what_would_block_is_counted_and_named_once_for_all_that_have_it() {
    let table = Table::new(7).await;
    let app = || App::new().workflow(tomorrow::charges_first).workflow(tomorrow::needs_no_signal);
    let report = table.check(app()).await;
    assert_eq!(counts(&report, "order"), [0, 0, 7, 0, 0]);
    assert_eq!(counts(&report, "letter"), [0, 0, 0, 0, 1]);
    assert_eq!((report.would_block(), report.exit_code()), (7, 1));
    let first = &report.broken[1];
    assert_eq!(first.execution, ExecutionId::new("order-0").unwrap());
    assert!(first.blocks && !first.blocked_now);
    assert!(first.reason.contains("Put the old order of calls back"), "{}", first.reason);
    let text = report.to_string();
    for part in [
        "letter: 1 would end: it would end here\n  letter-7\n",
        "order: 7 would block: the log has step reserve#1 (tests/it/deploy_check.rs:",
        ", the code asks for step charge#1 (tests/it/deploy_check.rs:",
        "\n  order-0, order-1, order-2, order-3, order-4 and 2 more\n",
    ] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
    // And this is what happens when it is deployed all the same.
    for number in 0..7 {
        let id = ExecutionId::new(format!("order-{number}")).unwrap();
        Client::new(&table.backend).signal(&id, "go", &()).await.unwrap();
    }
    table.work(app(), 7, Status::Blocked).await;
    let id = ExecutionId::new("order-3").unwrap();
    let record = table.store.record(&id).await.unwrap().unwrap();
    let reason = |id: &str| {
        let broken = report.broken.iter().find(|broken| broken.execution.as_str() == id);
        broken.map(|broken| broken.reason.clone())
    };
    assert_eq!(record.projection.reason, reason("order-3"));
    // Blocked they are now, and no deploy makes that worse.
    let report = table.check(app()).await;
    assert_eq!(counts(&report, "order"), [0, 0, 0, 7, 0]);
    assert_eq!(report.exit_code(), 0);
    let report = table.check(app_of_today()).await;
    assert_eq!(counts(&report, "order"), [0, 7, 0, 0, 0]);
}

/// To a program that pins: one that does not takes their next turns.
#[tokio::test]
async fn what_is_pinned_to_another_version_need_not_fit() {
    let table = Table::new(2).await;
    table.pin("order-0", 7).await;
    table.pin("letter-7", 7).await;
    let app = || App::new().workflow(tomorrow::charges_first).workflow(tomorrow::needs_no_signal);
    let report = table.check(app().pin_to_version()).await;
    assert_eq!(counts(&report, "order"), [0, 0, 1, 0, 0]);
    assert_eq!(counts(&report, "letter"), [0, 0, 0, 0, 0]);
    assert_eq!((report.workflows["order"].pinned, report.workflows["letter"].pinned), (1, 1));
    assert_eq!((report.checked(), report.exit_code()), (3, 1));
    let text = report.to_string();
    assert!(text.contains("\n2 are pinned to versions that have them"), "{text}");
    let report = table.check(app()).await;
    assert_eq!(counts(&report, "order"), [0, 0, 2, 0, 0]);
    assert!(!report.to_string().contains("pinned"), "{report}");
    // Nor need what was exported, as long as it is open.
    let folder = tempfile::tempdir().unwrap();
    table.export(&["order-0", "order-1"], folder.path()).await;
    let report = app().pin_to_version().check().histories(folder.path()).await.unwrap();
    assert_eq!((report.workflows["order"].pinned, report.would_block()), (1, 1));
    let id = ExecutionId::new("order-0").unwrap();
    Client::new(&table.backend).signal(&id, "go", &()).await.unwrap();
    table.work(app_of_today(), 1, Status::Completed).await;
    table.export(&["order-0"], folder.path()).await;
    let report = app().pin_to_version().check().histories(folder.path()).await.unwrap();
    assert_eq!((report.workflows["order"].pinned, report.would_block()), (0, 2));
}

#[tokio::test]
async fn a_workflow_that_the_program_lacks_would_block_unless_others_are_asked_for() {
    let table = Table::new(2).await;
    let app = || App::new().workflow(today::letter).backend(table.backend.clone());
    let report = app().check().await.unwrap();
    assert_eq!(counts(&report, "order"), [0, 0, 2, 0, 0]);
    assert_eq!(report.broken[0].problem, "this program has no such workflow");
    let report = app().check().workflow("letter").await.unwrap();
    assert_eq!((report.checked(), report.exit_code()), (1, 0));
    let report = app().check().workflow("letter").workflow("order").await.unwrap();
    assert_eq!(report.checked(), 3);
}

#[tokio::test]
async fn it_stops_at_the_limit_and_tells_its_progress() {
    let table = Table::new(6).await;
    let told: Arc<Mutex<Vec<usize>>> = Arc::default();
    let tell = Arc::clone(&told);
    let app = app_of_today().backend(table.backend.clone());
    let report = app
        .check()
        .limit(4)
        .concurrency(0)
        .progress(move |report| tell.lock().unwrap().push(report.checked()))
        .await
        .unwrap();
    assert_eq!(report.checked(), 4);
    assert_eq!(*told.lock().unwrap(), [1, 2, 3, 4]);
    assert!(report.limited, "three are left");
    let text = report.to_string();
    assert!(text.contains("stopped at its limit: 4 were looked at, and more are open"), "{text}");
    let all = app_of_today().backend(table.backend.clone()).check().limit(7).await.unwrap();
    assert_eq!((all.checked(), all.limited), (7, false));
}

#[tokio::test]
async fn more_than_a_page_of_a_list_is_checked_to_the_last() {
    let table = Table::new(230).await;
    let first = table.backend.store.list(&everstep::store::ListQuery::default()).await.unwrap();
    assert!(first.records.len() < 116 && first.next.is_some(), "they are on three pages");
    let report = table.check(app_of_today()).await;
    assert_eq!(counts(&report, "order"), [230, 0, 0, 0, 0]);
    assert_eq!((report.checked(), report.limited), (231, false));
}

#[tokio::test]
async fn what_ended_is_not_looked_at_and_nothing_open_is_a_report_too() {
    let table = Table::new(1).await;
    let client = Client::new(&table.backend);
    for id in ["order-0", "letter-7"] {
        client.signal(&ExecutionId::new(id).unwrap(), "go", &()).await.unwrap();
    }
    table.work(app_of_today(), 2, Status::Completed).await;
    let report = App::new().workflow(today::letter).backend(table.backend.clone()).check().await;
    assert_eq!(report.unwrap().to_string(), "no execution is open");
}

/// A release that does more where orders wait, and says that open ones are not to be surprised.
mod audited {
    use super::*;

    #[workflow(name = "order", new_steps = "block")]
    pub(super) async fn order(number: u32) -> everstep::Result<u32> {
        reserve(number).await?;
        let (audited, go) = futures::join!(audit(number), signal::<()>("go"));
        audited?;
        go?;
        charge(number).await
    }

    #[workflow(name = "order", new_steps = "accept")]
    pub(super) async fn accepted(number: u32) -> everstep::Result<u32> {
        order(number).await
    }

    #[workflow(name = "order", new_steps = "block")]
    pub(super) async fn versioned(number: u32) -> everstep::Result<u32> {
        reserve(number).await?;
        if version("audit", 1..=2) == 2 {
            audit(number).await?;
        }
        signal::<()>("go").await?;
        charge(number).await
    }

    #[workflow(name = "order", new_steps = "block")]
    pub(super) async fn behind_the_wait(number: u32) -> everstep::Result<u32> {
        reserve(number).await?;
        signal::<()>("go").await?;
        audit(number).await?;
        charge(number).await
    }
}

#[tokio::test]
async fn a_step_that_is_new_where_an_execution_waits_is_refused_where_the_workflow_says_so() {
    let table = Table::new(1).await;
    let block = || App::new().workflow(audited::order).workflow(today::letter).version("2");
    let report = table.check(block()).await;
    assert_eq!(counts(&report, "order"), [0, 0, 1, 0, 0]);
    let reason = &report.broken[0].reason;
    for part in [
        "the log says that the execution waits, and the code asks there for step audit#1 (",
        "of which the log has nothing (code \"0\" wrote it, this is code \"2\"). Workflow order has \
         new_steps = \"block\". Put what is new behind version(",
    ] {
        assert!(reason.contains(part), "{part:?} is not in {reason}");
    }
    for accepts in [
        App::new().workflow(audited::accepted).workflow(today::letter),
        App::new().workflow(audited::versioned).workflow(today::letter),
        App::new().workflow(audited::behind_the_wait).workflow(today::letter),
    ] {
        let report = table.check(accepts).await;
        assert_eq!(counts(&report, "order"), [1, 0, 0, 0, 0], "{report}");
    }
    // A turn finds what the check finds, and a second one after a resume too.
    let id = ExecutionId::new("order-0").unwrap();
    Client::new(&table.backend).signal(&id, "go", &()).await.unwrap();
    for _ in 0..2 {
        table.work(block(), 1, Status::Blocked).await;
        let record = table.store.record(&id).await.unwrap().unwrap();
        assert_eq!(record.projection.reason.as_ref(), Some(reason));
    }
    // Without the step it goes on.
    table.work(app_of_today(), 1, Status::Completed).await;
}

/// A turn decides the version, and the branch that it takes may end.
#[tokio::test]
async fn an_execution_that_ends_behind_a_version_goes_on() {
    #[workflow(name = "letter")]
    async fn versioned(number: u32) -> everstep::Result<u32> {
        if version("no signal", 1..=2) == 1 {
            signal::<()>("go").await?;
        }
        Ok(number)
    }
    let table = Table::new(1).await;
    let report = table.check(App::new().workflow(today::order).workflow(versioned)).await;
    assert_eq!(counts(&report, "letter"), [1, 0, 0, 0, 0], "{report}");
}

#[tokio::test]
async fn new_executions_of_a_workflow_that_blocks_new_steps_are_not_concerned() {
    let table = Table::new(0).await;
    let client = Client::new(&table.backend);
    client.start(audited::order, 1).id("order-1").await.unwrap();
    let app = || App::new().workflow(audited::order).workflow(today::letter);
    table.work(app(), 2, Status::Suspended).await;
    assert_eq!(table.check(app()).await.would_block(), 0);
    client.signal(&ExecutionId::new("order-1").unwrap(), "go", &()).await.unwrap();
    table.work(app(), 1, Status::Completed).await;
}

/// A folder with the histories of two orders and a letter.
async fn exported() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let table = Table::new(2).await;
    table.export(&["order-0", "letter-7"], folder.path()).await;
    let deeper = folder.path().join("of-last-month");
    std::fs::create_dir(&deeper).unwrap();
    table.export(&["order-1"], &deeper).await;
    std::fs::write(folder.path().join("README.md"), "no history").unwrap();
    folder
}

#[tokio::test]
async fn exported_histories_are_checked_without_a_backend() {
    let folder = exported().await;
    // An app without a backend: it would be that of the environment, and is not asked for.
    let report = app_of_today().check().histories(folder.path()).await.unwrap();
    assert_eq!(counts(&report, "order"), [2, 0, 0, 0, 0]);
    assert_eq!(counts(&report, "letter"), [1, 0, 0, 0, 0]);
    assert_eq!((report.checked(), report.exit_code(), report.broken.len()), (3, 0, 0));
    let file = folder.path().join("letter-7.jsonl");
    let report = app_of_today().check().histories(&file).histories(&file).await.unwrap();
    assert_eq!(report.checked(), 1, "a file is one, however often it is named");
    let check = app_of_today().check().histories(folder.path());
    assert_eq!(check.workflow("order").await.unwrap().checked(), 2);
    let told: Arc<Mutex<Vec<usize>>> = Arc::default();
    let tell = Arc::clone(&told);
    let check = app_of_today().check().histories(folder.path()).limit(2);
    let check = check.progress(move |report| tell.lock().unwrap().push(report.checked()));
    let report = check.await.unwrap();
    assert_eq!((report.checked(), report.limited), (2, true));
    assert_eq!(*told.lock().unwrap(), [1, 2]);
    let text = report.to_string();
    assert!(text.contains("its limit: 2 were looked at, and there are more"), "{text}");
}

#[tokio::test]
async fn a_history_that_would_block_is_named_by_its_file_with_both_sides() {
    let folder = exported().await;
    let app = App::new().workflow(tomorrow::charges_first).workflow(tomorrow::needs_no_signal);
    let report = app.check().histories(folder.path()).await.unwrap();
    assert_eq!(counts(&report, "order"), [0, 0, 2, 0, 0]);
    assert_eq!(counts(&report, "letter"), [0, 0, 0, 0, 1]);
    assert_eq!((report.would_block(), report.exit_code()), (2, 1));
    assert_eq!(report.broken[1].execution.as_str(), "order-0");
    let files: Vec<_> = report.broken.iter().filter_map(|broken| broken.file.clone()).collect();
    assert!(files.contains(&folder.path().join("of-last-month/order-1.jsonl")), "{files:?}");
    let text = report.to_string();
    for part in [
        "order: 2 would block: the log has step reserve#1 (tests/it/deploy_check.rs:",
        ", the code asks for step charge#1 (tests/it/deploy_check.rs:",
        "/order-0.jsonl, ",
        "/of-last-month/order-1.jsonl",
    ] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
}

#[tokio::test]
async fn a_history_of_a_workflow_that_the_program_lacks_would_block() {
    let folder = exported().await;
    let app = || App::new().workflow(today::letter);
    let report = app().check().histories(folder.path()).await.unwrap();
    assert_eq!(counts(&report, "order"), [0, 0, 2, 0, 0]);
    assert_eq!(report.broken[0].problem, "this program has no such workflow");
    assert_eq!(report.exit_code(), 1);
    let report = app().check().histories(folder.path()).workflow("letter").await.unwrap();
    assert_eq!((report.checked(), report.exit_code()), (1, 0));
}

#[tokio::test]
async fn a_history_that_has_ended_is_replayed_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let table = Table::new(1).await;
    let client = Client::new(&table.backend);
    for id in ["order-0", "letter-7"] {
        client.signal(&ExecutionId::new(id).unwrap(), "go", &()).await.unwrap();
    }
    table.work(app_of_today(), 2, Status::Completed).await;
    table.export(&["order-0", "letter-7"], folder.path()).await;
    let report = app_of_today().check().histories(folder.path()).await.unwrap();
    assert_eq!((report.checked(), report.broken.len()), (2, 0));

    #[workflow(name = "letter")]
    async fn counts_on(number: u32) -> everstep::Result<u32> {
        signal::<()>("go").await?;
        Ok(number + 1)
    }
    let app = App::new().workflow(tomorrow::charges_first).workflow(counts_on);
    let report = app.check().histories(folder.path()).await.unwrap();
    assert_eq!(counts(&report, "order"), [0, 0, 1, 0, 0], "it fails on the way to the end");
    assert_eq!(report.workflows["letter"].end_otherwise, 1);
    assert_eq!((report.checked(), report.exit_code()), (2, 1));
    let letter = &report.broken[0];
    assert!(letter.ended && !letter.blocks, "{letter:?}");
    assert!(letter.reason.contains("returned 7, the code returns 8"), "{}", letter.reason);
    let text = report.to_string();
    assert!(text.contains("would end  end otherwise\n"), "{text}");
    assert!(text.contains("letter: 1 end otherwise: it ended in another way\n"), "{text}");
}

#[tokio::test]
async fn a_damaged_file_is_named_with_its_line() {
    let folder = exported().await;
    let file = folder.path().join("order-0.jsonl");
    let whole = std::fs::read_to_string(&file).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    let without_one = || {
        let commit =
            |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["commit"].clone();
        let kept = lines.iter().filter(|line| commit(line) != 1);
        kept.copied().collect::<Vec<_>>().join("\n")
    };
    let other = lines[1].replace("order-0", "order-9");
    for (text, line, part) in [
        (whole[..lines[0].len() + 30].to_owned(), 2, "no event of a history that this program"),
        (format!("{}\n{{}}", lines[0]), 2, "missing field `event`"),
        (lines[1..].join("\n"), 1, "begins with WorkflowStarted, and this one with TurnStarted"),
        (String::new(), 1, "and this one with nothing: export the execution whole"),
        (without_one(), 2, "it is of commit 2, and the line before it of 0: lines are missing"),
        (format!("{}\n\n{other}", lines[0]), 3, "of order-0: a file holds one history"),
    ] {
        std::fs::write(&file, &text).unwrap();
        check_damaged(folder.path(), &file, line, part).await;
    }
    std::fs::write(&file, [whole.as_bytes(), b"\xff"].concat()).unwrap();
    check_damaged(folder.path(), &file, lines.len() + 1, "no text in UTF-8").await;
}

async fn check_damaged(folder: &Path, damaged: &Path, at: usize, part: &str) {
    let error = app_of_today().check().histories(folder).await.unwrap_err();
    let CheckError::History { file, line, .. } = &error else { panic!("{error}") };
    assert_eq!((&**file, *line), (damaged, at), "{error}");
    let text = error.to_string();
    assert!(text.contains(&format!("order-0.jsonl, line {at}: ")), "{text}");
    assert!(text.contains(part), "{part:?} is not in {text}");
}

#[tokio::test]
async fn nothing_to_check_is_an_error_and_no_pass() {
    let folder = tempfile::tempdir().unwrap();
    let error = app_of_today().check().histories(folder.path()).await.unwrap_err();
    assert!(matches!(error, CheckError::NoHistories { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("so nothing was checked: export some, with `everstep export"), "{text}");
    let missing = folder.path().join("histories");
    let error = app_of_today().check().histories(&missing).await.unwrap_err();
    assert!(matches!(&error, CheckError::Unreadable { path, .. } if *path == missing), "{error}");
    let folder = exported().await;
    let check = app_of_today().check().histories(folder.path()).workflow("parcel");
    let error = check.await.unwrap_err().to_string();
    assert!(error.starts_with("no history of workflow parcel is in "), "{error}");
}

#[tokio::test]
async fn a_value_that_the_program_cannot_open_breaks_its_history() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let sealed = serde_json::json!({ "$everstep": {
        "v": 1, "bytes": 10_485_762,
        "at": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    }});
    let start = serde_json::json!({ "event": { "WorkflowStarted": {
        "at": 0, "execution": "letter-1", "workflow": "letter", "run": 1, "input": sealed,
    }}});
    std::fs::write(file.path(), start.to_string()).unwrap();
    let app = app_of_today().payloads(everstep::payload::Payloads::none());
    let report = app.check().histories(file.path()).await.unwrap();
    assert_eq!((counts(&report, "letter"), report.exit_code()), ([0, 0, 1, 0, 0], 1));
    assert!(report.broken[0].reason.contains("EVERSTEP_PAYLOADS"), "{}", report.broken[0].reason);
}
