use everstep::workflow;

#[workflow]
async fn fulfil() -> everstep::Result<()> {
    tokio::spawn(async {});
    tokio::task::spawn_blocking(|| ());
    Ok(())
}

fn main() {}
