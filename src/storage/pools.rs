//! Resource pools: their names in KV, and requests to their objects.

use ztp_core::key::POOLS;

use super::{Storage, message};
use crate::error::Error;
use crate::objects::pool::protocol::{Command, PoolRequest, Reply};

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
        let stub = pools
            .id_from_name(pool)
            .map_err(failed)?
            .get_stub()
            .map_err(failed)?;
        let call = PoolRequest {
            pool: pool.to_owned(),
            command,
        };
        call.send(stub).await
    }

    /// The names of all stored pools, in order.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn pool_names(&self) -> Result<Vec<String>, Error> {
        let mut names = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            self.count(|n| n.kv_reads += 1);
            let mut list = self.bindings.data.list().prefix(POOLS.to_owned());
            if let Some(cursor) = cursor {
                list = list.cursor(cursor);
            }
            let page = list
                .execute()
                .await
                .map_err(|cause| Error::storage("listing the pools", message(&cause)))?;
            let found = page.keys.iter();
            names.extend(found.filter_map(|key| Some(key.name.strip_prefix(POOLS)?.to_owned())));
            cursor = page.cursor;
            if page.list_complete || cursor.is_none() {
                return Ok(names);
            }
        }
    }
}
