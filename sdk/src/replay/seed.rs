//! Randomness that replays: a counter hashed with what names the run.

use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::event::OperationKey;
use crate::id::{ExecutionId, WriterId};

/// The source of a run's random values.
#[derive(Debug, Clone)]
pub(super) struct Seed {
    root: [u8; 32],
    draws: u64,
}

impl Seed {
    pub(super) fn new(execution: &ExecutionId, run: u32) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"everstep seed 1\0");
        hash.update(run.to_be_bytes());
        hash.update(execution.as_str());
        Self { root: hash.finalize().into(), draws: 0 }
    }

    /// The next 32 random bytes of this run.
    pub(super) fn draw(&mut self) -> [u8; 32] {
        self.draws += 1;
        let mut hash = Sha256::new();
        hash.update(self.root);
        hash.update(b"draw\0");
        hash.update(self.draws.to_be_bytes());
        hash.finalize().into()
    }

    /// The same for every attempt of one operation, different for any other.
    pub(super) fn key_of(&self, key: &OperationKey) -> Uuid {
        let mut hash = Sha256::new();
        hash.update(self.root);
        hash.update(b"key\0");
        hash.update(key.count.to_be_bytes());
        hash.update(key.name.as_bytes());
        uuid_of(hash.finalize().into())
    }
}

/// The idempotency key of a step, hashed when somebody asks for it.
#[derive(Debug, Clone)]
pub(crate) struct IdempotencyKey {
    pub(crate) execution: ExecutionId,
    #[cfg_attr(
        not(any(feature = "aws", feature = "postgres")),
        expect(dead_code, reason = "for a table of results")
    )]
    pub(crate) run: u32,
    pub(crate) key: OperationKey,
    pub(super) seed: Seed,
}

impl IdempotencyKey {
    pub(crate) fn uuid(&self) -> Uuid {
        self.seed.key_of(&self.key)
    }
}

/// Who writes the first commit of the child that call `key` of this run asks for: the same for every
/// try of it, so that a repeated start is recognised, and nobody else.
pub(crate) fn child_writer(execution: &ExecutionId, run: u32, key: &OperationKey) -> WriterId {
    let mut hash = Sha256::new();
    hash.update(Seed::new(execution, run).root);
    hash.update(b"child\0");
    hash.update(key.count.to_be_bytes());
    hash.update(key.name.as_bytes());
    WriterId(uuid_of(hash.finalize().into()))
}

/// A UUID (version 8: "custom") of the first 16 bytes.
pub(super) fn uuid_of(bytes: [u8; 32]) -> Uuid {
    let mut half = [0; 16];
    half.copy_from_slice(&bytes[..16]);
    uuid::Builder::from_custom_bytes(half).into_uuid()
}
