//! A commit, and the writes of a step in one transaction with it.

use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{CancellationReason, TransactWriteItem};
use uuid::Uuid;

use super::errors::{Fault, cause, classify};
use super::items::{self, Item};
use super::store::DynamoStore;
use super::transact::{ACTIONS, Patience, codes, passes};
use crate::event::StoredCommit;
use crate::id::{ExecutionId, Life};
use crate::store::{Appended, AppendedWith, Refusal, StoreError, Writes};

/// What the store takes as [`Writes`].
pub(crate) struct WithCommit(pub(crate) Vec<TransactWriteItem>);

/// How many writes of the transaction are the store's: the commit, and the record's life.
const OURS: usize = 2;

impl DynamoStore {
    /// The commit, on condition that its number is free; the record, on condition that it is of the
    /// commit's life, for a stray must not take writes along; and the writes.
    ///
    /// Each try has the commit's writer as its token: one that repeats what was done is a success.
    pub(super) async fn transact_append(
        &self,
        id: &ExecutionId,
        commit: &StoredCommit,
        writes: &Writes,
    ) -> Result<AppendedWith, StoreError> {
        let Some(WithCommit(writes)) = writes.downcast_ref() else {
            return Ok(AppendedWith::Refused(Refusal::NotTaken));
        };
        let Some(life) = commit.life else {
            let number = commit.number;
            let problem = format!("commit {number} has writes and does not say for which life");
            return Err(StoreError::Corrupt { id: id.clone(), problem });
        };
        let item = items::commit_item(id, commit, life.born())?;
        let mut put = self.put_if_absent(item.clone())?;
        let mut token = commit.writer.to_string();
        let mut patience = Patience::default();
        loop {
            let ours = [put.clone(), self.alive(id, life)?];
            let items = ours.into_iter().chain(writes.iter().cloned()).collect();
            let call = self.client.transact_write_items().set_transact_items(Some(items));
            let Err(error) = call.client_request_token(&token).send().await else {
                return Ok(AppendedWith::Appended(Appended::Done));
            };
            let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) =
                error.as_service_error()
            else {
                return self.not_taken(&error);
            };
            let reasons = cancelled.cancellation_reasons();
            let said = || codes(reasons);
            match Cancelled::by(reasons) {
                Cancelled::Gone => return Ok(AppendedWith::Appended(Appended::Gone)),
                Cancelled::Taken(there) => match items::read_born(id, &there)? {
                    Some(stray) if life != Life::Born(stray) => {
                        put = self.put_in_place_of(item.clone(), stray)?;
                        // It is another transaction now.
                        token = Uuid::new_v4().to_string();
                        if !patience.wait().await {
                            return Err(self.busy(id));
                        }
                    }
                    _ => {
                        let by = items::read_writer(id, there)?;
                        return Ok(AppendedWith::Appended(Appended::Taken { by }));
                    }
                },
                Cancelled::Conditions(places) => {
                    return Ok(AppendedWith::Refused(Refusal::Conditions(places)));
                }
                Cancelled::Busy { ours } => {
                    if patience.wait().await {
                        continue;
                    }
                    if !ours {
                        return Ok(AppendedWith::Refused(Refusal::Unavailable(said())));
                    }
                    let reason =
                        format!("transactions on {} are cancelled: {}", self.place, said());
                    return Err(StoreError::unavailable(reason, cause(&error)));
                }
                Cancelled::Invalid { ours: false } => {
                    return Ok(AppendedWith::Refused(Refusal::Invalid(said())));
                }
                Cancelled::Invalid { ours: true } => {
                    let remedy = format!("{} does not take a transaction: {}", self.place, said());
                    return Err(StoreError::unusable(remedy, cause(&error)));
                }
            }
        }
    }

    /// What a call came to that was no transaction. The log has just taken a commit of this turn: what
    /// DynamoDB does not take are the writes.
    fn not_taken(
        &self,
        error: &SdkError<TransactWriteItemsError, HttpResponse>,
    ) -> Result<AppendedWith, StoreError> {
        match (classify(ACTIONS, &self.place, error), error.as_service_error()) {
            (Fault::Later(reason), _) => Err(StoreError::unavailable(reason, cause(error))),
            (Fault::Never(remedy), None) => Err(StoreError::unusable(remedy, cause(error))),
            (Fault::Never(_), Some(service)) => {
                let code = service.code().unwrap_or("refused");
                let message = format!("{code}: {}", service.message().unwrap_or("no reason given"));
                Ok(AppendedWith::Refused(Refusal::Invalid(message)))
            }
        }
    }
}

/// Why a transaction was cancelled.
enum Cancelled {
    /// The record is of another life.
    Gone,
    /// The commit's number has this item.
    Taken(Item),
    /// Conditions of the writes in these places did not hold. The number may be taken all the same, also
    /// by a try of this very commit: not every condition that did not hold is named.
    Conditions(Vec<usize>),
    /// It may succeed later.
    Busy { ours: bool },
    /// It never will.
    Invalid { ours: bool },
}

impl Cancelled {
    fn by(reasons: &[CancellationReason]) -> Self {
        let failed = |reason: &CancellationReason| reason.code() == Some("ConditionalCheckFailed");
        let passes = |reason: &CancellationReason| passes(reason.code());
        let quiet = |reason: &CancellationReason| matches!(reason.code(), None | Some("None"));
        let (ours, theirs) = reasons.split_at(OURS.min(reasons.len()));
        if let [_, record] = ours
            && failed(record)
        {
            return Self::Gone;
        }
        if let [commit, ..] = ours
            && failed(commit)
        {
            return Self::Taken(commit.item.clone().unwrap_or_default());
        }
        if theirs.iter().any(failed) {
            let places = theirs.iter().enumerate().filter(|(_, reason)| failed(reason));
            return Self::Conditions(places.map(|(place, _)| place).collect());
        }
        if reasons.iter().all(passes) {
            return Self::Busy { ours: !ours.iter().all(quiet) };
        }
        Self::Invalid { ours: !ours.iter().all(passes) }
    }
}
