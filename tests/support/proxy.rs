//! A proxy in front of an AWS service that does what networks and services do: it loses answers
//! to calls that were done, cuts connections, hangs, throttles and fails.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What happens to one call.
#[derive(Debug, Clone)]
pub enum Fault {
    /// None: the call is done and answered.
    Pass,
    /// The call is done, and the connection is cut before the answer.
    AnswerLost,
    /// The connection is cut before the call is done.
    RequestLost,
    /// No answer comes, and the call is not done.
    Hang,
    /// The connection is cut before the call is done, and this is done.
    Instead(Hook),
    /// The call is done; then this is, and the connection is cut before the answer.
    Before(Hook),
    /// The connection is cut, and the call is done once this is: it was on its way for so long.
    Late(Hook),
    /// The service answers this, and the call is not done.
    Answer {
        /// The HTTP status.
        status: u16,
        /// The JSON body.
        body: String,
    },
}

/// What a test does at a moment that only the proxy sees.
#[derive(Clone)]
pub struct Hook(Arc<dyn Fn() + Send + Sync>);

impl Hook {
    /// Does `then`.
    pub fn new(then: impl Fn() + Send + Sync + 'static) -> Self {
        Self(Arc::new(then))
    }

    /// Does all of `then`, whose test has more threads than one.
    ///
    /// # Panics
    /// So does `then`.
    pub fn awaiting(then: impl AsyncFn() + Send + Sync + 'static) -> Self {
        Self::new(move || {
            let handle = tokio::runtime::Handle::current();
            tokio::task::block_in_place(|| handle.block_on(then()));
        })
    }
}

impl std::fmt::Debug for Hook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hook")
    }
}

impl Fault {
    /// The service's error with this HTTP status and code.
    #[must_use]
    pub fn error(status: u16, code: &str) -> Self {
        let body = format!(
            r#"{{"__type":"com.amazonaws.dynamodb.v20120810#{code}","message":"injected"}}"#
        );
        Self::Answer { status, body }
    }
}

/// The proxy. It ends when this is dropped.
#[derive(Debug)]
pub struct Proxy {
    url: String,
    plan: Arc<Mutex<Plan>>,
    accept: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Plan {
    faults: HashMap<String, VecDeque<Fault>>,
    calls: HashMap<String, usize>,
}

impl Proxy {
    /// A proxy in front of the service at `upstream` (`http://127.0.0.1:8000`).
    pub async fn start(upstream: &str) -> Self {
        let upstream = upstream.strip_prefix("http://").expect("a plain address").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let plan = Arc::new(Mutex::new(Plan::default()));
        let shared = plan.clone();
        let accept = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                // A connection that breaks is what this is for.
                let serve = serve(client, upstream.clone(), shared.clone());
                drop(tokio::spawn(async move { serve.await.ok() }));
            }
        });
        Self { url, plan, accept }
    }

    /// Its address.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Plans `fault` for the next `times` calls of `operation` (`PutItem`), after those planned.
    pub fn fail(&self, operation: &str, times: usize, fault: Fault) {
        let mut plan = self.plan.lock().expect("no test panics with the plan");
        let faults = plan.faults.entry(operation.to_owned()).or_default();
        faults.extend(std::iter::repeat_n(fault, times));
    }

    /// Plans nothing any more.
    pub fn heal(&self) {
        self.plan.lock().expect("no test panics with the plan").faults.clear();
    }

    /// How many calls of `operation` came.
    #[must_use]
    pub fn calls(&self, operation: &str) -> usize {
        let plan = self.plan.lock().expect("no test panics with the plan");
        plan.calls.get(operation).copied().unwrap_or_default()
    }

    /// How many planned faults have not happened.
    #[must_use]
    pub fn faults_left(&self) -> usize {
        let plan = self.plan.lock().expect("no test panics with the plan");
        plan.faults.values().map(VecDeque::len).sum()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accept.abort();
    }
}

/// One message of HTTP/1.1 with its body.
struct Message {
    head: String,
    bytes: Vec<u8>,
}

async fn serve(
    mut client: TcpStream,
    upstream: String,
    plan: Arc<Mutex<Plan>>,
) -> std::io::Result<()> {
    let mut server = TcpStream::connect(upstream).await?;
    while let Some(request) = read_message(&mut client).await? {
        let operation = operation(&request.head);
        let fault = {
            let mut plan = plan.lock().expect("no test panics with the plan");
            *plan.calls.entry(operation.clone()).or_default() += 1;
            plan.faults.get_mut(&operation).and_then(VecDeque::pop_front)
        };
        match &fault {
            Some(Fault::RequestLost) => return Ok(()),
            Some(Fault::Instead(hook)) => {
                (hook.0)();
                return Ok(());
            }
            Some(Fault::Late(hook)) => {
                drop(client);
                (hook.0)();
                server.write_all(&request.bytes).await?;
                read_message(&mut server).await?;
                return Ok(());
            }
            Some(Fault::Hang) => std::future::pending::<()>().await,
            Some(Fault::Answer { status, body }) => {
                let head = format!(
                    "HTTP/1.1 {status} injected\r\ncontent-type: application/x-amz-json-1.0\r\n\
                     content-length: {}\r\n\r\n",
                    body.len()
                );
                client.write_all(format!("{head}{body}").as_bytes()).await?;
                continue;
            }
            Some(Fault::AnswerLost | Fault::Before(_) | Fault::Pass) | None => {}
        }
        server.write_all(&request.bytes).await?;
        let Some(answer) = read_message(&mut server).await? else { return Ok(()) };
        if let Some(Fault::Before(hook)) = &fault {
            (hook.0)();
        }
        if !matches!(fault, None | Some(Fault::Pass)) {
            return Ok(());
        }
        client.write_all(&answer.bytes).await?;
    }
    Ok(())
}

/// Reads one message, or nothing if the connection ended before it.
async fn read_message(stream: &mut TcpStream) -> std::io::Result<Option<Message>> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    };
    let head = String::from_utf8_lossy(&bytes[..head_end]).into_owned();
    let length: usize = header(&head, "content-length").and_then(|n| n.parse().ok()).unwrap_or(0);
    while bytes.len() < head_end + length {
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    }
    Ok(Some(Message { head, bytes }))
}

/// The operation a request asks for: the end of `X-Amz-Target: DynamoDB_20120810.PutItem`; of a
/// service without that header, the method and the first part of the path: `POST /schedules`.
fn operation(head: &str) -> String {
    let Some(target) = header(head, "x-amz-target") else {
        let end = head.match_indices(['/', '?', ' ']).nth(2).map_or(head.len(), |(end, _)| end);
        return head[..end].to_owned();
    };
    target.rsplit_once('.').map_or(target, |(_, operation)| operation).to_owned()
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = head.lines().filter_map(|line| line.split_once(':'));
    lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}
