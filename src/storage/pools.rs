//! Resource pools: their names in KV, their objects in the world.

use super::Storage;
use crate::error::Error;
use crate::key::POOLS;
use crate::pool;

impl Storage {
    /// Tells the object of a pool to do something.
    ///
    /// # Errors
    /// [`Error::Misconfigured`] if the binding is missing; else as [`pool::Call::send`].
    pub async fn tell_pool(
        &self,
        pool: &str,
        command: pool::Command,
    ) -> Result<pool::Reply, Error> {
        let pools = self.bindings.env.durable_object("ZTP_POOLS").map_err(|_| {
            Error::Misconfigured(
                "the binding ZTP_POOLS is missing: resource pools need the Durable Object class \
                 ResourcePool, bound and migrated as wrangler.toml in the repository has it"
                    .to_owned(),
            )
        })?;
        self.count(|n| n.pool_calls += 1);
        let failed = |cause| Error::storage(format!("finding the pool '{pool}'"), cause);
        let stub = pools
            .id_from_name(pool)
            .map_err(failed)?
            .get_stub()
            .map_err(failed)?;
        pool::Call {
            pool: pool.to_owned(),
            command,
        }
        .send(&stub)
        .await
    }

    /// The names of all stored pools, in order.
    pub async fn pool_names(&self) -> Result<Vec<String>, Error> {
        let mut names = Vec::new();
        let mut cursor = None;
        loop {
            self.count(|n| n.kv_reads += 1);
            let page = self.bindings.data.list(POOLS, cursor.as_deref()).await;
            let page = page.map_err(|cause| Error::storage("listing the pools", cause))?;
            let found = page.names.iter();
            names.extend(found.filter_map(|name| Some(name.strip_prefix(POOLS)?.to_owned())));
            cursor = page.cursor;
            if cursor.is_none() {
                return Ok(names);
            }
        }
    }
}
