use everstep::step;

#[step]
async fn charge(total: Option<&mut u32>) -> everstep::Result<()> {
    let _ = total;
    Ok(())
}

fn main() {}
