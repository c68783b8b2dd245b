//! Hosts, as each profile has them.

use std::cell::Cell;
use std::future::Future;
use std::pin::{Pin, pin};
use std::time::Duration;

use everstep::{App, Backend, Worker};
use futures::future::{Either, FusedFuture, FutureExt, select};

use super::{Profile, World};

/// Rare enough for ten days of virtual time.
const SWEEP_EVERY: Duration = Duration::from_secs(3_600);
const SWEEP_GRACE: Duration = Duration::from_secs(60);

impl World {
    /// Lets hosts work until `goal` is ready.
    pub async fn until<T>(&self, goal: impl Future<Output = T>) -> T {
        self.until_with(&*self.app, goal).await
    }

    /// Lets hosts with another program work until `goal` is ready.
    pub async fn until_with<T>(
        &self,
        app: &(dyn Fn() -> App + '_),
        goal: impl Future<Output = T>,
    ) -> T {
        // What the goal came to is kept apart: a host may die between it and its own orderly end.
        let reached = Cell::new(None);
        let goal = self.in_time(goal);
        let mut goal = pin!(goal.map(|output| reached.set(Some(output))).fuse());
        self.work(app, goal.as_mut()).await;
        reached.take().expect("hosts work until the goal is reached")
    }

    async fn work(
        &self,
        app: &(dyn Fn() -> App + '_),
        mut goal: Pin<&mut impl FusedFuture<Output = ()>>,
    ) {
        let worker = self.worker(app, self.hosts()).await;
        let ended = match self.profile {
            Profile::Warm | Profile::Twice | Profile::Faults | Profile::Pages | Profile::Stores => {
                worker.run_until(goal).await
            }
            Profile::TwoHosts => {
                let other = self.worker(app, self.hosts()).await;
                let other = pin!(other.run_until(std::future::pending::<()>()));
                match select(other, pin!(worker.run_until(goal))).await {
                    Either::Left((ended, _)) | Either::Right((ended, _)) => ended,
                }
            }
            Profile::NewTurns => loop {
                let worker = self.worker(app, self.hosts()).await;
                let committed = pin!(self.committed.notified());
                let ended = worker.run_until(select(goal.as_mut(), committed)).await.map(|_| ());
                if goal.is_terminated() || ended.is_err() {
                    break ended;
                }
            },
            Profile::Killed => {
                let ended = {
                    let worker = pin!(worker.run_until(goal.as_mut()));
                    match select(worker, pin!(self.kills.killed.notified())).await {
                        Either::Left((ended, _)) => Some(ended),
                        // Dropping a host is killing it.
                        Either::Right(_) => None,
                    }
                };
                match ended {
                    Some(ended) => ended,
                    None if goal.is_terminated() => Ok(()),
                    None => self.worker(app, self.plain()).await.run_until(goal).await,
                }
            }
        };
        ended.expect("a host goes on until its goal is reached");
    }

    /// Lets one host work and kills it as soon as `when` is ready. If it dies before, as the profile
    /// says, another one works until then.
    pub async fn die_when(&self, when: impl Future<Output = ()>) {
        let mut when = pin!(self.in_time(when));
        for backend in [self.hosts(), self.plain()] {
            let worker = self.worker(&*self.app, backend).await;
            let works = pin!(worker.run_until(std::future::pending::<()>()));
            let dies = pin!(self.kills.killed.notified());
            match select(works, select(when.as_mut(), dies)).await {
                Either::Left((ended, _)) => panic!("a host stopped: {ended:?}"),
                Either::Right((Either::Left(_), _)) => return,
                Either::Right((Either::Right(_), _)) => {}
            }
        }
        unreachable!("a host dies once in a world");
    }

    async fn worker(&self, app: &(dyn Fn() -> App + '_), backend: Backend) -> Worker {
        let app = app().state(self.effects().clone()).backend(backend);
        let worker = app.worker().await.expect("an app with a backend makes a worker");
        worker.clock(self.clock()).sweep(SWEEP_EVERY, SWEEP_GRACE)
    }
}
