use everstep::prelude::*;

fn app() -> App {
    App::new()
}

everstep::testing::histories!("/no/such/folder/histories", app);

fn main() {
    app();
}
