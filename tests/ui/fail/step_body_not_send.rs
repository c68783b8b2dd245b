use everstep::step;

#[step]
async fn charge() -> everstep::Result<()> {
    let card = std::rc::Rc::new(5);
    std::future::ready(()).await;
    drop(card);
    Ok(())
}

fn main() {}
