use everstep::{Versions, version_of};

#[derive(Versions)]
enum Packing {
    Bags = 2,
}

fn main() {
    match version_of("packing") {
        Packing::Boxes => {}
        Packing::Bags => {}
    }
}
