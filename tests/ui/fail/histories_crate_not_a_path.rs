use everstep::prelude::*;

fn app() -> App {
    App::new()
}

everstep::testing::histories!("tests/histories", app, crate = "my everstep");

fn main() {
    app();
}
