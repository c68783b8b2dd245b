use everstep::Versions;

#[derive(Versions)]
enum Packing {}

fn main() {}
