use everstep::step;

#[derive(Clone)]
struct Card;

#[step]
async fn charge(amount: u32, card: &Card) -> everstep::Result<()> {
    let _ = (amount, card);
    Ok(())
}

fn main() {}
