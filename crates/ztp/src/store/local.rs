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
/// What an answer begins with; other lines are wrangler's.
const MARK: &str = "ztp:";
/// The largest object: Node.js reads a file into one buffer, and no larger one.
const MAX_OBJECT_BYTES: u64 = 2 << 30;

/// Local storage, open.
pub struct Local {
    name: String,
    process: Child,
    /// `None` once it is closed, which ends the process.
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    /// What wrangler and workerd print: of interest only if they fail, since they warn of bindings
    /// that nobody uses here.
    complaints: Option<JoinHandle<String>>,
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
        let (Some(requests), Some(answers), Some(complaints)) = pipes else {
            return Err(Failure::new("cannot talk to Node.js: it has no pipes"));
        };
        let mut local = Self {
            name: format!("local storage in {}", display_path(state)),
            process,
            requests: Some(requests),
            answers: BufReader::new(answers),
            complaints: Some(std::thread::spawn(move || {
                let mut text = Vec::new();
                // What has been read by then is all there is to show.
                let _ = BufReader::new(complaints).read_to_end(&mut text);
                String::from_utf8_lossy(&text).into_owned()
            })),
        };
        local.answer::<Json>("opening it")?;
        Ok(local)
    }

    fn ask<T: DeserializeOwned>(&mut self, doing: &str, request: &Json) -> Result<T, Failure> {
        if let Some(requests) = &mut self.requests {
            let sent = writeln!(requests, "{request}").and_then(|()| requests.flush());
            sent.map_err(|error| Failure::new(format!("{}: {doing} failed: {error}", self.name)))?;
        }
        self.answer(doing)
    }

    fn answer<T: DeserializeOwned>(&mut self, doing: &str) -> Result<T, Failure> {
        let name = self.name.clone();
        let failed = |problem: &str| Failure::new(format!("{name}: {doing} failed: {problem}"));
        let mut line = String::new();
        loop {
            line.clear();
            let read = self.answers.read_line(&mut line);
            if read.map_err(|error| failed(&error.to_string()))? == 0 {
                let complaints = self.complaints.take().map(JoinHandle::join);
                let text = complaints.and_then(Result::ok).unwrap_or_default();
                return Err(failed(&format!(
                    "wrangler ended, and said:\n{}",
                    text.trim()
                )));
            }
            // Other lines are wrangler's.
            let Some(answer) = line.strip_prefix(MARK) else {
                continue;
            };
            let odd = |error: serde_json::Error| {
                failed(&format!("its answer is not understood: {error}"))
            };
            let answer: Json = serde_json::from_str(answer).map_err(odd)?;
            if let Some(error) = answer.get("error").and_then(Json::as_str) {
                return Err(failed(error));
            }
            return serde_json::from_value(answer).map_err(odd);
        }
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        // The end of its input ends the process, after what it has been asked is stored.
        self.requests = None;
        let _ = self.process.wait();
    }
}

#[derive(Deserialize)]
struct Listed {
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
struct Values {
    found: HashMap<String, String>,
}

impl Storage for Local {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn list(&mut self) -> Result<Inventory, Failure> {
        let listed: Listed = self.ask("listing it", &json!({"operation": "list"}))?;
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
        let Values { found } = self.ask("reading values", &request)?;
        let decoded = found.into_iter().map(|(key, value)| {
            let value = BASE64_STANDARD.decode(value).map_err(|error| {
                Failure::new(format!("the value of {key} did not arrive whole: {error}"))
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
        self.ask::<Json>("storing values", &request).map(drop)
    }

    fn takes(&self, key: &str, size: u64) -> Result<(), Failure> {
        if size < MAX_OBJECT_BYTES {
            return Ok(());
        }
        Err(Failure::new(format!(
            "{key} has {size} bytes, and local storage takes less than {MAX_OBJECT_BYTES}; with \
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
        self.ask::<Json>(&format!("storing {}", upload.key), &request)?;
        progress(upload.size);
        upload.digest.still_holds(upload.path)
    }

    fn get_object(&mut self, key: &str, to: &Path) -> Result<(), Failure> {
        let to = std::path::absolute(to)
            .map_err(|error| Failure::new(format!("cannot write {key}: {error}")))?;
        let request = json!({"operation": "get-object", "key": key, "path": to});
        self.ask::<Json>(&format!("reading {key}"), &request)
            .map(drop)
    }

    fn delete_values(&mut self, keys: &[String]) -> Result<(), Failure> {
        let request = json!({"operation": "delete-values", "keys": keys});
        self.ask::<Json>("deleting values", &request).map(drop)
    }

    fn delete_objects(&mut self, keys: &[String]) -> Result<(), Failure> {
        let request = json!({"operation": "delete-objects", "keys": keys});
        self.ask::<Json>("deleting objects", &request).map(drop)
    }
}
