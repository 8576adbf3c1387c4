//! A data_root on disk: every file below DIR by its key. Symbolic links are followed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use ztp_core::check::{Contents, Elsewhere, Finding, FindingKind, Listed, SERVER_CONF};
use ztp_core::content::{ContentKind, NotContent, Store};

use crate::validate::allow;
use crate::{Failure, display_path, regular, unreadable};

/// The largest ztpserver.conf, in bytes; ZTPServer's own has 1 KB.
const MAX_SERVER_CONF_BYTES: u64 = 1 << 20;

/// A data_root on disk.
#[derive(Default)]
pub struct DataRoot {
    pub path: PathBuf,
    /// The files that the Worker reads, by key.
    pub files: BTreeMap<String, File>,
    /// The other regular files, by key: their sizes in bytes.
    pub others: BTreeMap<String, u64>,
    /// The files and folders that are not uploaded, by path below DIR, each with the reason; a folder ends with `/`.
    pub left_alone: BTreeMap<String, &'static str>,
    /// The keys of leftovers, which are not uploaded either.
    pub leftovers: BTreeSet<String>,
    /// The keys of stock files of ZTPServer, which are not uploaded either; with the releases that have them.
    pub stock: BTreeMap<String, String>,
    /// The keys that are on the server, and stay there; `None`: no server was asked.
    pub stored: Option<BTreeSet<String>>,
    /// The content that is elsewhere: symbolic links that lead out of the folder, by path below DIR, each with its target.
    pub links: BTreeMap<String, PathBuf>,
    /// Problems of this file system: names that are not UTF-8, links, special files.
    pub findings: Vec<Finding>,
}

/// One file that the Worker reads.
pub struct File {
    pub kind: ContentKind,
    /// The path on disk.
    pub path: PathBuf,
    /// In bytes.
    pub size: u64,
}

impl DataRoot {
    /// Lists every file below a folder, and reads none.
    pub fn scan(folder: &Path) -> Result<Self, Failure> {
        std::fs::read_dir(folder).map_err(|error| {
            let advice = "give the folder that contains neighbordb, definitions/ and so on";
            let folder = display_path(folder);
            format!("cannot read the folder {folder}: {error}; {advice}")
        })?;
        let mut root = Self {
            path: folder.to_owned(),
            ..Self::default()
        };
        let walk = WalkDir::new(folder).follow_links(true).min_depth(1);
        let mut walk = walk.sort_by_file_name().into_iter();
        while let Some(entry) = walk.next() {
            match entry {
                Err(error) => root.refuse(&error),
                Ok(entry) if entry.file_type().is_dir() => match root.leave_folder(entry.path()) {
                    true => walk.skip_current_dir(),
                    false => root.note_link(&entry),
                },
                Ok(entry) => {
                    root.add(entry.path(), &entry);
                    root.note_link(&entry);
                }
            }
        }
        Ok(root)
    }

    /// Adds files that are not in the folder, each with its key.
    pub fn add_files(&mut self, added: &[(String, PathBuf)]) -> Result<(), Failure> {
        for (key, path) in added {
            let metadata = std::fs::metadata(path).map_err(|error| unreadable(path, error))?;
            if let Ok(kind) = ContentKind::of(key) {
                let (path, size) = (path.clone(), metadata.len());
                self.files.insert(key.clone(), File { kind, path, size });
            }
        }
        Ok(())
    }

    /// Checks that there is content, also if a push leaves it out: a folder without any is another one than meant, or one
    /// whose file system is not mounted.
    ///
    /// # Errors
    /// There is none.
    pub fn require_content(&self) -> Result<(), Failure> {
        match self.files.is_empty() && self.stock.is_empty() {
            false => Ok(()),
            true => Err(Failure::new(format!(
                "{} has no file of a data_root; give the folder that contains neighbordb, definitions/ and so on",
                display_path(&self.path)
            ))),
        }
    }

    /// The bytes of ztpserver.conf, if there is one that can be read.
    pub fn server_conf(&self) -> Option<Vec<u8>> {
        self.others.get(SERVER_CONF)?;
        self.read(SERVER_CONF).ok()
    }

    /// Whether the Worker reads no file in a folder. Then the folder is added to `left_alone`.
    fn leave_folder(&mut self, path: &Path) -> bool {
        let Some(key) = self.key(path) else {
            return false;
        };
        // The kind of any file in it decides for the folder.
        let reason = match ContentKind::of(&format!("{key}/x")) {
            Err(NotContent::Foreign) => "not part of a data_root",
            Err(NotContent::Plugin) => {
                "plugins do not run here: allocate('pool') and sqlite('pool') are built in; move the \
                 work of others to an action or to the node's attributes"
            }
            _ => return false,
        };
        self.left_alone.insert(format!("{key}/"), reason);
        true
    }

