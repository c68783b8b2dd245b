//! An order, from the reservation of its goods to its confirmation, that survives any crash.
//!
//! ```console
//! $ cargo run -p order                            # an order, step by step
//! $ cargo run -p order -- --id order-2 --crash-after charge
//! $ cargo run -p order -- --id order-2            # goes on where the other process died
//! $ cargo run -p order -- --serve                 # works on the orders of others, until ctrl-c
//! $ cargo run -p order -- --check                 # could this program go on with what is open?
//! ```
//!
//! The log is in `everstep.db` unless `EVERSTEP_URL` names another backend. As an AWS Lambda
//! function this same program is the `bootstrap`: see README.md.

#![allow(clippy::print_stdout, reason = "talking on the terminal is what it is for")]
#![allow(unreachable_pub, reason = "in a program of four files `pub` reads better")]

mod show;
mod workflow;
mod world;

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Parser, ValueEnum};
use everstep::backend::{DEFAULT_URL, URL_VARIABLE};
use everstep::event::{Commit, Event};
use everstep::prelude::*;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::prelude::*;

use show::Show;
use workflow::{Order, Shop, fulfil_order};
use world::World;

/// Fulfils an order, and survives every crash on the way.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// The order's number. Running the same number again goes on with it, and starts no second one.
    #[arg(long, default_value = DEFAULT_ID)]
    id: ExecutionId,
    /// Abort this process as soon as the result of this step is in the log.
    #[arg(long, value_name = "STEP", env = "ORDER_CRASH_AFTER")]
    crash_after: Option<CrashAfter>,
    /// Start no order: work on whatever others have started, until ctrl-c.
    #[arg(long, conflicts_with_all = ["id", "crash_after"])]
    serve: bool,
    /// Start and run nothing: replay every open order against this program, print what would block,
    /// and exit with 1 if anything would.
    #[arg(long, conflicts_with_all = ["id", "crash_after", "serve"])]
    check: bool,
    /// The file that plays the outside world: every effect is a row in it.
    #[arg(long, value_name = "PATH", default_value = DEFAULT_WORLD, env = "ORDER_WORLD")]
    world: PathBuf,
}

const DEFAULT_ID: &str = "order-1";
const DEFAULT_WORLD: &str = "order-world.db";

#[derive(Debug, Clone, Copy, ValueEnum)]
enum CrashAfter {
    Reserve,
    Charge,
    Label,
    Invoice,
    Timer,
    Confirm,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let in_lambda = std::env::var_os("AWS_LAMBDA_RUNTIME_API").is_some();
    if in_lambda {
        everstep::telemetry::logs::init()?;
    } else {
        // Not an `EnvFilter`: its regular expressions are a tenth of the program.
        let filter = std::env::var("RUST_LOG").ok().and_then(|filter| filter.parse().ok());
        let filter: Targets =
            filter.unwrap_or_else(|| Targets::new().with_default(LevelFilter::WARN));
        let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
        tracing_subscriber::registry().with(lines.with_filter(filter)).init();
    }

    let args = Args::parse();
    if in_lambda {
        // The only folder that a function may write.
        let world = World::open(&Path::new("/tmp").join(&args.world))?;
        let app = app(Shop { world }).observe(move |_, event| {
            if args.crash_after.is_some_and(|step| step.is(event)) {
                std::process::abort();
            }
        });
        return Ok(app.run().await?);
    }
    if args.check {
        let report = app(Shop { world: World::open(&args.world)? }).check().await?;
        println!("{report}");
        std::process::exit(report.exit_code());
    }
    if args.serve {
        let app = app(Shop { world: World::open(&args.world)? });
        println!("working on orders until ctrl-c");
        return Ok(app.run().await?);
    }
    fulfil(args, Show::stdout()).await
}

/// The program: its workflow, and what that needs.
fn app(shop: Shop) -> App {
    App::new().workflow(fulfil_order).state(shop).version(env!("CARGO_PKG_VERSION"))
}

