use everstep::workflow;

mod rand {
    pub fn random() -> u8 {
        5
    }
}

#[workflow]
async fn fulfil() -> everstep::Result<()> {
    let chance: u8 = rand::random();
    let _ = chance;
    Ok(())
}

fn main() {}
