//! The thread that writes: whatever has queued up goes into one transaction.

use std::fmt;
use std::sync::mpsc;

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::checkpoint::Checkpointer;
use super::error::{Fault, again, stopped};

/// How many requests share one transaction at most, so that the first is not kept waiting.
const BATCH_MAX: usize = 256;

/// The way to the writer thread. The thread ends when the last of these is gone.
#[derive(Clone)]
pub(super) struct Writer {
    requests: mpsc::Sender<Box<dyn Request>>,
}

impl Writer {
    /// Starts the thread on `connection`.
    pub(super) fn start(
        connection: Connection,
        mut checkpointer: Checkpointer,
    ) -> std::io::Result<Self> {
        let (requests, queue) = mpsc::channel();
        std::thread::Builder::new()
            .name("everstep-sqlite".into())
            .spawn(move || write_all(&connection, &queue, &mut checkpointer))?;
        Ok(Self { requests })
    }

    /// Runs `work` in a transaction and returns its result after the commit.
    ///
    /// An `Err` of `work` undoes what it wrote. `work` may run more than once, each time after
    /// everything it did was undone. Dropping the future does not stop it.
    pub(super) async fn run<T, W>(&self, work: W) -> Result<T, Fault>
    where
        T: Send + 'static,
        W: FnMut(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        self.run_then(work, |result| result).await
    }

    /// Runs `work` like [`run`](Self::run), and `then` once, on what was committed, whether or not
    /// anybody still waits for it.
    pub(super) async fn run_then<T, U, W, N>(&self, work: W, then: N) -> Result<U, Fault>
    where
        T: Send + 'static,
        U: Send + 'static,
        W: FnMut(&Connection) -> Result<T, Fault> + Send + 'static,
        N: FnOnce(T) -> U + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let job = Job { work, result: None, then, answer };
        self.requests.send(Box::new(job)).map_err(|_| stopped())?;
        answered.await.map_err(|_| stopped())?
    }

    /// Runs `work` like [`run`](Self::run), for nobody who waits.
    pub(super) fn run_unheard<W>(&self, work: W)
    where
        W: FnMut(&Connection) -> Result<(), Fault> + Send + 'static,
    {
        let (answer, _) = oneshot::channel();
        let job = Job { work, result: None, then: |()| (), answer };
        let _ = self.requests.send(Box::new(job));
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Writer")
    }
}

trait Request: Send {
    /// Does the work within the open transaction.
    fn run(&mut self, connection: &Connection) -> Result<(), Fault>;
    /// Hands out the result of the last run, or the fault that undid it.
    fn answer(self: Box<Self>, committed: Result<(), Fault>);
}

struct Job<T, U, W, N> {
    work: W,
    result: Option<T>,
    then: N,
    answer: oneshot::Sender<Result<U, Fault>>,
}

impl<T, U, W, N> Request for Job<T, U, W, N>
where
    T: Send,
    U: Send,
    W: FnMut(&Connection) -> Result<T, Fault> + Send,
    N: FnOnce(T) -> U + Send,
{
    fn run(&mut self, connection: &Connection) -> Result<(), Fault> {
        self.result = Some((self.work)(connection)?);
        Ok(())
    }

    fn answer(self: Box<Self>, committed: Result<(), Fault>) {
        let Self { result, then, answer, .. } = *self;
        let result = committed.and_then(|()| Ok(then(result.ok_or_else(stopped)?)));
        // Whoever asked may have stopped listening.
        let _ = answer.send(result);
    }
}

fn write_all(
    connection: &Connection,
    queue: &mpsc::Receiver<Box<dyn Request>>,
    checkpointer: &mut Checkpointer,
) {
    while let Ok(first) = queue.recv() {
        let mut batch = vec![first];
        batch.extend(queue.try_iter().take(BATCH_MAX - 1));
        let requests = batch.len();
        write(connection, batch);
        checkpointer.note(requests);
    }
}

/// One transaction for the whole batch. If any of it fails all of it is undone, and each request
/// gets a transaction of its own, so that nobody's failure is another's.
fn write(connection: &Connection, mut batch: Vec<Box<dyn Request>>) {
    if let Err(error) = execute(connection, "BEGIN IMMEDIATE") {
        for request in batch {
            request.answer(Err(again(&error).into()));
        }
        return;
    }
    let written = batch
        .iter_mut()
        .try_for_each(|request| request.run(connection))
        .and_then(|()| Ok(execute(connection, "COMMIT")?));
    let Err(fault) = written else {
        for request in batch {
            request.answer(Ok(()));
        }
        return;
    };
    if !connection.is_autocommit() {
        // Fails only if SQLite has rolled back by itself.
        let _ = execute(connection, "ROLLBACK");
    }
    match <[_; 1]>::try_from(batch) {
        Ok([request]) => request.answer(Err(fault)),
        Err(batch) => batch.into_iter().for_each(|request| write(connection, vec![request])),
    }
}

fn execute(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.execute([]).map(drop)
}
