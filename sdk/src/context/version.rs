//! Versions of a change to a workflow's code, for executions that were open when it was made.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use super::execution::expect_current;

/// Which version of the change `name` this run is on, out of those that this code knows: 1 is the
/// code before the change.
///
/// - A run that comes here for the first time is on the newest version, the end of `known`, and
///   stays on it: that is recorded.
/// - A run whose log shows that it was past this place before the code asked is on version 1.
/// - The answer is the same in the whole run, wherever and how often the same name is asked for.
///
/// It takes no place in the order of operations: it can be added while executions are open, moved
/// among the calls it decides about, and removed when nobody needs the choice any more. It costs
/// one small event the first time, in a write that is made anyway.
///
/// ```
/// # use everstep::prelude::*;
/// # #[step] async fn box_up(order: u64) -> everstep::Result<()> { let _ = order; Ok(()) }
/// # #[step] async fn bag_up(order: u64) -> everstep::Result<()> { let _ = order; Ok(()) }
/// #[workflow]
/// async fn fulfil(order: u64) -> everstep::Result<()> {
///     match version("packing", 1..=2) {
///         1 => box_up(order).await, // until no execution from before is open
///         _ => bag_up(order).await,
///     }
/// }
/// # let env = everstep::testing::Env::new(App::new().workflow(fulfil));
/// # env.run(fulfil, 7).unwrap();
/// # assert_eq!((env.runs("box_up"), env.runs("bag_up")), (0, 1));
/// ```
///
/// [`version_of`] does the same with an enum, and the compiler then watches over the branches.
/// `docs/guide/versions.md` is the life of a change from its first to its last deploy.
///
/// A run that is on a version which `known` does not have blocks its execution, with a reason that
/// names the change, the version and the range; it goes on when the code knows that version again.
/// So does a name that is empty, longer than 256 bytes or has control characters, an empty range,
/// and one that begins with 0.
///
/// # Panics
/// Outside a workflow.
#[track_caller]
#[must_use]
pub fn version(name: impl Into<Cow<'static, str>>, known: RangeInclusive<u32>) -> u32 {
    expect_current("everstep::version()").engine().version(name.into(), &known)
}

/// [`version`] as an enum with a variant for each version: a branch that is missing, or still there
/// for a version that is gone, does not compile.
///
/// ```
/// # use everstep::prelude::*;
/// # #[step] async fn box_up(order: u64) -> everstep::Result<()> { let _ = order; Ok(()) }
/// # #[step] async fn bag_up(order: u64) -> everstep::Result<()> { let _ = order; Ok(()) }
/// #[derive(Versions)]
/// enum Packing {
///     Boxes = 1,
///     Bags = 2,
/// }
///
/// #[workflow]
/// async fn fulfil(order: u64) -> everstep::Result<()> {
///     match version_of::<Packing>("packing") {
///         Packing::Boxes => box_up(order).await,
///         Packing::Bags => bag_up(order).await,
///     }
/// }
/// # let env = everstep::testing::Env::new(App::new().workflow(fulfil));
/// # env.run(fulfil, 7).unwrap();
/// # assert_eq!((env.runs("box_up"), env.runs("bag_up")), (0, 1));
/// ```
///
/// # Panics
/// Outside a workflow.
#[track_caller]
#[must_use]
pub fn version_of<V: Versions>(name: impl Into<Cow<'static, str>>) -> V {
    V::of_version(version(name, V::KNOWN))
}

/// The versions of a change that this code knows: `#[derive(Versions)]` on an enum whose variants
/// have no fields and count up without a gap, `enum Packing { Boxes = 1, Bags = 2 }`.
///
/// ```
/// use everstep::prelude::*;
///
/// #[derive(Versions)]
/// enum Packing {
///     Bags = 2, // nobody is on version 1, boxes, any more
///     Paper = 3,
/// }
/// assert_eq!(Packing::KNOWN, 2..=3);
///
/// #[workflow]
/// async fn pack(what: String) -> everstep::Result<String> {
///     Ok(match version_of::<Packing>("packing") {
///         Packing::Bags => format!("a bag of {what}"),
///         Packing::Paper => format!("{what} in paper"),
///     })
/// }
/// # let env = everstep::testing::Env::new(App::new().workflow(pack));
/// assert_eq!(env.run(pack, "cups".to_owned()).unwrap(), "cups in paper");
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not list versions",
    note = "put `#[derive(everstep::Versions)]` on an enum such as `enum Packing {{ Boxes = 1, Bags = 2 }}`"
)]
pub trait Versions: Sized {
    /// From the oldest to the newest.
    const KNOWN: RangeInclusive<u32>;

    /// The variant of a version in [`KNOWN`](Self::KNOWN); of another one, any.
    #[doc(hidden)]
    fn of_version(version: u32) -> Self;
}
