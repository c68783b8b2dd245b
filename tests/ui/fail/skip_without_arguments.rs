use everstep::step;

#[step(skip(card))]
async fn charge() -> everstep::Result<()> {
    Ok(())
}

fn main() {}
