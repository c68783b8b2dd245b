use everstep::workflow;

#[workflow]
async fn fulfil(order: u32) -> everstep::Result<u32> where u32: Copy {
    Ok(order)
}

fn main() {}
