//! Deleting executions. A log can have more items than a transaction, so it goes step by step:
//!
//! ```text
//! bury     the record becomes the grave: no reader and no index finds it, and no start can be made
//! remove   commits and inbox items, as many calls as it takes; then the grave
//! ```
//! A crash in between leaves the grave, which is in the index of what is due. Commits are deleted by
//! number, writer **and hash** (a child's first writer is the same each time), after a second look at
//! the grave: what a page has, while the grave stands, is of the execution that was buried, however
//! late its deletion lands.
//!
//! Not by time to live: DynamoDB deletes items by it one by one, within some days, in no order
//! (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/howitworks-ttl.html>).

use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    AttributeValue, ConditionCheck, Delete, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
};
use futures::stream::{self, StreamExt, TryStreamExt};

use super::items::{self, Item, Kind, number, text};
use super::lives;
use super::store::DynamoStore;
use super::transact::{Patience, incomplete};
use super::update::Update;
use crate::id::ExecutionId;
use crate::store::{Buried, Grave, Record, Status, StoreError};

/// How many deletions of commits run at once.
const PARALLEL: usize = 16;

/// What a record loses when it becomes a grave: what lists and readers would find it by, what is
/// large, and the commit, which no projection may then be ahead of.
const LOST: [&str; 7] =
    ["status_shard", "newest_key", items::VIEW, items::TAGS, "reason", "wake_at", "commit"];

/// How a conditional write of a grave ended.
enum Written {
    Done,
    /// The condition did not hold: what is there instead, if anything.
    Refused(Option<Item>),
}

impl DynamoStore {
    pub(super) async fn bury_record(
        &self,
        record: &Record,
        grave: &Grave,
    ) -> Result<Buried, StoreError> {
        let id = &record.id;
        let mut update = self.grave_in(id, grave);
        LOST.into_iter().for_each(|name| update.put(name, None));
        update.put("status", Some(text(items::BURIED)));
        update.value("last", number(record.projection.commit));
        let closed = self.status_in(&mut update, Status::is_closed);
        let life = lives::is(&mut update, record.life());
        let condition = format!("#commit = :last AND {closed} AND {life}");
        let there = match self.write(id, update, &condition).await? {
            Written::Done => return Ok(Buried::Done),
            Written::Refused(there) => there,
        };
        let Some(there) = there else { return Ok(Buried::NoExecution) };
        if items::is_grave(&there) {
            let mine = items::read_grave(id, there)? == *grave;
            return Ok(if mine { Buried::Done } else { Buried::NoExecution });
        }
        Ok(Buried::Refused { record: Box::new(items::read_record(id, there)?) })
    }

    pub(super) async fn find_grave(&self, id: &ExecutionId) -> Result<Option<Grave>, StoreError> {
        let there = self.get(items::key(id, text(items::RECORD))).await?;
        there.filter(items::is_grave).map(|item| items::read_grave(id, item)).transpose()
    }

    pub(super) async fn replace_grave(
        &self,
        id: &ExecutionId,
        old: &Grave,
        new: &Grave,
    ) -> Result<bool, StoreError> {
        let mut update = self.grave_in(id, new);
        let condition = condition(old, |name, value| {
            update.name(name);
            update.value(&format!("old_{name}"), value);
        });
        match self.write(id, update, &condition).await? {
            Written::Done => Ok(true),
            Written::Refused(Some(there)) if items::is_grave(&there) => {
                Ok(items::read_grave(id, there)? == *new)
            }
            Written::Refused(_) => Ok(false),
        }
    }

    pub(super) async fn remove_buried(
        &self,
        id: &ExecutionId,
        grave: &Grave,
    ) -> Result<(), StoreError> {
        loop {
            let page = self.remains(id).await?;
            // A start could have come in between the grave and the rest of the page.
            if self.find_grave(id).await?.as_ref() != Some(grave) {
                return Ok(());
            }
            let more = page.last_evaluated_key.is_some();
            let rest: Vec<Item> = page.items.unwrap_or_default();
            let rest = rest.into_iter().filter(|item| !matches!(items::kind(item), Kind::Record));
            let (commits, inbox): (Vec<Item>, Vec<Item>) =
                rest.partition(|item| matches!(items::kind(item), Kind::Commit));
            let deletions = commits.into_iter().map(|item| self.delete_one(id, grave, item));
            let deletions = stream::iter(deletions).buffer_unordered(PARALLEL);
            deletions.try_for_each(|()| std::future::ready(Ok(()))).await?;
            // One after the other: their transactions all look at the grave, and would be in each
            // other's way.
            for item in inbox {
                self.delete_one(id, grave, item).await?;
            }
            if !more {
                break;
            }
        }
        let key = items::key(id, text(items::RECORD));
        let call = self.client.delete_item().table_name(self.table_name()).set_key(Some(key));
        let mut call = call;
        let condition = condition(grave, |name, value| {
            call = call
                .clone()
                .expression_attribute_names(format!("#{name}"), name)
                .expression_attribute_values(format!(":old_{name}"), value);
        });
        self.deleted(call.condition_expression(condition).send().await)
    }

