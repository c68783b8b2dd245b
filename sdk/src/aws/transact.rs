//! The two writes that are one transaction: a start, and a message with its count.

use std::time::Duration;

use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    CancellationReason, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
    Update as UpdateRequest,
};
use uuid::Uuid;

use super::errors::cause;
use super::items::{self, Item, number, text};
use super::lives;
use super::store::DynamoStore;
use super::update::Update;
use crate::event::StoredCommit;
use crate::id::{Born, CommitNumber, ExecutionId};
use crate::store::{
    BoxError, Created, EventStore, NewItem, Projection, Record, Sent, Status, StoreError,
};

/// What a policy has to allow: there is no action for the transaction itself.
pub(super) const ACTIONS: &str = "dynamodb:PutItem and dynamodb:UpdateItem";

/// How often a call that met another transaction is made again before the caller is told.
const CONFLICTS_MAX: u32 = 6;

/// Waits between tries of a call that others are in the way of: 10 ms doubling to 320 ms, with
/// full jitter.
#[derive(Debug, Default)]
pub(super) struct Patience {
    waits: u32,
}

impl Patience {
    /// Waits and says `true`, or says `false` at once: enough.
    pub(super) async fn wait(&mut self) -> bool {
        if self.waits == CONFLICTS_MAX {
            return false;
        }
        let most = 10_000_u64 << self.waits;
        self.waits += 1;
        let random = Uuid::new_v4().as_u64_pair().0;
        tokio::time::sleep(Duration::from_micros(random % most)).await;
        true
    }
}

/// How a transaction of two writes ended.
pub(super) enum Outcome {
    Done,
    /// At least one condition did not hold; for each write what is there instead, if its
    /// condition is known not to hold.
    Refused([Option<Item>; 2]),
}

impl DynamoStore {
    pub(super) async fn transact_create(
        &self,
        record: &Record,
        start: &StoredCommit,
    ) -> Result<Created, StoreError> {
        let id = &record.id;
        let item = items::commit_item(id, start, record.born)?;
        let mut commit = self.put_if_absent(item.clone())?;
        let first = items::record_item(record, self.shards)?;
        let record_write = match start.number.checked_sub(1) {
            None => self.put_if_absent(first)?,
            Some(last) => self.restart(record, last)?,
        };
        let mut over = None;
        let (record_there, commit_there) = loop {
            let there = match self.transact([record_write.clone(), commit]).await? {
                Outcome::Done => return Ok(Created::New),
                Outcome::Refused(there) => there,
            };
            let [record_there, commit_there] = there;
            // A transaction need not name every condition that did not hold.
            let commit_there = match commit_there {
                Some(item) => Some(item),
                None => self.get(items::key(id, items::commit_sk(start.number))).await?,
            };
            let born = commit_there.as_ref().map(|item| items::read_born(id, item)).transpose()?;
            match born.flatten() {
                // Once for each: if it was not that, the record is another one.
                Some(stray)
                    if start.number > 0
                        && record_there.is_none()
                        && record.born != Some(stray)
                        && over != Some(stray) =>
                {
                    commit = self.put_in_place_of(item.clone(), stray)?;
                    over = Some(stray);
                }
                _ => break (record_there, commit_there),
            }
        };
        let record_there = match record_there {
            Some(item) => Some(item),
            None => self.get(items::key(id, text(items::RECORD))).await?,
        };
        let Some(record_there) = record_there else {
            return Err(StoreError::missing(id));
        };
        if items::is_grave(&record_there) {
            return Err(StoreError::Buried { id: id.clone() });
        }
        let record = Box::new(items::read_record(id, record_there)?);
        let by = match commit_there {
            Some(item) if items::read_born(id, &item)?.is_none_or(|it| Some(it) == record.born) => {
                Some(items::read_writer(id, item)?)
            }
            _ => None,
        };
        Ok(Created::Exists { by, record })
    }

    /// The item's place is one after all arrivals that its sender can know of: those the record
    /// counts before the transaction. It is no condition of the transaction that the count stays
    /// so, and senders of one moment may share a place; docs/adr/0017 says why.
    pub(super) async fn transact_send(
        &self,
        id: &ExecutionId,
        item: &NewItem,
    ) -> Result<Sent, StoreError> {
        StoreError::check_item(item)?;
        let mut patience = Patience::default();
        loop {
            let Some(record) = self.record(id).await? else { return Ok(Sent::NoExecution) };
            let Projection { status, first, .. } = record.projection;
            let born = record.born;
            if status.is_closed() {
                return Ok(Sent::Closed { status });
            }
            let put = items::inbox_item(id, item, record.arrivals + 1, born, self.shards)?;
            let put = self.put_if_absent(put)?;
            let there = match self.transact([self.count_arrival(id, born, first)?, put]).await? {
                Outcome::Done => return Ok(Sent::New),
                Outcome::Refused(there) => there,
            };
            let there = match there {
                [None, _] => return Ok(Sent::Known),
                [Some(there), _] if there.is_empty() => return Ok(Sent::NoExecution),
                [Some(there), _] => items::find_record(id, there)?,
            };
            let Some(there) = there else { return Ok(Sent::NoExecution) };
            // Else it was deleted and started anew since the look, and the place was one in another
            // inbox; or another run has begun, and an item of the one before may have had it.
            if there.born == born && there.projection.status.is_closed() {
                return Ok(Sent::Closed { status: there.projection.status });
            }
            if !patience.wait().await {
                return Err(self.busy(id));
            }
        }
    }

