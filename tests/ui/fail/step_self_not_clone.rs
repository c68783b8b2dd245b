use everstep::step;

struct Shop;

impl Shop {
    #[step]
    async fn sell(&self) -> everstep::Result<()> {
        Ok(())
    }
}

fn main() {}