/// Starts the order, or goes on with it, and works on it in this process until it is done.
async fn fulfil(args: Args, show: Show) -> anyhow::Result<()> {
    let url = std::env::var(URL_VARIABLE).unwrap_or_else(|_| DEFAULT_URL.to_owned());
    let backend = Backend::from_url(&url).await?;
    let client = Client::new(&backend);
    let world = World::open(&args.world)
        .with_context(|| format!("failed to open the outside world, {}", args.world.display()))?;

    let order = Order::example(args.id.as_str());
    show.say(&format!(
        "{}: {} x {} for {}, {}\nlog: {url}\n",
        order.number,
        order.pieces,
        order.article,
        order.customer,
        order.total()
    ));
    let handle = client.start(fulfil_order, order).id(args.id.clone()).await?;
    let ended_before = handle.describe().await?.projection.status.is_closed();
    if !handle.is_new() {
        greet_again(show, &handle.history().await?, ended_before, &url);
    }

    let crash_after = args.crash_after;
    let (id, again) = (args.id.clone(), command(&args.id, &args.world));
    let app =
        app(Shop { world: world.clone() }).backend(backend).observe(move |execution, event| {
            if *execution == id {
                show.happened(event);
                if crash_after.is_some_and(|step| step.is(event)) {
                    show.next(
                        "this process dies now, as asked; to go on where it stopped:",
                        &again,
                    );
                    std::process::abort();
                }
            }
        });
    let result = app.worker().await?.run_until(handle.result()).await?;

    show.history(&handle.history().await?);
    show.effects(&world.effects(args.id.as_str())?, &args.world.display().to_string());
    let receipt = result.context(format!("{} is not fulfilled", args.id))?;
    show.say(&format!("\n{} is confirmed: parcel {}", args.id, receipt.label.0));
    let other = ExecutionId::new(next_number(args.id.as_str()))?;
    let crash = format!("{} --crash-after charge", command(&other, &args.world));
    show.next("another order, whose process dies in the middle:", &crash);
    Ok(())
}

/// What a process that did not start the order says first.
fn greet_again(show: Show, history: &[Commit], ended: bool, url: &str) {
    if ended {
        return show.say("this order is done already: nothing is run again");
    }
    show.say("this order was begun by another process and goes on where that stopped:");
    for event in history.iter().flat_map(|commit| &commit.events) {
        show.recorded(event);
    }
    let last = history.last().and_then(|commit| commit.events.last());
    let died = last.is_some_and(|event| !matches!(event, Event::TurnEnded(_)));
    if died && history.len() > 1 && !url.starts_with("sqlite:") {
        show.say("waiting for the lease of the dead host to end, at most 25 s");
    }
}

/// The command that goes on with an order.
fn command(id: &ExecutionId, world: &Path) -> String {
    let mut words = vec!["cargo run -p order".to_owned()];
    if id.as_str() != DEFAULT_ID {
        words.push(format!("--id {id}"));
    }
    if world != Path::new(DEFAULT_WORLD) {
        words.push(format!("--world {}", world.display()));
    }
    if words.len() > 1 {
        words.insert(1, "--".to_owned());
    }
    words.join(" ")
}

/// `order-2` after `order-1`.
fn next_number(number: &str) -> String {
    let digits = number.len() - number.bytes().rev().take_while(u8::is_ascii_digit).count();
    match number[digits..].parse::<u32>() {
        Ok(n) => format!("{}{}", &number[..digits], n.saturating_add(1)),
        Err(_) => format!("{number}-2"),
    }
}

impl CrashAfter {
    fn is(self, event: &Event) -> bool {
        let name = match self {
            Self::Reserve => "reserve",
            Self::Charge => "charge",
            Self::Label => "print_label",
            Self::Invoice => "send_invoice",
            Self::Confirm => "confirm",
            Self::Timer => return matches!(event, Event::TimerStarted(_)),
        };
        matches!(event, Event::StepCompleted(step) if step.key.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_order_is_fulfilled_and_each_thing_done_once() {
        let folder = tempfile::tempdir().unwrap();
        let world = World::open(&folder.path().join("world.db")).unwrap();
        let backend = Backend::memory();
        let app = app(Shop { world: world.clone() }).backend(backend.clone());
        let start = Client::new(&backend);
        let handle = start.start(fulfil_order, Order::example("order-1")).await.unwrap();
        let receipt = app.worker().await.unwrap().run_until(handle.result()).await.unwrap();
        assert_eq!(receipt.unwrap().charge.0, "charge-2");
        let mut services: Vec<_> =
            world.effects("order-1").unwrap().into_iter().map(|effect| effect.service).collect();
        services.sort();
        assert_eq!(services, ["charge", "confirm", "invoice", "label", "reserve"]);
    }

    #[test]
    fn the_next_order_has_the_next_number() {
        assert_eq!(next_number("order-1"), "order-2");
        assert_eq!(next_number("order-99"), "order-100");
        assert_eq!(next_number("tea"), "tea-2");
        assert_eq!(next_number("7"), "8");
    }
}
