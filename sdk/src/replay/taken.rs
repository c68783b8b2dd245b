//! The ids of what was taken from the inbox, by which a message that is sent again is known.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};

use crate::event::{Carried, ShortIds, TakenHour};
use crate::limits::{CARRIED_IDS_BYTES_MAX, RETRY_WINDOW};
use crate::time::Timestamp;

/// Ids of inbox items, and when each was taken.
///
/// Those that a run was handed on stay as they are stored: a load reads none of them one by one,
/// so that the run before last costs the next one nothing but their bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TakenIds {
    own: HashMap<String, Timestamp>,
    /// By the hour's beginning.
    handed: BTreeMap<Timestamp, ShortIds>,
}

impl TakenIds {
    /// Notes that the item `id` was taken. `false` if it was before.
    pub(crate) fn insert(&mut self, id: String, at: Timestamp) -> bool {
        let new = !self.contains(&id);
        if new {
            self.own.insert(id, at);
        }
        new
    }

    pub(crate) fn contains(&self, id: &str) -> bool {
        self.own.contains_key(id) || (!self.handed.is_empty() && self.was_handed(id))
    }

    fn was_handed(&self, id: &str) -> bool {
        let short = ShortIds::short(id);
        self.handed.values().any(|ids| ids.contains(&short))
    }

    /// Notes what a run was handed on.
    pub(crate) fn know(&mut self, carried: &Carried) {
        for taken in &carried.taken {
            self.insert(taken.id.clone(), taken.at);
        }
        for hour in &carried.hours {
            match self.handed.entry(hour.at) {
                Entry::Vacant(first) => drop(first.insert(hour.ids.clone())),
                // Spread over several events.
                Entry::Occupied(mut known) => known.get_mut().add(&hour.ids),
            }
        }
    }

    /// What the next run must know, in order: what may be sent again, since it was taken in the
    /// last [`RETRY_WINDOW`] or the hour in which that began, as many of the latest as fit in
    /// [`CARRIED_IDS_BYTES_MAX`]; and whatever is in the inbox still, since it would be taken
    /// again.
    pub(crate) fn carried<'a>(
        &self,
        now: Timestamp,
        inbox: impl IntoIterator<Item = &'a String>,
    ) -> Vec<TakenHour> {
        let inbox: HashSet<String> = inbox.into_iter().map(|id| ShortIds::short(id)).collect();
        let since = hour_of(now.before(RETRY_WINDOW));
        let mut room = CARRIED_IDS_BYTES_MAX;
        let mut carried = Vec::new();
        for (at, ids) in self.by_hour().iter().rev() {
            let fits = if *at < since { 0 } else { room.saturating_sub(FRAME) / ShortIds::WIDTH };
            let without = ids.len().saturating_sub(fits);
            let mut kept = ShortIds::default();
            for (place, short) in ids.iter().enumerate() {
                if place >= without || inbox.contains(short) {
                    kept.push(short);
                }
            }
            if !kept.is_empty() {
                room = room.saturating_sub(FRAME + kept.len() * ShortIds::WIDTH);
                carried.push(TakenHour::new(*at, kept));
            }
        }
        carried.reverse();
        carried
    }

    /// All that is known, the latest of an hour last.
    fn by_hour(&self) -> BTreeMap<Timestamp, ShortIds> {
        let mut hours = self.handed.clone();
        let handed: HashSet<&str> = self.handed.values().flat_map(ShortIds::iter).collect();
        let mut own: Vec<_> = self.own.iter().map(|(id, at)| (*at, id.as_str())).collect();
        own.sort_unstable();
        for (at, id) in own {
            let short = ShortIds::short(id);
            if !handed.contains(short.as_str()) {
                hours.entry(hour_of(at)).or_default().push(&short);
            }
        }
        hours
    }
}

/// When the hour began that `at` is in.
fn hour_of(at: Timestamp) -> Timestamp {
    const HOUR: i64 = 60 * 60 * 1_000;
    Timestamp(at.0.div_euclid(HOUR) * HOUR)
}

