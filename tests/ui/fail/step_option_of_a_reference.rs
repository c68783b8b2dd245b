use everstep::step;

#[step]
async fn charge(card: Option<&str>) -> everstep::Result<()> {
    let _ = card;
    Ok(())
}

fn main() {}
