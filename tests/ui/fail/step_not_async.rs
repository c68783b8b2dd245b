use everstep::step;

#[step]
fn charge() -> everstep::Result<()> {
    Ok(())
}

fn main() {}
