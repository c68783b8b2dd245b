use everstep::step;

#[step]
async fn charge() -> everstep::Result<u32> {
    Ok("five")
}

fn main() {}
