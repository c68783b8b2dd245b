//! Time, identity and randomness that come out the same on replay.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::execution::expect_current;
use crate::id::ExecutionId;

/// The time of the last thing the workflow saw happen: the end of a step, a timer, a signal; at
/// first, its start. It stands still between two awaits and costs no write.
///
/// ```
/// use everstep::prelude::*;
///
/// #[workflow]
/// async fn hours_taken(_input: ()) -> everstep::Result<i64> {
///     let begun = now();
///     sleep(hours(2)).await;
///     Ok((now() - begun).num_hours())
/// }
/// # let env = everstep::testing::Env::new(App::new().workflow(hours_taken));
/// # assert_eq!(env.run(hours_taken, ()).unwrap(), 2);
/// ```
///
/// # Panics
/// Outside a workflow.
#[track_caller]
#[must_use]
pub fn now() -> DateTime<Utc> {
    expect_current("everstep::now()").engine().now().into()
}

/// A random UUID (version 8) that is the same on replay and differs between executions and runs.
///
/// ```
/// use everstep::prelude::*;
///
/// #[workflow]
/// async fn parcel_number(_input: ()) -> everstep::Result<String> {
///     Ok(uuid().to_string())
/// }
/// # let env = everstep::testing::Env::new(App::new().workflow(parcel_number));
/// # assert_ne!(env.run(parcel_number, ()).unwrap(), env.run(parcel_number, ()).unwrap());
/// ```
///
/// # Panics
/// Outside a workflow.
#[track_caller]
#[must_use]
pub fn uuid() -> Uuid {
    expect_current("everstep::uuid()").engine().draw_uuid()
}

/// A random value that is the same on replay and differs between executions and runs: an integer
/// over its whole range, an `f64` in `[0, 1)`, a `bool`. Not for secrets: whoever knows the
/// execution's id can compute it.
///
/// ```
/// use everstep::prelude::*;
///
/// #[workflow]
/// async fn roll(_input: ()) -> everstep::Result<u8> {
///     Ok(random::<u8>() % 6 + 1)
/// }
/// # let env = everstep::testing::Env::new(App::new().workflow(roll));
/// # assert!((1..=6).contains(&env.run(roll, ()).unwrap()));
/// ```
///
/// # Panics
/// Outside a workflow.
#[track_caller]
#[must_use]
pub fn random<T: Random>() -> T {
    T::from_bytes(expect_current("everstep::random()").engine().draw())
}

/// The id of the execution this code runs in.
///
/// ```
/// use everstep::prelude::*;
///
/// #[workflow]
/// async fn who_am_i(_input: ()) -> everstep::Result<String> {
///     Ok(execution_id().to_string())
/// }
/// # let env = everstep::testing::Env::new(App::new().workflow(who_am_i));
/// # assert_eq!(env.run(who_am_i, ()).unwrap(), "e-1");
/// ```
///
/// # Panics
/// Outside a workflow.
#[track_caller]
#[must_use]
pub fn execution_id() -> ExecutionId {
    expect_current("everstep::execution_id()").engine().execution().clone()
}

/// What [`random`] can make.
///
/// ```
/// use everstep::Random;
/// use everstep::prelude::*;
///
/// /// One of these, by a number of any size.
/// fn one_of<T: Random + Into<u64>>(names: &[&str]) -> String {
///     let number: u64 = random::<T>().into();
///     names[(number % names.len() as u64) as usize].to_owned()
/// }
///
/// #[workflow]
/// async fn draw(_input: ()) -> everstep::Result<String> {
///     Ok(one_of::<u32>(&["Ada", "Alan"])) // the same on replay
/// }
/// # let env = everstep::testing::Env::new(App::new().workflow(draw));
/// assert!(env.run(draw, ()).unwrap().starts_with('A'));
/// ```
pub trait Random: sealed::Sealed {
    #[doc(hidden)]
    fn from_bytes(bytes: [u8; 32]) -> Self;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! random_integers {
    ($($integer:ty),*) => {$(
        impl sealed::Sealed for $integer {}
        impl Random for $integer {
            fn from_bytes(bytes: [u8; 32]) -> Self {
                let mut own = [0; size_of::<$integer>()];
                own.copy_from_slice(&bytes[..size_of::<$integer>()]);
                <$integer>::from_be_bytes(own)
            }
        }
    )*};
}

random_integers!(u8, u16, u32, u64, u128, i8, i16, i32, i64, i128);

impl sealed::Sealed for bool {}
impl Random for bool {
    fn from_bytes(bytes: [u8; 32]) -> Self {
        bytes[0] & 1 == 1
    }
}

impl sealed::Sealed for f64 {}
impl Random for f64 {
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit an f64 exactly")]
    fn from_bytes(bytes: [u8; 32]) -> Self {
        (u64::from_bytes(bytes) >> 11) as f64 / (1_u64 << 53) as f64
    }
}