    pub(super) fn put_if_absent(&self, item: Item) -> Result<TransactWriteItem, StoreError> {
        let put = Put::builder()
            .table_name(self.table_name())
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .map_err(incomplete)?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    /// Makes the record of a closed execution that ended with commit `last` one that runs again.
    fn restart(&self, record: &Record, last: u64) -> Result<TransactWriteItem, StoreError> {
        let mut update = Update::default();
        for (name, value) in items::identity(record) {
            update.put(name, value);
        }
        for (name, value) in items::projected(&record.id, &record.projection, self.shards) {
            update.put(name, value);
        }
        update.value("last", number(last));
        let closed = self.status_in(&mut update, Status::is_closed);
        let born = lives::is_born(&mut update, record.born);
        let condition = format!("#commit = :last AND {closed} AND {born}");
        self.update_record(&record.id, update, &condition)
    }

    /// Counts a message in the record of an open execution, if it is that one and its run begins there.
    fn count_arrival(
        &self,
        id: &ExecutionId,
        born: Option<Born>,
        first: CommitNumber,
    ) -> Result<TransactWriteItem, StoreError> {
        let mut update = Update::default();
        update.add("arrivals", number(1));
        let open = self.status_in(&mut update, |status| !status.is_closed());
        let born = lives::is_born(&mut update, born);
        update.name("first");
        let run = if first > 0 {
            update.value("first", number(first));
            "#first = :first"
        } else {
            "attribute_not_exists(#first)"
        };
        self.update_record(id, update, &format!("{open} AND {born} AND {run}"))
    }

    /// The condition that the record's status is one of those that `which` picks.
    pub(super) fn status_in(&self, update: &mut Update, which: impl Fn(Status) -> bool) -> String {
        update.name("status");
        let mut values = Vec::new();
        for status in Status::ALL.into_iter().filter(|status| which(*status)) {
            let name = format!("is_{status}");
            values.push(format!(":{name}"));
            update.value(&name, text(status.as_str()));
        }
        format!("#status IN ({})", values.join(", "))
    }

    pub(super) fn update_record(
        &self,
        id: &ExecutionId,
        update: Update,
        condition: &str,
    ) -> Result<TransactWriteItem, StoreError> {
        let request = UpdateRequest::builder()
            .table_name(self.table_name())
            .set_key(Some(items::key(id, text(items::RECORD))))
            .update_expression(update.expression())
            .condition_expression(condition)
            .set_expression_attribute_names(Some(update.names))
            .set_expression_attribute_values(Some(update.values))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .map_err(incomplete)?;
        Ok(TransactWriteItem::builder().update(request).build())
    }

    /// Writes both or neither. A try of the SDK's own that repeats one that was done is a
    /// success: each call carries a token.
    pub(super) async fn transact(
        &self,
        writes: [TransactWriteItem; 2],
    ) -> Result<Outcome, StoreError> {
        let mut patience = Patience::default();
        loop {
            let call = self.client.transact_write_items().set_transact_items(Some(writes.to_vec()));
            let Err(error) = call.send().await else { return Ok(Outcome::Done) };
            let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) =
                error.as_service_error()
            else {
                return Err(self.failed(ACTIONS, error));
            };
            let reasons = cancelled.cancellation_reasons();
            if reasons.iter().any(|reason| reason.code() == Some("ConditionalCheckFailed")) {
                let mut there = reasons.iter().map(|reason| {
                    (reason.code() == Some("ConditionalCheckFailed"))
                        .then(|| reason.item.clone().unwrap_or_default())
                });
                return Ok(Outcome::Refused([there.next().flatten(), there.next().flatten()]));
            }
            let codes = codes(reasons);
            if reasons.iter().all(|reason| passes(reason.code())) {
                if patience.wait().await {
                    continue;
                }
                let reason = format!("transactions on {} are cancelled: {codes}", self.place);
                return Err(StoreError::unavailable(reason, cause(&error)));
            }
            let remedy = format!("{} does not take a transaction: {codes}", self.place);
            return Err(StoreError::unusable(remedy, cause(&error)));
        }
    }
}

/// Whether a transaction cancelled for this reason may succeed later
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html>).
pub(crate) fn passes(code: Option<&str>) -> bool {
    matches!(
        code,
        None | Some(
            "None" | "TransactionConflict" | "ThrottlingError" | "ProvisionedThroughputExceeded"
        )
    )
}

pub(crate) fn codes(reasons: &[CancellationReason]) -> String {
    let reasons = reasons.iter().map(|reason| match (reason.code(), reason.message()) {
        (code, None) => code.unwrap_or("None").to_owned(),
        (code, Some(message)) => format!("{} ({message})", code.unwrap_or("None")),
    });
    reasons.collect::<Vec<_>>().join(", ")
}

/// A request of ours lacks a part that it always has.
pub(super) fn incomplete(error: impl Into<BoxError>) -> StoreError {
    StoreError::unusable("a request to DynamoDB is incomplete", error)
}
