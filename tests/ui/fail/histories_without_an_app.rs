everstep::testing::histories!("tests/histories");

fn main() {}
