//! Row groups that are copied undecoded are what encoding their rows would have made.

mod encrypted;
mod foreign;
mod report;

use libtest_mimic::Trial;

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = foreign::trials();
    trials.extend(encrypted::trials());
    trials
}
