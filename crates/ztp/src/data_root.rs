//! A data_root on disk: every file below DIR, symbolic links followed, by its key.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use ztp_core::printable::Printable;

use crate::content::{Place, Stray};
use crate::finding::{Finding, Kind};
use crate::{Failure, regular, shown};

/// The largest ztpserver.conf that is read, in bytes; ZTPServer's own has 1 KB.
const MAX_SERVER_CONF_BYTES: u64 = 1 << 20;

/// A data_root as found on disk.
pub struct DataRoot {
    pub path: PathBuf,
    /// What the Worker reads, by key.
    pub files: BTreeMap<String, File>,
    /// What is not uploaded, and why.
    pub left_alone: Vec<LeftAlone>,
    /// What is wrong with names, sizes and links.
    pub findings: Vec<Finding>,
    /// The text of ztpserver.conf, if there is one.
    pub server_conf: Option<Vec<u8>>,
}

/// One file that the Worker reads.
pub struct File {
    pub place: Place,
    /// Where it is on disk.
    pub path: PathBuf,
    /// In bytes.
    pub size: u64,
}

/// A file or folder that is not uploaded.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeftAlone {
    /// Its path below DIR; a folder ends with `/`.
    pub path: String,
    pub reason: &'static str,
}

impl DataRoot {
    /// Looks at every file below a folder; reads none but ztpserver.conf.
    ///
    /// # Errors
    /// The folder cannot be listed.
    pub fn scan(folder: &Path) -> Result<Self, Failure> {
        let listed = std::fs::read_dir(folder).map(drop);
        listed.map_err(|error| {
            Failure::new(format!(
                "cannot read the folder {}: {error}; give the folder that holds neighbordb, \
                 definitions/ and so on",
                shown(folder)
            ))
        })?;
        let mut root = Self {
            path: folder.to_owned(),
            files: BTreeMap::new(),
            left_alone: Vec::new(),
            findings: Vec::new(),
            server_conf: None,
        };
        let walk = WalkDir::new(folder)
            .follow_links(true)
            .min_depth(1)
            .sort_by_file_name();
        let mut walk = walk.into_iter();
        while let Some(entry) = walk.next() {
            match entry {
                Err(error) => root.refuse(&error),
                Ok(entry) if entry.file_type().is_dir() => {
                    if root.leave_folder(entry.path()) {
                        walk.skip_current_dir();
                    }
                }
                Ok(entry) => root.add(entry.path(), &entry),
            }
        }
        root.left_alone.sort();
        Ok(root)
    }

    /// The text of a file, if it is there and is UTF-8.
    pub fn text(&self, key: &str) -> Option<String> {
        let file = self.files.get(key)?;
        let bytes = regular::read(&file.path, file.place.store().max_value_bytes()).ok()?;
        String::from_utf8(bytes).ok()
    }

    /// Whether there is a file of that key.
    pub fn has(&self, key: &str) -> bool {
        self.files.contains_key(key)
    }

    /// Whether a folder as a whole is none of the Worker's business; then it is noted.
    fn leave_folder(&mut self, path: &Path) -> bool {
        let Some(key) = self.key(path) else {
            return false;
        };
        // What a file in it would be, tells what the folder is.
        let reason = match Place::of(&format!("{key}/x")) {
            Err(Stray::Foreign) => "not part of a data_root",
            Err(Stray::Plugin) => {
                "plugins do not run here: allocate('pool') and sqlite('pool') are built in, what \
                 others did belongs into an action or into the node's attributes"
            }
            _ => return false,
        };
        self.left_alone.push(LeftAlone {
            path: format!("{key}/"),
            reason,
        });
        true
    }

