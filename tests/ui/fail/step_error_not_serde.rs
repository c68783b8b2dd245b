use everstep::step;

struct Refused;

#[step]
async fn charge() -> Result<(), Refused> {
    Ok(())
}

fn main() {}
