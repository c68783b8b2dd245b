//! Calls of payload stores and key providers that are made again while they get no answer.

use std::time::Duration;

use super::PayloadError;
use crate::limits::{PAYLOAD_CALL_MAX, WRITE_TRIES_MAX};

/// Makes a call until it is answered: [`WRITE_TRIES_MAX`] times over about two and a half seconds, if
/// each fails at once; and for [`PAYLOAD_CALL_MAX`], if it takes its time.
pub(super) async fn again<T, Fut>(mut call: impl FnMut() -> Fut) -> Result<T, PayloadError>
where
    Fut: Future<Output = Result<T, PayloadError>>,
{
    let calls = async {
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
    };
    in_time(calls).await
}

/// Makes one call, for [`PAYLOAD_CALL_MAX`].
pub(super) async fn in_time<T>(
    call: impl Future<Output = Result<T, PayloadError>>,
) -> Result<T, PayloadError> {
    tokio::time::timeout(PAYLOAD_CALL_MAX, call).await.unwrap_or_else(|_| {
        let seconds = PAYLOAD_CALL_MAX.as_secs();
        let reason = format!("nothing came of it within {seconds} seconds");
        Err(PayloadError::Unavailable { reason, source: None })
    })
}
