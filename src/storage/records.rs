//! The records of one node, read together.

use super::Storage;
use crate::domain::node::NodeId;
use crate::error::Error;
use crate::key::{Record, folder};
use crate::runtime::Texts;

impl Storage {
    /// Those of `records` that are stored of a node: one operation, and another one beside it to learn
    /// whether there is a startup-config. That may have 25 MiB, and is not read for it.
    ///
    /// # Errors
    /// [`Error::BadRequest`] if they are larger than KV gives at once; [`Error::Storage`].
    pub async fn records(&self, node: &NodeId, records: &[Record]) -> Result<Records, Error> {
        let folder = folder(node);
        let failed = |cause| Error::storage(format!("reading {folder}"), cause);
        let asks_for_config = records.contains(&Record::StartupConfig);
        let has_config = asks_for_config.then(|| {
            self.count(|n| n.kv_reads += 1);
            self.bindings.data.has(&Record::StartupConfig.key(node))
        });
        let texts = records.iter().copied();
        let texts: Vec<_> = texts.filter(|r| *r != Record::StartupConfig).collect();
        self.count(|n| n.kv_reads += 1);
        let names = texts.iter().map(|record| record.name());
        let found = self.bindings.data.get_all(&folder, names).await;
        let found = found.map_err(|cause| {
            if cause.is_too_large() {
                too_large(&folder, &texts)
            } else {
                failed(cause)
            }
        })?;
        let has_config = match has_config {
            Some(asked) => asked.map_err(failed)?.await.map_err(failed)?,
            None => false,
        };
        Ok(Records {
            names: texts,
            texts: found,
            has_config,
        })
    }
}

impl Storage {
    /// The sites of several nodes, in one operation.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn sites_of(&self, nodes: &[&NodeId]) -> Result<Vec<Option<String>>, Error> {
        self.count(|n| n.kv_reads += 1);
        let keys = nodes.iter().map(|node| Record::Site.key(node));
        let found = self.bindings.data.get_all("", keys).await;
        let found = found.map_err(|cause| Error::storage("reading the sites of nodes", cause))?;
        Ok((0..nodes.len()).map(|index| found.get(index)).collect())
    }

    /// The first thousand keys that begin with `prefix`, and whether those are all.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn first_keys(&self, prefix: String) -> Result<(Vec<String>, bool), Error> {
        self.count(|n| n.kv_reads += 1);
        let page = self.bindings.data.list(&prefix, None).await;
        let page = page.map_err(|cause| Error::storage(format!("listing {prefix}"), cause))?;
        Ok((page.names, page.cursor.is_none()))
    }
}

fn too_large(folder: &str, records: &[Record]) -> Error {
    let names: Vec<&str> = records.iter().map(|record| record.name()).collect();
    Error::BadRequest(format!(
        "the records {} under {folder} are larger together than the 25 MB that KV gives at once: store \
         smaller ones",
        names.join(", ")
    ))
}

/// The records of a node that are stored, as text. Only those that are asked for are made texts here.
pub struct Records {
    names: Vec<Record>,
    texts: Texts,
    has_config: bool,
}

impl Records {
    /// The text of a record; never that of a startup-config, which is not read.
    pub fn get(&self, record: Record) -> Option<String> {
        self.texts.get(self.index(record)?)
    }

    /// Whether a record is stored, empty or not.
    pub fn has(&self, record: Record) -> bool {
        match record {
            Record::StartupConfig => self.has_config,
            _ => self
                .index(record)
                .is_some_and(|index| self.texts.has(index)),
        }
    }

    /// Whether any record is stored.
    pub fn any(&self) -> bool {
        self.has_config || self.names.iter().any(|record| self.has(*record))
    }

    fn index(&self, record: Record) -> Option<usize> {
        self.names.iter().position(|name| *name == record)
    }
}
