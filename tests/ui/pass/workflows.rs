//! Workflows with and without states and input: they are values, and can be called directly.

#![deny(missing_docs, warnings)]

use everstep::{State, Workflow, step, workflow};

#[step]
async fn double(of: u32) -> everstep::Result<u32> {
    Ok(of * 2)
}

/// Takes nothing.
#[workflow]
pub async fn nothing() -> everstep::Result<()> {
    Ok(())
}

/// Takes an input.
#[workflow(name = "with input")]
pub async fn input(mut order: u32) -> Result<u32, String> {
    order += 1;
    if order == 0 {
        return Err("none".to_owned());
    }
    double(order).await.map_err(|error| error.to_string())
}

/// Takes two states and an input.
#[workflow]
pub(crate) async fn states(
    State(shop): State<String>,
    everstep::State(rate): everstep::State<u8>,
    (a, b): (u32, u32),
) -> everstep::Result<String> {
    Ok(format!("{shop} {rate} {}", double(a).await? + b))
}

/// Takes a state only.
#[workflow]
async fn state(State(rate): State<u8>) -> everstep::Result<u8> {
    Ok(rate)
}

mod inner {
    #[everstep::workflow]
    pub async fn state(rate: u8) -> everstep::Result<u8> {
        Ok(rate)
    }
}

fn name<A, W: Workflow<A>>(_: W) -> &'static str {
    <W::Spec as everstep::__private::WorkflowSpec>::NAME
}

fn main() {
    assert_eq!(name(nothing), "nothing");
    assert_eq!(name(input), "with input");
    assert_eq!(name(states), "states");
    assert_eq!(name(state), "state");
    assert_eq!(name(inner::state), "state");

    #[workflow]
    async fn local(order: u32) -> everstep::Result<u32> {
        Ok(order)
    }
    assert_eq!(name(local), "local");

    futures::executor::block_on(async {
        nothing().await.unwrap();
        assert_eq!(input(4).await.unwrap(), 10);
        let text = states(State("shop".to_owned()), State(5), (1, 2)).await.unwrap();
        assert_eq!(text, "shop 5 4");
        assert_eq!(state(State(5)).await.unwrap(), 5);
        assert_eq!(local(5).await.unwrap(), 5);
    });
}
