use everstep::Versions;

#[derive(Versions)]
#[repr(u32)]
enum Packing<const LARGE: bool> {
    Boxes = 1,
    Bags = 2,
}

fn main() {}
