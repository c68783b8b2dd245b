use everstep::workflow;

#[workflow]
async fn fulfil() -> everstep::Result<()> {
    std::thread::sleep(std::time::Duration::from_secs(1));
    Ok(())
}

fn main() {}
