//! Calls of a payload store that go on by themselves.

use tokio::task::JoinSet;

use crate::payload::PayloadError;

/// Does `work` in a task of its own, which ends when this is dropped.
///
/// Whoever stores or fetches a part holds [room](crate::payload::room) meanwhile, for a time that is
/// bounded only if it goes on. Who reads an attachment polls when he likes, and may be waiting for
/// room himself.
pub(super) async fn in_task<T: Send + 'static>(
    work: impl Future<Output = Result<T, PayloadError>> + Send + 'static,
) -> Result<T, PayloadError> {
    let mut task = JoinSet::new();
    task.spawn(work);
    match task.join_next().await {
        Some(Ok(answer)) => answer,
        Some(Err(error)) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        _ => {
            let reason = "the program stops".to_owned();
            Err(PayloadError::Unavailable { reason, source: None })
        }
    }
}
