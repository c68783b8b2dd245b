//! Scenarios: what users rely on, run under every kind of weather it makes sense in.
//!
//! A test calls [`check`] once, with the profiles, the app and the scenario. The scenario talks to
//! a [`World`]: it starts executions through its client and lets its hosts work, which live and
//! die as the profile says.

mod beside;
mod effects;
mod hosts;
mod kills;
mod log;
mod queue;
mod store;
mod world;

pub use beside::{Backing, ELSEWHERE, beside, emulator, finished};
pub use effects::Effects;
pub use world::World;

use std::collections::BTreeMap;
use std::rc::Rc;

use everstep::App;
use serde_json::Value;

use kills::Kills;

/// A kind of weather, in virtual time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// P0: one warm process.
    Warm,
    /// P1: each commit ends the turn; a fresh host replays and goes on.
    NewTurns,
    /// P2: every wake is sent twice and received out of order.
    Twice,
    /// P3: the host is killed before or after it changed something in store or queue, for each of
    /// the changes.
    Killed,
    /// P4: a share of all calls is not made, or made and not answered.
    Faults,
    /// P5: DynamoDB, where each page of a log has one commit.
    Pages,
    /// P6: two hosts, and every wake twice so that they race.
    TwoHosts,
    /// P7: memory, SQLite and DynamoDB, in warm processes and with a new turn after each commit:
    /// the same log, event for event and commit for commit. Then P2, P3, P4 and P6 on SQLite and
    /// DynamoDB, those of them that the scenario is run in, with fewer deaths and seeds.
    Stores,
}

/// Every profile.
pub const ALL: &[Profile] = &[
    Profile::Warm,
    Profile::NewTurns,
    Profile::Twice,
    Profile::Killed,
    Profile::Faults,
    Profile::Pages,
    Profile::TwoHosts,
    Profile::Stores,
];

/// The profiles in which no host dies and no call fails: each body runs exactly once an attempt.
pub const CALM: &[Profile] = &[
    Profile::Warm,
    Profile::NewTurns,
    Profile::Twice,
    Profile::Pages,
    Profile::TwoHosts,
    Profile::Stores,
];

/// Every kind of weather, in memory: for what no store can make a difference to.
pub const MOST: &[Profile] = &[
    Profile::Warm,
    Profile::NewTurns,
    Profile::Twice,
    Profile::Killed,
    Profile::Faults,
    Profile::TwoHosts,
];

/// The calm profiles in memory: for what takes a thousand calls, which are slow on other stores.
pub const IN_MEMORY: &[Profile] =
    &[Profile::Warm, Profile::NewTurns, Profile::Twice, Profile::TwoHosts];

/// One warm process.
pub const WARM: &[Profile] = &[Profile::Warm];

/// How many seeds of faults a scenario meets.
const FAULT_SEEDS: u64 = 4;

/// At how many moments, at most, a host dies on each of the other stores, and of a scenario that is
/// run in [few](check_few) worlds.
const DEATHS_FEW: usize = 5;

/// How one world of a scenario is made.
#[derive(Debug, Clone, Copy)]
struct Plan {
    profile: Profile,
    backing: Backing,
    fate: Fate,
}

/// What goes wrong in one world.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Nothing,
    /// Calls fail by this seed.
    Seed(u64),
    /// The first host dies.
    Kill(kills::Moment),
}

/// What one world came to.
struct Outcome {
    kills: Kills,
    logs: Logs,
}

/// The commits of each execution, in a form that can be compared.
type Logs = BTreeMap<String, Vec<Value>>;

/// Runs `scenario` under each of `profiles`, in a new world each time, and then verifies every log
/// that it left. `app` makes the hosts' program; the world adds its backend and the state
/// [`Effects`].
#[track_caller]
pub fn check(
    profiles: &[Profile],
    app: impl Fn() -> App + 'static,
    scenario: impl AsyncFn(&World),
) {
    check_at(Backing::of_env(), profiles, app, scenario);
}

