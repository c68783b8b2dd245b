use everstep::step;

struct Receipt;

#[step]
async fn charge() -> everstep::Result<Receipt> {
    Ok(Receipt)
}

fn main() {}
