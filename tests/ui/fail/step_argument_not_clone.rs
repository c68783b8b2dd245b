use everstep::step;

struct Card;

#[step(skip(card))]
async fn charge(card: Card) -> everstep::Result<()> {
    let _ = card;
    Ok(())
}

fn main() {}
