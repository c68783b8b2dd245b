//! Calls of payload stores that are made again while they get no answer.

use std::time::Duration;

use super::PayloadError;
use crate::limits::WRITE_TRIES_MAX;

/// Makes a call until it is answered, [`WRITE_TRIES_MAX`] times over about two and a half seconds.
pub(super) async fn again<T, Fut>(mut call: impl FnMut() -> Fut) -> Result<T, PayloadError>
where
    Fut: Future<Output = Result<T, PayloadError>>,
{
    let mut tries = 1;
    loop {
        match call().await {
            Err(error) if error.is_retryable() && tries < WRITE_TRIES_MAX => {
                tracing::debug!(%error, "the payload store is asked again");
                tokio::time::sleep(Duration::from_millis(10 << tries)).await;
                tries += 1;
            }
            answer => return answer,
        }
    }
}
