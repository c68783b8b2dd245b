use everstep::step;

#[derive(serde::Serialize, serde::Deserialize)]
enum Refused {
    Card,
}

#[step(timeout = "30s")]
async fn charge() -> Result<(), Refused> {
    Err(Refused::Card)
}

fn main() {}
