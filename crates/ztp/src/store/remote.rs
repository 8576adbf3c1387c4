//! The storage of the deployed Worker: KV and small objects through Cloudflare's REST API, objects
//! through R2's S3 interface where there are credentials for it.
//!
//! wrangler's commands are not used: they start a process for each object, cannot list a bucket, and cannot use a
//! test server, which the test of an interrupted upload needs. wrangler only provides the credential.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde_json::{Value as Json, json};
use ureq::SendBody;
use ureq::http::Method;

use ztp_core::path::encode_segment;

use crate::Failure;
use crate::digest::sha1;
use crate::http::{self, RequestError, TextResponse};
use crate::project::Project;
use ztp_core::content::Store;

use super::cloudflare::{Api, built};
use super::s3::S3;
use super::{Inventory, Storage, StoredObject, StoredValue, Upload, mark};

/// The largest object that Cloudflare's REST API accepts, in bytes; wrangler has the same limit.
const MAX_REST_OBJECT_BYTES: u64 = 300 << 20;
/// The text before the mark in the Content-Disposition of an object.
const DISPOSITION: &str = "attachment; ztp-pushed-as=";
/// The largest number of values in one read.
const VALUES_AT_ONCE: usize = 100;
/// The largest number of values in one deletion.
const DELETED_AT_ONCE: usize = 10_000;

/// Cloudflare, for one deployed Worker.
pub struct Remote {
    api: Api,
    worker: String,
    /// The namespace bound as ZTP_DATA.
    namespace: String,
    /// The bucket bound as ZTP_FILES.
    bucket: String,
    s3: Option<S3>,
}

#[derive(Deserialize)]
struct WorkerSettings {
    bindings: Vec<Binding>,
}

#[derive(Deserialize)]
struct Binding {
    name: String,
    namespace_id: Option<String>,
    bucket_name: Option<String>,
}

#[derive(Deserialize)]
struct ListedValue {
    name: String,
    metadata: Option<Json>,
}

#[derive(Deserialize)]
struct ListedObject {
    key: String,
    #[serde(default)]
    size: u64,
    etag: Option<String>,
    #[serde(default)]
    custom_metadata: Option<BTreeMap<String, String>>,
    #[serde(default)]
    http_metadata: Option<HttpMetadata>,
}

#[derive(Default, Deserialize)]
struct HttpMetadata {
    #[serde(rename = "contentDisposition")]
    disposition: Option<String>,
}

#[derive(Deserialize)]
struct BulkValues {
    values: HashMap<String, Option<String>>,
}

#[derive(Deserialize)]
struct BulkDone {
    #[serde(default)]
    unsuccessful_keys: Vec<String>,
}

impl Remote {
    /// Finds the storage that the deployed Worker is bound to.
    ///
    /// # Errors
    /// There is no credential, the Worker does not exist, or it lacks a binding.
    pub fn open(project: &Project) -> Result<Self, Failure> {
        let worker = project.worker()?;
        let api = Api::open(project)?;
        let path = api.of_account(&format!(
            "/workers/scripts/{}/settings",
            encode_segment(&worker)
        ));
        let asked = api.call("reading the Worker's bindings", Method::GET, &path, None);
        let (settings, _): (WorkerSettings, _) = asked.map_err(|failure| {
            Failure::new(format!(
                "{failure}; if the Worker '{worker}' is not deployed yet, run `npm run deploy`"
            ))
        })?;
        let bound = |name: &str, pick: fn(&Binding) -> Option<&String>| {
            let binding = settings
                .bindings
                .iter()
                .find(|binding| binding.name == name);
            binding.and_then(pick).cloned().ok_or_else(|| {
                Failure::new(format!(
                    "the Worker '{worker}' is deployed without the binding {name}; deploy it again \
                     with `npm run deploy`"
                ))
            })
        };
        let namespace = bound("ZTP_DATA", |binding| binding.namespace_id.as_ref())?;
        let bucket = bound("ZTP_FILES", |binding| binding.bucket_name.as_ref())?;
        let s3 = S3::from_environment(&api.account, &bucket, &project.folder)?;
        Ok(Self {
            api,
            worker,
            namespace,
            bucket,
            s3,
        })
    }

    fn of_namespace(&self, rest: &str) -> String {
        let namespace = encode_segment(&self.namespace);
        self.api
            .of_account(&format!("/storage/kv/namespaces/{namespace}{rest}"))
    }

    fn of_bucket(&self, rest: &str) -> String {
        let bucket = encode_segment(&self.bucket);
        self.api.of_account(&format!("/r2/buckets/{bucket}{rest}"))
    }

    fn of_object(&self, key: &str) -> String {
        let key: Vec<_> = key.split('/').map(encode_segment).collect();
        self.of_bucket(&format!("/objects/{}", key.join("/")))
    }

