use everstep::step;

#[step(retry(factor = 0.5))]
async fn charge(card: &str, amount: u32) -> everstep::Result<()> {
    let _ = (card, amount);
    Ok(())
}

fn main() {}
