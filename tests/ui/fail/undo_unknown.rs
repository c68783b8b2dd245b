use everstep::step;

#[step(undo = refund)]
async fn charge(cents: u64) -> everstep::Result<String> {
    Ok(cents.to_string())
}

fn main() {}
