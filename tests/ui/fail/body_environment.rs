use everstep::workflow;

#[workflow]
async fn fulfil() -> everstep::Result<()> {
    let home = std::env::var("HOME");
    let _ = home;
    Ok(())
}

fn main() {}
