use everstep::step;

#[step]
async fn charge(total: &mut u32) -> everstep::Result<()> {
    *total += 1;
    Ok(())
}

fn main() {}
