use everstep::Versions;

#[derive(Versions)]
enum Packing {
    Boxes = 1,
    Crates = 3,
}

fn main() {}
