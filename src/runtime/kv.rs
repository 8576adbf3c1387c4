//! KV namespaces.

use std::future::Future;

use serde::Deserialize;
use worker::wasm_bindgen::JsValue;

use super::{Failure, Held, glue, settled};

/// A KV namespace.
pub struct Namespace(JsValue);

impl Namespace {
    pub fn of(binding: JsValue) -> Self {
        Self(binding)
    }

    /// Begins to read the bytes under a key; what comes back waits for them, if it is stored.
    pub fn get(
        &self,
        key: &str,
    ) -> Result<impl Future<Output = Result<Option<Held>, Failure>> + use<>, Failure> {
        let read = settled(glue::kv_get(&self.0, key)?);
        Ok(async move {
            let found = read.await?;
            Ok((!found.is_null()).then(|| Held::of(found)))
        })
    }

    /// Begins to look whether there is a value under a key; its bytes are not read.
    pub fn has(
        &self,
        key: &str,
    ) -> Result<impl Future<Output = Result<bool, Failure>> + use<>, Failure> {
        let asked = settled(glue::kv_has(&self.0, key)?);
        Ok(async move { Ok(asked.await?.is_truthy()) })
    }

    /// The texts under several names in a folder, in one operation. KV refuses to answer more than
    /// 25 MB at once.
    pub async fn get_all(
        &self,
        folder: &str,
        names: impl Iterator<Item = impl AsRef<str>>,
    ) -> Result<Texts, Failure> {
        let mut keys = String::new();
        for name in names {
            if !keys.is_empty() {
                keys.push('\n');
            }
            keys.push_str(folder);
            keys.push_str(name.as_ref());
        }
        Ok(Texts(settled(glue::kv_get_all(&self.0, &keys)?).await?))
    }

    /// The names of keys that begin with `prefix`, a page of them at a time.
    pub async fn list(&self, prefix: &str, cursor: Option<&str>) -> Result<Page, Failure> {
        let page = settled(glue::kv_list(&self.0, prefix, cursor)?).await?;
        let page = serde_json::from_str(&page.as_string().unwrap_or_default());
        page.map_err(|error| JsValue::from(error.to_string()).into())
    }

    /// Begins to store bytes under a key; what comes back waits until that is done.
    pub fn put(
        &self,
        key: &str,
        value: Value<'_>,
    ) -> Result<impl Future<Output = Result<(), Failure>> + use<>, Failure> {
        let stored = settled(match value {
            Value::Bytes(bytes) => glue::kv_put(&self.0, key, bytes)?,
            Value::Held(held) => glue::kv_put_held(&self.0, key, &held.bytes)?,
        });
        Ok(async move { Ok(stored.await.map(drop)?) })
    }
}

/// What is stored under a key.
#[derive(Clone, Copy)]
pub enum Value<'a> {
    Bytes(&'a [u8]),
    Held(&'a Held),
}

/// Names of keys, and where the next page of them begins, if there is one.
#[derive(Debug, Deserialize)]
pub struct Page {
    pub names: Vec<String>,
    pub cursor: Option<String>,
}

/// What several keys held, by their index. Texts stay with JavaScript until they are asked for.
pub struct Texts(JsValue);

impl Texts {
    pub fn get(&self, index: usize) -> Option<String> {
        glue::text_at(&self.0, index)
    }

    pub fn has(&self, index: usize) -> bool {
        glue::has_at(&self.0, index)
    }
}
