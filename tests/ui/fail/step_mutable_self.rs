use everstep::step;

#[derive(Clone)]
struct Shop {
    sold: u32,
}

impl Shop {
    #[step]
    async fn sell(&mut self) -> everstep::Result<()> {
        self.sold += 1;
        Ok(())
    }
}

fn main() {}
