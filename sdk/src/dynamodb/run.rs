//! Doing a step's writes.

use std::fmt;
use std::future::{Future, IntoFuture};

use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{CancellationReason, TransactWriteItem};
use futures::future::{BoxFuture, FutureExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::error::{TransactError, Trouble, trouble};
use super::marker::{Name, result_of};
use super::markers::Markers;
use super::transact::Transact;
use crate::aws::{codes, passes};
use crate::context::{NoPart, begin_part, pause, read_back};
use crate::limits::{TRANSACT_WRITES_MAX, TRANSACTION_TRIES_MAX, VALUE_BYTES_MAX};

/// Does the writes that `plan` asks for, exactly once for the step it is called in: they and the result
/// are one transaction, and an attempt that finds it done returns that result, without running
/// `plan`.
///
/// `plan` may read whatever it likes. What it returns is a [`Transact`]: the result, and the writes with
/// their conditions. If a condition does not hold nothing is written, and the step gets
/// [`TransactError::Refused`] with the names of those writes.
///
/// ```no_run
/// use everstep::dynamodb::types::{AttributeValue, Update};
/// use everstep::dynamodb::{Markers, Transact, TransactError, transact};
/// use everstep::prelude::*;
///
/// #[step(skip(markers), retry_if = |error: &TransactError| !matches!(error, TransactError::Refused { .. }))]
/// async fn take(markers: &Markers, article: &str) -> Result<String, TransactError> {
///     transact(markers, async || {
///         let take = Update::builder()
///             .table_name("stock")
///             .key("article", AttributeValue::S(article.to_owned()))
///             .update_expression("ADD pieces :minus_one")
///             .condition_expression("pieces > :zero")
///             .expression_attribute_values(":minus_one", AttributeValue::N("-1".to_owned()))
///             .expression_attribute_values(":zero", AttributeValue::N("0".to_owned()));
///         let take = take.build().map_err(|error| TransactError::Invalid {
///             message: error.to_string(),
///         })?;
///         Ok(Transact::new(format!("one {article}")).update("stock", take))
///     })
///     .await
/// }
/// # fn main() {}
/// ```
///
/// Two hosts that run the same step at once (a lease has ended and its owner lives) may both run
/// `plan`; the writes of one are done, and both return its result.
///
/// # Errors
/// The step's own, from `plan`, or a [`TransactError`], which the step's error type takes by `From`;
/// [`everstep::Error`](crate::Error) does. In both cases this attempt has written nothing, but where
/// that error says so. The step's retries decide whether there is another attempt.
///
/// # Cancel safety
/// Dropping the future while the writes are under way leaves open whether they are done; the next
/// attempt finds out.
///
/// # Panics
/// Awaited in a workflow's own code, where it would run again at every replay.
pub fn transact<T, E, F, Fut>(markers: &Markers, plan: F) -> Transacting<'_, F>
where
    F: FnOnce() -> Fut + Send,
    Fut: Future<Output = Result<Transact<T>, E>> + Send,
    T: Serialize + DeserializeOwned + Send,
    E: From<TransactError> + Send,
{
    Transacting { markers, plan, part: String::new() }
}

/// Writes that are not planned yet; `.await` does them.
///
/// ```no_run
/// use everstep::dynamodb::types::{AttributeValue, Put};
/// use everstep::dynamodb::{Markers, Transact, TransactError, transact};
/// use everstep::prelude::*;
///
/// /// Two transactions of one step: each has a name, and is done once.
/// #[step(skip(markers))]
/// async fn book(markers: &Markers, order: &str) -> Result<(), TransactError> {
///     for table in ["books", "reports"] {
///         transact(markers, async || {
///             let id = AttributeValue::S(order.to_owned());
///             let put = Put::builder().table_name(table).item("id", id).build();
///             let put = put.map_err(|error| TransactError::Invalid { message: error.to_string() })?;
///             Ok::<_, TransactError>(Transact::new(()).put(table, put))
///         })
///         .part(table)
///         .await?;
///     }
///     Ok(())
/// }
/// # fn main() {}
/// ```
#[must_use = "nothing is written unless it is awaited"]
pub struct Transacting<'a, F> {
    markers: &'a Markers,
    plan: F,
    part: String,
}

impl<F> Transacting<'_, F> {
    /// Names these writes among several of one step. The names are for ever: an attempt that does not
    /// find the marker of `part` does it. Without one they are the step's only writes; a second time with
    /// the same name in one attempt is [refused](TransactError::Twice).
    pub fn part(mut self, part: impl Into<String>) -> Self {
        self.part = part.into();
        self
    }
}

impl<'a, T, E, F, Fut> IntoFuture for Transacting<'a, F>
where
    F: FnOnce() -> Fut + Send + 'a,
    Fut: Future<Output = Result<Transact<T>, E>> + Send,
    T: Serialize + DeserializeOwned + Send,
    E: From<TransactError> + Send,
{
    type Output = Result<T, E>;
    type IntoFuture = BoxFuture<'a, Result<T, E>>;

    #[track_caller]
    fn into_future(self) -> Self::IntoFuture {
        let Self { markers, plan, part } = self;
        let begun = begin_part("everstep::dynamodb::transact()", &part);
        async move {
            let name = match begun {
                Ok(step) => Name::new(step, &part),
                Err(NoPart::Twice) => return Err(TransactError::Twice { part }.into()),
                Err(NoPart::OutsideStep) => return Err(TransactError::OutsideStep.into()),
            };
            if let Some(result) = find(&name, markers).await? {
                return Ok(read(&result)?);
            }
            let wanted = match plan().await {
                Ok(wanted) => wanted,
                // Another host may have been faster, and what the plan has seen is its doing.
                Err(error) => match find(&name, markers).await? {
                    Some(result) => return Ok(read(&result)?),
                    None => return Err(error),
                },
            };
            Ok(write(&name, markers, wanted).await?)
        }
        .boxed()
    }
}

