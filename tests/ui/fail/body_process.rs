use everstep::workflow;

#[workflow]
async fn fulfil() -> everstep::Result<()> {
    let id = std::process::id();
    let _ = id;
    Ok(())
}

fn main() {}
