//! `ztp pull`: writes the stored content to files.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::{Error, ErrorKind, Write};
use std::path::{Path, PathBuf};

use ztp_core::content::{ContentKind, NotContent, Store};

use crate::cli::PullArgs;
use crate::digest::FileDigest;
use crate::plan::{Plan, Step};
use crate::project::Project;
use crate::store::{self, Inventory, Storage};
use crate::{CLEAN, FINDINGS, Failure, display, display_path, regular};

/// The largest number of values in one read.
const VALUES_AT_ONCE: usize = 100;
/// The longest name of a file or folder in file systems, in bytes. Keys may have longer parts.
const MAX_NAME_BYTES: usize = 255;

/// Pulls the stored content into a folder.
///
/// # Errors
/// The storage fails, or a file cannot be written.
pub fn run(args: &PullArgs) -> Result<u8, Failure> {
    let project = Project::find(args.target.project.as_deref())?;
    let mut storage = store::open(&args.target, &project)?;
    display(&format!(
        "from {} to {}\n",
        storage.name(),
        display_path(&args.dir)
    ))?;
    let mut pull = Pull {
        args,
        storage: storage.as_mut(),
        plan: Plan::default(),
        files: BTreeSet::new(),
    };
    let inventory = pull.storage.list()?;
    pull.values(&inventory)?;
    if !args.nodes {
        pull.objects(&inventory)?;
    }
    display(&pull.plan.text(args.verbose))?;
    if args.dry_run {
        display("dry run: nothing is written\n")?;
    }
    let left = pull.plan.count(|step| matches!(step, Step::LeaveAlone(_)));
    Ok(if left == 0 { CLEAN } else { FINDINGS })
}

/// A pull under way.
struct Pull<'a> {
    args: &'a PullArgs,
    storage: &'a mut dyn Storage,
    plan: Plan,
    /// The keys that are files of DIR, or will be.
    files: BTreeSet<String>,
}

/// The present state of a path in DIR.
enum PathState {
    Missing,
    /// In bytes.
    File(u64),
    /// The reason why no file can have this path.
    Obstacle(String),
}

