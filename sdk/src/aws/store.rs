//! The event store on one DynamoDB table.

use std::error::Error;
use std::time::Duration;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{ReturnValue, ReturnValuesOnConditionCheckFailure};

use super::errors::{Fault, Place, cause, classify};
use super::items::{self, Item, Kind, SHARDS, Shards, text};
use super::later::LaterRuns;
use super::lives;
use super::transact::Patience;
use super::update::Update;
use crate::event::StoredCommit;
use crate::id::{CommitNumber, ExecutionId, Life};
use crate::store::{
    Appended, AppendedWith, Buried, Created, EventStore, Grave, InboxItem, ListPage, ListQuery,
    Loaded, LogPage, NewItem, Projection, Record, SeenItem, Sent, Status, StoreError, Writes,
};
use crate::time::Timestamp;

/// How often a load begins anew when it read across a transaction.
pub(super) const LOADS_MAX: u32 = 5;

/// Logs, records and inboxes in one DynamoDB table.
///
/// Clones share one client and its connections.
///
/// ```no_run
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// # use std::sync::Arc;
/// use everstep::aws::{DynamoStore, SqsQueue, load_config};
/// use everstep::prelude::*;
///
/// // What `Backend::from_env` makes of `dynamodb://orders?queue=orders-wakes`:
/// let config = load_config().await;
/// let store = DynamoStore::new(&config, "orders")?;
/// assert_eq!(store.table_name(), "orders");
/// let backend = Backend::new(Arc::new(store), Arc::new(SqsQueue::new(&config, "orders-wakes")?));
/// # let _ = backend;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct DynamoStore {
    pub(super) client: Client,
    pub(super) place: Place,
    /// How many items a page of a query has at most, if not as many as fit in 1 MB.
    pub(super) page_items: Option<i32>,
    pub(super) shards: Shards,
    later_runs: LaterRuns,
}