    fn add(&mut self, path: &Path, entry: &walkdir::DirEntry) {
        // Nothing else is opened, whatever it is called.
        let is_file = entry.file_type().is_file();
        let Some(key) = self.key(path) else {
            let shown = self.relative(path).display().to_string();
            self.findings.push(Finding::of_file(
                Kind::BadName,
                shown.clone(),
                format!("the name {shown:?} is not UTF-8"),
            ));
            return;
        };
        let place = match Place::of(&key) {
            Ok(place) => place,
            Err(Stray::Foreign) => {
                let reason = match is_file {
                    true => "not part of a data_root",
                    false => "not part of a data_root, and this is neither a file nor a folder",
                };
                return self.left_alone.push(LeftAlone { path: key, reason });
            }
            Err(Stray::ServerConf) if is_file => return self.read_server_conf(path, key),
            Err(stray) if is_file => return self.findings.extend(misplaced(&key, stray)),
            Err(_) => return self.not_a_file(key),
        };
        if !is_file {
            return self.not_a_file(key);
        }
        let size = match entry.metadata() {
            Ok(metadata) => metadata.len(),
            Err(error) => return self.refuse(&error),
        };
        let store = place.store();
        if key.len() > store.max_key_bytes() {
            let message = format!(
                "the key has {} bytes, and {} takes at most {}",
                key.len(),
                store.name(),
                store.max_key_bytes()
            );
            self.findings
                .push(Finding::of_file(Kind::KeyTooLong, &key, message));
        }
        if size > store.max_value_bytes() {
            let message = format!(
                "the file has {size} bytes, and {} takes at most {}",
                store.name(),
                store.max_value_bytes()
            );
            self.findings
                .push(Finding::of_file(Kind::TooLarge, &key, message));
        }
        let path = path.to_owned();
        self.files.insert(key, File { place, path, size });
    }

    fn not_a_file(&mut self, key: String) {
        let finding = Finding::of_file(Kind::NotAFile, key, regular::NOT_A_FILE);
        self.findings.push(finding);
    }

    fn read_server_conf(&mut self, path: &Path, key: String) {
        match regular::read(path, MAX_SERVER_CONF_BYTES) {
            Ok(text) => self.server_conf = Some(text),
            Err(error) => {
                let message = format!("the file cannot be read: {error}");
                self.findings
                    .push(Finding::of_file(Kind::Unreadable, key.clone(), message));
            }
        }
        let reason = "settings are [vars] in wrangler.toml";
        self.left_alone.push(LeftAlone { path: key, reason });
    }

    /// Notes what could not be walked.
    fn refuse(&mut self, error: &walkdir::Error) {
        let path = error.path().unwrap_or(&self.path);
        let key = self.relative(path).display().to_string();
        let cause = error
            .io_error()
            .map_or_else(|| error.to_string(), ToString::to_string);
        let is_link = std::fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink());
        let finding = if let Some(ancestor) = error.loop_ancestor() {
            let above = self.relative(ancestor).display().to_string();
            let above = if above.is_empty() { "." } else { &above };
            let message = format!("this symbolic link leads back to {above}, which it lies in");
            Finding::of_file(Kind::BrokenLink, key, message)
        } else if is_link {
            let target = std::fs::read_link(path).unwrap_or_default();
            let message = format!(
                "this symbolic link leads to {:?}, which is not there",
                target.display().to_string()
            );
            Finding::of_file(Kind::BrokenLink, key, message)
        } else {
            Finding::of_file(Kind::Unreadable, key, format!("it cannot be read: {cause}"))
        };
        self.findings.push(finding);
    }

    fn relative<'p>(&self, path: &'p Path) -> &'p Path {
        path.strip_prefix(&self.path).unwrap_or(path)
    }

    /// The key of a path; `None` if it is not UTF-8.
    fn key(&self, path: &Path) -> Option<String> {
        let parts: Option<Vec<_>> = self
            .relative(path)
            .components()
            .map(|part| part.as_os_str().to_str())
            .collect();
        parts.map(|parts| parts.join("/"))
    }
}

fn misplaced(key: &str, stray: Stray) -> Option<Finding> {
    Some(match stray {
        Stray::Foreign | Stray::Plugin | Stray::ServerConf => return None,
        Stray::Misplaced(reason) => {
            Finding::of_file(Kind::Misplaced, key, "nothing reads a file of this name")
                .with_help(format!("{reason}; as it is, it is left alone"))
        }
        Stray::NoNode(reason) => Finding::of_file(Kind::BadNodeId, key, reason),
        Stray::BadName => Finding::of_file(
            Kind::BadName,
            key,
            format!("'{}' can be no key", Printable(key)),
        ),
    })
}