/// What an hour takes in a commit beside its ids: `{"at":1735689600000,"ids":""},`.
const FRAME: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    /// The beginning of an hour.
    const NOW: Timestamp = Timestamp(1_735_689_600_000);
    const HOUR: i64 = 60 * 60 * 1_000;

    fn taken(ids: &[(&str, i64)]) -> TakenIds {
        let mut taken = TakenIds::default();
        for (id, at) in ids {
            assert!(taken.insert((*id).to_owned(), Timestamp(*at)));
        }
        taken
    }

    /// What a run knows that was handed on `hours`.
    fn next(hours: &[TakenHour]) -> TakenIds {
        let (messages, taken) = (Vec::new(), Vec::new());
        let mut next = TakenIds::default();
        next.know(&Carried { at: NOW, messages, taken, hours: hours.to_vec() });
        next
    }

    #[test]
    fn an_id_is_taken_once_and_keeps_its_time() {
        let mut taken = taken(&[("a", 1)]);
        assert!(!taken.insert("a".into(), Timestamp(2)));
        assert!(taken.contains("a") && !taken.contains("b"));
        assert_eq!(taken.own["a"], Timestamp(1));
        let mut next = next(&taken.carried(Timestamp(3), &[]));
        assert!(next.contains("a") && !next.contains("b"));
        assert!(!next.insert("a".into(), Timestamp(4)) && next.own.is_empty());
    }

    #[test]
    fn ids_are_handed_on_as_long_as_their_message_may_be_sent_again() {
        let edge = NOW.before(RETRY_WINDOW).0;
        let known = taken(&[("new", NOW.0), ("edge", edge), ("old", edge - 1)]);
        let carried = known.carried(NOW, &[]);
        assert_eq!(carried.iter().map(|it| it.at.0).collect::<Vec<_>>(), [edge, NOW.0]);
        let later = next(&carried);
        assert!(later.contains("new") && later.contains("edge") && !later.contains("old"));
        // Those in the inbox are handed on whatever their age, by each run.
        let mut known = known;
        for run in 1..5 {
            known = next(&known.carried(Timestamp(NOW.0 + run * 10 * HOUR), &["old".into()]));
            assert!(known.contains("old"), "run {run}");
        }
        assert!(!known.contains("new"), "it was taken 40 hours ago");
    }

    #[test]
    fn a_run_hands_on_what_it_was_handed_on_and_adds_its_own() {
        let mut known = TakenIds::default();
        for run in 0..1_000 {
            assert!(known.insert(format!("s/{run}"), Timestamp(NOW.0 + run * 1_000)));
            known = next(&known.carried(Timestamp(NOW.0 + run * 1_000), &[]));
        }
        assert!((0..1_000).all(|run| known.contains(&format!("s/{run}"))));
        // The same id from two sides is one.
        known.own.insert("s/7".into(), Timestamp(NOW.0 + 7_000));
        let carried = known.carried(NOW, &[]);
        assert_eq!((carried.len(), carried[0].ids.len()), (1, 1_000));
    }

    #[test]
    fn the_first_logs_have_whole_ids() {
        let stored = r#"{"at":1735689600009,"taken":[{"at":1735689600007,"id":"s/1"},{"at":1735689600008,"id":"s/2"}]}"#;
        let mut known = TakenIds::default();
        known.know(&serde_json::from_str(stored).expect("it is readable"));
        assert!(known.contains("s/1") && known.contains("s/2") && !known.contains("s/3"));
        let carried = known.carried(NOW, &[]);
        assert_eq!((carried.len(), carried[0].at, carried[0].ids.len()), (1, NOW, 2));
        for broken in [r#"{"at":1}"#, r#"{"at":1,"ids":"abc"}"#, r#"{"at":1,"ids":"ääääääääää"}"#]
        {
            assert!(serde_json::from_str::<TakenHour>(broken).is_err(), "{broken}");
        }
    }

    #[test]
    fn of_more_ids_than_there_is_room_for_the_latest_are_handed_on_and_those_in_the_inbox() {
        let count = 2 * CARRIED_IDS_BYTES_MAX / ShortIds::WIDTH;
        let mut known = TakenIds::default();
        for number in 0..count {
            // Three hours of them.
            let at = Timestamp(NOW.0 + number as i64 * 3 * HOUR / count as i64);
            known.insert(format!("{number:05}"), at);
        }
        let now = Timestamp(NOW.0 + 3 * HOUR);
        let carried = known.carried(now, &["00000".into()]);
        let bytes = serde_json::to_string(&carried).expect("JSON").len();
        assert!((CARRIED_IDS_BYTES_MAX - 100..=CARRIED_IDS_BYTES_MAX + 100).contains(&bytes));
        let later = next(&carried);
        let latest = (0..count).rev().take_while(|number| later.contains(&format!("{number:05}")));
        assert_eq!(latest.count(), carried.iter().map(|it| it.ids.len()).sum::<usize>() - 1);
        assert!(later.contains("00000"));
    }
}
