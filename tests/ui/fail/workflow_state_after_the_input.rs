use everstep::{State, workflow};

#[workflow]
async fn fulfil(order: u32, State(shop): State<u32>) -> everstep::Result<u32> {
    Ok(order + shop)
}

fn main() {}
