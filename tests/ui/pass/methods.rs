//! Every receiver, `self` in macros and format strings, and functions of a type.

use std::fmt::Debug;
use std::sync::Arc;

use everstep::step;
use futures::executor::block_on;

#[derive(Clone, Debug)]
struct Shop<T> {
    name: T,
    sold: u32,
}

impl<T: AsRef<str> + Clone + Debug + Send + Sync + 'static> Shop<T> {
    #[step]
    async fn sell(&self, count: u32) -> everstep::Result<String> {
        let helper = |shop: &Self| shop.sold;
        // An item's own `self` stays its own.
        struct Other(u32);
        impl Other {
            fn get(&self) -> u32 {
                self.0
            }
        }
        Ok(format!("{self:?} {} {} {}", self.name.as_ref(), helper(self) + count, Other(1).get()))
    }

    #[step]
    async fn close(mut self) -> everstep::Result<u32> {
        self.sold += 1;
        Ok(self.sold)
    }

    #[step]
    async fn shared(self: Arc<Self>) -> everstep::Result<u32> {
        Ok(vec![self.sold, self.clone().sold].into_iter().sum())
    }

    #[step]
    async fn shared_by_reference(self: &Arc<Self>) -> everstep::Result<u32> {
        Ok(Arc::clone(self).sold)
    }

    #[step]
    async fn open(name: &str) -> everstep::Result<usize> {
        Ok(name.len() + Self::extra())
    }

    fn extra() -> usize {
        1
    }
}

trait Carrier {
    fn ship(&self) -> impl Future<Output = everstep::Result<u32>> + Send + 'static;
}

impl Carrier for Shop<String> {
    #[step]
    async fn ship(&self) -> everstep::Result<u32> {
        Ok(self.sold)
    }
}

fn main() {
    let shop = Shop { name: "corner".to_owned(), sold: 5 };
    let text = block_on(shop.sell(2)).unwrap();
    assert_eq!(text, r#"Shop { name: "corner", sold: 5 } corner 7 1"#);
    assert_eq!(block_on(shop.clone().close()).unwrap(), 6);
    assert_eq!(block_on(Arc::new(shop.clone()).shared()).unwrap(), 10);
    assert_eq!(block_on(Arc::new(shop.clone()).shared_by_reference()).unwrap(), 5);
    assert_eq!(block_on(Shop::<String>::open("abc")).unwrap(), 4);
    assert_eq!(block_on(shop.ship()).unwrap(), 5);
}
