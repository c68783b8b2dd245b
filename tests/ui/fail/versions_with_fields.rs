use everstep::Versions;

#[derive(Versions)]
#[repr(u32)]
enum Packing {
    Boxes(String) = 1,
    Bags = 2,
}

fn main() {}
