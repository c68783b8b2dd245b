use everstep::step;

#[step(undo = refund)]
async fn charge(cents: u64) -> everstep::Result<String> {
    Ok(cents.to_string())
}

async fn refund(cents: u64, charged: &str) {
    let _ = (cents, charged);
}

fn main() {}
