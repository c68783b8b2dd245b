use everstep::workflow;

#[workflow]
async fn fulfil() {}

fn main() {}
