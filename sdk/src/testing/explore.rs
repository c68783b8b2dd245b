//! A workflow in weather that seeds decide.

use std::any::Any;
use std::collections::BTreeSet;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::env::{Env, Execution, Weather};
use super::everywhere::{Crashes, compare, told};

/// Explores this seed alone.
const SEED_VARIABLE: &str = "EVERSTEP_EXPLORE_SEED";

/// What [`explore`] has seen.
///
/// ```
/// # use everstep::prelude::*;
/// # use everstep::testing::Env;
/// use everstep::testing::{Explored, explore};
/// # #[step] async fn charge(card: &str) -> everstep::Result<String> { Ok(card.to_owned()) }
/// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { charge(&card).await }
///
/// let seen: Explored = explore(
///     0..10,
///     || Env::new(App::new().workflow(sell)),
///     |env| env.start(sell, "4242".to_owned()),
/// );
/// assert_eq!((seen.seeds, seen.interrupted), (10, 0));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explored {
    /// How many seeds were tried.
    pub seeds: usize,
    /// How many calls failed and hosts died in all of them.
    pub incidents: usize,
    /// The steps, such as `charge#1`, whose body ran to its end more than once in one of them,
    /// since its result was not written: a host died, or the store did not answer.
    pub repeated: BTreeSet<String>,
    /// How many seeds interrupted an `at_most_once` step: what the execution came to may differ,
    /// and was not compared.
    pub interrupted: usize,
}

/// Tells `story` once in good weather, and then once for each seed, in a new `env` where
///
/// - two hosts race for every wake, with clocks that are wrong by up to two seconds;
/// - wakes come twice, and late by up to half a minute;
/// - calls of store and queue are slow;
/// - for every odd seed, calls fail: before they are made, as a throttle or a time-out does, or
///   after, so that what is written is not known to be; and hosts die and are replaced.
///
/// What the log says of operations and the result must be the same each time. Where nothing fails
/// each body must run exactly as often, elsewhere no more often than something failed.
///
/// `story` starts the execution that is looked at and sends what it needs with
/// [`signal_after`](Execution::signal_after), as for [`crash_everywhere`](super::crash_everywhere).
/// A workflow whose result depends on how long something takes may differ for that alone: leave a
/// minute or two between what competes.
///
/// With the variable `EVERSTEP_EXPLORE_SEED` only that seed is tried: a failure says which. The
/// same seed is the same weather; back-offs with jitter are random all the same.
///
/// ```
/// use everstep::prelude::*;
/// use everstep::testing::{Env, explore};
///
/// # #[step] async fn charge(card: &str) -> everstep::Result<String> { Ok(card.to_owned()) }
/// # #[workflow] async fn sell(card: String) -> everstep::Result<String> { sleep(days(1)).await; charge(&card).await }
/// let explored = explore(
///     0..20,
///     || Env::new(App::new().workflow(sell)),
///     |env| env.start(sell, "4242".to_owned()),
/// );
/// assert!(explored.incidents > 0);
/// ```
///
/// # Panics
/// For one of the seeds, which is named, something is different; or the execution is blocked, or
/// does not end.
#[track_caller]
pub fn explore<T, E>(
    seeds: Range<u64>,
    env: impl Fn() -> Env,
    story: impl Fn(&Env) -> Execution<T, E>,
) -> Explored {
    let clean = told(&env(), &story);
    if let Some(reason) = &clean.blocked {
        panic!("in good weather the execution is blocked: {reason}");
    }
    let only = std::env::var(SEED_VARIABLE).ok().and_then(|seed| seed.parse::<u64>().ok());
    let seeds = only.map_or(seeds, |seed| seed..seed + 1);
    let mut seen = Crashes::default();
    let mut explored = Explored::default();
    for seed in seeds {
        let weather = Weather::new(seed);
        let tale = catch_unwind(AssertUnwindSafe(|| {
            let env = env();
            env.world().set_weather(weather.clone());
            told(&env, &story)
        }));
        let incidents = weather.incidents();
        let compared = match tale {
            Ok(tale) => compare(&clean, &tale, incidents, &mut seen),
            Err(panic) => match text(&*panic) {
                Some(text) => Err(text.to_owned()),
                None => resume_unwind(panic),
            },
        };
        if let Err(difference) = compared {
            let thread = std::thread::current();
            let test = thread.name().unwrap_or_default();
            panic!(
                "seed {seed}, with {incidents} incidents: {difference}\nto repeat it: \
                 {SEED_VARIABLE}={seed} cargo test {test}"
            );
        }
        explored.seeds += 1;
        explored.incidents += incidents;
    }
    Explored { repeated: seen.repeated, interrupted: seen.interrupted, ..explored }
}

fn text(panic: &(dyn Any + Send)) -> Option<&str> {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
}
