use everstep::step;

#[step(retry(max_attempts = "six"))]
async fn charge(card: &str, amount: u32) -> everstep::Result<()> {
    let _ = (card, amount);
    Ok(())
}

fn main() {}
