use everstep::prelude::*;

fn app() -> App {
    App::new()
}

everstep::testing::histories!(tests / histories, app);

fn main() {
    app();
}
