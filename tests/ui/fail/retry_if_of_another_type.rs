use everstep::step;

#[step(retry_if = |error: &String| error.is_empty())]
async fn charge(card: &str, amount: u32) -> everstep::Result<()> {
    let _ = (card, amount);
    Ok(())
}

fn main() {}
