//! The stored content for a check of all of it.

use std::collections::HashMap;

use futures_util::future::try_join_all;
use ztp_core::check::{Contents, Listed};
use ztp_core::content::Store;

use super::{MAX_KEYS_AT_ONCE, Storage, message};
use crate::error::Error;

/// How many reads of KV are made at the same time.
const MAX_READS_AT_ONCE: usize = 6;

/// Keys with the values that were read.
#[derive(Debug, Default)]
pub struct StoredContents {
    listed: Vec<Listed>,
    values: HashMap<String, Vec<u8>>,
    /// The size of all values that were read, in bytes.
    pub bytes: u64,
}

impl StoredContents {
    /// Adds a key whose value is not read.
    pub fn list(&mut self, key: String, store: Store, size: u64) {
        self.listed.push(Listed { key, store, size });
    }

    /// The text of a value that was read.
    pub fn text(&self, key: &str) -> Option<&str> {
        std::str::from_utf8(self.values.get(key)?).ok()
    }

    fn add(&mut self, key: String, value: Vec<u8>) {
        self.bytes += value.len() as u64;
        self.list(key.clone(), Store::Kv, value.len() as u64);
        self.values.insert(key, value);
    }

    /// The number of keys.
    pub fn len(&self) -> usize {
        self.listed.len()
    }
}

impl Contents for StoredContents {
    fn list(&self) -> Vec<Listed> {
        self.listed.clone()
    }

    fn read(&self, key: &str) -> Result<Vec<u8>, String> {
        let value = self.values.get(key).cloned();
        value.ok_or_else(|| "its value was not read".to_owned())
    }
}

impl Storage {
    /// Reads values of KV, a hundred at a time. Keys without a value are left out.
    ///
    /// # Errors
    /// [`Error::TooLarge`] if there are more than `max` bytes; [`Error::Storage`].
    pub async fn read_values(
        &self,
        keys: &[String],
        max: u64,
        contents: &mut StoredContents,
    ) -> Result<(), Error> {
        let mut parts: Vec<&[String]> = keys.chunks(MAX_KEYS_AT_ONCE).collect();
        parts.reverse();
        while !parts.is_empty() {
            let batch = parts.split_off(parts.len().saturating_sub(MAX_READS_AT_ONCE));
            for values in try_join_all(batch.iter().map(|keys| self.bulk(keys))).await? {
                for (key, value) in values {
                    // A bulk read replaces what is not UTF-8.
                    let bytes = match value.contains(char::REPLACEMENT_CHARACTER) {
                        true => self.value(&key).await?,
                        false => Some(value.into_bytes()),
                    };
                    if let Some(bytes) = bytes {
                        contents.add(key, bytes);
                    }
                }
            }
            if contents.bytes > max {
                return Err(Error::TooLarge(format!(
                    "the values to check at once have more than {max} bytes: check the content with \
                     `ztp validate`"
                )));
            }
        }
        Ok(())
    }

    async fn bulk(&self, keys: &[String]) -> Result<Vec<(String, String)>, Error> {
        self.count(|n| n.kv_reads += 1);
        let read = self.bindings.data.get_bulk(keys).text().await;
        let found = read.map_err(|cause| Error::storage("reading content", message(&cause)))?;
        let found = found.into_iter();
        Ok(found
            .filter_map(|(key, value)| Some((key, value?)))
            .collect())
    }

    /// Lists the objects of R2 whose keys begin with a prefix, with their sizes, a thousand with each operation.
    ///
    /// # Errors
    /// [`Error::TooLarge`] if there are more than `max`; [`Error::Storage`].
    pub async fn list_objects(
        &self,
        prefix: &str,
        max: usize,
        contents: &mut StoredContents,
    ) -> Result<(), Error> {
        let mut cursor: Option<String> = None;
        loop {
            self.count(|n| n.r2_reads += 1);
            let mut list = self.bindings.files.list().prefix(prefix);
            if let Some(cursor) = cursor {
                list = list.cursor(cursor);
            }
            let page = list.execute().await;
            let page = page.map_err(|cause| Error::storage(format!("listing {prefix}"), cause))?;
            for object in page.objects() {
                contents.list(object.key(), Store::R2, object.size());
            }
            if contents.len() > max {
                return Err(Error::TooLarge(format!(
                    "there are more than {max} keys to check: check the content with `ztp validate`"
                )));
            }
            cursor = page.cursor().filter(|_| page.truncated());
            if cursor.is_none() {
                return Ok(());
            }
        }
    }
}
