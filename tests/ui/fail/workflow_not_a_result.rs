use everstep::workflow;

#[workflow]
async fn fulfil() -> Option<u32> {
    None
}

fn main() {}
