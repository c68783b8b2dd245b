use everstep::{State, workflow};

#[workflow]
async fn fulfil(
    State(a): State<u8>,
    State(b): State<u16>,
    State(c): State<u32>,
    State(d): State<u64>,
    State(e): State<i8>,
    order: u32,
) -> everstep::Result<u32> {
    let _ = (a, b, c, d, e);
    Ok(order)
}

fn main() {}
