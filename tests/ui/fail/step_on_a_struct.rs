use everstep::step;

#[step]
struct Charge;

fn main() {}
