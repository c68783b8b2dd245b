use everstep::step;

#[step(crate = "my everstep")]
async fn charge(card: &str, amount: u32) -> everstep::Result<()> {
    let _ = (card, amount);
    Ok(())
}

fn main() {}
