use everstep::Versions;

#[derive(Versions)]
struct Packing(u32);

fn main() {}
