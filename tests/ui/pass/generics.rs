//! Type, const and lifetime parameters, `where` clauses and `impl Trait` arguments.

use everstep::step;
use serde::Serialize;
use serde::de::DeserializeOwned;

#[step]
async fn first<'a, T, const N: usize>(items: &'a [T; N], fallback: T) -> everstep::Result<T>
where
    T: Clone + Send + Sync + Serialize + DeserializeOwned + 'static,
    [T; N]: Serialize,
{
    Ok(items.first().cloned().unwrap_or(fallback))
}

#[step]
async fn text(of: impl ToString + Clone + Send + Serialize + 'static) -> everstep::Result<String> {
    Ok(of.to_string())
}

#[step(skip(call))]
async fn call<F>(call: F, with: &(impl Clone + Copy + Into<u64> + Send + Sync + Serialize + 'static)) -> everstep::Result<u64>
where
    F: for<'x> Fn(&'x str) -> u64 + Clone + Send + 'static,
{
    Ok(call("seven") + (*with).into())
}

#[step(skip(run, length))]
async fn boxed(
    run: std::sync::Arc<dyn for<'x> Fn(&'x str) -> usize + Send + Sync>,
    length: fn(&str) -> usize,
) -> everstep::Result<usize> {
    Ok(run("four") + length("four"))
}

fn main() {
    assert_eq!(futures::executor::block_on(first(&[5, 6], 7)).unwrap(), 5);
    assert_eq!(futures::executor::block_on(text(5)).unwrap(), "5");
    assert_eq!(futures::executor::block_on(boxed(std::sync::Arc::new(str::len), str::len)).unwrap(), 8);
    assert_eq!(futures::executor::block_on(call(|_| 5, &2_u32)).unwrap(), 7);
}
