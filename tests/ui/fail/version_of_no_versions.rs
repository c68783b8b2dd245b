use everstep::version_of;

enum Packing {
    Boxes = 1,
}

fn main() {
    let Packing::Boxes = version_of("packing");
}
