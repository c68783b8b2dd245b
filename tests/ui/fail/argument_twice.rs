use everstep::step;

#[step(timeout = "1s", timeout = "2s")]
async fn charge(card: &str, amount: u32) -> everstep::Result<()> {
    let _ = (card, amount);
    Ok(())
}

fn main() {}