/// As [`check`], at home on `home` whatever the environment says: for what no other store can do.
#[track_caller]
pub fn check_at(
    home: Backing,
    profiles: &[Profile],
    app: impl Fn() -> App + 'static,
    scenario: impl AsyncFn(&World),
) {
    let app: Rc<dyn Fn() -> App> = Rc::new(app);
    for &profile in profiles {
        let run = |profile, backing, fate| run(Plan { profile, backing, fate }, &app, &scenario);
        let nothing = Fate::Nothing;
        match profile {
            Profile::Warm | Profile::NewTurns | Profile::Twice | Profile::TwoHosts => {
                run(profile, home, nothing);
            }
            Profile::Pages => {
                run(profile, Backing::OneItemPages, nothing);
            }
            Profile::Faults => {
                for seed in 1..=FAULT_SEEDS {
                    run(profile, home, Fate::Seed(seed));
                }
            }
            Profile::Killed => {
                let moments = run(profile, home, nothing).kills.moments();
                let died = |moment: &_| run(profile, home, Fate::Kill(*moment)).kills.died();
                let deaths = moments.iter().filter(|moment| died(moment)).count();
                assert!(deaths > moments.len() / 2, "{deaths} hosts of {} died", moments.len());
            }
            Profile::Stores => {
                for weather in [Profile::Warm, Profile::NewTurns] {
                    let expected = run(weather, Backing::Memory, nothing).logs;
                    for backing in [Backing::Sqlite, Backing::DynamoDb] {
                        let logs = run(weather, backing, nothing).logs;
                        log::same(&expected, &logs, &format!("{backing:?}, {weather:?}"));
                    }
                }
                // And whatever else the scenario goes through in memory, in fewer worlds.
                let met = |weather: &Profile| !matches!(weather, Profile::Warm | Profile::NewTurns);
                let others: Vec<_> = profiles.iter().copied().filter(met).collect();
                for &backing in ELSEWHERE {
                    few(backing, &others, &app, &scenario);
                }
            }
        }
    }
}

/// As [`check`], with one seed of faults and few deaths: for scenarios of thousands of calls.
#[track_caller]
pub fn check_few(
    profiles: &[Profile],
    app: impl Fn() -> App + 'static,
    scenario: impl AsyncFn(&World),
) {
    check_on(&[Backing::of_env()], profiles, app, scenario);
}

/// As [`check_few`], on each of `stores`. No two logs are compared: for programs that do not write
/// the same one everywhere, and for scenarios that one of these stores takes long for.
#[track_caller]
pub fn check_on(
    stores: &[Backing],
    profiles: &[Profile],
    app: impl Fn() -> App + 'static,
    scenario: impl AsyncFn(&World),
) {
    let app: Rc<dyn Fn() -> App> = Rc::new(app);
    for &backing in stores {
        few(backing, profiles, &app, &scenario);
    }
}

/// Runs `scenario` on one store in the weather of `profiles`, in few worlds.
fn few(
    backing: Backing,
    profiles: &[Profile],
    app: &Rc<dyn Fn() -> App>,
    scenario: &impl AsyncFn(&World),
) {
    for &profile in profiles {
        let run = |fate| run(Plan { profile, backing, fate }, app, scenario);
        match profile {
            Profile::Warm | Profile::NewTurns | Profile::Twice | Profile::TwoHosts => {
                run(Fate::Nothing);
            }
            Profile::Faults => _ = run(Fate::Seed(1)),
            Profile::Killed => {
                let moments = run(Fate::Nothing).kills.moments();
                // An odd number: some die before a call, some after it.
                let apart = (moments.len() / DEATHS_FEW + 1) | 1;
                for moment in moments.into_iter().step_by(apart) {
                    run(Fate::Kill(moment));
                }
            }
            // Which stores these are for is said by the profile.
            Profile::Pages | Profile::Stores => {}
        }
    }
}

fn run(plan: Plan, app: &Rc<dyn Fn() -> App>, scenario: &impl AsyncFn(&World)) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let world = World::new(plan, Rc::clone(app));
        let _named = Named(plan);
        scenario(&world).await;
        let logs = world.verify().await;
        Outcome { kills: world.kills.clone(), logs }
    })
}

/// Says under which profile a test has failed.
struct Named(Plan);

impl Drop for Named {
    #[expect(clippy::print_stderr, reason = "the output of a failing test")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("this was under {:?}", self.0);
        }
    }
}
