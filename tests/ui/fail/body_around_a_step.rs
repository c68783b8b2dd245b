use everstep::workflow;

#[workflow]
async fn fulfil() -> everstep::Result<()> {
    everstep::step(format!("{}", uuid::Uuid::new_v4()), async || Ok::<_, everstep::Error>(5)).await?;
    Ok(())
}

fn main() {}
