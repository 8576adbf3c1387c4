//! `ztp pull`: what is stored, as files.

use std::path::{Path, PathBuf};

use crate::cli::PullArgs;
use crate::content::{Place, Store};
use crate::digest::FileDigest;
use crate::plan::{Plan, Step};
use crate::project::Project;
use crate::store::{self, Inventory, Storage};
use crate::{CLEAN, FINDINGS, Failure, say, shown};

/// Most values that are read at once.
const VALUES_AT_ONCE: usize = 100;

/// Pulls what is stored into a folder.
///
/// # Errors
/// The storage fails, or a file cannot be written.
pub fn run(args: &PullArgs) -> Result<u8, Failure> {
    let project = Project::find(args.target.project.as_deref())?;
    let mut storage = store::open(&args.target, &project)?;
    say(&format!(
        "from {} to {}\n",
        storage.name(),
        shown(&args.dir)
    ))?;
    let mut pull = Pull {
        args,
        storage: storage.as_mut(),
        plan: Plan::default(),
    };
    let inventory = pull.storage.list()?;
    pull.values(&inventory)?;
    if !args.nodes {
        pull.objects(&inventory)?;
    }
    say(&pull.plan.text(args.verbose))?;
    if args.dry_run {
        say("dry run: nothing is written\n")?;
    }
    let left = pull.plan.count(|step| matches!(step, Step::LeaveAlone(_)));
    Ok(if left == 0 { CLEAN } else { FINDINGS })
}

/// A pull under way.
struct Pull<'a> {
    args: &'a PullArgs,
    storage: &'a mut dyn Storage,
    plan: Plan,
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
                // A list may still have what has been deleted since.
                let Some(value) = values.get(key) else {
                    continue;
                };
                let Some(path) = self.path(key) else { continue };
                let step = match std::fs::read(&path) {
                    Ok(there) if there == *value => Step::Unchanged,
                    Ok(_) => self.differs(),
                    Err(_) if path.is_dir() => in_the_way(),
                    Err(_) => Step::Add,
                };
                if self.is_to_be_written(&step) {
                    write(&path, |new| {
                        std::fs::write(new, value).map_err(|e| e.to_string())
                    })?;
                }
                self.plan.add(key, step, Some(value.len() as u64));
            }
        }
        Ok(())
    }

    fn objects(&mut self, inventory: &Inventory) -> Result<(), Failure> {
        for (key, object) in &inventory.objects {
            let Some(path) = self.path(key) else { continue };
            let step = match std::fs::metadata(&path) {
                Err(_) => Step::Add,
                Ok(there) if there.is_dir() => in_the_way(),
                Ok(there) if there.len() != object.size => self.differs(),
                Ok(_) => match object.is(&FileDigest::of(&path)?) {
                    Some(true) => Step::Unchanged,
                    Some(false) | None => self.differs(),
                },
            };
            if self.is_to_be_written(&step) {
                let storage = &mut *self.storage;
                write(&path, |new| {
                    storage
                        .get_object(key, new)
                        .map_err(|failure| failure.to_string())
                })?;
            }
            self.plan.add(key, step, Some(object.size));
        }
        Ok(())
    }

    /// Where a key is written to, if it is one that cannot leave the folder.
    fn path(&mut self, key: &str) -> Option<PathBuf> {
        let known = match Place::of(key) {
            Ok(_) => true,
            // A file that an editor left is a file in a bucket all the same.
            Err(_) => Store::of(key) == Store::R2 && key.split('/').all(ztp_core::key::is_name),
        };
        if known {
            return Some(self.args.dir.join(key));
        }
        let reason = "it is nothing that the Worker reads, and is not written";
        self.plan
            .add(key, Step::LeaveAlone(reason.to_owned()), None);
        None
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

fn in_the_way() -> Step {
    Step::LeaveAlone("a folder of that name is in the way".to_owned())
}

/// Writes a file whole or not at all.
fn write(path: &Path, fill: impl FnOnce(&Path) -> Result<(), String>) -> Result<(), Failure> {
    let failed = |error: String| Failure::new(format!("cannot write {}: {error}", shown(path)));
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|error| failed(error.to_string()))?;
    }
    let mut new = path.as_os_str().to_owned();
    new.push(".ztp-new");
    let new = PathBuf::from(new);
    let written = fill(&new).and_then(|()| std::fs::rename(&new, path).map_err(|e| e.to_string()));
    written.map_err(|error| {
        // What is half written is of no use, and may not be there at all.
        let _ = std::fs::remove_file(&new);
        failed(error)
    })
}
