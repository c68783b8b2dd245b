use everstep::step;

#[step(undo_retry(max_attempts = 3))]
async fn charge(cents: u64) -> everstep::Result<u64> {
    Ok(cents)
}

#[step(undo = none, undo_retry(max_attempts = 3))]
async fn look_up(cents: u64) -> everstep::Result<u64> {
    Ok(cents)
}

fn main() {}
