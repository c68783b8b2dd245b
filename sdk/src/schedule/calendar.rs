//! Cron on the clocks of a place: what its gaps and its repeated hours mean.
//!
//! The expression is asked about clocks that never change (as if they were those of UTC), and each
//! time it names is then looked up in the zone: it comes once, twice, or not at all.

use std::time::Duration;

use chrono::{DateTime, LocalResult, NaiveDateTime, Offset, TimeDelta, TimeZone, Timelike, Utc};
use chrono_tz::Tz;
use croner::{Cron, JobType};

/// How far from a change of the clocks times may come in another order than on the clocks: the
/// longest time that is repeated anywhere is three hours.
const REPEATED_MAX: Duration = Duration::from_secs(3 * 3_600);

/// How far before a time that the clocks leave out they are sure to show the old time still: at
/// the longest gap, a calendar day was left out.
const GAP_MAX: Duration = Duration::from_secs(25 * 3_600);

#[derive(Debug)]
pub(super) struct Calendar {
    cron: Cron,
    zone: Tz,
    /// Whether it names hours and minutes, and means times of the day; else it means an interval.
    names_times: bool,
}

impl Calendar {
    pub(super) fn new(cron: Cron, zone: Tz) -> Self {
        let names_times = matches!(cron.determine_job_type(), JobType::FixedTime);
        Self { cron, zone, names_times }
    }

    /// The first time after `last`.
    pub(super) fn next(&self, last: DateTime<Utc>) -> Option<DateTime<Utc>> {
        // Times are whole seconds; the search would give each the fraction that it begins with.
        let mut shown = self.on_the_clock(last).with_nanosecond(0)?;
        let mut take = false;
        if self.changes_near(last) {
            // What was shown before may come again.
            shown = shown.checked_sub_signed(delta(REPEATED_MAX))?;
            take = true;
        }
        let mut best: Option<DateTime<Utc>> = None;
        loop {
            let next = self.cron.find_next_occurrence(&shown.and_utc(), take).ok();
            let Some(next) = next.map(|next| next.naive_utc()) else { return best };
            if let Some(best) = best {
                let order_holds = !self.changes_near(best);
                if order_holds || next > self.on_the_clock(best) + delta(REPEATED_MAX) {
                    return Some(best);
                }
            }
            let moments = self.moments(next);
            let later = moments.into_iter().flatten().filter(|moment| *moment > last);
            best = best.into_iter().chain(later).min();
            (shown, take) = (next, false);
        }
    }

    /// When the clocks show this, as far as the expression means it.
    fn moments(&self, shown: NaiveDateTime) -> [Option<DateTime<Utc>>; 2] {
        match self.zone.from_local_datetime(&shown) {
            LocalResult::Single(moment) => [Some(moment.to_utc()), None],
            LocalResult::Ambiguous(first, _) if self.names_times => [Some(first.to_utc()), None],
            LocalResult::Ambiguous(first, second) => [Some(first.to_utc()), Some(second.to_utc())],
            LocalResult::None if self.names_times => [self.after_the_gap(shown), None],
            LocalResult::None => [None, None],
        }
    }

    /// The first moment after the gap that has this time.
    fn after_the_gap(&self, left_out: NaiveDateTime) -> Option<DateTime<Utc>> {
        let mut before = left_out.and_utc().checked_sub_signed(delta(GAP_MAX * 2))?;
        let old = self.offset(before);
        let mut after = left_out.and_utc().checked_add_signed(delta(GAP_MAX))?;
        while after - before > TimeDelta::seconds(1) {
            let middle = before + (after - before) / 2;
            if self.offset(middle) == old { before = middle } else { after = middle }
        }
        // Clocks change on whole seconds, of which there is one between the two.
        DateTime::from_timestamp(after.timestamp(), 0)
    }

    /// Whether the clocks change near this moment.
    fn changes_near(&self, moment: DateTime<Utc>) -> bool {
        let near = delta(REPEATED_MAX);
        self.offset(moment - near) != self.offset(moment + near)
    }

    fn on_the_clock(&self, moment: DateTime<Utc>) -> NaiveDateTime {
        moment.with_timezone(&self.zone).naive_local()
    }

    /// In seconds.
    fn offset(&self, moment: DateTime<Utc>) -> i32 {
        self.zone.offset_from_utc_datetime(&moment.naive_utc()).fix().local_minus_utc()
    }
}

fn delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}
