//! Every KV and R2 call, and nothing that decides.

use std::cell::Cell;
use std::collections::HashMap;

use serde::Serialize;
use worker::crypto::{DigestStream, DigestStreamAlgorithm};
use worker::kv::KvStore;
use worker::wasm_bindgen_futures::JsFuture;
use worker::{Bucket, Env, Object, RateLimiter, ResponseBody};

use crate::domain::node::NodeId;
use crate::error::Error;
use crate::key::{Document, ObjectKey, POOLS, Record};
use crate::pool;

/// Storage operations of one request, for its log line.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Operations {
    pub kv_reads: u32,
    pub kv_writes: u32,
    pub r2_reads: u32,
    pub pool_calls: u32,
}

/// The stores, opened for one request.
pub struct Storage {
    data: KvStore,
    files: Bucket,
    env: Env,
    operations: Cell<Operations>,
}

impl Storage {
    /// Takes the bindings.
    ///
    /// # Errors
    /// [`Error::Misconfigured`] if one is missing, with how to add it.
    pub fn open(env: &Env) -> Result<Self, Error> {
        let missing = |binding: &str, table: &str, make: &str| {
            Error::Misconfigured(format!(
                "the binding {binding} is missing: add [[{table}]] with binding = \"{binding}\" to \
                 wrangler.toml and deploy again with `npm run deploy`, which creates the {make}"
            ))
        };
        Ok(Self {
            data: env
                .kv("ZTP_DATA")
                .map_err(|_| missing("ZTP_DATA", "kv_namespaces", "KV namespace"))?,
            files: env
                .bucket("ZTP_FILES")
                .map_err(|_| missing("ZTP_FILES", "r2_buckets", "R2 bucket"))?,
            env: env.clone(),
            operations: Cell::default(),
        })
    }

    /// What this request has cost so far.
    pub fn operations(&self) -> Operations {
        self.operations.get()
    }

    /// The text of a shared document, if it is stored.
    ///
    /// # Errors
    /// [`Error::Storage`], or [`Error::BadRequest`] if what is stored is not UTF-8.
    pub async fn document(&self, document: Document<'_>) -> Result<Option<String>, Error> {
        let key = document.to_string();
        let Some(bytes) = self.value(&key).await? else {
            return Ok(None);
        };
        String::from_utf8(bytes).map(Some).map_err(|_| {
            Error::BadRequest(format!("{key} is not UTF-8 text; store it again as UTF-8"))
        })
    }

    /// The bytes of one record of a node, if it is stored.
    pub async fn record(&self, node: &NodeId, record: Record) -> Result<Option<Vec<u8>>, Error> {
        self.value(&record.key(node)).await
    }

    /// Those of `records` that are stored of a node, in one operation.
    pub async fn records(&self, node: &NodeId, records: &[Record]) -> Result<Records, Error> {
        self.count(|n| n.kv_reads += 1);
        let keys: Vec<String> = records.iter().map(|record| record.key(node)).collect();
        // KV refuses to answer more than 25 MB at once, and a startup-config may have that much.
        let Ok(mut values) = self.data.get_bulk(&keys).text().await else {
            return self.records_one_by_one(node, records).await;
        };
        let found = records.iter().zip(&keys).filter_map(|(record, key)| {
            let text = values.remove(key).flatten()?;
            Some((*record, text))
        });
        Ok(Records(found.collect()))
    }

    async fn records_one_by_one(
        &self,
        node: &NodeId,
        records: &[Record],
    ) -> Result<Records, Error> {
        let mut found = HashMap::new();
        for record in records {
            if let Some(bytes) = self.record(node, *record).await? {
                found.insert(*record, String::from_utf8_lossy(&bytes).into_owned());
            }
        }
        Ok(Records(found))
    }

