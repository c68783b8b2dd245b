use everstep::workflow;

#[workflow]
async fn fulfil(order: impl Into<String>) -> everstep::Result<String> {
    Ok(order.into())
}

fn main() {}
