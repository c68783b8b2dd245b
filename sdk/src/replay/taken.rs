//! The ids of what was taken from the inbox, by which a message that is sent again is known.

use std::collections::{HashMap, HashSet};

use crate::event::Taken;
use crate::limits::{CARRIED_IDS_BYTES_MAX, RETRY_WINDOW};
use crate::time::Timestamp;

/// Ids of inbox items, and when each was taken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TakenIds(HashMap<String, Timestamp>);

impl TakenIds {
    /// Notes that the item `id` was taken. `false` if it was before.
    pub(crate) fn insert(&mut self, id: String, at: Timestamp) -> bool {
        let mut new = false;
        self.0.entry(id).or_insert_with(|| {
            new = true;
            at
        });
        new
    }

    pub(crate) fn contains(&self, id: &str) -> bool {
        self.0.contains_key(id)
    }

    #[cfg(test)]
    pub(crate) fn ids(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// What the next run must know, in order: what may be sent again, since it was taken in the
    /// last [`RETRY_WINDOW`], as many of the latest as fit in [`CARRIED_IDS_BYTES_MAX`]; and
    /// whatever is in the inbox still, since it would be taken again.
    pub(crate) fn carried(&self, now: Timestamp, inbox: &[String]) -> Vec<Taken> {
        let inbox: HashSet<&str> = inbox.iter().map(String::as_str).collect();
        let since = now.before(RETRY_WINDOW);
        let mut latest: Vec<_> = self.0.iter().map(|(id, at)| (*at, id.as_str())).collect();
        latest.sort_unstable();
        let mut room = CARRIED_IDS_BYTES_MAX;
        latest.reverse();
        latest.retain(|(at, id)| {
            let fits = *at >= since && room >= FRAME + id.len();
            if fits {
                room -= FRAME + id.len();
            }
            fits || inbox.contains(id)
        });
        latest.reverse();
        latest.into_iter().map(|(at, id)| Taken::new(at, id.to_owned())).collect()
    }
}

/// What an id takes in a commit beside its text: `{"at":1735689600000,"id":""},` and an escape or
/// two.
const FRAME: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_735_689_600_000);

    fn ids(taken: &[Taken]) -> Vec<&str> {
        taken.iter().map(|taken| taken.id.as_str()).collect()
    }

    #[test]
    fn an_id_is_taken_once_and_keeps_its_time() {
        let mut taken = TakenIds::default();
        assert!(taken.insert("a".into(), Timestamp(1)));
        assert!(!taken.insert("a".into(), Timestamp(2)));
        assert!(taken.contains("a") && !taken.contains("b"));
        assert_eq!(taken.0["a"], Timestamp(1));
    }

    #[test]
    fn ids_are_carried_in_order_as_long_as_their_message_may_be_sent_again() {
        let mut taken = TakenIds::default();
        let edge = NOW.before(RETRY_WINDOW);
        for (id, at) in [("new", NOW), ("edge", edge), ("old", Timestamp(edge.0 - 1))] {
            taken.insert(id.into(), at);
        }
        assert_eq!(ids(&taken.carried(NOW, &[])), ["edge", "new"]);
        assert_eq!(ids(&taken.carried(NOW, &["old".into()])), ["old", "edge", "new"]);
    }

    #[test]
    fn of_more_ids_than_there_is_room_for_the_latest_are_carried_and_those_in_the_inbox() {
        let mut taken = TakenIds::default();
        let count = 2 * CARRIED_IDS_BYTES_MAX / (FRAME + 5);
        for number in 0..count {
            taken.insert(format!("{number:05}"), Timestamp(NOW.0 + number as i64));
        }
        let carried = taken.carried(NOW, &["00000".into()]);
        assert_eq!(carried[0].id, "00000");
        assert_eq!(carried[1].id, format!("{:05}", count - (carried.len() - 1)));
        let bytes = serde_json::to_string(&carried).expect("JSON").len();
        assert!((CARRIED_IDS_BYTES_MAX / 2..=CARRIED_IDS_BYTES_MAX + 100).contains(&bytes));
    }
}
