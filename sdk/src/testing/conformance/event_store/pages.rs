//! A log that is read page by page.

use super::load::beside_writes;
use super::runs::run_begins;
use super::sample::{Store, commit, item, of_size, projection, started};
use crate::event::StoredCommit;
use crate::id::{CommitNumber, ExecutionId};
use crate::limits::{COMMIT_BYTES_MAX, LOG_PAGE_BYTES_MAX};
use crate::store::{LogPage, Status};

async fn page(store: &Store, id: &ExecutionId, from: CommitNumber, limit: usize) -> LogPage {
    let page = store.load_page(id, from, limit).await.unwrap().expect("it exists");
    assert_eq!(page.from, from);
    assert!(page.commits.len() <= limit, "{page:?}");
    // What is there comes first: an empty page is the last one.
    assert!(!page.commits.is_empty() || page.next.is_none(), "{page:?}");
    page
}

/// The log, read in pages of so many commits.
pub(super) async fn all_pages(store: &Store, id: &ExecutionId, limit: usize) -> Vec<StoredCommit> {
    let (mut log, mut from) = (Vec::new(), 0);
    loop {
        let page = page(store, id, from, limit).await;
        assert_eq!(page.missing(), None, "{page:?}");
        log.extend(page.commits);
        let Some(next) = page.next else { return log };
        assert_eq!(next, log.len() as u64, "a page begins where the one before it ended");
        from = next;
    }
}

/// The last page of the log, or the first that lacks something.
async fn last_page(store: &Store, id: &ExecutionId, mut from: CommitNumber) -> LogPage {
    loop {
        let page = page(store, id, from, 100).await;
        match page.next {
            Some(next) if page.missing().is_none() => from = next,
            _ => return page,
        }
    }
}

/// Appends so many commits behind the first. Returns all.
async fn grown(store: &Store, id: &ExecutionId, commits: CommitNumber) -> Vec<StoredCommit> {
    let mut log = page(store, id, 0, 1).await.commits;
    for number in 1..=commits {
        log.push(commit(number));
        store.append(id, &log[number as usize]).await.unwrap();
    }
    log
}

/// Page after page has each commit of the log once, byte for byte, however large the pages are.
pub async fn pages_have_every_commit_once_in_order(store: Store) {
    let id = started(&store, "order-1").await;
    let other = started(&store, "order-10").await;
    let log = grown(&store, &id, 6).await;
    let last = projection(6, Status::Suspended);
    store.project(&id, &last).await.unwrap();
    for limit in [1, 2, 3, 6, 7, 8, usize::MAX] {
        assert_eq!(all_pages(&store, &id, limit).await, log, "in pages of {limit}");
    }
    assert_eq!(page(&store, &id, 0, 3).await.record.projection, last);
    assert_eq!(all_pages(&store, &other, 2).await.len(), 1);
}

/// A page has the commits from the one that is asked for, and none if the log ends before it.
pub async fn a_page_begins_where_it_is_asked_to(store: Store) {
    let id = started(&store, "order-1").await;
    let log = grown(&store, &id, 4).await;
    store.project(&id, &projection(4, Status::Suspended)).await.unwrap();
    for from in 0..5 {
        let page = page(&store, &id, from, 100).await;
        assert_eq!(page.commits, log[from as usize..page.commits.len() + from as usize]);
        assert!(!page.commits.is_empty());
    }
    assert_eq!(page(&store, &id, 2, 1).await.commits, log[2..3]);
    for from in [5, 6, 1 << 40, CommitNumber::MAX] {
        let page = page(&store, &id, from, 100).await;
        assert!(page.commits.is_empty(), "{page:?}");
        assert_eq!((page.missing(), page.record.projection.commit), (None, 4));
    }
    let nobody = ExecutionId::random();
    for from in [0, 3] {
        assert!(store.load_page(&nobody, from, 10).await.unwrap().is_none());
    }
}

/// A page has no more bytes than it may have, and one commit however large it is.
pub async fn a_page_of_large_commits_ends_early(store: Store) {
    let id = started(&store, "order-1").await;
    for number in 1..=6 {
        store.append(&id, &of_size(number, COMMIT_BYTES_MAX)).await.unwrap();
    }
    let mut from = 0;
    while let page = page(&store, &id, from, 100).await
        && let Some(next) = page.next
    {
        let bytes: usize = page.commits.iter().map(|commit| commit.body.len()).sum();
        assert!(bytes <= LOG_PAGE_BYTES_MAX, "{bytes} bytes");
        from = next;
    }
    assert_eq!(all_pages(&store, &id, 100).await.len(), 7);
}

/// Pages begin with the first run, whichever is the current one.
pub async fn pages_have_all_runs_and_nothing_of_the_inbox(store: Store) {
    let id = started(&store, "order-1").await;
    store.send(&id, &item("a", 3)).await.unwrap();
    let log = grown(&store, &id, 5).await;
    run_begins(&store, &id, 3, 5).await;
    for limit in [2, 100] {
        // Twice: a store may find its way by what it saw before.
        assert_eq!(all_pages(&store, &id, limit).await, log);
        store.load(&id).await.unwrap();
        assert_eq!(all_pages(&store, &id, limit).await, log);
    }
    assert_eq!(page(&store, &id, 1, 2).await.record.arrivals, 1);
}

/// A commit that is missing, at the end too, is never passed over in silence.
pub async fn a_page_shows_what_its_log_has_lost(store: Store) {
    let id = started(&store, "order-1").await;
    let refused = store.append(&id, &commit(2)).await.is_err();
    if !refused {
        let torn = last_page(&store, &id, 0).await;
        assert_eq!(torn.missing(), Some(1));
        assert!(torn.read(None).1.is_some());
    }
    let id = started(&store, "order-2").await;
    grown(&store, &id, 2).await;
    store.project(&id, &projection(3, Status::Suspended)).await.unwrap();
    for from in [0, 2, 3] {
        let last = last_page(&store, &id, from).await;
        assert_eq!((last.from + last.commits.len() as u64, last.missing()), (3, Some(3)));
    }
}

/// Pages that are read beside appends and projections have no gaps, and reach as far as their record.
pub async fn a_page_beside_writes_is_consistent(store: Store) {
    beside_writes(&store, 150, async |id| {
        let log = all_pages(&store, id, 40).await;
        assert!(log.iter().map(|commit| commit.number).eq(0..log.len() as u64));
        log.len()
    })
    .await;
}
