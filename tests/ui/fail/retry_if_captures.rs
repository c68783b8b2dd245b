use everstep::step;

#[step(retry_if = |_| amount > 5)]
async fn charge(card: &str, amount: u32) -> everstep::Result<()> {
    let _ = (card, amount);
    Ok(())
}

fn main() {}
