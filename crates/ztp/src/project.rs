//! The project that a Worker is deployed from: its wrangler.toml, and its wrangler.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use toml::{Table, Value};

use ztp_core::node::Identifier;

use crate::{Failure, display_path, regular};

/// The largest wrangler.toml, in bytes.
const MAX_CONFIG_BYTES: u64 = 1 << 20;

/// A folder with a wrangler.toml.
#[derive(Debug)]
pub struct Project {
    pub folder: PathBuf,
    config: Result<Table, String>,
}

impl Project {
    /// The project in the folder `named`, else the nearest one above the current folder.
    ///
    /// # Errors
    /// There is no project.
    pub fn find(named: Option<&Path>) -> Result<Self, Failure> {
        if let Some(folder) = named {
            let folder = std::path::absolute(folder).map_err(|error| {
                Failure::new(format!("cannot find {}: {error}", display_path(folder)))
            })?;
            return Self::at(&folder).ok_or_else(|| {
                Failure::new(format!(
                    "{} has no wrangler.toml; give --project the folder of ztp-edge that you deploy from",
                    display_path(&folder)
                ))
            });
        }
        let here = std::env::current_dir()
            .map_err(|error| Failure::new(format!("cannot find the current folder: {error}")))?;
        Self::above(&here).ok_or_else(|| {
            Failure::new(
                "there is no wrangler.toml here or in a folder above; run ztp in the folder of \
                 ztp-edge that you deploy from, or name it with --project",
            )
        })
    }

    /// The nearest project that a folder is in.
    pub fn above(folder: &Path) -> Option<Self> {
        folder.ancestors().find_map(Self::at)
    }

    fn at(folder: &Path) -> Option<Self> {
        let path = folder.join("wrangler.toml");
        if !path.is_file() {
            return None;
        }
        let config = regular::read(&path, MAX_CONFIG_BYTES)
            .map_err(|error| error.to_string())
            .and_then(|text| String::from_utf8(text).map_err(|error| error.to_string()))
            .and_then(|text| text.parse::<Table>().map_err(|error| error.to_string()))
            .map_err(|problem| format!("cannot read {}: {problem}", display_path(&path)));
        Some(Self {
            folder: folder.to_owned(),
            config,
        })
    }

    fn config(&self) -> Result<&Table, Failure> {
        self.config
            .as_ref()
            .map_err(|problem| Failure::new(problem.as_str()))
    }

    /// The name of the Worker.
    pub fn worker(&self) -> Result<String, Failure> {
        self.text("name")?
            .ok_or_else(|| Failure::new("wrangler.toml has no 'name'; add the name of the Worker"))
    }

    /// The account, if the file contains one.
    pub fn account(&self) -> Result<Option<String>, Failure> {
        self.text("account_id")
    }

    /// Which fact names a node.
    ///
    /// # Errors
    /// The setting has an invalid value.
    pub fn identifier(&self) -> Result<Identifier, Failure> {
        let vars = self.config()?.get("vars");
        match vars
            .and_then(|vars| vars.get("IDENTIFIER"))
            .and_then(Value::as_str)
        {
            None => Ok(Identifier::default()),
            Some(value) => value
                .parse()
                .map_err(|error| Failure::new(format!("in wrangler.toml, {error}"))),
        }
    }

    fn text(&self, key: &str) -> Result<Option<String>, Failure> {
        let value = self.config()?.get(key);
        Ok(value.and_then(Value::as_str).map(str::to_owned))
    }

    /// The command for a program of an npm package. It runs in the project, with the project's Node.js first in PATH.
    ///
    /// # Errors
    /// The project's packages are not installed.
    pub fn npm_program(&self, name: &str) -> Result<Command, Failure> {
        let bin = self.folder.join("node_modules").join(".bin");
        let program = bin.join(name);
        if !program.exists() {
            return Err(Failure::new(format!(
                "{} does not exist; run `npm install` in {}",
                display_path(&program),
                display_path(&self.folder)
            )));
        }
        let mut path = bin.into_os_string();
        if let Some(rest) = std::env::var_os("PATH") {
            path.push(OsString::from(if cfg!(windows) { ";" } else { ":" }));
            path.push(rest);
        }
        let mut command = Command::new(program);
        command.current_dir(&self.folder).env("PATH", path);
        Ok(command)
    }
}
