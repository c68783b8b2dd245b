use everstep::workflow;

#[workflow]
async fn fulfil() -> everstep::Result<()> {
    let order = std::fs::read_to_string("order.json");
    let _ = order;
    Ok(())
}

fn main() {}
