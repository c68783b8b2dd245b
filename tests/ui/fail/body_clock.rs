use everstep::workflow;
use std::time::SystemTime;

#[workflow]
async fn fulfil() -> everstep::Result<()> {
    let started = SystemTime::now();
    let _ = (started.elapsed(), std::time::Instant::now());
    Ok(())
}

fn main() {}
