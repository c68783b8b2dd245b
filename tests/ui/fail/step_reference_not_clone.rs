use everstep::step;

struct Stripe;

#[step(skip(stripe))]
async fn charge(stripe: &Stripe) -> everstep::Result<()> {
    let _ = stripe;
    Ok(())
}

fn main() {}
