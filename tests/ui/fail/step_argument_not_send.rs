use everstep::step;

#[step]
async fn charge(card: std::rc::Rc<u32>) -> everstep::Result<()> {
    let _ = card;
    Ok(())
}

fn main() {}
