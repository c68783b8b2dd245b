use everstep::workflow;

#[workflow]
async fn fulfil() -> everstep::Result<()> {
    let id = uuid::Uuid::new_v4();
    let _ = id;
    Ok(())
}

fn main() {}
