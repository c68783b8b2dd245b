use everstep::step;

#[step]
async fn card(cards: &[String]) -> everstep::Result<&str> {
    Ok(&cards[0])
}

fn main() {}
