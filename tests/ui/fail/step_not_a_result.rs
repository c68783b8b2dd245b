use everstep::step;

#[step]
async fn charge() -> u32 {
    5
}

fn main() {}
