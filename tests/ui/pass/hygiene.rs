//! The expansion uses nothing of the caller's scope: not its names, and not its prelude.

#![no_implicit_prelude]
#![deny(warnings)]
#![allow(dead_code, non_camel_case_types)]

struct Result;
struct Option;
struct String;
struct Future;
struct Send;
struct Clone;
struct Default;
struct Box;
struct Site;
struct StepOptions;
struct State;
struct u32;
struct str;
trait FromFailureYes {}
mod core {}
mod std {}
mod everstep {}
const ARGS: &::core::primitive::str = "";
fn never() {}
fn owned() {}
fn borrowed() {}

#[::everstep::step(retry(max_attempts = 2, initial = "1s"), timeout = "5s")]
async fn charge(
    args: &::core::primitive::str,
    __private: ::core::primitive::u32,
    never: &::core::primitive::u32,
) -> ::everstep::Result<::core::primitive::u32> {
    let _ = (args, ARGS);
    ::core::result::Result::Ok(__private + *never)
}

#[::everstep::step]
async fn plain() -> ::everstep::Result<()> {
    ::core::result::Result::Ok(())
}

#[::everstep::workflow]
async fn fulfil(
    ::everstep::State(needs): ::everstep::State<::core::primitive::u32>,
    input: ::core::primitive::u32,
) -> ::everstep::Result<::core::primitive::u32> {
    plain().await?;
    charge("card", needs, &input).await
}

macro_rules! steps {
    ($($name:ident($argument:ident: $ty:ty) $body:block)*) => {
        $(#[::everstep::step]
        async fn $name($argument: $ty) -> ::everstep::Result<::core::primitive::u32> $body)*
    };
}

steps! {
    one(x: &::core::primitive::u32) { ::core::result::Result::Ok(*x + 1) }
    two(x: ::core::primitive::u32) { ::core::result::Result::Ok(x + 2) }
}

fn main() {
    ::futures::executor::block_on(async {
        let total = fulfil(::everstep::State(2), 3).await.unwrap();
        ::core::assert_eq!(total, 5);
        ::core::assert_eq!(one(&1).await.unwrap(), 2);
        ::core::assert_eq!(two(1).await.unwrap(), 3);
    });
}