    /// Stores a record of a node, byte for byte.
    pub async fn put_record(
        &self,
        node: &NodeId,
        record: Record,
        value: &[u8],
    ) -> Result<(), Error> {
        self.count(|n| n.kv_writes += 1);
        let key = record.key(node);
        let failed = |cause| Error::kv(format!("writing {key}"), cause);
        self.data
            .put_bytes(&key, value)
            .map_err(failed)?
            .execute()
            .await
            .map_err(failed)
    }

    /// An object with its body.
    pub async fn object(&self, key: &ObjectKey) -> Result<Option<Object>, Error> {
        self.count(|n| n.r2_reads += 1);
        let answer = self.files.get(key.as_str()).execute().await;
        answer.map_err(|cause| Error::storage(format!("reading {}", key.as_str()), cause))
    }

    /// An object without its body.
    pub async fn object_head(&self, key: &ObjectKey) -> Result<Option<Object>, Error> {
        self.count(|n| n.r2_reads += 1);
        let answer = self.files.head(key.as_str()).await;
        answer.map_err(|cause| Error::storage(format!("reading {}", key.as_str()), cause))
    }

    /// The SHA-1 of an object, hashed by the runtime while its body streams past.
    pub async fn object_sha1(&self, key: &ObjectKey) -> Result<Option<Vec<u8>>, Error> {
        let failed = |cause| Error::storage(format!("hashing {}", key.as_str()), cause);
        let Some(object) = self.object(key).await? else {
            return Ok(None);
        };
        let Some(body) = object.body() else {
            return Ok(None);
        };
        let ResponseBody::Stream(stream) = body.response_body().map_err(failed)? else {
            return Ok(None);
        };
        let digest = DigestStream::new(DigestStreamAlgorithm::Sha1);
        let piped = stream.pipe_to(digest.raw());
        JsFuture::from(piped)
            .await
            .map_err(|cause| failed(cause.into()))?;
        Ok(Some(digest.digest().await.map_err(failed)?.to_vec()))
    }

    /// The rate-limiting binding, if it is configured.
    pub fn rate_limiter(&self) -> Option<RateLimiter> {
        self.env.rate_limiter("ZTP_RATE_LIMIT").ok()
    }

    /// Tells the object of a pool to do something.
    ///
    /// # Errors
    /// [`Error::Misconfigured`] if the binding is missing; else as [`pool::Call::send`].
    pub async fn tell_pool(
        &self,
        pool: &str,
        command: pool::Command,
    ) -> Result<pool::Reply, Error> {
        let pools = self.env.durable_object("ZTP_POOLS").map_err(|_| {
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
        let failed = |cause| Error::kv("listing the pools", cause);
        let mut names = Vec::new();
        let mut cursor = None;
        loop {
            self.count(|n| n.kv_reads += 1);
            let mut list = self.data.list().prefix(POOLS.to_owned());
            if let Some(cursor) = cursor {
                list = list.cursor(cursor);
            }
            let page = list.execute().await.map_err(failed)?;
            let found = page.keys.into_iter();
            names.extend(found.filter_map(|key| Some(key.name.strip_prefix(POOLS)?.to_owned())));
            cursor = page.cursor.filter(|_| !page.list_complete);
            if cursor.is_none() {
                return Ok(names);
            }
        }
    }

    async fn value(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        self.count(|n| n.kv_reads += 1);
        let answer = self.data.get(key).bytes().await;
        answer.map_err(|cause| Error::kv(format!("reading {key}"), cause))
    }

    fn count(&self, add: impl FnOnce(&mut Operations)) {
        let mut operations = self.operations.get();
        add(&mut operations);
        self.operations.set(operations);
    }
}

/// The records of a node that are stored, as text.
pub struct Records(HashMap<Record, String>);

impl Records {
    /// The text of a record.
    pub fn get(&self, record: Record) -> Option<&str> {
        self.0.get(&record).map(String::as_str)
    }

    /// Whether any record is stored.
    pub fn any(&self) -> bool {
        !self.0.is_empty()
    }

    /// Whether a record is stored, empty or not.
    pub fn has(&self, record: Record) -> bool {
        self.0.contains_key(&record)
    }
}
