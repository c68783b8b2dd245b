use everstep::workflow;

#[workflow]
async fn fulfil() -> everstep::Result<()> {
    futures::select! {
        () = futures::future::ready(()) => {}
        () = futures::future::pending() => {}
    }
    Ok(())
}

fn main() {}
