//! The storage of `wrangler dev`, through wrangler's own code: one Node.js process for a whole run.

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::thread::JoinHandle;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value as Json, json};

use crate::digest::sha1;
use crate::project::Project;
use crate::{Failure, display_path};

use super::{Inventory, Storage, StoredObject, StoredValue, Upload, mark};

const SCRIPT: &str = include_str!("local.cjs");
/// The first characters of a response; other lines are wrangler's output.
const MARK: &str = "ztp:";
/// The limit of an object's size, in bytes: Node.js reads a file into one buffer.
const MAX_OBJECT_BYTES: u64 = 2 << 30;

/// Local storage, open.
pub struct Local {
    name: String,
    process: Child,
    /// `None` once it is closed, which ends the process.
    requests: Option<ChildStdin>,
    responses: BufReader<ChildStdout>,
    /// The output of wrangler and workerd. It is shown only if they fail, because they warn of bindings
    /// that `ztp` does not use.
    stderr: Option<JoinHandle<String>>,
}

impl Local {
    /// Starts wrangler's storage on a state folder, as `--persist-to` names it.
    ///
    /// # Errors
    /// The project's packages are missing, or wrangler cannot open the storage.
    pub fn open(project: &Project, state: &Path) -> Result<Self, Failure> {
        let mut process = project
            .npm_program("node")?
            .args(["-e", SCRIPT])
            .arg(project.folder.join("wrangler.toml"))
            // wrangler keeps local storage in a folder of its own below --persist-to.
            .arg(state.join("v3"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| Failure::new(format!("cannot run Node.js: {error}")))?;
        let pipes = (
            process.stdin.take(),
            process.stdout.take(),
            process.stderr.take(),
        );
        let (Some(requests), Some(responses), Some(stderr)) = pipes else {
            return Err(Failure::new(
                "cannot communicate with Node.js: it has no pipes",
            ));
        };
        let mut local = Self {
            name: format!("local storage in {}", display_path(state)),
            process,
            requests: Some(requests),
            responses: BufReader::new(responses),
            stderr: Some(std::thread::spawn(move || {
                let mut text = Vec::new();
                // An error ends the output: the part before it is shown.
                let _ = BufReader::new(stderr).read_to_end(&mut text);
                String::from_utf8_lossy(&text).into_owned()
            })),
        };
        local.response::<Json>("opening it")?;
        Ok(local)
    }

    fn call<T: DeserializeOwned>(&mut self, doing: &str, request: &Json) -> Result<T, Failure> {
        if let Some(requests) = &mut self.requests {
            let sent = writeln!(requests, "{request}").and_then(|()| requests.flush());
            sent.map_err(|error| Failure::new(format!("{}: {doing} failed: {error}", self.name)))?;
        }
        self.response(doing)
    }

    fn response<T: DeserializeOwned>(&mut self, doing: &str) -> Result<T, Failure> {
        let name = self.name.clone();
        let failed = |problem: &str| Failure::new(format!("{name}: {doing} failed: {problem}"));
        let mut line = String::new();
        loop {
            line.clear();
            let read = self.responses.read_line(&mut line);
            if read.map_err(|error| failed(&error.to_string()))? == 0 {
                let stderr = self.stderr.take().map(JoinHandle::join);
                let text = stderr.and_then(Result::ok).unwrap_or_default();
                return Err(failed(&format!(
                    "wrangler exited with this output:\n{}",
                    text.trim()
                )));
            }
            // Other lines are wrangler's output.
            let Some(response) = line.strip_prefix(MARK) else {
                continue;
            };
            let invalid =
                |error: serde_json::Error| failed(&format!("the response is not valid: {error}"));
            let response: Json = serde_json::from_str(response).map_err(invalid)?;
            if let Some(error) = response.get("error").and_then(Json::as_str) {
                return Err(failed(error));
            }
            return serde_json::from_value(response).map_err(invalid);
        }
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        // At the end of its input the process completes all requests, and exits.
        self.requests = None;
        let _ = self.process.wait();
    }
}

#[derive(Deserialize)]
struct ListResponse {
    values: BTreeMap<String, Option<String>>,
    objects: BTreeMap<String, ListedObject>,
}

#[derive(Deserialize)]
struct ListedObject {
    size: u64,
    etag: String,
    sha1: Option<String>,
    pushed_as: Option<String>,
}

#[derive(Deserialize)]
struct ValuesResponse {
    found: HashMap<String, String>,
}

impl Storage for Local {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn list(&mut self) -> Result<Inventory, Failure> {
        let listed: ListResponse = self.call("listing it", &json!({"operation": "list"}))?;
        let values = listed.values.into_iter();
        let objects = listed.objects.into_iter();
        Ok(Inventory {
            values: values
                .map(|(key, pushed_sha1)| (key, StoredValue { pushed_sha1 }))
                .collect(),
            objects: objects
                .map(|(key, object)| {
                    let stored = StoredObject {
                        size: object.size,
                        etag: Some(object.etag),
                        sha1: object.sha1,
                        pushed_as: object.pushed_as,
                    };
                    (key, stored)
                })
                .collect(),
        })
    }

