use everstep::step;

#[step(undo = refund)]
async fn charge(card: &str, cents: u64) -> everstep::Result<String> {
    Ok(format!("{cents} from {card}"))
}

async fn refund(card: &str, cents: u64) -> everstep::Result<()> {
    let _ = (card, cents);
    Ok(())
}

fn main() {}
