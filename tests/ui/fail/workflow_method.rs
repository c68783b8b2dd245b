use everstep::workflow;

struct Shop;

impl Shop {
    #[workflow]
    async fn fulfil(&self) -> everstep::Result<()> {
        Ok(())
    }
}

fn main() {}
