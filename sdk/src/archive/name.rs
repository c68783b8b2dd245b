//! What an object of the archive is called.

use crate::id::ExecutionId;
use crate::time::Timestamp;

/// How much of a workflow's name and of an id an object's name has, in bytes: a file's name has 255 at
/// most. The hash tells those apart that are cut.
const WORKFLOW_BYTES_MAX: usize = 100;
const ID_BYTES_MAX: usize = 180;

/// The name of the object with bytes of this hash: the same bytes have the same name, so that a put that is
/// repeated is known, and others another one.
pub(crate) fn object_name(
    workflow: &str,
    closed_at: Timestamp,
    id: &ExecutionId,
    sha256: [u8; 32],
) -> String {
    use std::fmt::Write;
    let hash = sha256[..8].iter().fold(String::with_capacity(16), |mut hash, byte| {
        let _ = write!(hash, "{byte:02x}");
        hash
    });
    let day = closed_at.to_string()[..10].replace('-', "/");
    let workflow = plain(workflow, WORKFLOW_BYTES_MAX);
    format!("{workflow}/{day}/{}.{hash}.jsonl", plain(id.as_str(), ID_BYTES_MAX))
}

/// `text` as every file system and S3 take it: anything but ASCII letters, digits and a few signs
/// as `%` and two digits.
fn plain(text: &str, bytes_max: usize) -> String {
    use std::fmt::Write;
    let mut plain = String::new();
    for (place, byte) in text.bytes().enumerate() {
        let is_plain = byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        if is_plain || (byte == b'.' && place > 0) {
            plain.push(char::from(byte));
        } else {
            let _ = write!(plain, "%{byte:02X}");
        }
        if plain.len() >= bytes_max {
            break;
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;

    fn hash(text: &str) -> [u8; 32] {
        Sha256::digest(text).into()
    }

    #[test]
    fn an_object_is_named_by_workflow_day_id_and_content() {
        let at = Timestamp(1_795_780_800_000); // 2026-11-27
        for (id, part) in [
            ("order-7", "order-7"),
            ("order/7#1", "order%2F7%231"),
            ("..", "%2E."),
            ("größe", "gr%C3%B6%C3%9Fe"),
        ] {
            let name = object_name("sell", at, &ExecutionId::new(id).expect("an id"), hash("abc"));
            assert_eq!(name, format!("sell/2026/11/27/{part}.ba7816bf8f01cfea.jsonl"));
        }
        let long = ExecutionId::new("ä".repeat(256)).expect("an id");
        let name = object_name(&"ü".repeat(128), at, &long, hash("abc"));
        assert!(name.rsplit('/').next().is_some_and(|file| file.len() < 255), "{name}");
        assert_ne!(name, object_name(&"ü".repeat(128), at, &long, hash("abd")));
    }
}