impl DynamoStore {
    /// The store in the table `table`. Nothing is asked of AWS yet.
    ///
    /// # Errors
    /// The configuration has no region, or `table` cannot be a table's name.
    pub fn new(config: &SdkConfig, table: &str) -> Result<Self, StoreError> {
        let unusable = |remedy| StoreError::Unusable { remedy, source: None };
        // https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html
        let fits = (3..=255).contains(&table.len());
        if !fits || !table.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b)) {
            return Err(unusable(format!(
                "{table:?} cannot be the name of a DynamoDB table: use 3 to 255 letters, digits, \
                 '_', '-' and '.'"
            )));
        }
        let place = Place::new("table", table, config).map_err(unusable)?;
        Ok(Self {
            client: Client::new(config),
            place,
            page_items: None,
            shards: SHARDS,
            later_runs: LaterRuns::default(),
        })
    }

    /// The same store, reading `items` items a page: many pages where few would do.
    ///
    /// ```no_run
    /// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
    /// use everstep::aws::{DynamoStore, load_config};
    ///
    /// // A test of pages need not write 1 MB, nor ask for 64 parts of each index.
    /// let store = DynamoStore::new(&load_config().await, "test")?.with_page_items(2).with_shards(1);
    /// # let _ = store; Ok(()) }
    /// ```
    #[cfg(feature = "testing")]
    #[must_use]
    pub fn with_page_items(mut self, items: i32) -> Self {
        self.page_items = Some(items);
        self
    }

    /// The same store with its indexes in `shards` parts, up to the usual 64: all that use a table
    /// must have the same number. Fewer make lists and sweeps of small tables cheaper.
    #[cfg(feature = "testing")]
    #[must_use]
    pub fn with_shards(mut self, shards: u8) -> Self {
        self.shards = Shards(shards.clamp(1, SHARDS.0));
        self
    }

    /// The table's name.
    #[must_use]
    pub fn table_name(&self) -> &str {
        self.place.name()
    }

    /// Our error for a failed call of `action`.
    pub(super) fn failed<E>(
        &self,
        action: &'static str,
        error: SdkError<E, HttpResponse>,
    ) -> StoreError
    where
        E: Error + ProvideErrorMetadata + Send + Sync + 'static,
    {
        match classify(action, &self.place, &error) {
            Fault::Later(reason) => StoreError::unavailable(reason, cause(&error)),
            Fault::Never(remedy) => StoreError::unusable(remedy, cause(&error)),
        }
    }

    /// One item, read consistently.
    pub(super) async fn get(&self, key: Item) -> Result<Option<Item>, StoreError> {
        let call = self.client.get_item().table_name(self.table_name()).consistent_read(true);
        let answer = call.set_key(Some(key)).send().await;
        Ok(answer.map_err(|error| self.failed("dynamodb:GetItem", error))?.item)
    }

    /// Everything of one execution, in the order of its sort keys, page by page: with `all` the
    /// whole log, else that of the current run.
    ///
    /// The record comes first and says where the run begins. Of an execution whose first run is
    /// over that is found out by a page of old commits, once in a process: from then on the record
    /// is read by itself.
    async fn load_once(&self, id: &ExecutionId, all: bool) -> Result<Read, StoreError> {
        let mut read = Read::default();
        let (mut from, mut skips) = (None, true);
        if !all && self.later_runs.has(id) {
            let Some(item) = self.get(items::key(id, text(items::RECORD))).await? else {
                // The log of a lost record is found by the query.
                self.later_runs.forget(id);
                return Box::pin(self.load_once(id, all)).await;
            };
            let Some(record) = items::find_record(id, item)? else { return Ok(Read::default()) };
            read.take_record(record, all);
            (from, skips) = (read.skip(id), false);
        }
        loop {
            let call = self
                .client
                .query()
                .table_name(self.table_name())
                .consistent_read(true)
                .key_condition_expression("pk = :pk")
                .expression_attribute_values(":pk", items::pk(id))
                .set_limit(self.page_items)
                .set_exclusive_start_key(from);
            let page = call.send().await.map_err(|error| self.failed("dynamodb:Query", error))?;
            for item in page.items.unwrap_or_default() {
                match items::kind(&item) {
                    Kind::Record => match items::find_record(id, item)? {
                        Some(record) => read.take_record(record, all),
                        // It is being deleted: there is nothing any more, whatever is still there.
                        None => return Ok(Read::default()),
                    },
                    Kind::Commit => {
                        let commit = items::read_commit(id, item)?;
                        if commit.number >= read.from && !read.is_stray(&commit) {
                            read.commits.push(commit);
                        }
                    }
                    Kind::Inbox => read.inbox.push(items::read_inbox(id, item)?),
                    Kind::Unknown => {}
                }
            }
            // A page may be empty and not the last.
            from = page.last_evaluated_key;
            if read.from > 0 {
                self.later_runs.note(id);
            }
            if from.is_none() {
                read.leave_what_came_meanwhile();
                read.leave_strays();
                InboxItem::sort(&mut read.inbox);
                return Ok(read);
            }
            if let (true, Some(before)) = (skips && read.has_nothing(), read.skip(id)) {
                // Once: the page after it may be empty too, and going back to it would never end.
                (from, skips) = (Some(before), false);
            }
        }
    }

    /// A load that saw no half of any write.
    async fn load_whole(&self, id: &ExecutionId, all: bool) -> Result<Option<Loaded>, StoreError> {
        let mut loads = 1;
        let mut before = None;
        loop {
            let read = self.load_once(id, all).await?;
            let missing = read.torn();
            // What the next load still misses is lost and not on its way. Whoever reads the log
            // has to see the hole, so it is no error here.
            let is_lost = loads == LOADS_MAX && missing == before;
            match missing {
                Some(Missing::Record) if is_lost => return Err(StoreError::lost_record(id)),
                Some(_) if !is_lost && loads < LOADS_MAX => {
                    before = missing;
                    tokio::time::sleep(Duration::from_millis(10 << loads)).await;
                    loads += 1;
                }
                Some(_) if !is_lost => {
                    let reason = format!("the log of execution {id} grows while it is read");
                    return Err(StoreError::Unavailable { reason, source: None });
                }
                _ => {
                    let Read { record, from, commits, inbox } = read;
                    return Ok(record.map(|record| Loaded { record, from, commits, inbox }));
                }
            }
        }
    }
}

/// What one pass over an execution's items found.
#[derive(Default)]
struct Read {
    record: Option<Record>,
    /// The number of the first commit that is wanted.
    from: CommitNumber,
    commits: Vec<StoredCommit>,
    inbox: Vec<InboxItem>,
}

/// What must be there if the rest is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Missing {
    Record,
    /// The first that is missing.
    Commit(CommitNumber),
}

impl Read {
    fn take_record(&mut self, record: Record, all: bool) {
        self.from = if all { 0 } else { record.projection.first };
        self.record = Some(record);
    }

