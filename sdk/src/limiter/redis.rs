//! Counting in a Redis, for all hosts that reach it.

use std::fmt;
use std::sync::LazyLock;
use std::time::Duration;

use ::redis::aio::{ConnectionLike, ConnectionManager, ConnectionManagerConfig};
use ::redis::cluster::{ClusterClient, ClusterClientBuilder};
use ::redis::cluster_async::ClusterConnection;
use ::redis::io::tcp::TcpSettings;
use ::redis::{
    Client, Cmd, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, Pipeline, RedisFuture, Script,
    Value,
};
use async_trait::async_trait;
use uuid::Uuid;

use super::{Leased, Limiter, Rate, Taken, Unavailable};
use crate::limits::{LIMITER_ANSWER_MAX, LIMITER_RETRY_MAX};

static TAKE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("redis/take.lua")));
static LEASE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("redis/lease.lua")));
static RELEASE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("redis/release.lua")));

/// A [`Limiter`] in a Redis or Valkey 6.2 or later, such as ElastiCache, shared by all hosts. A
/// clone uses the same connection.
///
/// Each call is one script on one key, by the server's own clock: hosts' clocks do not matter, and
/// keys may lie on any node of a cluster. Keys expire by themselves. It needs `EVALSHA`, `SCRIPT
/// LOAD` and the commands of hashes and sorted sets.
///
/// A connection that breaks is made anew in the background. A call that fails is made once more at
/// once; what it may have taken before is known by its token, or is a permit of a rate that nobody
/// uses. A call waits three seconds for its answer.
///
/// What is counted is **as durable as the Redis**: one that forgets (a restart without persistence,
/// a failover before the replica has heard) begins to count anew. Of a rate that is one burst too
/// many; places are known again when they are renewed, a third of their lease later at most, and
/// up to then there may be twice as many.
///
/// ```no_run
/// use everstep::limiter::RedisLimiter;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let server = RedisLimiter::connect("redis://localhost:6379/0").await?.prefix("orders:");
/// let cluster = RedisLimiter::connect_cluster(["rediss://limits.example.com:6379"]).await?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct RedisLimiter {
    connection: Connection,
    prefix: String,
}

impl RedisLimiter {
    /// Connects to the server at `url`: `redis://host:6379/0`, or `rediss://user:password@host:6379`
    /// for TLS, whose certificate must be known to the system.
    ///
    /// TLS uses the process's provider of rustls, and installs *ring* as it if there is none.
    ///
    /// # Errors
    /// The URL is none, or the server does not answer.
    pub async fn connect(url: &str) -> Result<Self, Unavailable> {
        let client = Client::open(node(url)?).map_err(Unavailable::new)?;
        let config = ConnectionManagerConfig::new()
            .set_response_timeout(Some(LIMITER_ANSWER_MAX))
            .set_connection_timeout(Some(LIMITER_ANSWER_MAX))
            .set_number_of_retries(1)
            .set_max_delay(Duration::from_secs(1));
        let manager = ConnectionManager::new_with_config(client, config);
        Ok(Self::by(Connection::Server(manager.await.map_err(Unavailable::new)?)))
    }

    /// Connects to a cluster, by any of its nodes: of ElastiCache with cluster mode, the
    /// configuration endpoint.
    ///
    /// # Errors
    /// A URL is none, or no node answers.
    pub async fn connect_cluster<'a>(
        nodes: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, Unavailable> {
        let nodes: Vec<ConnectionInfo> = nodes.into_iter().map(node).collect::<Result<_, _>>()?;
        let client: ClusterClient = ClusterClientBuilder::new(nodes)
            .tcp_settings(tcp())
            .response_timeout(LIMITER_ANSWER_MAX)
            .connection_timeout(LIMITER_ANSWER_MAX)
            .retries(2)
            .build()
            .map_err(Unavailable::new)?;
        let connection = client.get_async_connection().await.map_err(Unavailable::new)?;
        Ok(Self::by(Connection::Cluster(connection)))
    }

    fn by(connection: Connection) -> Self {
        Self { connection, prefix: "everstep:".to_owned() }
    }

