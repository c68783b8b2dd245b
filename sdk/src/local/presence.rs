//! Which hosts of this machine live: each holds a lock on a file of its own.
//!
//! The system lets go of a lock when its process ends, however it ends, so a host that was killed
//! is known to be gone at once and its work need not wait for the end of its lease.
//!
//! The files lie in the folder `<database>-hosts`. A host makes its file, locks it and only then
//! tells anybody its id; a file is removed only by who holds its lock. So of a host of this
//! database:
//!
//! - its file is missing, or can be locked: it is gone;
//! - its file is locked: it lives, or somebody is about to remove the file of one that is gone.
//!
//! A [`HostId`] that does not look like ours (a Lambda's, say) is never known to be gone. A copy of
//! the database comes without the folder; there, hosts of the original count as gone, and rightly:
//! none of them works on the copy. The folder must not be emptied by hand while hosts run.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use crate::id::HostId;

/// What the ids of our hosts begin with.
const PREFIX: &str = "local-";

/// The folder of the hosts' files.
#[derive(Debug, Clone)]
pub(super) struct Hosts {
    folder: PathBuf,
}

/// This process as a host, for as long as the value lives.
#[derive(Debug)]
pub(super) struct Presence {
    id: HostId,
    hosts: Hosts,
    path: PathBuf,
    /// Locked.
    _file: File,
}

impl Hosts {
    /// The hosts of the database at `database`.
    pub(super) fn of(database: &Path) -> Self {
        let mut folder = database.as_os_str().to_owned();
        folder.push("-hosts");
        Self { folder: folder.into() }
    }

    /// Registers this process, and removes the files of hosts that are gone.
    pub(super) fn register(&self) -> io::Result<Presence> {
        // Others may remove the folder, or a file that is not locked yet, in between.
        const TRIES: usize = 10;
        let mut last = io::Error::from(io::ErrorKind::NotFound);
        for _ in 0..TRIES {
            match self.try_register() {
                Ok(presence) => {
                    self.tidy();
                    return Ok(presence);
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => last = error,
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }

    fn try_register(&self) -> io::Result<Presence> {
        fs::create_dir_all(&self.folder)?;
        let name = format!("{PREFIX}{}-{}", std::process::id(), Uuid::new_v4().simple());
        let path = self.folder.join(&name);
        let file = File::create_new(&path)?;
        match file.try_lock() {
            // A tidying host may have locked and removed it first; nobody else makes this name.
            Ok(()) if path.exists() => {
                let id = HostId(name.into());
                Ok(Presence { id, hosts: self.clone(), path, _file: file })
            }
            Ok(()) | Err(TryLockError::WouldBlock) => Err(io::ErrorKind::NotFound.into()),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Whether `host` is certainly gone. In doubt, `false`.
    pub(super) fn is_gone(&self, host: &HostId) -> bool {
        if !is_ours(&host.0) {
            return false;
        }
        match File::open(self.folder.join(&*host.0)) {
            Ok(file) => file.try_lock().is_ok(),
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        }
    }

    fn tidy(&self) {
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        for entry in entries.flatten() {
            let ours = entry.file_name().to_str().is_some_and(is_ours);
            if ours
                && let Ok(file) = File::open(entry.path())
                && file.try_lock().is_ok()
            {
                let _ = fs::remove_file(entry.path()); // while we hold its lock
            }
        }
    }
}

/// Whether a host id is one that [`Hosts::register`] makes; such a text is also a safe file name.
fn is_ours(id: &str) -> bool {
    let parts = id.strip_prefix(PREFIX).and_then(|rest| rest.split_once('-'));
    parts.is_some_and(|(process, unique)| {
        process.parse::<u32>().is_ok() && unique.len() == 32 && Uuid::try_parse(unique).is_ok()
    })
}

impl Presence {
    pub(super) fn id(&self) -> &HostId {
        &self.id
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
        let _ = fs::remove_dir(&self.hosts.folder); // only if it is empty
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(name: &str) -> Hosts {
        let unique = format!("everstep-{name}-{}", Uuid::new_v4());
        Hosts::of(&std::env::temp_dir().join(unique))
    }

    #[test]
    fn a_host_is_gone_when_it_lets_go_and_not_before() {
        let hosts = hosts("lets-go");
        let (a, b) = (hosts.register().unwrap(), hosts.register().unwrap());
        let id = a.id().clone();
        assert!(!hosts.is_gone(&id) && !hosts.is_gone(b.id()));
        assert!(!hosts.is_gone(&id), "a look must not take the lock for good");
        drop(a);
        assert!(hosts.is_gone(&id) && !hosts.is_gone(b.id()));
        drop(b);
        assert!(!hosts.folder.exists(), "the last host removes the folder");
    }

    #[test]
    fn the_file_of_a_host_that_died_is_removed_by_the_next_one() {
        let hosts = hosts("died");
        let dead = hosts.register().unwrap();
        let (id, path) = (dead.id().clone(), dead.path.clone());
        drop(dead);
        // As when the process is killed: the file is there and nobody holds its lock.
        fs::create_dir_all(&hosts.folder).unwrap();
        File::create(&path).unwrap();
        assert!(hosts.is_gone(&id));
        let next = hosts.register().unwrap();
        assert!(!path.exists() && !hosts.is_gone(next.id()));
    }

    #[test]
    fn a_host_of_another_kind_is_never_known_to_be_gone() {
        let hosts = hosts("other");
        for id in ["lambda-1", "local-x-y", "../../etc/passwd", "local-1-../a", "", "local-7-1f"] {
            assert!(!hosts.is_gone(&HostId(id.into())), "{id}");
        }
        let never = HostId(format!("local-1-{}", Uuid::new_v4().simple()).into());
        assert!(hosts.is_gone(&never));
    }
}
