//! Enums that list versions.

#![deny(warnings)]

use everstep::prelude::*;

/// In another module, with visibility, docs and derives of its own.
mod shop {
    /// How an order is packed.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, everstep::Versions)]
    pub enum Packing {
        /// The first.
        Boxes = 1,
        /// Since spring.
        Bags = 0x2,
        /// Since autumn.
        Crates = 3,
    }

    #[derive(everstep::Versions)]
    #[versions(crate = "::everstep")]
    pub enum Late {
        Only = 7,
    }
}

#[workflow]
async fn pack() -> everstep::Result<u8> {
    use shop::{Late, Packing};
    let Late::Only = version_of("late");
    Ok(match version_of("packing") {
        Packing::Boxes => 1,
        Packing::Bags => 2,
        Packing::Crates => 3,
    })
}

fn main() {
    assert_eq!(<shop::Packing as Versions>::KNOWN, 1..=3);
    assert_eq!(<shop::Late as Versions>::KNOWN, 7..=7);
    let _ = App::new().workflow(pack);
}
