//! Resource pools: their names in KV, and requests to their objects.

use futures_util::future::try_join_all;
use ztp_core::key::POOLS;
use ztp_core::node::NodeId;

use super::Storage;
use crate::error::Error;
use crate::objects::pool::protocol::{Allocation, Command, PoolRequest, Reply, unexpected_reply};

/// How many pools are called at the same time.
const MAX_CALLS_AT_ONCE: usize = 50;

impl Storage {
    /// Calls the object of a pool.
    ///
    /// # Errors
    /// [`Error::Misconfigured`] if the binding is missing; else as [`PoolRequest::send`].
    pub async fn call_pool(&self, pool: &str, command: Command) -> Result<Reply, Error> {
        let pools = self.bindings.pools.as_ref().ok_or_else(|| {
            Error::Misconfigured(
                "the binding ZTP_POOLS is missing: resource pools need the Durable Object class \
                 ResourcePool, bound and migrated as in the repository's wrangler.toml"
                    .to_owned(),
            )
        })?;
        self.count(|n| n.object_calls += 1);
        let failed = |cause| Error::storage(format!("finding the pool '{pool}'"), cause);
        let stub = pools.get_by_name(pool).map_err(failed)?;
        let call = PoolRequest {
            pool: pool.to_owned(),
            command,
        };
        call.send(stub).await
    }

    /// The values that a node holds, each with the name of its pool, in the order of names: one list, and one call for
    /// each stored pool.
    ///
    /// # Errors
    /// As [`Storage::call_pool`].
    pub async fn values_of(&self, node: &NodeId) -> Result<Vec<(String, Allocation)>, Error> {
        let pools = self.pool_names().await?;
        let mut values = Vec::new();
        for pools in pools.chunks(MAX_CALLS_AT_ONCE) {
            let held = pools.iter().map(|pool| async move {
                let node = node.to_string();
                match self.call_pool(pool, Command::Holding { node }).await? {
                    Reply::Allocations(held) => Ok(held),
                    _ => Err(unexpected_reply(pool)),
                }
            });
            let held = try_join_all(held).await?;
            for (pool, held) in pools.iter().zip(held) {
                values.extend(held.into_iter().map(|held| (pool.clone(), held)));
            }
        }
        Ok(values)
    }

    /// The allocations of a pool, also if its file is missing.
    ///
    /// # Errors
    /// As [`Storage::call_pool`].
    pub async fn allocations_of(&self, pool: &str) -> Result<Vec<Allocation>, Error> {
        match self.call_pool(pool, Command::Allocations).await? {
            Reply::Allocations(allocations) => Ok(allocations),
            _ => Err(unexpected_reply(pool)),
        }
    }

    /// The allocations of all stored pools, each with the name of its pool: one list, and one call for each pool.
    ///
    /// # Errors
    /// As [`Storage::call_pool`].
    pub async fn allocations(&self) -> Result<Vec<(String, Allocation)>, Error> {
        let mut all = Vec::new();
        for pool in self.pool_names().await? {
            let allocations = self.allocations_of(&pool).await?.into_iter();
            all.extend(allocations.map(|allocation| (pool.clone(), allocation)));
        }
        Ok(all)
    }

    /// Releases the values of a node in a pool.
    ///
    /// # Errors
    /// As [`Storage::call_pool`].
    pub async fn release_of(&self, pool: &str, node: &NodeId) -> Result<Vec<Allocation>, Error> {
        let node = node.to_string();
        match self.call_pool(pool, Command::ReleaseAll(node)).await? {
            Reply::Allocations(released) => Ok(released),
            _ => Err(unexpected_reply(pool)),
        }
    }

    /// Makes the object of a pool read its file, which an operator has changed through the API.
    ///
    /// # Errors
    /// As [`Storage::call_pool`].
    pub async fn refresh_pool(&self, pool: &str) -> Result<(), Error> {
        match self.call_pool(pool, Command::Refresh).await? {
            Reply::Refreshed => Ok(()),
            _ => Err(unexpected_reply(pool)),
        }
    }

    /// The names of all stored pools, in order.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn pool_names(&self) -> Result<Vec<String>, Error> {
        let mut names = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let (found, next) = self.list_keys(POOLS, cursor).await?;
            let found = found.iter();
            names.extend(found.filter_map(|key| Some(key.strip_prefix(POOLS)?.to_owned())));
            cursor = next;
            if cursor.is_none() {
                return Ok(names);
            }
        }
    }
}
