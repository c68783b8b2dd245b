use everstep::workflow;

#[workflow]
async fn fulfil() -> everstep::Result<()> {
    println!("{:?}", std::time::SystemTime::now());
    Ok(())
}

fn main() {}
