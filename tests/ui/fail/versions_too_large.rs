use everstep::Versions;

#[derive(Versions)]
#[repr(u64)]
enum Packing {
    Boxes = 5_000_000_000,
}

fn main() {}
