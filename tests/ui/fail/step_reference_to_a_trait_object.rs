use everstep::step;

trait Mail: Send + Sync {}

#[step(skip(mail))]
async fn send(mail: &dyn Mail) -> everstep::Result<()> {
    let _ = mail;
    Ok(())
}

fn main() {}