    /// What all its keys begin with; `everstep:` without it. For several programs in one Redis.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Runs `script` on the one key `kind:key`.
    async fn run<T: ::redis::FromRedisValue>(
        &self,
        script: &Script,
        kind: &str,
        key: &str,
        args: &[String],
    ) -> Result<T, Unavailable> {
        let mut call = script.key(format!("{}{kind}:{key}", self.prefix));
        for arg in args {
            call.arg(arg);
        }
        let mut connection = self.connection.clone();
        match call.invoke_async(&mut connection).await {
            // The connection may have been cut long ago: only now is it made anew.
            Err(error) if error.is_connection_dropped() || error.is_io_error() => {
                call.invoke_async(&mut connection).await.map_err(Unavailable::new)
            }
            answer => answer.map_err(Unavailable::new),
        }
    }
}

#[async_trait]
impl Limiter for RedisLimiter {
    async fn take(&self, key: &str, rate: Rate, within: Duration) -> Result<Taken, Unavailable> {
        let times = [rate.interval(), within, LIMITER_RETRY_MAX].map(|time| time.as_micros());
        let [interval, within, line] = times.map(|time| time.to_string());
        let args = [interval, rate.burst_size().to_string(), within, line];
        let (granted, time): (bool, u64) = self.run(&TAKE, "rate", key, &args).await?;
        let time = Duration::from_micros(time);
        Ok(if granted {
            Taken::Granted { wait: time }
        } else {
            Taken::Refused { retry_after: time }
        })
    }

    async fn lease(
        &self,
        key: &str,
        at_once: u32,
        lease: Duration,
        token: Uuid,
    ) -> Result<Leased, Unavailable> {
        let [lease, line] = [lease, LIMITER_RETRY_MAX].map(|time| time.as_millis().to_string());
        let args = [token.to_string(), at_once.to_string(), lease, line];
        let (granted, time): (bool, u64) = self.run(&LEASE, "at-once", key, &args).await?;
        let retry_after = Duration::from_millis(time);
        Ok(if granted { Leased::Granted } else { Leased::Refused { retry_after } })
    }

    async fn release(&self, key: &str, token: Uuid, held: Duration) -> Result<(), Unavailable> {
        let args = [token.to_string(), held.as_millis().to_string()];
        let _given_back: u32 = self.run(&RELEASE, "at-once", key, &args).await?;
        Ok(())
    }
}

impl fmt::Debug for RedisLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the connection: its URL may have a password.
        f.debug_struct("RedisLimiter").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

#[derive(Clone)]
enum Connection {
    Server(ConnectionManager),
    Cluster(ClusterConnection),
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::Server(connection) => connection.req_packed_command(cmd),
            Self::Cluster(connection) => connection.req_packed_command(cmd),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        cmd: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::Server(connection) => connection.req_packed_commands(cmd, offset, count),
            Self::Cluster(connection) => connection.req_packed_commands(cmd, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Server(connection) => connection.get_db(),
            Self::Cluster(connection) => connection.get_db(),
        }
    }
}

/// The server at `url`.
fn node(url: &str) -> Result<ConnectionInfo, Unavailable> {
    let node = url.into_connection_info().map_err(Unavailable::new)?;
    if matches!(node.addr(), ConnectionAddr::TcpTls { .. }) {
        // rustls panics where there is no provider of cryptography. If there is one already, that
        // one is used.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
    Ok(node.set_tcp_settings(tcp()))
}

/// A connection on which nothing is acknowledged for as long as an answer may take is broken. One
/// whose packets vanish (the node is gone, this host was frozen for long) would else be known to be
/// so only after a quarter of an hour, and each call until then would wait for its answer in vain.
#[cfg(target_os = "linux")]
fn tcp() -> TcpSettings {
    TcpSettings::default().set_user_timeout(LIMITER_ANSWER_MAX)
}

/// Other systems have no such setting.
#[cfg(not(target_os = "linux"))]
fn tcp() -> TcpSettings {
    TcpSettings::default()
}
