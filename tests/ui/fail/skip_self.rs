use everstep::step;

#[derive(Clone)]
struct Shop;

impl Shop {
    #[step(skip(self))]
    async fn sell(&self) -> everstep::Result<()> {
        Ok(())
    }
}

fn main() {}
