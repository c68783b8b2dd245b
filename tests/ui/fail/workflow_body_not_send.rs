use everstep::workflow;

#[workflow]
async fn fulfil() -> everstep::Result<()> {
    let order = std::rc::Rc::new(5);
    std::future::ready(()).await;
    drop(order);
    Ok(())
}

fn main() {}
