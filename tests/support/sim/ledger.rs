//! What step bodies did to the outside world, and whether they were allowed to.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use everstep::event::Event;
use everstep::id::ExecutionId;
use everstep::store::EventStore;

/// The outside world of a simulation: every body of the test's workflows enters itself here before
/// it does anything, and is checked against the log as it is at that moment.
///
/// A clone is another handle to the same.
#[derive(Debug, Clone)]
pub struct Ledger(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Arc<dyn EventStore>,
    runs: Mutex<Vec<BodyRun>>,
    broken: Mutex<Vec<String>>,
    errors_seen: Mutex<Vec<String>>,
}

/// One start of a step's body.
#[derive(Debug, Clone, PartialEq, Eq)]
struct BodyRun {
    execution: String,
    step: String,
    attempt: u32,
}

impl Ledger {
    /// An empty ledger beside `store`, which must answer at once and without faults.
    #[must_use]
    pub fn new(store: Arc<dyn EventStore>) -> Self {
        Self(Arc::new(Inner {
            store,
            runs: Mutex::default(),
            broken: Mutex::default(),
            errors_seen: Mutex::default(),
        }))
    }

    /// The body of `step` starts. Promise 1: its result is not in the log. Promise 2: what it
    /// depends on is (`needs`: steps; of an at-most-once step also its own start).
    pub async fn begin(&self, execution: &str, step: &str, needs: &[&str], at_most_once: bool) {
        let attempt = everstep::attempt();
        let run = BodyRun { execution: execution.into(), step: step.into(), attempt };
        let id = ExecutionId::new(execution).expect("an id of a test");
        let loaded = self.0.store.load(&id).await.expect("the ledger's store has no faults");
        let commits = loaded.expect("a body belongs to an execution").commits;
        let mut previous = None;
        let (mut ended, mut started) = (Vec::new(), false);
        for stored in &commits {
            let commit = stored.decode(previous).expect("an intact log");
            previous = Some(commit.hash);
            for event in commit.events {
                match event {
                    Event::StepCompleted(e) => ended.push(e.key.name.into_owned()),
                    Event::StepFailed(e) => ended.push(e.key.name.into_owned()),
                    Event::StepStarted(e) if e.key.name == *step && e.attempt == attempt => {
                        started = true;
                    }
                    _ => {}
                }
            }
        }
        if ended.iter().any(|name| name == step) {
            self.broken(format!("{step} ran again although its result is in the log"));
        }
        for need in needs {
            if !ended.iter().any(|name| name == need) {
                self.broken(format!("{step} ran before {need}, which it saw, was durable"));
            }
        }
        if at_most_once {
            if !started {
                self.broken(format!("{step} ran before its start was durable"));
            }
            if self.runs().contains(&run) {
                self.broken(format!("attempt {attempt} of {step} ran twice"));
            }
        }
        self.runs().push(run);
    }

    /// How often bodies of `step` were started.
    #[must_use]
    pub fn runs_of(&self, step: &str) -> usize {
        self.runs().iter().filter(|run| run.step == step).count()
    }

    /// All starts of bodies, in order: execution, step and attempt.
    #[must_use]
    pub fn all_runs(&self) -> Vec<String> {
        let text = |run: &BodyRun| format!("{}/{} {}", run.execution, run.step, run.attempt);
        self.runs().iter().map(text).collect()
    }

    /// Notes an error that a workflow saw.
    pub fn saw(&self, error: &dyn std::fmt::Display) {
        lock(&self.0.errors_seen).push(error.to_string());
    }

    /// The errors that workflows saw.
    #[must_use]
    pub fn errors_seen(&self) -> Vec<String> {
        lock(&self.0.errors_seen).clone()
    }

    /// Fails the test if any body ran that should not have.
    ///
    /// # Panics
    /// With every promise that was broken.
    pub fn check(&self) {
        let broken = lock(&self.0.broken);
        assert!(broken.is_empty(), "{broken:#?}");
    }

    fn broken(&self, what: String) {
        lock(&self.0.broken).push(what);
    }

    fn runs(&self) -> MutexGuard<'_, Vec<BodyRun>> {
        lock(&self.0.runs)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