    /// Whether nothing that is wanted was read, but the record.
    fn has_nothing(&self) -> bool {
        self.commits.is_empty() && self.inbox.is_empty()
    }

    /// After which item a query goes on to read what is wanted and nothing before it; the item
    /// need not be there.
    fn skip(&self, id: &ExecutionId) -> Option<Item> {
        let before = self.from.checked_sub(1)?;
        Some(items::key(id, items::commit_sk(before)))
    }

    /// Leaves out items that were put after the record was read. A query is no snapshot: it may
    /// see such an item and, earlier in its course, have passed the place of one that was put
    /// before. The sender of an item knew of `arrival - 1` others; if the record, read first,
    /// counts no fewer, then every item that was acknowledged before this one was sent was there
    /// already. What is left out is counted after the record was read, so it is looked for again.
    fn leave_what_came_meanwhile(&mut self) {
        let arrivals = self.record.as_ref().map_or(0, |record| record.arrivals);
        self.inbox.retain(|item| item.arrival <= arrivals + 1);
    }

    /// Whether a commit is of another life than the record: a host wrote it that was late by so much
    /// that its execution was deleted, or it came after the record was read. Then the log that is
    /// read lacks one, and is read again.
    fn is_stray(&self, commit: &StoredCommit) -> bool {
        let life = self.record.as_ref().map(Record::life);
        life.is_some() && commit.life.is_some() && commit.life != life
    }

    /// Leaves out the strays of a deleted execution whose id nobody has: a start writes its record
    /// and commit 0 as one, and nobody but a start writes commit 0.
    fn leave_strays(&mut self) {
        if self.record.is_none() && self.commits.first().is_some_and(|first| first.number > 0) {
            self.commits.retain(|commit| commit.life.is_none());
        }
        self.commits.iter_mut().for_each(|commit| commit.life = None);
    }

    /// What cannot be at any one moment. A query is no snapshot: it may see one half of a
    /// transaction that is being applied, or a commit and not the one before it
    /// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html#transaction-isolation>).
    fn torn(&self) -> Option<Missing> {
        let expected = self.commits.iter().zip(self.from..);
        if let Some((_, missing)) = expected.clone().find(|(commit, n)| commit.number != *n) {
            return Some(Missing::Commit(missing));
        }
        let next = self.from + self.commits.len() as u64;
        match &self.record {
            None if next > 0 => Some(Missing::Record),
            Some(record) if record.projection.commit >= next => Some(Missing::Commit(next)),
            _ => None,
        }
    }
}

#[async_trait]
impl EventStore for DynamoStore {
    /// Makes the table with its two indexes, billed by request, and waits until it can be used.
    async fn setup(&self) -> Result<(), StoreError> {
        super::setup::setup(self).await
    }

    async fn create(&self, record: &Record, start: &StoredCommit) -> Result<Created, StoreError> {
        self.transact_create(record, start).await
    }

    async fn load(&self, id: &ExecutionId) -> Result<Option<Loaded>, StoreError> {
        self.load_whole(id, false).await
    }

    async fn load_all(&self, id: &ExecutionId) -> Result<Option<Loaded>, StoreError> {
        self.load_whole(id, true).await
    }

    async fn load_page(
        &self,
        id: &ExecutionId,
        from: CommitNumber,
        limit: usize,
    ) -> Result<Option<LogPage>, StoreError> {
        self.read_page(id, from, limit).await
    }

    async fn append(
        &self,
        id: &ExecutionId,
        commit: &StoredCommit,
    ) -> Result<Appended, StoreError> {
        let item = items::commit_item(id, commit, commit.life.and_then(Life::born))?;
        let mut patience = Patience::default();
        loop {
            let call = self
                .client
                .put_item()
                .table_name(self.table_name())
                .set_item(Some(item.clone()))
                .condition_expression("attribute_not_exists(pk)")
                .return_values_on_condition_check_failure(
                    ReturnValuesOnConditionCheckFailure::AllOld,
                );
            let Err(error) = call.send().await else { return Ok(Appended::Done) };
            let Some(PutItemError::ConditionalCheckFailedException(failed)) =
                error.as_service_error()
            else {
                return Err(self.failed("dynamodb:PutItem", error));
            };
            let there = failed.item.clone().unwrap_or_default();
            match (commit.life, items::read_born(id, &there)?) {
                (Some(life), Some(stray)) if life != Life::Born(stray) => {
                    if let Some(appended) = self.put_over(id, life, item.clone(), stray).await? {
                        return Ok(appended);
                    }
                    if !patience.wait().await {
                        return Err(self.busy(id));
                    }
                }
                _ => return Ok(Appended::Taken { by: items::read_writer(id, there)? }),
            }
        }
    }

