use everstep::step;

#[derive(serde::Serialize, serde::Deserialize)]
enum Refused {
    Card,
}

#[step(at_most_once)]
async fn charge() -> Result<(), Refused> {
    Err(Refused::Card)
}

fn main() {}
