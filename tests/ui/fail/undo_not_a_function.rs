use everstep::step;

#[step(undo = 3)]
async fn charge(cents: u64) -> everstep::Result<u64> {
    Ok(cents)
}

#[step(undo)]
async fn reserve(cents: u64) -> everstep::Result<u64> {
    Ok(cents)
}

fn main() {}
