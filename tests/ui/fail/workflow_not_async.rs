use everstep::workflow;

#[workflow]
fn fulfil() -> everstep::Result<()> {
    Ok(())
}

fn main() {}
