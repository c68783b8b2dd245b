//! A proxy in front of PostgreSQL that knows one thing: when a COMMIT comes by.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What happens to a COMMIT. In all cases the connection is cut afterwards.
pub enum CommitFault {
    /// It does not reach the server.
    RequestLost,
    /// It is done, and the answer is lost.
    AnswerLost,
    /// It does not reach the server, and this is done.
    Instead(Box<dyn FnOnce() + Send>),
    /// It is done, and before the answer reaches anybody this is.
    Before(Box<dyn FnOnce() + Send>),
}

impl fmt::Debug for CommitFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RequestLost => "RequestLost",
            Self::AnswerLost => "AnswerLost",
            Self::Instead(_) => "Instead",
            Self::Before(_) => "Before",
        })
    }
}

/// The proxy. It ends when this is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: String,
    plan: Arc<Mutex<Plan>>,
    accept: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Plan {
    faults: VecDeque<CommitFault>,
    commits: usize,
    refuses: bool,
}

impl Proxy {
    /// A proxy in front of the server at `upstream` (`127.0.0.1:5432`).
    ///
    /// # Panics
    /// There is no free port.
    pub async fn start(upstream: &str) -> Self {
        let upstream = upstream.to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address").to_string();
        let plan = Arc::new(Mutex::new(Plan::default()));
        let shared = plan.clone();
        let accept = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if shared.lock().expect("no test panics with the plan").refuses {
                    continue;
                }
                // A connection that breaks is what this is for.
                let serve = serve(client, upstream.clone(), shared.clone());
                drop(tokio::spawn(async move { serve.await.ok() }));
            }
        });
        Self { address, plan, accept }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Plans `fault` for the next COMMIT, after those planned.
    ///
    /// # Panics
    /// A test has panicked with the plan.
    pub fn fail(&self, fault: CommitFault) {
        self.plan.lock().expect("no test panics with the plan").faults.push_back(fault);
    }

    /// From now on nobody gets through.
    ///
    /// # Panics
    /// A test has panicked with the plan.
    pub fn refuse(&self) {
        self.plan.lock().expect("no test panics with the plan").refuses = true;
    }

    /// How many COMMITs came.
    ///
    /// # Panics
    /// A test has panicked with the plan.
    #[must_use]
    pub fn commits(&self) -> usize {
        self.plan.lock().expect("no test panics with the plan").commits
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accept.abort();
    }
}

async fn serve(client: TcpStream, upstream: String, plan: Arc<Mutex<Plan>>) -> std::io::Result<()> {
    let (mut client, mut to_client) = client.into_split();
    let (mut server, mut to_server) = TcpStream::connect(upstream).await?.into_split();
    let mut sent = Vec::new();
    let mut started = false;
    let mut answer = [0; 16_384];
    loop {
        tokio::select! {
            read = server.read(&mut answer) => match read? {
                0 => return Ok(()),
                bytes => to_client.write_all(&answer[..bytes]).await?,
            },
            read = client.read_buf(&mut sent) => {
                if read? == 0 {
                    return Ok(());
                }
                while let Some(length) = message_length(&sent, started) {
                    let message: Vec<u8> = sent.drain(..length).collect();
                    let fault = if started && is_commit(&message) { next(&plan) } else { None };
                    started = true;
                    let (done, then) = match fault {
                        None => {
                            to_server.write_all(&message).await?;
                            continue;
                        }
                        Some(CommitFault::RequestLost) => return Ok(()),
                        Some(CommitFault::AnswerLost) => (true, None),
                        Some(CommitFault::Instead(then)) => (false, Some(then)),
                        Some(CommitFault::Before(then)) => (true, Some(then)),
                    };
                    if done {
                        to_server.write_all(&message).await?;
                        // An answer comes when it is done.
                        let _ = server.read(&mut answer).await?;
                    }
                    if let Some(then) = then {
                        then();
                    }
                    return Ok(());
                }
            }
        }
    }
}

fn next(plan: &Mutex<Plan>) -> Option<CommitFault> {
    let mut plan = plan.lock().expect("no test panics with the plan");
    plan.commits += 1;
    plan.faults.pop_front()
}

/// The length of the message that `bytes` begin with, if all of it is there. All but the first
/// begin with a byte that says what they are; then comes the length of the rest, itself included
/// (<https://www.postgresql.org/docs/current/protocol-message-formats.html>).
fn message_length(bytes: &[u8], started: bool) -> Option<usize> {
    let kind = usize::from(started);
    let length = bytes.get(kind..kind + 4)?;
    let length = u32::from_be_bytes(length.try_into().expect("four bytes")) as usize + kind;
    (bytes.len() >= length).then_some(length)
}

/// Whether this is the simple query COMMIT.
fn is_commit(message: &[u8]) -> bool {
    message.first() == Some(&b'Q') && message[5..].starts_with(b"COMMIT")
}