    fn add(&mut self, path: &Path, entry: &walkdir::DirEntry) {
        let Some(key) = self.key(path) else {
            let shown = self.relative(path).display().to_string();
            let message = format!("the name {shown:?} is not UTF-8");
            self.find(FindingKind::BadName, shown, message);
            return;
        };
        let size = match entry.metadata() {
            Ok(metadata) => metadata.len(),
            Err(error) => return self.refuse(&error),
        };
        // Only regular files are opened.
        let is_file = entry.file_type().is_file();
        let reason = match ContentKind::of(&key) {
            Err(NotContent::Foreign) if !is_file => {
                let reason = "not part of a data_root, and this is neither a file nor a folder";
                self.left_alone.insert(key, reason);
                return;
            }
            _ if !is_file => {
                return self.find(FindingKind::NotAFile, key, regular::NOT_A_FILE.to_owned());
            }
            Ok(kind) => {
                let path = path.to_owned();
                self.files.insert(key, File { kind, path, size });
                return;
            }
            Err(NotContent::Foreign) if key != allow::FILE => Some("not part of a data_root"),
            Err(NotContent::ServerConf) => Some("settings are [vars] in wrangler.toml"),
            // The check reports it.
            Err(_) => None,
        };
        let left_alone = reason.map(|reason| (key.clone(), reason));
        self.left_alone.extend(left_alone);
        self.others.insert(key, size);
    }

    /// Notes a link to a folder or to content, if it leads out of the data_root.
    fn note_link(&mut self, entry: &walkdir::DirEntry) {
        let Some(key) = self.key(entry.path()).filter(|_| entry.path_is_symlink()) else {
            return;
        };
        let is_read = entry.file_type().is_dir() || self.files.contains_key(&key);
        let real = |path: &Path| std::fs::canonicalize(path).ok();
        if let (true, Some(target), Some(root)) = (is_read, real(entry.path()), real(&self.path))
            && !target.starts_with(root)
        {
            self.links.insert(key, target);
        }
    }

    fn find(&mut self, kind: FindingKind, key: String, message: String) {
        self.findings.push(Finding::of_file(kind, key, message));
    }

    /// Adds a finding for a path that cannot be listed.
    fn refuse(&mut self, error: &walkdir::Error) {
        let path = error.path().unwrap_or(&self.path);
        let key = self.relative(path).display().to_string();
        let is_link = std::fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink());
        let (kind, message) = if let Some(ancestor) = error.loop_ancestor() {
            let above = self.relative(ancestor).display().to_string();
            let above = if above.is_empty() { "." } else { &above };
            let message = format!("this symbolic link leads back to {above}, which contains it");
            (FindingKind::BrokenLink, message)
        } else if is_link {
            let target = std::fs::read_link(path).unwrap_or_default();
            let target = target.display().to_string();
            let message = format!("this symbolic link leads to {target:?}, which does not exist");
            (FindingKind::BrokenLink, message)
        } else {
            let cause = error.io_error().map(ToString::to_string);
            let cause = cause.unwrap_or_else(|| error.to_string());
            let message = format!("it cannot be read: {cause}");
            (FindingKind::Unreadable, message)
        };
        self.find(kind, key, message);
    }

    fn relative<'p>(&self, path: &'p Path) -> &'p Path {
        path.strip_prefix(&self.path).unwrap_or(path)
    }

    /// The key of a path; `None` if it is not UTF-8.
    fn key(&self, path: &Path) -> Option<String> {
        let parts = self.relative(path).iter().map(|part| part.to_str());
        Some(parts.collect::<Option<Vec<_>>>()?.join("/"))
    }
}

impl Contents for DataRoot {
    fn list(&self) -> Vec<Listed> {
        let listed = |key: &String, store, size| {
            let key = key.clone();
            Listed { key, store, size }
        };
        let files = self.files.iter();
        let files = files.map(|(key, file)| listed(key, file.kind.store(), file.size));
        // These files are in no store. They are listed because the check reports misspelt names.
        let others = self.others.iter();
        let others = others.map(|(key, size)| listed(key, Store::Kv, *size));
        files.chain(others).collect()
    }

    fn read(&self, key: &str) -> Result<Vec<u8>, String> {
        let limit = match key {
            SERVER_CONF => MAX_SERVER_CONF_BYTES,
            _ => Store::Kv.max_value_bytes(),
        };
        let file = self.files.get(key).map(|file| file.path.clone());
        let path = file.unwrap_or_else(|| self.path.join(key));
        regular::read(&path, limit).map_err(|error| error.to_string())
    }

    fn elsewhere(&self, key: &str) -> Elsewhere {
        match &self.stored {
            None => Elsewhere::Unknown,
            Some(stored) if stored.contains(key) => Elsewhere::Yes,
            Some(_) => Elsewhere::No,
        }
    }
}
