use everstep::workflow;

#[workflow]
async fn fulfil() -> everstep::Result<()> {
    #[allow_nondeterminism]
    let started = std::time::Instant::now();
    let _ = started;
    Ok(())
}

fn main() {}
