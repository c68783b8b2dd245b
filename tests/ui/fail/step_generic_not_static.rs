use everstep::step;

#[step]
async fn charge<T: Clone + Send + serde::Serialize>(card: T) -> everstep::Result<()> {
    let _ = card;
    Ok(())
}

fn main() {}
