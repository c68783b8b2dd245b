use everstep::step;

#[step]
async fn charge(amount: u32) {
    let _ = amount;
}

fn main() {}
