use everstep::step;

#[step(skip(cards), timeout = 30, retry(max_attempts = 0, initial = "soon"))]
fn charge(total: &mut u32, names: &[&str]) {
    let _ = (total, names);
}

fn main() {}
