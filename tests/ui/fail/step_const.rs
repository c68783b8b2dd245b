use everstep::prelude::*;

#[step]
const fn charge(cents: u64) -> everstep::Result<u64> {
    Ok(cents)
}

fn main() {}
