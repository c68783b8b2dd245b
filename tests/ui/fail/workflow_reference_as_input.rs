use everstep::workflow;

#[workflow]
async fn fulfil(order: &str) -> everstep::Result<()> {
    let _ = order;
    Ok(())
}

fn main() {}
