use everstep::step;

#[step(undo = refund)]
async fn charge(cents: u64) -> everstep::Result<String> {
    Ok(cents.to_string())
}

async fn refund(cents: u32, charged: &str) -> everstep::Result<()> {
    let _ = (cents, charged);
    Ok(())
}

fn main() {}
