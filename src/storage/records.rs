//! The records of one node: `nodes/<id>/*` in KV.

use std::collections::HashMap;

use futures_util::future::{join_all, try_join};
use worker::web_sys::ReadableStream;
use ztp_core::key::{Record, folder};
use ztp_core::node::NodeId;

use super::{Payload, Storage, message};
use crate::error::Error;

impl Storage {
    /// The `wanted` records of a node that are stored. A startup-config may be large: it is not read, only
    /// whether it is stored.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn records(&self, node: &NodeId, wanted: &[Record]) -> Result<Records, Error> {
        let texts: Vec<Record> = wanted
            .iter()
            .copied()
            .filter(|record| *record != Record::StartupConfig)
            .collect();
        let has_startup_config = async {
            if texts.len() == wanted.len() {
                return Ok(false);
            }
            let stream = self.record(node, Record::StartupConfig).await?;
            Ok(stream.is_some_and(|stream| {
                // The promise settles on its own; nothing depends on it.
                let _ = stream.cancel();
                true
            }))
        };
        let (texts, has_startup_config) =
            try_join(self.texts(node, &texts), has_startup_config).await?;
        Ok(Records {
            texts,
            has_startup_config,
        })
    }

    /// The sites of several nodes, in one operation.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn sites_of(&self, nodes: &[&NodeId]) -> Result<Vec<Option<String>>, Error> {
        self.count(|n| n.kv_reads += 1);
        let keys: Vec<String> = nodes.iter().map(|node| Record::Site.key(node)).collect();
        let found = self.bindings.data.get_bulk(&keys).text().await;
        let mut found =
            found.map_err(|cause| Error::storage("reading the sites of nodes", message(&cause)))?;
        Ok(keys.iter().map(|key| found.remove(key)?).collect())
    }

    /// The first thousand keys with a prefix, and whether the list is complete.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn first_keys(&self, prefix: String) -> Result<(Vec<String>, bool), Error> {
        self.count(|n| n.kv_reads += 1);
        let page = self.bindings.data.list().prefix(prefix.clone()).execute();
        let page = page
            .await
            .map_err(|cause| Error::storage(format!("listing {prefix}"), message(&cause)))?;
        let names = page.keys.into_iter().map(|key| key.name);
        Ok((names.collect(), page.list_complete))
    }

    async fn texts(
        &self,
        node: &NodeId,
        records: &[Record],
    ) -> Result<HashMap<Record, String>, Error> {
        self.count(|n| n.kv_reads += 1);
        let keys: Vec<String> = records.iter().map(|record| record.key(node)).collect();
        let read = self.bindings.data.get_bulk(&keys).text().await;
        let mut found = read.map_err(|cause| match message(&cause) {
            cause if is_too_large(&cause) => too_large(node, records),
            cause => Error::storage(format!("reading {}", folder(node)), cause),
        })?;
        let texts = records.iter().zip(&keys);
        Ok(texts
            .filter_map(|(record, key)| Some((*record, found.remove(key)??)))
            .collect())
    }

    /// The bytes of one record of a node, if it is stored.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn record(
        &self,
        node: &NodeId,
        record: Record,
    ) -> Result<Option<ReadableStream>, Error> {
        self.count(|n| n.kv_reads += 1);
        let key = record.key(node);
        let read = self.bindings.data.get(&key).stream().await;
        read.map_err(|cause| Error::storage(format!("reading {key}"), message(&cause)))
    }

    /// Stores records of a node concurrently, and waits for every write.
    ///
    /// # Errors
    /// [`Error::Storage`] of the first failed write; the others may be stored.
    pub async fn put_records(
        &self,
        node: &NodeId,
        records: &[(Record, Payload<'_>)],
    ) -> Result<(), Error> {
        let writes = records
            .iter()
            .map(|(record, value)| self.put(record.key(node), *value));
        join_all(writes).await.into_iter().collect()
    }
}

fn too_large(node: &NodeId, records: &[Record]) -> Error {
    let names: Vec<&str> = records.iter().map(|record| record.name()).collect();
    Error::BadRequest(format!(
        "the records {} under {} together exceed the 25 MB that KV reads at once: store smaller records",
        names.join(", "),
        folder(node)
    ))
}

fn is_too_large(cause: &str) -> bool {
    cause.contains("413") || cause.contains("exceeds the limit")
}

/// The records of a node.
#[derive(Debug, Default)]
pub struct Records {
    texts: HashMap<Record, String>,
    has_startup_config: bool,
}

impl Records {
    /// The text of a record; `None` for a startup-config: see [`Records::has`].
    pub fn get(&self, record: Record) -> Option<&str> {
        self.texts.get(&record).map(String::as_str)
    }

    /// Whether a record is stored, possibly empty.
    pub fn has(&self, record: Record) -> bool {
        match record {
            Record::StartupConfig => self.has_startup_config,
            _ => self.texts.contains_key(&record),
        }
    }

    /// Whether any record is stored.
    pub fn any(&self) -> bool {
        self.has_startup_config || !self.texts.is_empty()
    }
}
