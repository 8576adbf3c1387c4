//! Hashes of files, and a check that a file has not changed since.

use std::io::Read;
use std::path::Path;
use std::time::SystemTime;

use md5::Md5;
use sha1::{Digest, Sha1};

use crate::{Failure, display_path, regular};

/// The part of a file that is in memory at a time, in bytes.
pub const CHUNK: usize = 1 << 20;

/// The hashes of a file, and its size and modification time when it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileDigest {
    /// In hexadecimal digits.
    pub sha1: String,
    /// In hexadecimal digits.
    pub md5: String,
    size: u64,
    modified: Option<SystemTime>,
}

impl FileDigest {
    /// Reads a file.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn of(path: &Path) -> Result<Self, Failure> {
        let failed = |error| Failure::new(format!("cannot read {}: {error}", display_path(path)));
        let file = regular::open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        // A file that another program appends to may have no end.
        let mut file = file.take(metadata.len());
        let (mut sha1, mut md5) = (Sha1::new(), Md5::new());
        let mut chunk = vec![0; CHUNK];
        loop {
            let read = file.read(&mut chunk).map_err(failed)?;
            let Some(bytes) = chunk.get(..read).filter(|bytes| !bytes.is_empty()) else {
                break;
            };
            sha1.update(bytes);
            md5.update(bytes);
        }
        Ok(Self {
            sha1: hex(&sha1.finalize()),
            md5: hex(&md5.finalize()),
            size: metadata.len(),
            modified: metadata.modified().ok(),
        })
    }

    /// Checks that the file has not changed since.
    ///
    /// # Errors
    /// It has changed, so that the uploaded bytes may be those of neither version.
    pub fn check_unchanged(&self, path: &Path) -> Result<(), Failure> {
        let now = std::fs::metadata(path).ok();
        let same =
            now.is_some_and(|now| now.len() == self.size && now.modified().ok() == self.modified);
        same.then_some(()).ok_or_else(|| {
            Failure::new(format!(
                "{} was changed while it was uploaded; push again",
                display_path(path)
            ))
        })
    }
}

/// The SHA-1 of a value, in hexadecimal digits.
pub fn sha1(bytes: &[u8]) -> String {
    hex(&Sha1::digest(bytes))
}

/// Bytes in hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_has_both_hashes_and_detects_a_change() {
        let path = std::env::temp_dir().join(format!("ztp-digest-{}", std::process::id()));
        std::fs::write(&path, "abc").unwrap();
        let digest = FileDigest::of(&path).unwrap();
        // From FIPS 180-4 and RFC 1321.
        assert_eq!(digest.sha1, "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert_eq!(digest.md5, "900150983cd24fb0d6963f7d28e17f72");
        assert!(digest.check_unchanged(&path).is_ok());
        std::fs::write(&path, "abcd").unwrap();
        assert!(digest.check_unchanged(&path).is_err());
        std::fs::remove_file(&path).unwrap();
    }
}
