use everstep::{State, workflow};

struct Shop;

#[workflow]
async fn fulfil(State(shop): State<Shop>) -> everstep::Result<()> {
    let _ = shop;
    Ok(())
}

fn main() {}
