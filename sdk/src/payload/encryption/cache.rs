//! The data keys that are kept in memory.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aes_gcm::Aes256Gcm;
use tokio::time::Instant;

use super::{Folder, KEY_ID, cipher};
use crate::limits::{DATA_KEY_KEPT_FOR, DATA_KEYS_KEPT};

/// A data key, ready to be used.
#[derive(Clone)]
pub(super) struct Key {
    pub(super) id: [u8; KEY_ID],
    pub(super) cipher: Arc<Aes256Gcm>,
}

impl Key {
    pub(super) fn new(id: [u8; KEY_ID], plain: &[u8; 32]) -> Self {
        Self { id, cipher: Arc::new(cipher(plain)) }
    }
}

/// At most [`DATA_KEYS_KEPT`] keys, each for [`DATA_KEY_KEPT_FOR`].
#[derive(Default)]
pub(super) struct Cache(Mutex<HashMap<Folder, (Instant, Key)>>);

impl Cache {
    pub(super) fn get(&self, folder: &Folder) -> Option<Key> {
        let keys = self.keys();
        let (until, key) = keys.get(folder)?;
        (Instant::now() < *until).then(|| key.clone())
    }

    pub(super) fn put(&self, folder: &Folder, key: Key) {
        let (mut keys, now) = (self.keys(), Instant::now());
        if keys.len() >= DATA_KEYS_KEPT && !keys.contains_key(folder) {
            keys.retain(|_, (until, _)| now < *until);
            if keys.len() >= DATA_KEYS_KEPT {
                let oldest = keys.iter().min_by_key(|(_, (until, _))| *until);
                let oldest = oldest.map(|(folder, _)| folder.clone());
                oldest.map(|oldest| keys.remove(&oldest));
            }
        }
        keys.insert(folder.clone(), (now + DATA_KEY_KEPT_FOR, key));
    }

    pub(super) fn forget(&self, folder: &Folder) {
        self.keys().remove(folder);
    }

    fn keys(&self) -> MutexGuard<'_, HashMap<Folder, (Instant, Key)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("keys", &self.keys().len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::ExecutionId;

    fn folder(number: usize) -> Folder {
        Folder::of(&ExecutionId::new(format!("order-{number}")).expect("an id"))
    }

    #[tokio::test(start_paused = true)]
    async fn keys_are_kept_for_a_while_and_no_more_than_so_many() {
        let cache = Cache::default();
        for number in 0..DATA_KEYS_KEPT + 10 {
            cache.put(&folder(number), Key::new([0; KEY_ID], &[0; 32]));
            tokio::time::advance(std::time::Duration::from_millis(1)).await;
        }
        assert_eq!(cache.keys().len(), DATA_KEYS_KEPT);
        assert!(cache.get(&folder(9)).is_none(), "the oldest is gone");
        assert!(cache.get(&folder(10)).is_some());
        cache.forget(&folder(10));
        assert!(cache.get(&folder(10)).is_none());
        tokio::time::advance(DATA_KEY_KEPT_FOR).await;
        assert!(cache.get(&folder(DATA_KEYS_KEPT)).is_none());
    }
}