impl<F> fmt::Debug for Transacting<'_, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transacting").field("part", &self.part).finish_non_exhaustive()
    }
}

/// The result in the step's marker, if there is one.
async fn find(name: &Name, markers: &Markers) -> Result<Option<String>, TransactError> {
    let mut tries = 1;
    loop {
        match name.find(markers).await {
            Ok(found) => return Ok(found),
            Err(Trouble::Never(error)) => return Err(error),
            Err(Trouble::Again { message, .. }) if tries == TRANSACTION_TRIES_MAX => {
                return Err(TransactError::Unavailable { message });
            }
            Err(Trouble::Again { .. }) => tokio::time::sleep(pause(tries)).await,
        }
        tries += 1;
    }
}

/// Writes marker and all, or finds that it was done.
async fn write<T: Serialize + DeserializeOwned>(
    name: &Name,
    markers: &Markers,
    wanted: Transact<T>,
) -> Result<T, TransactError> {
    let Transact { result, names, writes } = wanted;
    if writes.len() > TRANSACT_WRITES_MAX {
        return Err(TransactError::TooMany { count: writes.len(), most: TRANSACT_WRITES_MAX });
    }
    let unrecordable = |message| TransactError::Unrecordable { message };
    let (result, json) = read_back(&result).map_err(unrecordable)?;
    let bytes = json.as_str().len();
    if bytes > VALUE_BYTES_MAX {
        // Wherever the log has room for more: an item has 400 KB.
        let message = format!("it has {bytes} bytes and a marker takes {VALUE_BYTES_MAX}");
        return Err(unrecordable(message));
    }
    let marker = name.write(markers, &json)?;
    let items: Vec<TransactWriteItem> = std::iter::once(marker).chain(writes).collect();
    // The same for all tries: one that repeats what was done is told so.
    let token = Uuid::new_v4().to_string();
    let mut doubt = false;
    let mut tries = 1;
    loop {
        let message = match once(markers, &items, &token).await {
            Ended::Done => return Ok(result),
            Ended::Marked(recorded) => return read(&recorded),
            Ended::Refused(refused) => {
                // Not every condition that did not hold has to be named.
                match find(name, markers).await {
                    Ok(Some(recorded)) => return read(&recorded),
                    Ok(None) => {}
                    Err(error) if doubt => {
                        return Err(TransactError::InDoubt { message: error.to_string() });
                    }
                    Err(error) => return Err(error),
                }
                if doubt {
                    // A try without an answer may still be on its way.
                    let message = "a condition does not hold any more".to_owned();
                    return Err(TransactError::InDoubt { message });
                }
                let named = |at: &usize| names.get(*at).cloned();
                return Err(TransactError::Refused {
                    writes: refused.iter().filter_map(named).collect(),
                });
            }
            Ended::Trouble(Trouble::Never(error)) if doubt => {
                return Err(TransactError::InDoubt { message: error.to_string() });
            }
            Ended::Trouble(Trouble::Never(error)) => return Err(error),
            Ended::Trouble(Trouble::Again { message, in_doubt }) => {
                doubt |= in_doubt;
                message
            }
        };
        if tries == TRANSACTION_TRIES_MAX {
            return Err(match doubt {
                true => TransactError::InDoubt { message },
                false => TransactError::Unavailable { message },
            });
        }
        tracing::debug!(part = name.part(), tries, message, "writes again");
        tokio::time::sleep(pause(tries)).await;
        tries += 1;
    }
}

/// How one try ended.
enum Ended {
    Done,
    /// There is a marker already, with this result.
    Marked(String),
    /// The conditions of these writes did not hold.
    Refused(Vec<usize>),
    Trouble(Trouble),
}

async fn once(markers: &Markers, items: &[TransactWriteItem], token: &str) -> Ended {
    let call = markers.client.transact_write_items().set_transact_items(Some(items.to_vec()));
    let Err(error) = call.client_request_token(token).send().await else { return Ended::Done };
    let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) =
        error.as_service_error()
    else {
        return Ended::Trouble(trouble(&error));
    };
    let reasons = cancelled.cancellation_reasons();
    let refused = |reason: &&CancellationReason| reason.code() == Some("ConditionalCheckFailed");
    if let Some(marker) = reasons.first().filter(refused) {
        // Whatever else did not hold: that is what the first time has changed.
        return Ended::Marked(marker.item().map(result_of).unwrap_or_default());
    }
    let writes = reasons.iter().skip(1).enumerate();
    let writes: Vec<usize> =
        writes.filter(|(_, reason)| refused(reason)).map(|(at, _)| at).collect();
    if !writes.is_empty() {
        return Ended::Refused(writes);
    }
    let message = codes(reasons);
    Ended::Trouble(match reasons.iter().all(|reason| passes(reason.code())) {
        true => Trouble::Again { message, in_doubt: false },
        false => Trouble::Never(TransactError::Invalid { message }),
    })
}

/// What a marker says.
fn read<T: DeserializeOwned>(result: &str) -> Result<T, TransactError> {
    let read = serde_json::from_str(result);
    read.map_err(|error| TransactError::Unreadable { message: error.to_string() })
}
