//! Scenarios: what users rely on, run under every kind of weather it makes sense in.
//!
//! A test calls [`check`] once, with the profiles, the app and the scenario. The scenario talks to
//! a [`World`]: it starts executions through its client and lets its hosts work, which live and
//! die as the profile says.

mod effects;
mod hosts;
mod log;
mod queue;
mod store;
mod world;

pub use effects::Effects;
pub use log::normal;
pub use world::World;

use std::rc::Rc;

use everstep::App;

/// A kind of weather, in memory and in virtual time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// P0: one warm process.
    Warm,
    /// P1: each commit ends the turn; a fresh host replays and goes on.
    NewTurns,
    /// P2: every wake is sent twice and received out of order.
    Twice,
    /// P3: the host is killed at one of its calls to store or queue, before or after it was made,
    /// for each of the calls.
    Killed,
    /// P4: a share of all calls is not made, or made and not answered.
    Faults,
    /// P6: two hosts, and every wake twice so that they race.
    TwoHosts,
}

/// Every profile.
pub const ALL: &[Profile] = &[
    Profile::Warm,
    Profile::NewTurns,
    Profile::Twice,
    Profile::Killed,
    Profile::Faults,
    Profile::TwoHosts,
];

/// The profiles in which no host dies and no call fails: each body runs exactly once an attempt.
pub const CALM: &[Profile] = &[Profile::Warm, Profile::NewTurns, Profile::Twice, Profile::TwoHosts];

/// One warm process.
pub const WARM: &[Profile] = &[Profile::Warm];

/// How many of a host's calls it is killed at, one a run.
const KILLS_MAX: u64 = 60;

/// Runs `scenario` under each of `profiles`, in a new world each time, and then verifies every log
/// that it left. `app` makes the hosts' program; the world adds its backend and the state
/// [`Effects`].
#[track_caller]
pub fn check(
    profiles: &[Profile],
    app: impl Fn() -> App + 'static,
    scenario: impl AsyncFn(&World),
) {
    let app: Rc<dyn Fn() -> App> = Rc::new(app);
    for profile in profiles {
        match profile {
            Profile::Warm | Profile::NewTurns | Profile::Twice | Profile::TwoHosts => {
                run(*profile, 0, &app, &scenario);
            }
            Profile::Faults => {
                for seed in 1..=4 {
                    run(*profile, seed, &app, &scenario);
                }
            }
            Profile::Killed => {
                let mut kill = 0;
                while run(*profile, kill, &app, &scenario) && kill < KILLS_MAX {
                    kill += 1;
                }
                assert!(kill > 0, "no host was ever killed");
            }
        }
    }
}

/// Whether the host was killed, if that was the plan.
fn run(
    profile: Profile,
    number: u64,
    app: &Rc<dyn Fn() -> App>,
    scenario: &impl AsyncFn(&World),
) -> bool {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let world = World::in_memory(profile, number, Rc::clone(app));
        let _named = Named(world.name());
        scenario(&world).await;
        world.verify().await;
        world.was_killed()
    })
}

/// Says under which profile a test has failed.
struct Named(String);

impl Drop for Named {
    #[expect(clippy::print_stderr, reason = "the output of a failing test")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("this was under the profile {}", self.0);
        }
    }
}
