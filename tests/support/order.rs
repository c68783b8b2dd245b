//! The order example as a program: built once, run in a folder of its own, killed.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, OnceLock};

use everstep::event::Event;
use everstep::id::ExecutionId;
use everstep::memory::MemoryQueue;
use everstep::store::EventStore;
use everstep::{Backend, Client};
use rusqlite::Connection;

/// The name of the outside world's file.
const WORLD: &str = "order-world.db";

/// Where `tests/run` has put the programs, built as their users build them.
const PROGRAMS_VARIABLE: &str = "EVERSTEP_TEST_PROGRAMS";

/// A program of this workspace: the one that `tests/run` has built, else built here, in the
/// profile of the test that asks.
///
/// # Panics
/// It is missing, or does not build.
#[must_use]
pub fn program(package: &str, name: &str) -> PathBuf {
    if let Some(folder) = std::env::var_os(PROGRAMS_VARIABLE) {
        let built = Path::new(&folder).join(name);
        assert!(built.is_file(), "{PROGRAMS_VARIABLE} has no {name}: use ./tests/run");
        return built;
    }
    let test = std::env::current_exe().expect("a test has a path");
    let folder = test.parent().and_then(Path::parent).expect("target/PROFILE/deps/TEST");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    cargo.args(["build", "--quiet", "--package", package]);
    if folder.ends_with("release") {
        cargo.arg("--release");
    }
    assert!(cargo.status().expect("cargo runs").success(), "{package} does not build");
    folder.join(name)
}

/// A folder with a log and an outside world, and the program to run there.
#[derive(Debug)]
pub struct OrderFolder {
    folder: tempfile::TempDir,
    environment: Vec<(String, String)>,
}

/// How often each service was asked, by its name.
pub type Effects = BTreeMap<String, usize>;

impl OrderFolder {
    /// An empty folder; `environment` is added to every run's.
    ///
    /// # Panics
    /// There is no room for it.
    #[must_use]
    pub fn new(environment: &[(&str, &str)]) -> Self {
        let environment =
            environment.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        Self { folder: tempfile::tempdir().expect("a folder"), environment }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The command that runs the example here.
    #[must_use]
    pub fn command(&self, args: &[&str]) -> Command {
        static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
        let mut command = Command::new(PROGRAM.get_or_init(|| program("order", "order")));
        command.args(args).current_dir(self.path());
        command.env_remove("EVERSTEP_URL").env_remove("AWS_LAMBDA_RUNTIME_API");
        command.envs(self.environment.iter().cloned());
        command
    }

    /// Runs the example to its end.
    ///
    /// # Panics
    /// It does not start.
    #[must_use]
    pub fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("the example starts")
    }

    /// Starts the example and waits until it has begun.
    ///
    /// # Panics
    /// It does not start.
    #[must_use]
    pub fn begin(&self, args: &[&str]) -> Child {
        let mut command = self.command(args);
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts");
        let mut says = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut line = String::new();
        says.read_line(&mut line).expect("it speaks");
        // Somebody must read the rest, or the example waits for that.
        std::thread::spawn(move || std::io::copy(&mut says, &mut std::io::sink()));
        child
    }

    /// What was done to the outside world for an order.
    ///
    /// # Panics
    /// The world's file is damaged.
    #[must_use]
    pub fn effects(&self, id: &str) -> Effects {
        if !self.path().join(WORLD).exists() {
            return Effects::new();
        }
        let world = Connection::open(self.path().join(WORLD)).expect("the world opens");
        world.busy_timeout(std::time::Duration::from_secs(10)).expect("a time-out");
        let sql = "SELECT service, count(*), count(DISTINCT idempotency_key) FROM effects
                   WHERE order_number = ?1 GROUP BY service";
        let Ok(mut select) = world.prepare(sql) else { return Effects::new() };
        let rows = select.query_map([id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
        let rows = rows.expect("the world answers").map(|row| row.expect("a row"));
        rows.map(|(service, rows, keys): (String, usize, usize)| {
            assert_eq!(keys, 1, "all attempts of {service} have one idempotency key");
            (service, rows)
        })
        .collect()
    }
}

/// The services whose answers are durable in an execution's log.
///
/// # Panics
/// The log cannot be read, or a hash in it is wrong.
pub async fn durable(store: Arc<dyn EventStore>, id: &str) -> Vec<String> {
    let client = Client::new(&Backend::new(store, Arc::new(MemoryQueue::new())));
    let id = ExecutionId::new(id).expect("an id");
    let history = match client.history(&id).await {
        Ok(history) => history,
        Err(everstep::client::HistoryError::Unknown { .. }) => return Vec::new(),
        Err(error) => panic!("{error}"),
    };
    let events = history.iter().flat_map(|commit| &commit.events);
    let steps = events.filter_map(|event| match event {
        Event::StepCompleted(step) => Some(service(&step.key.name).to_owned()),
        _ => None,
    });
    steps.collect()
}

/// The service that a step of the example asks.
fn service(step: &str) -> &str {
    match step {
        "print_label" => "label",
        "send_invoice" => "invoice",
        same => same,
    }
}

/// Every service of the example.
pub const SERVICES: [&str; 5] = ["charge", "confirm", "invoice", "label", "reserve"];

/// What was seen of one order, life after life of the processes that worked on it.
#[derive(Debug)]
pub struct Witness {
    id: String,
    effects: Effects,
    durable: Vec<String>,
}

impl Witness {
    /// Nothing has happened yet.
    #[must_use]
    pub fn new(id: &str) -> Self {
        Self { id: id.to_owned(), effects: Effects::new(), durable: Vec::new() }
    }

    /// The order's number.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Every process is dead: compares what there is with what there was when the last life began.
    ///
    /// # Panics
    /// A step ran again whose result was durable, or ran twice in one life, or has a result and
    /// never ran.
    pub fn look(&mut self, effects: Effects, durable: Vec<String>) {
        let id = &self.id;
        for service in SERVICES {
            let before = self.effects.get(service).copied().unwrap_or(0);
            let now = effects.get(service).copied().unwrap_or(0);
            let was_durable = self.durable.iter().any(|known| known == service);
            let is_durable = durable.iter().any(|known| known == service);
            let in_this_life = now - before;
            assert!(in_this_life <= 1, "{id}: {service} was done {in_this_life} times in one life");
            if was_durable {
                assert_eq!(in_this_life, 0, "{id}: {service} was in the log and was done again");
                assert!(is_durable, "{id}: the result of {service} has left the log");
            } else if is_durable {
                assert_eq!(in_this_life, 1, "{id}: {service} has a result without an effect");
            }
        }
        self.effects = effects;
        self.durable = durable;
    }

    /// The last life ended by itself.
    ///
    /// # Panics
    /// Not every step has its result.
    pub fn must_be_over(&self) {
        let mut durable = self.durable.clone();
        durable.sort();
        assert_eq!(durable, SERVICES, "{}: every step has its result, once", self.id);
    }

    /// How many effects there were beyond one a step.
    #[must_use]
    pub fn repeats(&self) -> usize {
        self.effects.values().sum::<usize>().saturating_sub(SERVICES.len())
    }
}
