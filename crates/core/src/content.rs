//! The kinds of content: which store a key belongs to, and which resource it is.

use serde::{Deserialize, Serialize};

use crate::key::{self, Document, ObjectKey, Record};
use crate::node::NodeId;
use crate::printable::cut;

/// Which of the Worker's two stores a key belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Store {
    /// Workers KV, binding `ZTP_DATA`.
    Kv,
    /// R2, binding `ZTP_FILES`.
    R2,
}

impl Store {
    /// The longest key, in bytes.
    pub fn max_key_bytes(self) -> usize {
        match self {
            Self::Kv => key::MAX_KV_KEY_BYTES,
            Self::R2 => key::MAX_R2_KEY_BYTES,
        }
    }

    /// The largest value, in bytes: of KV 25 MiB, of R2 5 TiB (10,000 parts of 5 GiB are more, but
    /// an object is not).
    pub fn max_value_bytes(self) -> u64 {
        match self {
            Self::Kv => 25 << 20,
            Self::R2 => 5 << 40,
        }
    }

    /// Its name in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kv => "KV",
            Self::R2 => "R2",
        }
    }
}

/// Maximum size of a name in [`Metadata`], in bytes: KV accepts 1,024 bytes for all of it as JSON.
const MAX_METADATA_NAME: usize = 256;

/// The description of a value or object that is stored with it. An edit in the dashboard removes it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Metadata {
    /// In hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha1: Option<String>,
    /// In bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// In ISO 8601.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modified: Option<String>,
    /// The operator who stored it, or `switch`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The program that stored it: `push`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub via: Option<String>,
}

impl Metadata {
    /// With names that fit KV, also if each of their characters is escaped in JSON.
    pub fn new(sha1: String, size: u64, modified: String, by: &str, via: Option<&str>) -> Self {
        let fitting = |name: &str| {
            let width = |c: char| {
                if c.is_control() {
                    6
                } else {
                    c.len_utf8().max(2)
                }
            };
            cut(name, MAX_METADATA_NAME, width).into_owned()
        };
        Self {
            sha1: Some(sha1),
            size: Some(size),
            modified: Some(modified),
            by: Some(fitting(by)),
            via: via.map(fitting),
        }
    }
}

/// The folders of the content.
const FOLDERS: [&str; 7] = [
    "bootstrap",
    "definitions",
    "config-handlers",
    "resources",
    "actions",
    "files",
    "nodes",
];

/// A kind of content that the Worker reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContentKind {
    Bootstrap,
    BootstrapConf,
    Neighbordb,
    Operators,
    /// The name below `definitions/`; so for the next three.
    Definition(String),
    ConfigHandler(String),
    Pool(String),
    Action(String),
    /// The path below `files/`.
    File(String),
    /// A record of a node: the name of its folder, and the record.
    Record(String, Record),
}

/// Why a key is not content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotContent {
    /// It belongs to the operator or to the Worker itself: a README, version control, files of editors and systems.
    Foreign,
    /// It is in a folder of the content, where the Worker reads other names: which ones.
    Misplaced(String),
    /// It is in `plugins/`, where ZTPServer keeps the plugins that it runs.
    Plugin,
    /// ZTPServer's settings.
    ServerConf,
    /// The name of a node's folder is not a valid id: why.
    InvalidNodeId(String),
    /// A segment of the path is not a valid name.
    BadName,
}

