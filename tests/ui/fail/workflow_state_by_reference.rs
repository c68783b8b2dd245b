use everstep::{State, workflow};

#[workflow]
async fn fulfil(State(shop): State<&str>) -> everstep::Result<()> {
    let _ = shop;
    Ok(())
}

fn main() {}
