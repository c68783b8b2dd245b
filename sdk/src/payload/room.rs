//! How much of large payloads is in memory at once, beside the payloads themselves.

use std::sync::Arc;

use tokio::sync::{Semaphore, SemaphorePermit};

use super::PayloadError;
use crate::limits::{PAYLOAD_BYTES_AT_ONCE, PAYLOAD_ROOM_MAX, PAYLOAD_SMALL};

/// What permits stand for, in bytes: a semaphore has no more than so many.
const UNIT: usize = 1024;

/// The memory in which payloads are sealed and opened, or that in which those of histories are that are
/// archived. Clones share it.
///
/// Who holds room asks a payload store or an archive, for a time that is
/// [bounded](crate::limits::PAYLOAD_CALL_MAX), and never for more of the same room: so everybody gets
/// some, in the order in which they asked.
#[derive(Debug, Clone)]
pub(crate) struct Room(Arc<Semaphore>);

impl Room {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Semaphore::new(PAYLOAD_BYTES_AT_ONCE / UNIT)))
    }

    /// Waits for the room that a payload of `bytes` bytes takes. It is free again when the answer is
    /// dropped.
    pub(crate) async fn take(&self, bytes: usize) -> Option<SemaphorePermit<'_>> {
        if bytes < PAYLOAD_SMALL {
            return None;
        }
        let units = bytes.min(PAYLOAD_BYTES_AT_ONCE).div_ceil(UNIT);
        // Nobody closes it.
        self.0.acquire_many(u32::try_from(units).unwrap_or(u32::MAX)).await.ok()
    }

    /// The same for a payload, which waits for [`PAYLOAD_ROOM_MAX`] at most. Each that holds room has
    /// it for a bounded time, but how many are before this one is not bounded.
    ///
    /// # Errors
    /// Those before it have taken too long.
    pub(super) async fn take_in_time(
        &self,
        bytes: usize,
    ) -> Result<Option<SemaphorePermit<'_>>, PayloadError> {
        if bytes < PAYLOAD_SMALL {
            return Ok(None);
        }
        tokio::time::timeout(PAYLOAD_ROOM_MAX, self.take(bytes)).await.map_err(|_| {
            let seconds = PAYLOAD_ROOM_MAX.as_secs();
            let reason = format!("other payloads left it no room in memory for {seconds} seconds");
            PayloadError::Unavailable { reason, source: None }
        })
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;
    use crate::limits::PAYLOAD_BYTES_MAX;

    #[test]
    fn two_of_the_largest_have_room_and_the_third_waits_and_what_is_small_does_not() {
        let room = Room::new();
        let one = room.take(PAYLOAD_BYTES_MAX).now_or_never().flatten();
        let two = room.take(PAYLOAD_BYTES_MAX).now_or_never().flatten();
        assert!(one.is_some() && two.is_some());
        let mut three = Box::pin(room.take(PAYLOAD_SMALL));
        assert!(three.as_mut().now_or_never().is_none(), "there is no room");
        assert!(room.take(PAYLOAD_SMALL - 1).now_or_never().is_some(), "small ones need none");
        drop(one);
        assert!(three.now_or_never().flatten().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_payload_waits_for_room_for_a_bounded_time() {
        let room = Room::new();
        let all = room.take_in_time(PAYLOAD_BYTES_AT_ONCE).await.expect("there is room");
        let began = tokio::time::Instant::now();
        let error = room.take_in_time(PAYLOAD_SMALL).await.expect_err("there is none");
        assert!(error.is_retryable(), "{error}");
        assert_eq!(began.elapsed(), PAYLOAD_ROOM_MAX);
        assert!(room.take_in_time(PAYLOAD_SMALL - 1).await.expect("it needs none").is_none());
        drop(all);
        assert!(room.take_in_time(PAYLOAD_SMALL).await.expect("there is room").is_some());
    }

    #[test]
    fn what_is_larger_than_all_the_room_has_it_alone() {
        let room = Room::new();
        let all = room.take(usize::MAX).now_or_never().flatten();
        assert!(all.is_some());
        assert!(room.take(PAYLOAD_SMALL).now_or_never().is_none());
    }
}
