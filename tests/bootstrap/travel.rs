//! A workflow that changes from one release of a function to the next. Both are this program: a file in
//! the package says which one it is.

use std::path::Path;

use everstep::prelude::*;

/// The release that is deployed here, from 1.
fn release() -> u32 {
    // Where Lambda has unpacked it
    // (https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html).
    let root = std::env::var_os("LAMBDA_TASK_ROOT").unwrap_or_default();
    let text = std::fs::read_to_string(Path::new(&root).join("release"));
    text.expect("a package has a release").trim().parse().expect("a release is a number")
}

#[step]
async fn stamp() -> everstep::Result<u32> {
    Ok(release())
}

/// Has its passport stamped three times, by whichever release is there. From the second release on its
/// route is another one.
#[workflow]
pub(crate) async fn travel(_: ()) -> everstep::Result<(u32, Vec<u32>)> {
    let route = version("route", 1..=release());
    let mut stamps = Vec::new();
    for _ in 0..3 {
        let () = signal("go").await?;
        stamps.push(stamp().await?);
    }
    Ok((route, stamps))
}