impl ContentKind {
    /// The kind of a key, which is a path relative to the data_root.
    ///
    /// # Errors
    /// The Worker does not read it.
    pub fn of(key: &str) -> Result<Self, NotContent> {
        if key.split('/').any(is_foreign) {
            return Err(NotContent::Foreign);
        }
        if !key.split('/').all(key::is_name) {
            return Err(NotContent::BadName);
        }
        let Some((folder, rest)) = key.split_once('/') else {
            return Self::at_the_top(key);
        };
        let name = rest.to_owned();
        match folder {
            "bootstrap" => match rest {
                "bootstrap" => Ok(Self::Bootstrap),
                "bootstrap.conf" => Ok(Self::BootstrapConf),
                _ => Err(NotContent::Misplaced(
                    "only bootstrap/bootstrap and bootstrap/bootstrap.conf are read".to_owned(),
                )),
            },
            "definitions" => Ok(Self::Definition(name)),
            "config-handlers" => Ok(Self::ConfigHandler(name)),
            "resources" => Ok(Self::Pool(name)),
            "actions" if rest.contains('/') => Err(NotContent::Misplaced(
                "an action is directly in actions/: the URL of an action has no folder".to_owned(),
            )),
            "actions" => Ok(Self::Action(name)),
            "files" => Ok(Self::File(name)),
            "nodes" => Self::of_node(rest),
            "plugins" => Err(NotContent::Plugin),
            "neighbordb" | "operators" => Err(NotContent::Misplaced(format!(
                "{folder} is a file, and this is a folder"
            ))),
            _ => Err(meant(folder).map_or(NotContent::Foreign, |meant| {
                NotContent::Misplaced(format!("the name of the folder is {meant}/"))
            })),
        }
    }

    fn at_the_top(name: &str) -> Result<Self, NotContent> {
        match name {
            "neighbordb" => Ok(Self::Neighbordb),
            "operators" => Ok(Self::Operators),
            "ztpserver.conf" => Err(NotContent::ServerConf),
            "neighbordb.yaml" | "neighbordb.yml" | "neighbourdb" => Err(NotContent::Misplaced(
                "the name of the file is neighbordb".to_owned(),
            )),
            "operators.yaml" | "operators.yml" => Err(NotContent::Misplaced(
                "the name of the file is operators".to_owned(),
            )),
            "bootstrap.conf" => Err(NotContent::Misplaced(
                "it belongs in the folder bootstrap/".to_owned(),
            )),
            _ if FOLDERS.contains(&name) => Err(NotContent::Misplaced(format!(
                "{name} is a folder, and this is a file"
            ))),
            _ => Err(NotContent::Foreign),
        }
    }

    fn of_node(path: &str) -> Result<Self, NotContent> {
        let Some((id, record)) = path.split_once('/') else {
            return Err(NotContent::Misplaced(
                "nodes/ has a folder for each node, named after its id".to_owned(),
            ));
        };
        if let Err(error) = id.parse::<NodeId>() {
            return Err(NotContent::InvalidNodeId(error.to_string()));
        }
        match Record::named(record) {
            Some(record) => Ok(Self::Record(id.to_owned(), record)),
            None => {
                let names: Vec<_> = Record::ALL.into_iter().map(Record::name).collect();
                Err(NotContent::Misplaced(format!(
                    "the records of a node are {}",
                    names.join(", ")
                )))
            }
        }
    }

    /// The store that the Worker reads it from.
    pub fn store(&self) -> Store {
        match self {
            Self::Action(_) | Self::File(_) => Store::R2,
            _ => Store::Kv,
        }
    }
}

/// The key of a definition, as patterns name it.
pub fn definition_key(name: &str) -> String {
    Document::Definition(name).to_string()
}

/// The key of an action; `None` if its name is not valid.
pub fn action_key(name: &str) -> Option<ObjectKey> {
    ObjectKey::action(name)
}

/// Whether a name belongs to version control, an editor or a system.
fn is_foreign(name: &str) -> bool {
    matches!(
        name,
        ".git"
            | ".gitignore"
            | ".gitattributes"
            | ".gitkeep"
            | ".github"
            | ".svn"
            | ".hg"
            | ".DS_Store"
            | "Thumbs.db"
            | "__pycache__"
    ) || name.ends_with('~')
        || name.ends_with(".ztp-new")
        || name.ends_with(".swp")
}