    /// The keys of a page of what an execution has, and the writers and hashes of its commits. The
    /// grave too: every page is read from the start, since what was on the ones before is gone.
    async fn remains(
        &self,
        id: &ExecutionId,
    ) -> Result<aws_sdk_dynamodb::operation::query::QueryOutput, StoreError> {
        let call = self
            .client
            .query()
            .table_name(self.table_name())
            .consistent_read(true)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", items::pk(id))
            .projection_expression("pk, sk, #writer, #hash")
            .expression_attribute_names("#writer", "writer")
            .expression_attribute_names("#hash", "hash")
            // With less than two it would never come to anything but the grave.
            .set_limit(self.page_items.map(|items| items.max(2)));
        call.send().await.map_err(|error| self.failed("dynamodb:Query", error))
    }

    async fn delete_one(
        &self,
        id: &ExecutionId,
        grave: &Grave,
        mut item: Item,
    ) -> Result<(), StoreError> {
        let (Some(writer), Some(hash)) = (item.remove("writer"), item.remove("hash")) else {
            return self.delete_item_of(id, grave, item).await;
        };
        let call = self.client.delete_item().table_name(self.table_name()).set_key(Some(item));
        let call = call
            .condition_expression("#writer = :writer AND #hash = :hash")
            .expression_attribute_names("#writer", "writer")
            .expression_attribute_names("#hash", "hash")
            .expression_attribute_values(":writer", writer)
            .expression_attribute_values(":hash", hash);
        self.deleted(call.send().await)
    }

    /// Deletes an inbox item, which is told from another one by nothing but its sender's id: only
    /// while the grave stands.
    async fn delete_item_of(
        &self,
        id: &ExecutionId,
        grave: &Grave,
        key: Item,
    ) -> Result<(), StoreError> {
        let mut check = ConditionCheck::builder()
            .table_name(self.table_name())
            .set_key(Some(items::key(id, text(items::RECORD))));
        let condition = condition(grave, |name, value| {
            check = check
                .clone()
                .expression_attribute_names(format!("#{name}"), name)
                .expression_attribute_values(format!(":old_{name}"), value);
        });
        let check = check.condition_expression(condition).build().map_err(incomplete)?;
        let delete = Delete::builder().table_name(self.table_name()).set_key(Some(key));
        let delete = delete.build().map_err(incomplete)?;
        let writes = [
            TransactWriteItem::builder().condition_check(check).build(),
            TransactWriteItem::builder().delete(delete).build(),
        ];
        self.transact(writes).await.map(drop)
    }

    /// What sets the grave's attributes.
    fn grave_in(&self, id: &ExecutionId, grave: &Grave) -> Update {
        let mut update = Update::default();
        for (name, value) in items::grave(id, grave, self.shards) {
            update.put(name, Some(value));
        }
        update
    }

    async fn write(
        &self,
        id: &ExecutionId,
        update: Update,
        condition: &str,
    ) -> Result<Written, StoreError> {
        let mut patience = Patience::default();
        loop {
            let call = self
                .client
                .update_item()
                .table_name(self.table_name())
                .set_key(Some(items::key(id, text(items::RECORD))))
                .update_expression(update.expression())
                .condition_expression(condition)
                .set_expression_attribute_names(Some(update.names.clone()))
                .set_expression_attribute_values(Some(update.values.clone()))
                .return_values_on_condition_check_failure(
                    ReturnValuesOnConditionCheckFailure::AllOld,
                );
            let Err(error) = call.send().await else { return Ok(Written::Done) };
            match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
                    return Ok(Written::Refused(
                        failed.item.clone().filter(|item| !item.is_empty()),
                    ));
                }
                Some(UpdateItemError::TransactionConflictException(_)) if patience.wait().await => {
                }
                _ => return Err(self.failed("dynamodb:UpdateItem", error)),
            }
        }
    }

    /// A deletion whose condition does not hold is done: what it was for is gone.
    fn deleted<T>(
        &self,
        answer: Result<
            T,
            aws_sdk_dynamodb::error::SdkError<
                DeleteItemError,
                aws_sdk_dynamodb::config::http::HttpResponse,
            >,
        >,
    ) -> Result<(), StoreError> {
        match answer {
            Ok(_) => Ok(()),
            Err(error) => match error.as_service_error() {
                Some(DeleteItemError::ConditionalCheckFailedException(_)) => Ok(()),
                _ => Err(self.failed("dynamodb:DeleteItem", error)),
            },
        }
    }
}

/// The condition that a record is this very grave; `with` is given each name and value in it.
fn condition(grave: &Grave, mut with: impl FnMut(&str, AttributeValue)) -> String {
    with("status", text(items::BURIED));
    with("look_at", number(grave.look_at.0));
    with("emptied", AttributeValue::Bool(grave.emptied));
    "#status = :old_status AND #look_at = :old_look_at AND #emptied = :old_emptied".to_owned()
}
