use everstep::step;

#[step]
async fn charge(cards: &[&str]) -> everstep::Result<()> {
    let _ = cards;
    Ok(())
}

fn main() {}
