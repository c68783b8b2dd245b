use everstep::{Versions, version_of};

#[derive(Versions)]
enum Packing {
    Boxes = 1,
    Bags = 2,
}

fn main() {
    match version_of("packing") {
        Packing::Bags => {}
    }
}
