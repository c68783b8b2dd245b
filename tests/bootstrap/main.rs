//! The Lambda functions that tests of `tests/rig` deploy, beside the examples. They are one program,
//! so that one is built and linked as a release; which of them it is says the name of the function.

mod callee;
mod data;
mod deployed;
mod notice;
mod ponder;
mod travel;

/// Lambda says it to every function
/// (<https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html>).
const NAME_VARIABLE: &str = "AWS_LAMBDA_FUNCTION_NAME";

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    let name = std::env::var(NAME_VARIABLE)?;
    match name.as_str() {
        "notice" => notice::run().await,
        "callee" => callee::run().await,
        "data" => data::run().await,
        stack => deployed::run(stack).await,
    }
}
