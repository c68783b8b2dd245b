use everstep::workflow;

#[workflow]
async fn fulfil() -> everstep::Result<()> {
    tokio::select! {
        () = std::future::ready(()) => {}
        () = std::future::pending() => {}
    }
    Ok(())
}

fn main() {}
