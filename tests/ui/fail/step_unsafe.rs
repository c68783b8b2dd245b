use everstep::step;

#[step]
async unsafe fn charge() -> everstep::Result<()> {
    Ok(())
}

fn main() {}
