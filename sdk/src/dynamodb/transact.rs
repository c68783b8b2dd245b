//! What a step wants written, and its result.

use aws_sdk_dynamodb::types::{ConditionCheck, Delete, Put, TransactWriteItem, Update};

/// Writes that are one transaction, and what the step returns when they are done.
///
/// Each write has a name, by which a [refusal](super::TransactError::Refused) speaks of it. At most
/// [99](crate::limits::TRANSACT_WRITES_MAX) writes, of different items.
#[derive(Debug, Clone)]
#[must_use = "nothing is written unless the closure of `transact` returns it"]
pub struct Transact<T> {
    pub(super) result: T,
    pub(super) names: Vec<String>,
    pub(super) writes: Vec<TransactWriteItem>,
}

impl<T> Transact<T> {
    /// No writes yet, and this result. Without any, only the result is kept.
    pub fn new(result: T) -> Self {
        Self { result, names: Vec::new(), writes: Vec::new() }
    }

    /// Puts an item.
    pub fn put(self, name: impl Into<String>, put: Put) -> Self {
        self.write(name, TransactWriteItem::builder().put(put).build())
    }

    /// Changes an item.
    pub fn update(self, name: impl Into<String>, update: Update) -> Self {
        self.write(name, TransactWriteItem::builder().update(update).build())
    }

    /// Deletes an item.
    pub fn delete(self, name: impl Into<String>, delete: Delete) -> Self {
        self.write(name, TransactWriteItem::builder().delete(delete).build())
    }

    /// Writes the rest only if this holds.
    pub fn check(self, name: impl Into<String>, check: ConditionCheck) -> Self {
        self.write(name, TransactWriteItem::builder().condition_check(check).build())
    }

    fn write(mut self, name: impl Into<String>, write: TransactWriteItem) -> Self {
        self.names.push(name.into());
        self.writes.push(write);
        self
    }
}
