use everstep::step;

#[step(retry(initial = "1m", max = "30s"))]
async fn charge(card: &str, amount: u32) -> everstep::Result<()> {
    let _ = (card, amount);
    Ok(())
}

fn main() {}
