//! Reads only regular files, and never blocks: not on a pipe, a device or an endless file.

use std::fs::{File, OpenOptions};
use std::io::{Error, Read, Result};
use std::path::Path;

use crate::{Failure, unreadable};

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
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(Error::other(NOT_A_FILE)),
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

/// The bytes of a regular file, or of standard input if its name is `-`.
///
/// # Errors
/// As [`read`], as a message with the name.
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
    Ok(text.map_err(|error| unreadable(path, error.utf8_error()))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_over_the_limit_is_an_error() {
        let path = std::env::temp_dir().join(format!("ztp-regular-{}", std::process::id()));
        std::fs::write(&path, "abc").unwrap();
        assert_eq!(read(&path, 3).unwrap(), b"abc");
        let error = read(&path, 2).unwrap_err().to_string();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(error, "it has more than 2 bytes");
    }

    #[cfg(unix)]
    #[test]
    fn a_device_is_not_opened() {
        let error = open(Path::new("/dev/zero")).unwrap_err();
        assert_eq!(error.to_string(), NOT_A_FILE);
    }
}
