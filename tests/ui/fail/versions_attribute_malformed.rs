use everstep::Versions;

#[derive(Versions)]
#[versions]
enum Packing {
    Boxes = 1,
}

#[derive(Versions)]
#[versions = "everstep"]
enum Sending {
    ByPost = 1,
}

fn main() {}
