use everstep::step;

#[step(undo = async |cents: u64, charged: &u64| Ok(()))]
async fn charge(cents: u64) -> everstep::Result<u64> {
    Ok(cents)
}

fn main() {}
