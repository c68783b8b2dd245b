use everstep::step;

#[derive(Clone)]
struct Shop;

impl Shop {
    #[step]
    async fn sell(self: std::pin::Pin<&Self>) -> everstep::Result<()> {
        Ok(())
    }
}

fn main() {}