impl Pull<'_> {
    fn values(&mut self, inventory: &Inventory) -> Result<(), Failure> {
        let keys = inventory.values.keys();
        let wanted: Vec<String> = keys
            .filter(|key| !self.args.nodes || key.starts_with("nodes/"))
            .cloned()
            .collect();
        for keys in wanted.chunks(VALUES_AT_ONCE) {
            let values = self.storage.values(keys)?;
            for key in keys {
                // A list may still have keys that were deleted since.
                let Some(value) = values.get(key) else {
                    continue;
                };
                let Some(path) = self.path(Store::Kv, key) else {
                    continue;
                };
                let size = value.len() as u64;
                let step = match self.path_state(key, &path) {
                    PathState::Missing => Step::Add,
                    PathState::Obstacle(why) => Step::LeaveAlone(why),
                    PathState::File(there) if there == size && read(&path, size)? == *value => {
                        Step::Unchanged
                    }
                    PathState::File(_) => self.differs(),
                };
                if self.is_to_be_written(&step) {
                    write(&path, |new| {
                        let mut file = OpenOptions::new().write(true).create_new(true).open(new)?;
                        file.write_all(value)
                    })?;
                }
                self.add(Store::Kv, key, step, size);
            }
        }
        Ok(())
    }

    fn objects(&mut self, inventory: &Inventory) -> Result<(), Failure> {
        for (key, object) in &inventory.objects {
            let Some(path) = self.path(Store::R2, key) else {
                continue;
            };
            let step = match self.path_state(key, &path) {
                PathState::Missing => Step::Add,
                PathState::Obstacle(why) => Step::LeaveAlone(why),
                PathState::File(size) if size != object.size => self.differs(),
                PathState::File(_) => match object.is(&FileDigest::of(&path)?) {
                    Some(true) => Step::Unchanged,
                    Some(false) | None => self.differs(),
                },
            };
            if self.is_to_be_written(&step) {
                let storage = &mut *self.storage;
                write(&path, |new| {
                    storage.get_object(key, new).map_err(Error::other)
                })?;
            }
            self.add(Store::R2, key, step, object.size);
        }
        Ok(())
    }

    fn add(&mut self, store: Store, key: &str, step: Step, size: u64) {
        if !matches!(step, Step::LeaveAlone(_)) {
            self.files.insert(key.to_owned());
        }
        self.plan.add(store, key, step, Some(size));
    }

    /// The path that a key is written to, if the Worker reads the key from this store. Such a key cannot leave the
    /// folder.
    fn path(&mut self, store: Store, key: &str) -> Option<PathBuf> {
        let known = match ContentKind::of(key) {
            Ok(kind) => kind.store() == store,
            // In a bucket, the Worker serves any file, also a backup copy of an editor.
            Err(NotContent::Foreign | NotContent::Misplaced(_)) => {
                let in_bucket = key.starts_with("files/") || key.starts_with("actions/");
                store == Store::R2 && in_bucket && key.split('/').all(ztp_core::key::is_name)
            }
            Err(_) => false,
        };
        if known {
            return Some(self.args.dir.join(key));
        }
        let reason = "the Worker does not read it, and it is not written";
        let step = Step::LeaveAlone(reason.to_owned());
        self.plan.add(store, key, step, None);
        None
    }

    /// The state of a key's path after the keys before it are written: one key can be the folder of
    /// another, and a file cannot.
    fn path_state(&self, key: &str, path: &Path) -> PathState {
        if let Some(name) = key.split('/').find(|name| name.len() > MAX_NAME_BYTES) {
            let length = name.len();
            return PathState::Obstacle(format!(
                "a part of it has {length} bytes, and a name at most {MAX_NAME_BYTES}"
            ));
        }
        for (end, _) in key.match_indices('/') {
            let folder = &key[..end];
            if self.files.contains(folder) || is_not_folder(&self.args.dir.join(folder)) {
                return PathState::Obstacle(format!(
                    "{folder} is a file, and cannot be a folder too"
                ));
            }
        }
        match std::fs::metadata(path) {
            Ok(found) if found.is_file() => PathState::File(found.len()),
            Ok(found) if found.is_dir() => {
                PathState::Obstacle("a folder of that name is in the way".to_owned())
            }
            Ok(_) => PathState::Obstacle(regular::NOT_A_FILE.to_owned()),
            Err(_) if std::fs::symlink_metadata(path).is_ok() => {
                PathState::Obstacle("a symbolic link that leads nowhere is in the way".to_owned())
            }
            Err(_) => PathState::Missing,
        }
    }

    fn differs(&self) -> Step {
        match self.args.overwrite {
            true => Step::Change,
            false => {
                Step::LeaveAlone("the file here differs; give --overwrite to replace it".to_owned())
            }
        }
    }

    fn is_to_be_written(&self, step: &Step) -> bool {
        matches!(step, Step::Add | Step::Change) && !self.args.dry_run
    }
}

/// Whether the path exists and is neither a folder nor a link to one.
fn is_not_folder(path: &Path) -> bool {
    match std::fs::metadata(path) {
        Ok(found) => !found.is_dir(),
        Err(_) => std::fs::symlink_metadata(path).is_ok(),
    }
}

fn read(path: &Path, size: u64) -> Result<Vec<u8>, Failure> {
    regular::read(path, size)
        .map_err(|error| Failure::new(format!("cannot read {}: {error}", display_path(path))))
}

/// Writes a file atomically.
fn write(path: &Path, fill: impl FnOnce(&Path) -> Result<(), Error>) -> Result<(), Failure> {
    let failed =
        |error: Error| Failure::new(format!("cannot write {}: {error}", display_path(path)));
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    // Not the name with an addition, which may be too long.
    let new = path.with_file_name(format!("{}.ztp-new", std::process::id()));
    // An existing file of that name must not be written to: it may be a pipe, or a link.
    match std::fs::remove_file(&new) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    fill(&new)
        .and_then(|()| std::fs::rename(&new, path))
        .map_err(|error| {
            // An incomplete file is useless. It may not exist.
            let _ = std::fs::remove_file(&new);
            failed(error)
        })
}
