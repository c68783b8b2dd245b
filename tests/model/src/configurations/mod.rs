//! The table of what is checked: name, setup, expected verdict.

mod hostile;
mod one_rule;

use crate::check::Verdict;
use crate::setup::Setup;
use crate::workflow::Op::{
    Charge, ContinueAsNew, FailsOnce, Hangs, Once, Signal, SignalWithin, Sleep, Step,
};
use crate::workflow::Program;

/// One line of the table.
pub(crate) struct Configuration {
    pub name: String,
    pub setup: Setup,
    pub expected: Verdict,
}

/// Every configuration, in the order of the rules.
pub(crate) fn all() -> Vec<Configuration> {
    let mut all = one_rule::pairs();
    all.extend(hostile::worlds());
    all
}

// The workflows.
const STEP: Program = [&[Step(0)], &[]];
const STEPS: Program = [&[Step(0), Step(1)], &[]];
const SIGNAL: Program = [&[Signal], &[]];
const SIGNAL_STEP: Program = [&[Signal, Step(0)], &[]];
const STEP_SIGNAL_STEP: Program = [&[Step(0), Signal, Step(1)], &[]];
const STEP_SLEEP_STEP: Program = [&[Step(0), Sleep(3), Step(1)], &[]];
const SLEEP_STEP: Program = [&[Sleep(3), Step(0)], &[]];
const SIGNAL_SLEEP_STEP: Program = [&[Signal, Sleep(1), Step(0)], &[]];
const STEP_TIMEOUT_STEP: Program = [&[Step(0), SignalWithin(3), Step(1)], &[]];
const RETRIED: Program = [&[FailsOnce(0, 2), Step(1)], &[]];
const AT_MOST_ONCE: Program = [&[Once(0), Step(1)], &[]];
const CHARGES_SLEEP: Program = [&[Charge(0), Sleep(3)], &[Charge(1)]];
const CHARGE_SIGNAL_CHARGE: Program = [&[Charge(0), Signal, Charge(1)], &[]];
const CHARGE: Program = [&[Charge(0)], &[]];
const HANGS: Program = [&[Hangs], &[]];
const NEW_RUN: Program = [&[Signal, ContinueAsNew, Signal, Step(1)], &[]];
const NEW_RUN_STEPS: Program = [&[Step(0), ContinueAsNew, Step(1)], &[]];
const PARALLEL: Program = [&[Step(0), Step(1)], &[Step(2)]];
const TWO_STEPS_AT_ONCE: Program = [&[Step(0)], &[Step(1)]];
const TWO_TIMERS: Program = [&[Sleep(1), Step(0)], &[Sleep(3), Step(1)]];
const SLEEP_BESIDE_STEP: Program = [&[Sleep(1)], &[Step(0)]];
const SLEEP_BESIDE_SIGNAL: Program = [&[Sleep(4)], &[Signal, Step(0)]];
const LONG_SLEEP_BESIDE_SIGNAL: Program = [&[Sleep(6)], &[Signal, Step(0)]];
const LATER_AND_EARLIER_TIMER: Program = [&[Sleep(5)], &[Signal, Sleep(1)]];
const SLEEP_BESIDE_SIGNALS: Program = [&[Sleep(4)], &[Signal, Signal]];
const STEP_SIGNALS: Program = [&[Step(0), Signal, Signal], &[]];
const PARALLEL_RETRY: Program = [&[FailsOnce(0, 1)], &[Step(1)]];

#[cfg(test)]
mod tests {
    #[test]
    fn every_rule_of_the_model_is_in_the_protocol_document() {
        let document = include_str!("../../../../docs/protocol.md");
        let missing: Vec<_> = super::one_rule::pairs()
            .into_iter()
            .map(|configuration| configuration.name)
            .filter(|name| !name.ends_with(", removed"))
            .filter(|name| !document.contains(name.as_str()))
            .collect();
        assert!(missing.is_empty(), "docs/protocol.md does not name {missing:?}");
    }
}
