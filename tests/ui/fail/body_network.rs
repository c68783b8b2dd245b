use everstep::workflow;

#[workflow]
async fn fulfil() -> everstep::Result<()> {
    let carrier = std::net::TcpStream::connect("carrier:80");
    let _ = carrier;
    Ok(())
}

fn main() {}
