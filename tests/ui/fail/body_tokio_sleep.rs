use everstep::workflow;

#[workflow]
async fn fulfil() -> everstep::Result<()> {
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    Ok(())
}

fn main() {}