    fn values(&mut self, keys: &[String]) -> Result<HashMap<String, Vec<u8>>, Failure> {
        let request = json!({"operation": "values", "keys": keys});
        let ValuesResponse { found } = self.call("reading values", &request)?;
        let decoded = found.into_iter().map(|(key, value)| {
            let value = BASE64_STANDARD.decode(value).map_err(|error| {
                Failure::new(format!(
                    "the response for {key} is not valid base64: {error}"
                ))
            })?;
            Ok((key, value))
        });
        decoded.collect()
    }

    fn put_values(&mut self, values: &[(String, Vec<u8>)]) -> Result<(), Failure> {
        let values: Vec<_> = values
            .iter()
            .map(|(key, value)| {
                json!({"key": key, "base64": BASE64_STANDARD.encode(value), "sha1": sha1(value)})
            })
            .collect();
        let request = json!({"operation": "put-values", "values": values});
        self.call::<Json>("storing values", &request).map(drop)
    }

    fn check_size(&self, key: &str, size: u64) -> Result<(), Failure> {
        if size < MAX_OBJECT_BYTES {
            return Ok(());
        }
        Err(Failure::new(format!(
            "{key} has {size} bytes, and local storage accepts less than {MAX_OBJECT_BYTES}; with \
             --remote there is no such limit"
        )))
    }

    fn put_object(
        &mut self,
        upload: &Upload<'_>,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(), Failure> {
        let path = std::path::absolute(upload.path)
            .map_err(|error| Failure::new(format!("cannot find {}: {error}", upload.key)))?;
        let request = json!({
            "operation": "put-object",
            "key": upload.key,
            "path": path,
            "sha1": upload.digest.sha1,
            "size": upload.size,
            "mark": mark(upload.key),
        });
        self.call::<Json>(&format!("storing {}", upload.key), &request)?;
        progress(upload.size);
        upload.digest.check_unchanged(upload.path)
    }

    fn get_object(&mut self, key: &str, to: &Path) -> Result<(), Failure> {
        let to = std::path::absolute(to)
            .map_err(|error| Failure::new(format!("cannot write {key}: {error}")))?;
        let request = json!({"operation": "get-object", "key": key, "path": to});
        self.call::<Json>(&format!("reading {key}"), &request)
            .map(drop)
    }

    fn delete_values(&mut self, keys: &[String]) -> Result<(), Failure> {
        let request = json!({"operation": "delete-values", "keys": keys});
        self.call::<Json>("deleting values", &request).map(drop)
    }

    fn delete_objects(&mut self, keys: &[String]) -> Result<(), Failure> {
        let request = json!({"operation": "delete-objects", "keys": keys});
        self.call::<Json>("deleting objects", &request).map(drop)
    }
}
