//! Reads only regular files, and never blocks: not on a pipe, a device or an endless file.

use std::fs::{File, OpenOptions};
use std::io::{Error, Read, Result};
use std::path::{Path, PathBuf};

use sha1::{Digest, Sha1};
use sha2::Sha256;

use crate::{Failure, unreadable};

/// The part of a file that is in memory at a time, in bytes.
const CHUNK: usize = 256 << 10;
/// The message for a pipe, a socket or a device.
pub const NOT_A_FILE: &str = "this is neither a file nor a folder";

/// Opens a regular file for reading.
///
/// # Errors
/// It cannot be opened, or is not a regular file.
pub fn open(path: &Path) -> Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        // The file may have become a pipe since it was listed, and some files of the kernel block.
        options.custom_flags(libc::O_NONBLOCK);
    }
    let file = options.open(path)?;
    match file.metadata()? {
        found if found.is_file() => Ok(file),
        found if found.is_dir() => Err(Error::other("this is a folder, not a file")),
        _ => Err(Error::other(NOT_A_FILE)),
    }
}

/// The bytes of a regular file.
///
/// # Errors
/// It cannot be read, or has more bytes than `limit`, also if the file system reports a smaller size.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>> {
    bounded(open(path)?, limit)
}

fn bounded(reader: impl Read, limit: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(limit + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > limit {
        true => Err(Error::other(format!("it has more than {limit} bytes"))),
        false => Ok(bytes),
    }
}

/// [`read`], or the bytes of standard input if the name is `-`. An error names the file.
pub fn input(path: &Path, limit: u64) -> std::result::Result<Vec<u8>, Failure> {
    let read = match path == Path::new("-") {
        true => bounded(std::io::stdin().lock(), limit),
        false => read(path, limit),
    };
    Ok(read.map_err(|error| unreadable(path, error))?)
}

/// [`input`] that is a text in UTF-8.
pub fn text(path: &Path, limit: u64) -> std::result::Result<String, Failure> {
    let text = String::from_utf8(input(path, limit)?);
    Ok(text
        .map_err(|error| unreadable(path, format!("{}; save it as UTF-8", error.utf8_error())))?)
}

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
    pub fn of(path: &Path) -> std::result::Result<Self, Failure> {
        Ok(Self::read(path).map_err(|error| unreadable(path, error))?)
    }

    fn read(path: &Path) -> Result<Self> {
        let file = open(path)?;
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
            sha1: ztp_core::hex(&sha1.finalize()),
            sha256: ztp_core::hex(&sha256.finalize()),
            size,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(content: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        file
    }

    #[test]
    fn a_file_over_the_limit_is_an_error() {
        let file = file("abc");
        assert_eq!(read(file.path(), 3).unwrap(), b"abc");
        let error = read(file.path(), 2).unwrap_err().to_string();
        assert_eq!(error, "it has more than 2 bytes");
    }

    #[cfg(unix)]
    #[test]
    fn a_device_is_not_opened() {
        let error = open(Path::new("/dev/zero")).unwrap_err();
        assert_eq!(error.to_string(), NOT_A_FILE);
    }

    #[test]
    fn a_digest_has_both_hashes() {
        let digest = FileDigest::of(file("abc").path()).unwrap();
        // From FIPS 180-4.
        assert_eq!(digest.sha1, "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert_eq!(
            digest.sha256,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(digest.size, 3);
    }
}
