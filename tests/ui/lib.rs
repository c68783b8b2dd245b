//! The package is its UI tests, and the examples in the macros' own docs: the macro crate cannot
//! depend on everstep, so they are run from here.

#[cfg(doctest)]
#[doc = include_str!("../../macros/docs/step.md")]
mod step {}

#[cfg(doctest)]
#[doc = include_str!("../../macros/docs/workflow.md")]
mod workflow {}

#[cfg(doctest)]
#[doc = include_str!("../../macros/docs/versions.md")]
mod versions {}
