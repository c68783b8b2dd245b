use everstep::step;

trait Shop {
    #[step]
    async fn charge(&self) -> everstep::Result<()>;
}

fn main() {}
