//! What the lint of a workflow's body leaves alone.

#![deny(warnings)]

use std::time::Duration;

use everstep::workflow;

mod clock {
    pub struct Instant;
    impl Instant {
        pub fn now() -> Self {
            Self
        }
    }
}

struct Jobs;
impl Jobs {
    fn spawn(&self, rand: u32) -> u32 {
        rand
    }
}

#[workflow]
async fn lenient() -> everstep::Result<()> {
    let rand = 5;
    let _ = Jobs.spawn(rand);
    let _ = clock::Instant::now();
    let _ = "tokio::spawn(SystemTime::now())";
    let _: Option<std::time::SystemTime> = None;
    let _: std::net::IpAddr = "::1".parse()?;

    #[allow_nondeterminism("only logged")]
    let _ = std::time::Instant::now();
    let _ = (#[allow_nondeterminism("only logged")] std::time::SystemTime::now(), 5);
    println!("{:?}", #[allow_nondeterminism("only logged")] std::time::Instant::now());

    fn helper() -> std::time::Instant {
        std::time::Instant::now()
    }
    let _ = helper();

    let id = everstep::step("id", async || Ok::<_, everstep::Error>(uuid::Uuid::new_v4())).await?;
    let _ = everstep::step("wait", async move || {
        tokio::time::sleep(Duration::ZERO).await;
        Ok::<_, everstep::Error>(id)
    })
    .retry(everstep::Retry::none())
    .await?;

    tokio::select! {
        biased;
        () = std::future::ready(()) => {}
        () = std::future::pending() => {}
    }
    let _ = tokio::join!(std::future::ready(5), async { 6 });
    Ok(())
}

fn main() {
    let _ = lenient;
}
