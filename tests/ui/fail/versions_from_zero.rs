use everstep::Versions;

#[derive(Versions)]
enum Packing {
    Boxes = 0,
    Bags = 1,
}

fn main() {}
