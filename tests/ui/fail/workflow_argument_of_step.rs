use everstep::workflow;

#[workflow(retry(max_attempts = 3))]
async fn fulfil() -> everstep::Result<()> {
    Ok(())
}

fn main() {}
