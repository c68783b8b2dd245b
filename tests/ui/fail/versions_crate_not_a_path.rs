use everstep::Versions;

#[derive(Versions)]
#[versions(crate = everstep)]
enum Packing {
    Boxes = 1,
}

#[derive(Versions)]
#[versions(crate = "my everstep")]
enum Sending {
    ByPost = 1,
}

fn main() {}