/// The folder whose name is nearly this one.
fn meant(folder: &str) -> Option<&'static str> {
    let plain = |name: &str| {
        let name = name.to_lowercase().replace(['_', ' '], "-");
        name.trim_end_matches('s').to_owned()
    };
    FOLDERS
        .into_iter()
        .find(|known| plain(known) == plain(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_of_the_worker_has_its_kind() {
        let record = |id: &str, record| ContentKind::Record(id.to_owned(), record);
        for (key, kind) in [
            ("bootstrap/bootstrap", ContentKind::Bootstrap),
            ("bootstrap/bootstrap.conf", ContentKind::BootstrapConf),
            ("neighbordb", ContentKind::Neighbordb),
            ("operators", ContentKind::Operators),
            (
                "definitions/dc1/leaf",
                ContentKind::Definition("dc1/leaf".into()),
            ),
            (
                "config-handlers/git",
                ContentKind::ConfigHandler("git".into()),
            ),
            ("resources/mgmt", ContentKind::Pool("mgmt".into())),
            (
                "actions/add_config",
                ContentKind::Action("add_config".into()),
            ),
            ("files/.hidden/a b", ContentKind::File(".hidden/a b".into())),
            ("nodes/JPE1/.node", record("JPE1", Record::Facts)),
            (
                "nodes/JPE1/startup-config",
                record("JPE1", Record::StartupConfig),
            ),
        ] {
            assert_eq!(ContentKind::of(key), Ok(kind), "{key}");
        }
    }

    #[test]
    fn a_key_that_is_not_content_is_known_by_its_name() {
        for key in [
            "README.md",
            ".git/config",
            "files/.DS_Store",
            "nodes/a/definition~",
        ] {
            assert_eq!(ContentKind::of(key), Err(NotContent::Foreign), "{key}");
        }
        assert_eq!(ContentKind::of("plugins/test"), Err(NotContent::Plugin));
        for key in [
            "definition/leaf",
            "Nodes/a/pattern",
            "config_handlers/x",
            "neighbordb.yml",
            "neighbourdb",
            "operators.yaml",
        ] {
            assert!(
                matches!(ContentKind::of(key), Err(NotContent::Misplaced(_))),
                "{key}"
            );
        }
        assert!(matches!(
            ContentKind::of("nodes/../x"),
            Err(NotContent::BadName)
        ));
    }

    #[test]
    fn metadata_fits_kv() {
        for name in ["a@example.com".to_owned(), "\u{1}\"ü".repeat(1000)] {
            let modified = "2027-01-15T08:00:00.000Z".to_owned();
            let metadata = Metadata::new("f".repeat(40), u64::MAX, modified, &name, Some(&name));
            let json = serde_json::to_string(&metadata).unwrap();
            assert!(json.len() <= 1024, "{}", json.len());
            assert!(name.starts_with(metadata.by.unwrap().get(..2).unwrap()));
        }
    }

    #[test]
    fn a_file_with_the_name_of_a_folder_and_a_folder_with_that_of_a_file_are_misplaced() {
        let folders = "actions bootstrap config-handlers definitions files nodes resources";
        for key in folders.split(' ') {
            let reason = format!("{key} is a folder, and this is a file");
            assert_eq!(ContentKind::of(key), Err(NotContent::Misplaced(reason)));
        }
        for file in ["neighbordb", "operators"] {
            let reason = format!("{file} is a file, and this is a folder");
            let key = format!("{file}/x");
            assert_eq!(ContentKind::of(&key), Err(NotContent::Misplaced(reason)));
        }
        assert_eq!(ContentKind::of("plugins"), Err(NotContent::Foreign));
    }

    #[test]
    fn the_keys_of_the_worker_are_not_content() {
        for key in ["history/a/1-b", "digests/files/a", "undo/1-a-b"] {
            assert_eq!(ContentKind::of(key), Err(NotContent::Foreign), "{key}");
        }
    }

    #[test]
    fn a_key_goes_to_the_store_that_the_worker_reads_it_from() {
        let store = |key| ContentKind::of(key).map(|kind| kind.store());
        assert_eq!(store("files/a"), Ok(Store::R2));
        assert_eq!(store("actions/a"), Ok(Store::R2));
        assert_eq!(store("nodes/files/definition"), Ok(Store::Kv));
        assert_eq!(store("neighbordb"), Ok(Store::Kv));
    }
}
