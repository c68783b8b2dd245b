use everstep::workflow;

#[workflow(new_steps = "refuse")]
async fn fulfil(order: u32) -> everstep::Result<u32> {
    Ok(order)
}

fn main() {}
