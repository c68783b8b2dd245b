use everstep::{step, workflow};

#[step]
#[workflow]
async fn charge() -> everstep::Result<()> {
    Ok(())
}

fn main() {}
