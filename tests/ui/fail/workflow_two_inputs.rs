use everstep::workflow;

#[workflow]
async fn fulfil(order: u32, customer: u32) -> everstep::Result<u32> {
    Ok(order + customer)
}

fn main() {}