    fn list_values(&self) -> Result<BTreeMap<String, StoredValue>, Failure> {
        let mut found = BTreeMap::new();
        let mut cursor = String::new();
        loop {
            let path = self.of_namespace(&format!("/keys?limit=1000{}", from(&cursor)));
            let (page, info): (Vec<ListedValue>, _) =
                self.api.call("listing KV", Method::GET, &path, None)?;
            found.extend(page.into_iter().map(|ListedValue { name, metadata }| {
                let sha1 = metadata.as_ref().and_then(|metadata| metadata.get("sha1"));
                let pushed_sha1 = sha1.and_then(Json::as_str).map(str::to_owned);
                (name, StoredValue { pushed_sha1 })
            }));
            match info.cursor.filter(|cursor| !cursor.is_empty()) {
                Some(next) => cursor = next,
                None => return Ok(found),
            }
        }
    }

    fn list_objects(&self) -> Result<BTreeMap<String, StoredObject>, Failure> {
        if let Some(s3) = &self.s3 {
            return s3.list();
        }
        let mut found = BTreeMap::new();
        let mut cursor = String::new();
        loop {
            let path = self.of_bucket(&format!("/objects?per_page=1000{}", from(&cursor)));
            let (page, info): (Vec<ListedObject>, _) =
                self.api.call("listing R2", Method::GET, &path, None)?;
            found.extend(page.into_iter().map(|object| {
                let metadata = object.custom_metadata.unwrap_or_default();
                let of_size = metadata.get("sha1-size").map(String::as_str)
                    == Some(object.size.to_string().as_str());
                let disposition = object.http_metadata.unwrap_or_default().disposition;
                let pushed_as = metadata.get("pushed-as").cloned();
                let stored = StoredObject {
                    size: object.size,
                    etag: object.etag,
                    sha1: metadata.get("sha1").filter(|_| of_size).cloned(),
                    pushed_as: pushed_as
                        .or_else(|| disposition.as_deref().and_then(mark_of_disposition)),
                };
                (object.key, stored)
            }));
            match info.cursor.filter(|cursor| !cursor.is_empty()) {
                Some(next) if info.is_truncated != Some(false) => cursor = next,
                _ => return Ok(found),
            }
        }
    }

    /// One value. A bulk read cannot return values that are not UTF-8 text, or too large together.
    fn value(&self, key: &str) -> Result<Option<Vec<u8>>, Failure> {
        let path = self.of_namespace(&format!("/values/{}", encode_segment(key)));
        http::retry(&format!("reading {key}"), || {
            let request = built(self.api.request(Method::GET, &path).body(()))?;
            let response = self
                .api
                .agent
                .run(request)
                .map_err(|error| RequestError::Transient(error.to_string()))?;
            let (parts, body) = response.into_parts();
            let bytes = body
                .into_with_config()
                .limit(Store::Kv.max_value_bytes() + 1)
                .read_to_vec()
                .map_err(|error| RequestError::Transient(error.to_string()))?;
            let response = |bytes: Vec<u8>| TextResponse {
                status: parts.status.as_u16(),
                body: String::from_utf8_lossy(&bytes).into_owned(),
                headers: parts.headers,
            };
            match parts.status.as_u16() {
                200 => Ok(Some(bytes)),
                404 => Ok(None),
                _ => Err(response(bytes).error()),
            }
        })
    }

    fn put_small_object(&self, upload: &Upload<'_>) -> Result<(), Failure> {
        let path = self.of_object(upload.key);
        http::retry(&format!("storing {}", upload.key), || {
            let mut file = upload.open()?;
            let request = self
                .api
                .request(Method::PUT, &path)
                .header("Content-Length", upload.size)
                .header("Content-Disposition", disposition(upload.key))
                .body(SendBody::from_reader(&mut file));
            let response = self.api.send(request)?;
            match response.status {
                200..300 => Ok(()),
                _ => Err(response.error()),
            }
        })
    }
}

/// The REST API accepts no custom metadata, but this header is stored with an object and listed. The
/// Worker does not send it to switches.
fn disposition(key: &str) -> String {
    format!("{DISPOSITION}{}", mark(key))
}

/// The mark in a header that [`disposition`] has made.
pub fn mark_of_disposition(value: &str) -> Option<String> {
    value.strip_prefix(DISPOSITION).map(str::to_owned)
}

/// The query parameter for the next page of a list.
fn from(cursor: &str) -> String {
    match cursor {
        "" => String::new(),
        cursor => format!("&cursor={}", encode_segment(cursor)),
    }
}

impl Storage for Remote {
    fn name(&self) -> String {
        let interface = match self.s3 {
            Some(_) => " (objects through R2's S3 interface)",
            None => "",
        };
        format!(
            "the storage of the deployed Worker '{}'{interface}",
            self.worker
        )
    }

    fn list(&mut self) -> Result<Inventory, Failure> {
        Ok(Inventory {
            values: self.list_values()?,
            objects: self.list_objects()?,
        })
    }

