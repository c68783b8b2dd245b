use everstep::workflow;

struct Receipt;

#[workflow]
async fn fulfil() -> everstep::Result<Receipt> {
    Ok(Receipt)
}

fn main() {}
