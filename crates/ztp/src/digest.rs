//! Hashes of files.

use std::io::{Read, Result};
use std::path::{Path, PathBuf};

use sha1::{Digest, Sha1};
use sha2::Sha256;
use ztp_core::hex;

use crate::{Failure, regular, unreadable};

/// The part of a file that is in memory at a time, in bytes.
const CHUNK: usize = 256 << 10;

/// A file that was read: its hashes, in hexadecimal digits, and its size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileDigest {
    pub path: PathBuf,
    pub sha1: String,
    pub sha256: String,
    /// In bytes.
    pub size: u64,
}

impl FileDigest {
    /// Reads a file.
    pub fn of(path: &Path) -> std::result::Result<Self, Failure> {
        Ok(Self::read(path).map_err(|error| unreadable(path, error))?)
    }

    fn read(path: &Path) -> Result<Self> {
        let file = regular::open(path)?;
        let limit = file.metadata()?.len();
        // A file that another program appends to may have no end.
        let mut file = file.take(limit);
        let (mut sha1, mut sha256, mut size) = (Sha1::new(), Sha256::new(), 0);
        let mut chunk = vec![0; CHUNK];
        loop {
            let read = file.read(&mut chunk)?;
            let Some(bytes) = chunk.get(..read).filter(|bytes| !bytes.is_empty()) else {
                break;
            };
            sha1.update(bytes);
            sha256.update(bytes);
            size += bytes.len() as u64;
        }
        Ok(Self {
            path: path.to_owned(),
            sha1: hex(&sha1.finalize()),
            sha256: hex(&sha256.finalize()),
            size,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_has_both_hashes() {
        let path = std::env::temp_dir().join(format!("ztp-digest-{}", std::process::id()));
        std::fs::write(&path, "abc").unwrap();
        let digest = FileDigest::of(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        // From FIPS 180-4.
        assert_eq!(digest.sha1, "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert_eq!(
            digest.sha256,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(digest.size, 3);
    }
}
