use everstep::Versions;

#[derive(Versions)]
#[versions(krate = "everstep")]
enum Packing {
    Boxes = 1,
}

#[derive(Versions)]
#[versions(crate = "everstep", crate = "everstep")]
enum Sending {
    ByPost = 1,
}

fn main() {}
