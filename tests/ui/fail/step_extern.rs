use everstep::step;

#[step]
async extern "C" fn charge() -> everstep::Result<()> {
    Ok(())
}

fn main() {}
