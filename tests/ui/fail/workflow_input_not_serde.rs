use everstep::workflow;

struct Order;

#[workflow]
async fn fulfil(order: Order) -> everstep::Result<()> {
    let _ = order;
    Ok(())
}

fn main() {}
