use everstep::workflow;

#[workflow]
async fn fulfil(ref order: String) -> everstep::Result<usize> {
    Ok(order.len())
}

fn main() {}
