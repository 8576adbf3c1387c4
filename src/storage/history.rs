//! The versions of startup-configs: `history/**` in R2.

use worker::Data;
use worker::web_sys::ReadableStream;
use ztp_core::history::Version;
use ztp_core::node::NodeId;

use super::objects::body_of;
use super::{Storage, now};
use crate::error::Error;
use crate::stream::{Buffer, MAX_COPIED};

impl Storage {
    /// Stores a startup-config in the history of a node, in R2. It is not the node's until it is committed.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn put_version(&self, node: &NodeId, config: &Buffer) -> Result<Version, Error> {
        let failed = |cause| Error::storage(format!("storing the startup-config of {node}"), cause);
        let version = Version {
            time: now(),
            sha1: config.sha1().await.map_err(failed)?,
            size: config.len() as u64,
        };
        self.count(|n| n.r2_writes += 1);
        let contents = match config.len() <= MAX_COPIED {
            true => Data::Bytes(config.to_vec()),
            false => Data::ReadableStream(config.stream().map_err(failed)?),
        };
        let put = self.bindings.files.put(version.key(node), contents);
        put.execute().await.map_err(failed)?;
        Ok(version)
    }

    /// The contents of a version, if R2 has them.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn version(
        &self,
        node: &NodeId,
        version: &Version,
    ) -> Result<Option<ReadableStream>, Error> {
        self.count(|n| n.r2_reads += 1);
        let key = version.key(node);
        let failed = |cause| Error::storage(format!("reading {key}"), cause);
        let object = self.bindings.files.get(key.as_str()).execute().await;
        let object = object.map_err(failed)?;
        object.map(|object| body_of(&key, &object)).transpose()
    }

    /// Deletes the contents of a version.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn delete_version(&self, node: &NodeId, version: &Version) -> Result<(), Error> {
        self.count(|n| n.r2_writes += 1);
        let key = version.key(node);
        let deleted = self.bindings.files.delete(key.as_str()).await;
        deleted.map_err(|cause| Error::storage(format!("deleting {key}"), cause))
    }

    /// Deletes the contents of a version that was not committed. If that fails, the log has a warning: an object that no
    /// history lists harms nobody.
    pub async fn discard_version(&self, node: &NodeId, version: &Version) {
        if let Err(error) = self.delete_version(node, version).await {
            self.warn(error.detail());
        }
    }
}
