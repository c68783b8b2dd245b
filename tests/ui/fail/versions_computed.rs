use everstep::Versions;

const FIRST: isize = 1;

#[derive(Versions)]
enum Packing {
    Boxes = FIRST,
}

fn main() {}
