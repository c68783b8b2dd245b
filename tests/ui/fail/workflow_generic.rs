use everstep::workflow;

#[workflow]
async fn fulfil<T>(order: T) -> everstep::Result<T> {
    Ok(order)
}

fn main() {}
