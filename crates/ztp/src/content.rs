//! What a path in a data_root is: where it is stored, and who reads it.

use ztp_core::key::{self, Document, ObjectKey, Record};
use ztp_core::node::NodeId;

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

    /// What messages call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kv => "KV",
            Self::R2 => "R2",
        }
    }
}

/// What a file of a data_root is to the Worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    Bootstrap,
    BootstrapConf,
    Neighbordb,
    /// The name below `definitions/`; so for the next three.
    Definition(String),
    ConfigHandler(String),
    Pool(String),
    Action(String),
    /// The path below `files/`.
    File(String),
    /// A record of a node, the node as its folder is called.
    Record(String, Record),
}

/// Why a path names nothing that the Worker serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stray {
    /// It belongs to the operator: a README, version control, what an editor or a system left.
    Foreign,
    /// It lies in a folder of the content, where the Worker looks for other names.
    Misplaced(String),
    /// It is where ZTPServer keeps what it runs itself.
    Plugin,
    /// ZTPServer's settings.
    ServerConf,
    /// The folder of a node that can be none: what is wrong with its name.
    NoNode(String),
    /// A segment of the path can be no name.
    BadName,
}

impl Place {
    /// What a key, a path relative to the data_root, is.
    ///
    /// # Errors
    /// It is nothing that the Worker reads.
    pub fn of(key: &str) -> Result<Self, Stray> {
        if key.split('/').any(is_foreign) {
            return Err(Stray::Foreign);
        }
        if !key.split('/').all(key::is_name) {
            return Err(Stray::BadName);
        }
        let Some((folder, rest)) = key.split_once('/') else {
            return Self::at_the_top(key);
        };
        let name = rest.to_owned();
        match folder {
            "bootstrap" => match rest {
                "bootstrap" => Ok(Self::Bootstrap),
                "bootstrap.conf" => Ok(Self::BootstrapConf),
                _ => Err(Stray::Misplaced(
                    "only bootstrap/bootstrap and bootstrap/bootstrap.conf are read".to_owned(),
                )),
            },
            "definitions" => Ok(Self::Definition(name)),
            "config-handlers" => Ok(Self::ConfigHandler(name)),
            "resources" => Ok(Self::Pool(name)),
            "actions" if rest.contains('/') => Err(Stray::Misplaced(
                "an action lies directly in actions/: no URL of an action has a folder".to_owned(),
            )),
            "actions" => Ok(Self::Action(name)),
            "files" => Ok(Self::File(name)),
            "nodes" => Self::of_node(rest),
            "plugins" => Err(Stray::Plugin),
            _ => Err(meant(folder).map_or(Stray::Foreign, |meant| {
                Stray::Misplaced(format!("the folder is called {meant}/"))
            })),
        }
    }

    fn at_the_top(name: &str) -> Result<Self, Stray> {
        match name {
            "neighbordb" => Ok(Self::Neighbordb),
            "ztpserver.conf" => Err(Stray::ServerConf),
            "neighbordb.yaml" | "neighbordb.yml" | "neighbourdb" => {
                Err(Stray::Misplaced("the file is called neighbordb".to_owned()))
            }
            "bootstrap.conf" => Err(Stray::Misplaced(
                "it belongs in the folder bootstrap/".to_owned(),
            )),
            _ => Err(Stray::Foreign),
        }
    }

    fn of_node(path: &str) -> Result<Self, Stray> {
        let Some((id, record)) = path.split_once('/') else {
            return Err(Stray::Misplaced(
                "under nodes/ there is a folder for each node, called by its id".to_owned(),
            ));
        };
        if let Err(error) = id.parse::<NodeId>() {
            return Err(Stray::NoNode(error.to_string()));
        }
        match Record::named(record) {
            Some(record) => Ok(Self::Record(id.to_owned(), record)),
            None => {
                let names: Vec<_> = Record::ALL.into_iter().map(Record::name).collect();
                Err(Stray::Misplaced(format!(
                    "of a node are read {}",
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

    /// When it is pushed: nothing is stored before what it names.
    pub fn rank(&self) -> u8 {
        match self {
            Self::File(_) => 0,
            Self::Action(_) => 1,
            Self::Pool(_) => 2,
            Self::Definition(_) | Self::ConfigHandler(_) => 3,
            Self::Bootstrap | Self::BootstrapConf => 4,
            Self::Record(_, record) => match record {
                Record::Definition | Record::StartupConfig => 6,
                _ => 5,
            },
            Self::Neighbordb => 7,
        }
    }
}

/// The key of a definition, as patterns name it.
pub fn definition_key(name: &str) -> String {
    Document::Definition(name).to_string()
}

/// The key of an action, if it can have one.
pub fn action_key(name: &str) -> Option<ObjectKey> {
    ObjectKey::action(name)
}

/// What neither ZTPServer nor the Worker means: version control, editors, systems.
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

/// The folder that was meant by one that is nearly called so.
fn meant(folder: &str) -> Option<&'static str> {
    let folders = [
        "bootstrap",
        "definitions",
        "config-handlers",
        "resources",
        "actions",
        "files",
        "nodes",
    ];
    let plain = |name: &str| {
        let name = name.to_lowercase().replace(['_', ' '], "-");
        name.trim_end_matches('s').to_owned()
    };
    folders
        .into_iter()
        .find(|known| plain(known) == plain(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_of_the_worker_has_its_place() {
        let record = |id: &str, record| Place::Record(id.to_owned(), record);
        for (key, place) in [
            ("bootstrap/bootstrap", Place::Bootstrap),
            ("bootstrap/bootstrap.conf", Place::BootstrapConf),
            ("neighbordb", Place::Neighbordb),
            ("definitions/dc1/leaf", Place::Definition("dc1/leaf".into())),
            ("config-handlers/git", Place::ConfigHandler("git".into())),
            ("resources/mgmt", Place::Pool("mgmt".into())),
            ("actions/add_config", Place::Action("add_config".into())),
            ("files/.hidden/a b", Place::File(".hidden/a b".into())),
            ("nodes/JPE1/.node", record("JPE1", Record::Facts)),
            (
                "nodes/JPE1/startup-config",
                record("JPE1", Record::StartupConfig),
            ),
        ] {
            assert_eq!(Place::of(key), Ok(place), "{key}");
        }
    }

    #[test]
    fn what_is_left_alone_is_known_by_its_name() {
        for key in [
            "README.md",
            ".git/config",
            "files/.DS_Store",
            "nodes/a/definition~",
        ] {
            assert_eq!(Place::of(key), Err(Stray::Foreign), "{key}");
        }
        assert_eq!(Place::of("plugins/test"), Err(Stray::Plugin));
        for key in [
            "definition/leaf",
            "Nodes/a/pattern",
            "config_handlers/x",
            "neighbordb.yml",
        ] {
            assert!(matches!(Place::of(key), Err(Stray::Misplaced(_))), "{key}");
        }
        assert!(matches!(Place::of("nodes/../x"), Err(Stray::BadName)));
    }

    #[test]
    fn a_key_goes_to_the_store_that_the_worker_reads_it_from() {
        let store = |key| Place::of(key).map(|place| place.store());
        assert_eq!(store("files/a"), Ok(Store::R2));
        assert_eq!(store("actions/a"), Ok(Store::R2));
        assert_eq!(store("nodes/files/definition"), Ok(Store::Kv));
        assert_eq!(store("neighbordb"), Ok(Store::Kv));
    }
}
