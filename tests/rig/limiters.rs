//! Limits that hosts share, on a real Redis: hosts that race, die and lose it.

mod hosts;
mod tls;

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use everstep::limiter::{
    AcquireError, ConcurrencyLimiter, Leased, Limiter, Rate, RateLimiter, RedisLimiter,
};
use everstep::testing::conformance::LimiterFactory;
use everstep_tests::redis::Redis;
use uuid::Uuid;

/// A server for each check.
struct OnRedis(Redis);

#[async_trait]
impl LimiterFactory for OnRedis {
    async fn limiter(&self) -> Arc<dyn Limiter> {
        Arc::new(RedisLimiter::connect(&self.0.url()).await.unwrap())
    }
}

everstep::limiter_suite!(on_redis, OnRedis(Redis::start().await));

/// A cluster of one node, which has all slots and refuses commands on keys of several.
struct OnCluster(Redis);

impl OnCluster {
    async fn start() -> Self {
        let redis = Redis::start_with(&["--save", "", "--cluster-enabled", "yes"]).await;
        redis.command(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]).await;
        let deadline = Instant::now() + Duration::from_secs(20);
        while !format!("{:?}", redis.command(&["CLUSTER", "INFO"]).await).contains("state:ok") {
            assert!(Instant::now() < deadline, "the cluster does not come up");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Self(redis)
    }
}

#[async_trait]
impl LimiterFactory for OnCluster {
    async fn limiter(&self) -> Arc<dyn Limiter> {
        Arc::new(RedisLimiter::connect_cluster([&*self.0.url()]).await.unwrap())
    }
}

everstep::limiter_suite!(on_a_cluster, OnCluster::start().await);

async fn seats(redis: &Redis, at_once: u32) -> ConcurrencyLimiter {
    let limiter = RedisLimiter::connect(&redis.url()).await.unwrap();
    ConcurrencyLimiter::new(limiter, "seats", at_once).lease(Duration::from_secs(3))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_connection_is_made_again_and_no_permit_is_lost() {
    let redis = Redis::start().await;
    let seats = seats(&redis, 1).await;
    let permit = seats.acquire("a").await.unwrap();
    let other = seats.clone().wait_at_most(Duration::ZERO);
    for _ in 0..5 {
        redis.command(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]).await;
        // The first call after a cut finds out, and the one it makes at once goes through.
        let refused = other.acquire("a").await.unwrap_err();
        assert!(matches!(refused, AcquireError::Limited { .. }), "{refused:?}");
    }
    let lost = tokio::time::timeout(Duration::from_secs(4), permit.lost()).await;
    assert!(lost.is_err(), "it is renewed over the new connection");
    permit.release().await.unwrap();
    other.acquire("a").await.unwrap().release().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn while_redis_is_away_there_are_errors_and_when_it_is_back_permits() {
    let mut redis = Redis::start().await;
    let seats = seats(&redis, 1).await;
    let limiter = RedisLimiter::connect(&redis.url()).await.unwrap();
    let rate = RateLimiter::new(limiter, "calls", Rate::per_second(1_000));
    let permit = seats.acquire("a").await.unwrap();
    rate.acquire("a").await.unwrap();
    redis.kill();
    let begun = Instant::now();
    let away = rate.acquire("a").await.unwrap_err();
    assert!(matches!(away, AcquireError::Unavailable { .. }), "{away:?}");
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    rate.clone().fail_open().acquire("a").await.unwrap();
    redis.start_again().await;
    // It has forgotten everything. The holder's renewal, a second later at most, tells it anew.
    eventually("the place is known again", async || {
        let size: u64 = redis::cmd("ZCARD")
            .arg("everstep:at-once:seats/a")
            .query_async(&mut redis.connection().await)
            .await
            .unwrap();
        size > 0
    })
    .await;
    let refused = seats.clone().wait_at_most(Duration::ZERO).acquire("a").await;
    assert!(matches!(refused, Err(AcquireError::Limited { .. })), "{refused:?}");
    eventually("permits of the rate again", async || rate.acquire("a").await.is_ok()).await;
    permit.release().await.unwrap();
    seats.acquire("a").await.unwrap().release().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_keeps_its_data_has_forgotten_nothing_after_a_kill() {
    let mut redis = Redis::start_with(&["--appendonly", "yes", "--appendfsync", "always"]).await;
    let limiter = RedisLimiter::connect(&redis.url()).await.unwrap();
    let (lease, token) = (Duration::from_secs(60), Uuid::new_v4());
    assert_eq!(limiter.lease("a", 1, lease, token).await.unwrap(), Leased::Granted);
    redis.kill();
    redis.start_again().await;
    let limiter = RedisLimiter::connect(&redis.url()).await.unwrap();
    let refused = limiter.lease("a", 1, lease, Uuid::new_v4()).await.unwrap();
    assert!(matches!(refused, Leased::Refused { .. }));
    assert_eq!(limiter.lease("a", 1, lease, token).await.unwrap(), Leased::Granted);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_say_nothing_any_more_expire() {
    let redis = Redis::start().await;
    let limiter = RedisLimiter::connect(&redis.url()).await.unwrap().prefix("mine:");
    let rate = Rate::per_second(10);
    limiter.take("a", rate, Duration::ZERO).await.unwrap();
    let token = Uuid::new_v4();
    limiter.lease("a", 1, Duration::from_secs(5), token).await.unwrap();
    limiter.lease("a", 1, Duration::from_secs(5), Uuid::new_v4()).await.unwrap();
    limiter.release("a", token, Duration::from_secs(1)).await.unwrap();
    // Nobody was refused: its only token was all there was.
    limiter.lease("b", 1, Duration::from_secs(5), token).await.unwrap();
    limiter.release("b", token, Duration::from_secs(1)).await.unwrap();
    for (key, most) in [("mine:rate:a", 2), ("mine:at-once:a", 66), ("mine:at-once:b", 66)] {
        let left: i64 =
            redis::cmd("TTL").arg(key).query_async(&mut redis.connection().await).await.unwrap();
        assert!((0..=most).contains(&left), "{key} lives for {left} s");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_wait_for_what_is_held_for_long_are_told_to_come_back_in_a_minute() {
    let redis = Redis::start().await;
    let limiter = RedisLimiter::connect(&redis.url()).await.unwrap();
    let (minute, one, two) = (Duration::from_secs(60), Uuid::new_v4(), Uuid::new_v4());
    limiter.lease("a", 1, minute, one).await.unwrap();
    limiter.release("a", one, 60 * minute).await.unwrap();
    limiter.lease("a", 1, minute, one).await.unwrap();
    for _ in 0..2 {
        let refused = limiter.lease("a", 1, minute, two).await.unwrap();
        assert_eq!(refused, Leased::Refused { retry_after: minute });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_url_that_is_none_and_a_server_that_is_not_there_are_errors() {
    let port = Redis::start().await.port();
    for url in ["nonsense", "http://127.0.0.1", &format!("redis://127.0.0.1:{port}")] {
        let error = RedisLimiter::connect(url).await.unwrap_err();
        assert_eq!(error.to_string(), "the limiter does not answer");
    }
}

async fn eventually(what: &str, mut look: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !look().await {
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
