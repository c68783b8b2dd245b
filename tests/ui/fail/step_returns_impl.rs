use everstep::step;

#[step]
async fn card() -> everstep::Result<impl std::fmt::Debug> {
    Ok(5)
}

fn main() {}
