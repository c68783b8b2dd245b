use everstep::step;

use std::borrow::Cow;

#[step]
async fn charge(card: Cow<'_, str>) -> everstep::Result<()> {
    let _ = card;
    Ok(())
}

fn main() {}
