//! A trip: four bookings, all or nothing, whatever crashes.
//!
//! ```console
//! $ cargo run -p trip                             # a trip for Ada
//! $ cargo run -p trip -- --fail-at concert        # three bookings, and all three undone
//! $ cargo run -p trip -- --fail-at car --closed flight   # an undo that fails for good
//! ```
//!
//! The log is in `everstep.db` unless `EVERSTEP_URL` names another backend. A trip that is killed
//! on its way, booking or undoing, goes on when it is run again with its `--id` and the same arguments.

#![allow(clippy::print_stdout, reason = "talking on the terminal is what it is for")]
#![allow(unreachable_pub, reason = "in a program of three files `pub` reads better")]

mod workflow;
mod world;

use std::path::PathBuf;

use clap::Parser;
use everstep::backend::{DEFAULT_URL, URL_VARIABLE};
use everstep::client::ResultError;
use everstep::event::{CompensationCause, Event};
use everstep::prelude::*;

use workflow::{Service, Trip, book_trip};
use world::World;

/// Books a trip, all or nothing.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// The trip's name. Running the same one again goes on with it.
    #[arg(long)]
    id: Option<ExecutionId>,
    /// What is sold out: all that was booked before is then undone.
    #[arg(long, value_name = "STEP")]
    fail_at: Option<Service>,
    /// Whose desk takes no booking back: that undo fails for good.
    #[arg(long, value_name = "STEP")]
    closed: Option<Service>,
    /// The file that plays the outside world: every booking is a row in it.
    #[arg(long, value_name = "PATH", default_value = "trip-world.db")]
    world: PathBuf,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let url = std::env::var(URL_VARIABLE).unwrap_or_else(|_| DEFAULT_URL.to_owned());
    let backend = Backend::from_url(&url).await?;
    let world = World::open(&args.world)?;

    let id = args.id.unwrap_or_else(ExecutionId::random);
    let trip = Trip { traveller: id.to_string(), sold_out: args.fail_at, closed: args.closed };
    println!("{id}: flight, hotel, car and concert\nlog: {url}\n");
    let handle = Client::new(&backend).start(book_trip, trip).id(id.clone()).await?;
    let app = app(world.clone()).backend(backend).observe(move |_, event| happened(event));
    let result = app.worker().await?.run_until(handle.result()).await?;

    println!("\nwhat the outside world has ({}):", args.world.display());
    for (service, released) in world.bookings(id.as_str())? {
        println!("  {service:<9}{}", if released { "released" } else { "booked" });
    }
    println!();
    match result {
        Ok(_) => println!("{id} is booked"),
        Err(ResultError::Failed(error)) => println!("no trip: {error}. Nothing is left of it"),
        Err(ResultError::NotUndone { ended, undo_steps }) => {
            println!("no trip ({ended}), and something is left of it:");
            for step in undo_steps {
                println!("  {step} failed for good: `everstep history {id}` says why");
            }
        }
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

/// The program: its workflow, and what that needs.
fn app(world: World) -> App {
    App::new().workflow(book_trip).state(world).version(env!("CARGO_PKG_VERSION"))
}

/// Says what just became durable.
fn happened(event: &Event) {
    match event {
        Event::StepCompleted(e) => println!("  done    {:<22}{}", e.key.to_string(), e.output),
        Event::StepAttemptFailed(e) => {
            println!("  retry   {:<22}{}", e.key.to_string(), e.failure.message());
        }
        Event::StepFailed(e) => {
            println!("  failed  {:<22}{}", e.key.to_string(), e.failure.message());
        }
        Event::CompensationStarted(e) => match &e.cause {
            CompensationCause::Cancelled { reason } => println!("  undo    cancelled: {reason}"),
            _ => println!("  undo    what was booked, the last first"),
        },
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use everstep::testing::{Env, crash_everywhere};

    use super::*;

    /// A world of its own for each test, and an app in it.
    fn stage() -> (tempfile::TempDir, World, Env) {
        let folder = tempfile::tempdir().unwrap();
        let world = World::open(&folder.path().join("world.db")).unwrap();
        let env = Env::new(app(world.clone()));
        (folder, world, env)
    }

    fn trip(sold_out: Option<Service>, closed: Option<Service>) -> Trip {
        Trip { traveller: "Ada".to_owned(), sold_out, closed }
    }

    #[test]
    fn a_trip_is_four_bookings() {
        let (_folder, world, env) = stage();
        let booked = env.run(book_trip, trip(None, None)).unwrap();
        assert_eq!(booked.len(), 4);
        assert!(world.bookings("Ada").unwrap().iter().all(|(_, released)| !released));
    }

    #[test]
    fn wherever_it_fails_nothing_stays_booked() {
        for (service, booked) in [
            (Service::Flight, 0),
            (Service::Hotel, 1),
            // The concert is booked beside the car.
            (Service::Car, 3),
            (Service::Concert, 3),
        ] {
            let (_folder, world, env) = stage();
            let failing = env.start(book_trip, trip(Some(service), None));
            assert!(matches!(failing.result(), Err(ResultError::Failed(_))), "at {service}");
            let bookings = world.bookings("Ada").unwrap();
            assert_eq!(bookings.len(), booked, "at {service}");
            assert!(bookings.iter().all(|(_, released)| *released), "{bookings:?}");
            assert!(failing.gaps().is_empty(), "{:?}", failing.gaps());
        }
    }

    #[test]
    fn a_closed_desk_is_named_and_the_others_release() {
        let (_folder, world, env) = stage();
        let failing = env.start(book_trip, trip(Some(Service::Concert), Some(Service::Hotel)));
        let Err(ResultError::NotUndone { undo_steps, .. }) = failing.result() else {
            panic!("the hotel stays booked");
        };
        assert_eq!(undo_steps.len(), 1);
        assert_eq!(undo_steps[0].name, "undo book_hotel");
        let left: Vec<_> = world.bookings("Ada").unwrap();
        let left: Vec<_> = left.iter().filter(|(_, released)| !released).collect();
        assert_eq!(left, [&("hotel".to_owned(), false)]);
    }

    #[test]
    fn it_survives_every_crash_while_it_books_and_while_it_undoes() {
        let folders = std::sync::Mutex::new(Vec::new());
        let env = || {
            let (folder, _, env) = stage();
            folders.lock().unwrap().push(folder);
            env
        };
        crash_everywhere(env, |env| env.start(book_trip, trip(Some(Service::Concert), None)));
    }
}
