use everstep::workflow;

trait Shop {
    #[workflow]
    async fn fulfil(order: u32) -> everstep::Result<u32>;
}

fn main() {}
