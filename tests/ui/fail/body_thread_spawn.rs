use everstep::prelude::*;

#[workflow]
async fn sell(cents: u64) -> everstep::Result<u64> {
    std::thread::spawn(move || println!("{cents}"));
    Ok(cents)
}

fn main() {}
