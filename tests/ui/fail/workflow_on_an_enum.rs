use everstep::workflow;

#[workflow]
enum Fulfil {}

fn main() {}