    fn takes_writes(&self) -> bool {
        true
    }

    async fn append_with(
        &self,
        id: &ExecutionId,
        commit: &StoredCommit,
        writes: &Writes,
    ) -> Result<AppendedWith, StoreError> {
        self.transact_append(id, commit, writes).await
    }

    async fn record(&self, id: &ExecutionId) -> Result<Option<Record>, StoreError> {
        let item = self.get(items::key(id, text(items::RECORD))).await?;
        Ok(item.map(|item| items::find_record(id, item)).transpose()?.flatten())
    }

    async fn project(
        &self,
        id: &ExecutionId,
        projection: &Projection,
    ) -> Result<Record, StoreError> {
        let mut update = Update::default();
        for (name, value) in items::projected(id, projection, self.shards) {
            // Without a view of its own it keeps the stored one.
            if name != items::VIEW || value.is_some() {
                update.put(name, value);
            }
        }
        if let Some(tags) = &projection.tags {
            update.put(items::TAGS, items::tag_set(tags));
        }
        // `Projection::replaces`, in DynamoDB's words.
        let mut replaces = "(#commit < :commit".to_owned();
        if projection.status == Status::Blocked {
            replaces.push_str(" OR (#commit = :commit AND #status <> :status)");
        }
        replaces.push_str(
            " OR (#commit = :commit AND #status = :status AND attribute_exists(#untold)))",
        );
        if let Some(life) = projection.life {
            replaces.push_str(&format!(" AND {}", lives::is(&mut update, life)));
        }
        let mut patience = Patience::default();
        loop {
            let call = self
                .client
                .update_item()
                .table_name(self.table_name())
                .set_key(Some(items::key(id, text(items::RECORD))))
                .update_expression(update.expression())
                .condition_expression(&replaces)
                .set_expression_attribute_names(Some(update.names.clone()))
                .set_expression_attribute_values(Some(update.values.clone()))
                .return_values(ReturnValue::AllNew)
                .return_values_on_condition_check_failure(
                    ReturnValuesOnConditionCheckFailure::AllOld,
                );
            let there = match call.send().await {
                Ok(answer) => answer.attributes,
                Err(error) => match error.as_service_error() {
                    Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
                        failed.item.clone()
                    }
                    // A message is arriving at this very moment.
                    Some(UpdateItemError::TransactionConflictException(_))
                        if patience.wait().await =>
                    {
                        continue;
                    }
                    _ => return Err(self.failed("dynamodb:UpdateItem", error)),
                },
            };
            let there = there.filter(|item| !item.is_empty() && !items::is_grave(item));
            return items::read_record(id, there.ok_or_else(|| StoreError::missing(id))?);
        }
    }

    async fn send(&self, id: &ExecutionId, item: &NewItem) -> Result<Sent, StoreError> {
        self.transact_send(id, item).await
    }

    async fn remove_items(
        &self,
        id: &ExecutionId,
        life: Life,
        items: &[SeenItem],
    ) -> Result<(), StoreError> {
        self.remove_items_of(id, life, items).await
    }

    async fn overdue(
        &self,
        before: Timestamp,
        limit: usize,
    ) -> Result<Vec<ExecutionId>, StoreError> {
        self.query_due(before, limit).await
    }

    async fn list(&self, query: &ListQuery) -> Result<ListPage, StoreError> {
        self.query_list(query).await
    }

    async fn bury(&self, record: &Record, grave: &Grave) -> Result<Buried, StoreError> {
        self.bury_record(record, grave).await
    }

    async fn grave(&self, id: &ExecutionId) -> Result<Option<Grave>, StoreError> {
        self.find_grave(id).await
    }

    async fn rebury(&self, id: &ExecutionId, old: &Grave, new: &Grave) -> Result<bool, StoreError> {
        self.replace_grave(id, old, new).await
    }

    async fn remove(&self, id: &ExecutionId, grave: &Grave) -> Result<(), StoreError> {
        self.remove_buried(id, grave).await
    }

    async fn expired(
        &self,
        from: Timestamp,
        before: Timestamp,
        limit: usize,
    ) -> Result<Vec<(Timestamp, ExecutionId)>, StoreError> {
        self.query_expired(from, before, limit).await
    }
}
