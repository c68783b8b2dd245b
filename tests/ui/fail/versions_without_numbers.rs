use everstep::Versions;

#[derive(Versions)]
enum Packing {
    Boxes,
    Bags,
}

fn main() {}