    fn values(&mut self, keys: &[String]) -> Result<HashMap<String, Vec<u8>>, Failure> {
        let mut found = HashMap::new();
        for keys in keys.chunks(VALUES_AT_ONCE) {
            let path = self.of_namespace("/bulk/get");
            let body = json!({"keys": keys, "type": "text"});
            let mut values = http::retry("reading values", || {
                match self.api.call_once(Method::POST, &path, Some(&body)) {
                    Ok((BulkValues { values }, _)) => Ok(values),
                    // Values that are too large for one response are read one by one. Any other
                    // permanent error occurs there again, and is reported.
                    Err(RequestError::Permanent(_)) => Ok(HashMap::new()),
                    Err(error) => Err(error),
                }
            })?;
            for key in keys {
                let text = values.remove(key).flatten();
                // KV has replaced bytes that are not UTF-8.
                match text.filter(|text| !text.contains('\u{fffd}')) {
                    Some(text) => drop(found.insert(key.clone(), text.into_bytes())),
                    None => {
                        if let Some(value) = self.value(key)? {
                            found.insert(key.clone(), value);
                        }
                    }
                }
            }
        }
        Ok(found)
    }

    fn put_values(&mut self, values: &[(String, Vec<u8>)]) -> Result<(), Failure> {
        let path = self.of_namespace("/bulk");
        let mut left: Vec<&(String, Vec<u8>)> = values.iter().collect();
        http::retry("storing values", || {
            let pairs: Vec<_> = left
                .iter()
                .map(|(key, value)| {
                    json!({
                        "key": key,
                        "value": BASE64_STANDARD.encode(value),
                        "base64": true,
                        "metadata": {"sha1": sha1(value)},
                    })
                })
                .collect();
            let (done, _): (Option<BulkDone>, _) =
                self.api
                    .call_once(Method::PUT, &path, Some(&pairs.into()))?;
            let undone = done.map(|done| done.unsuccessful_keys).unwrap_or_default();
            left.retain(|(key, _)| undone.contains(key));
            match left.first() {
                None => Ok(()),
                // KV accepts one write per second and key.
                Some((key, _)) => Err(RequestError::RateLimited {
                    problem: format!(
                        "KV did not store {} of the values, among them {key}",
                        left.len()
                    ),
                    retry_after: None,
                }),
            }
        })
    }

    fn check_size(&self, key: &str, size: u64) -> Result<(), Failure> {
        if self.s3.is_some() || size <= MAX_REST_OBJECT_BYTES {
            return Ok(());
        }
        Err(Failure::new(format!(
            "{key} has {size} bytes, and only objects up to {MAX_REST_OBJECT_BYTES} can be stored with \
             wrangler's login; make an R2 API token in the dashboard (R2, Manage API tokens), and set \
             AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY to it"
        )))
    }

    fn put_object(
        &mut self,
        upload: &Upload<'_>,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(), Failure> {
        match &self.s3 {
            Some(s3) => s3.put(upload, progress)?,
            None => {
                self.put_small_object(upload)?;
                progress(upload.size);
            }
        }
        upload.digest.check_unchanged(upload.path)
    }

    fn get_object(&mut self, key: &str, to: &Path) -> Result<(), Failure> {
        if let Some(s3) = &self.s3 {
            return s3.get(key, to);
        }
        let path = self.of_object(key);
        http::retry(&format!("reading {key}"), || {
            let request = built(self.api.request(Method::GET, &path).body(()))?;
            http::download(&self.api.agent, request, to)
        })
    }

    fn pushed_as(&mut self, key: &str, listed: &StoredObject) -> Result<Option<String>, Failure> {
        match &self.s3 {
            // A list of S3 has no metadata.
            Some(s3) => Ok(s3.pushed_metadata(key, listed.size)?.pushed_as),
            None => Ok(listed.pushed_as.clone()),
        }
    }

    fn delete_values(&mut self, keys: &[String]) -> Result<(), Failure> {
        let path = self.of_namespace("/bulk/delete");
        for keys in keys.chunks(DELETED_AT_ONCE) {
            let _: (Json, _) =
                self.api
                    .call("deleting values", Method::POST, &path, Some(&json!(keys)))?;
        }
        Ok(())
    }

    fn delete_objects(&mut self, keys: &[String]) -> Result<(), Failure> {
        for key in keys {
            let path = self.of_object(key);
            http::retry(&format!("deleting {key}"), || {
                let response = self
                    .api
                    .send(self.api.request(Method::DELETE, &path).body(()))?;
                match response.status {
                    // 404: an earlier attempt has deleted it, and its response was lost.
                    200..300 | 404 => Ok(()),
                    _ => Err(response.error()),
                }
            })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_found_in_its_header_and_in_no_other() {
        let value = disposition("files/ü a");
        assert_eq!(mark_of_disposition(&value), Some(mark("files/ü a")));
        assert_ne!(mark("files/ü a"), mark("files/copy"));
        assert_eq!(mark_of_disposition("attachment; filename=x"), None);
    }
}
