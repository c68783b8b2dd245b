//! Telling executions apart that have had one id, one after the other.
//!
//! A host may be late by so much that the execution it has read was deleted, and its id belongs to
//! another one. Whatever it changes of the record or of the inbox is on condition of the life that it
//! is for. An append is not: it would have to look at the record, in a transaction, which costs twice
//! as much for each step. So a commit carries the number of its life, and one that lands late is a
//! *stray*: a load leaves it out, and who needs its number puts the commit that belongs there in its
//! place. That is a transaction, for it may be the other who is late.

use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::types::{Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem};
use futures::stream::{self, StreamExt, TryStreamExt};

use super::items::{self, BORN, Item, born_value, number};
use super::store::DynamoStore;
use super::transact::{Outcome, Patience, incomplete};
use super::update::Update;
use crate::id::{Born, ExecutionId, Life};
use crate::store::{Appended, SeenItem, StoreError};

/// How many deletions of inbox items run at once.
const PARALLEL: usize = 16;

/// The condition that a record is of this life.
pub(super) fn is(update: &mut Update, life: Life) -> String {
    let born = is_born(update, life.born());
    match life {
        Life::Born(_) => born,
        Life::Since(at) => {
            update.name("started_at");
            update.value("since", number(at.0));
            format!("{born} AND #started_at = :since")
        }
    }
}

/// The condition that a record has this number, or none.
pub(super) fn is_born(update: &mut Update, born: Option<Born>) -> String {
    update.name(BORN);
    match born {
        Some(born) => {
            update.value(BORN, born_value(born));
            format!("#{BORN} = :{BORN}")
        }
        None => format!("attribute_not_exists(#{BORN})"),
    }
}

impl DynamoStore {
    /// Puts a commit in the place of the stray one that was written for the life `stray`: if the record
    /// is of `life`, or else it is this writer who is late. `None` if there is no such stray any more.
    pub(super) async fn put_over(
        &self,
        id: &ExecutionId,
        life: Life,
        commit: Item,
        stray: Born,
    ) -> Result<Option<Appended>, StoreError> {
        let writes = [self.alive(id, life)?, self.put_in_place_of(commit, stray)?];
        Ok(match self.transact(writes).await? {
            Outcome::Done => Some(Appended::Done),
            Outcome::Refused([Some(_), _]) => Some(Appended::Gone),
            Outcome::Refused([None, _]) => None,
        })
    }

    /// Nothing of the record is changed, on condition that it is of this life. An update: a check takes
    /// a permission that hosts need for nothing else.
    pub(super) fn alive(
        &self,
        id: &ExecutionId,
        life: Life,
    ) -> Result<TransactWriteItem, StoreError> {
        let mut update = Update::default();
        let alive = is(&mut update, life);
        match life {
            Life::Born(born) => update.put(BORN, Some(born_value(born))),
            Life::Since(at) => update.put("started_at", Some(number(at.0))),
        }
        self.update_record(id, update, &alive)
    }

    /// Writes a commit over the stray one of the life `stray`.
    pub(super) fn put_in_place_of(
        &self,
        commit: Item,
        stray: Born,
    ) -> Result<TransactWriteItem, StoreError> {
        let put = Put::builder()
            .table_name(self.table_name())
            .set_item(Some(commit))
            .condition_expression("#born = :stray")
            .expression_attribute_names("#born", BORN)
            .expression_attribute_values(":stray", born_value(stray))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .map_err(incomplete)?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    /// What a call says that found another execution at each of its tries.
    pub(super) fn busy(&self, id: &ExecutionId) -> StoreError {
        let reason = format!("execution {id} is deleted and started anew again and again");
        StoreError::Unavailable { reason, source: None }
    }

    pub(super) async fn remove_items_of(
        &self,
        id: &ExecutionId,
        life: Life,
        seen: &[SeenItem],
    ) -> Result<(), StoreError> {
        let mut deletions = Vec::with_capacity(seen.len());
        for item in seen {
            if items::is_storable_id(&item.id) {
                deletions.push(self.remove_item_of(id, life, item));
            }
        }
        let deletions = stream::iter(deletions).buffer_unordered(PARALLEL);
        deletions.try_for_each(|()| std::future::ready(Ok(()))).await
    }

    /// One by one: a batch takes no conditions. An item without a number was sent by a program of before
    /// there were any.
    async fn remove_item_of(
        &self,
        id: &ExecutionId,
        life: Life,
        item: &SeenItem,
    ) -> Result<(), StoreError> {
        let mut patience = Patience::default();
        loop {
            let call = self
                .client
                .delete_item()
                .table_name(self.table_name())
                .set_key(Some(items::key(id, items::inbox_sk(&item.id))))
                .expression_attribute_names("#born", BORN)
                .expression_attribute_names("#arrival", "arrival")
                .expression_attribute_values(":arrival", number(item.arrival));
            let call = match life {
                Life::Born(born) => call
                    .condition_expression(
                        "#arrival = :arrival AND (attribute_not_exists(#born) OR #born = :born)",
                    )
                    .expression_attribute_values(":born", born_value(born)),
                Life::Since(_) => {
                    call.condition_expression("#arrival = :arrival AND attribute_not_exists(#born)")
                }
            };
            let Err(error) = call.send().await else { return Ok(()) };
            match error.as_service_error() {
                Some(DeleteItemError::ConditionalCheckFailedException(_)) => return Ok(()),
                // Somebody sends it again at this very moment.
                Some(DeleteItemError::TransactionConflictException(_)) if patience.wait().await => {
                }
                _ => return Err(self.failed("dynamodb:DeleteItem", error)),
            }
        }
    }
}
