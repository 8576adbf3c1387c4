//! The plugins and config-handlers of a ZTPServer, and what replaces each.

use std::path::{Path, PathBuf};

use ztp_core::content::ContentKind;
use ztp_core::key::Record;

use super::script;
use crate::data_root::DataRoot;
use crate::set_aside::is_leftover_name;
use crate::{Failure, display_path, regular};

const FOLDER: &str = "plugins";
/// The largest plugin, in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// A plugin of a ZTPServer.
pub struct Plugin {
    pub name: String,
    /// The database, if it is that of ZTPServer with this name.
    database: Option<String>,
}

impl Plugin {
    /// What replaces it.
    pub fn replacement(&self) -> &'static str {
        match self.name.as_str() {
            "allocate" => {
                "it is built in: allocate('pool') gives a node the value that it holds, else the first free one; if you have \
                 changed the plugin, compare the definitions with --from"
            }
            "sqlite" => {
                "it is built in: sqlite('table') is the pool resources/table, with the values of the table"
            }
            "mysql_vars" => {
                "it does not run here: put the values that it reads from MySQL into nodes/ID/attributes, and name them as \
                 $name in the definition"
            }
            _ => "it does not run here: move its work to an action or to the node's attributes",
        }
    }
}

/// The plugins of a data_root, in the order of their names.
///
/// # Errors
/// The folder or a plugin cannot be read.
pub fn plugins(data_root: &Path) -> Result<Vec<Plugin>, Failure> {
    let folder = data_root.join(FOLDER);
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let failed = |error| Failure::new(format!("cannot read {}: {error}", display_path(&folder)));
    let mut plugins = Vec::new();
    for entry in std::fs::read_dir(&folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !entry.path().is_file() || is_leftover_name(&name) {
            continue;
        }
        let mut database = None;
        if name == "sqlite" {
            let text = regular::input(&entry.path(), MAX_BYTES)?;
            database = script::assigned(&String::from_utf8_lossy(&text), "DB_URL");
        }
        plugins.push(Plugin { name, database });
    }
    plugins.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(plugins)
}

/// The database of the plugin `sqlite`.
#[derive(Debug, PartialEq, Eq)]
pub enum Database {
    /// There is no such plugin.
    None,
    Found(PathBuf),
    /// Where it should be, if the plugin says so.
    Missing(Option<String>),
}

/// Finds the database. `named`: the data_root in the settings. In a copy of a data_root, the copy of the database counts.
pub fn database(plugins: &[Plugin], data_root: &Path, named: &str) -> Database {
    let Some(plugin) = plugins.iter().find(|plugin| plugin.name == "sqlite") else {
        return Database::None;
    };
    let Some(path) = &plugin.database else {
        return Database::Missing(None);
    };
    let below = Path::new(path).strip_prefix(named).ok();
    let copy = below.map(|below| data_root.join(below));
    let mut candidates = copy.into_iter().chain([data_root.join(path)]);
    match candidates.find(|candidate| candidate.is_file()) {
        Some(found) => Database::Found(found),
        None => Database::Missing(Some(path.clone())),
    }
}

/// The config-handlers: the keys of shared ones, and a line for those of nodes.
pub fn config_handlers(root: &DataRoot) -> Vec<String> {
    let (mut handlers, mut nodes) = (Vec::new(), 0);
    for (key, file) in &root.files {
        match file.kind {
            ContentKind::ConfigHandler(_) => handlers.push(key.clone()),
            ContentKind::Record(_, Record::ConfigHandler) => nodes += 1,
            _ => {}
        }
    }
    if nodes > 0 {
        handlers.push(format!("nodes/ID/config-handler of {nodes} nodes"));
    }
    handlers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plugins_and_their_database_are_found() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path();
        assert!(plugins(root).unwrap().is_empty());
        std::fs::create_dir_all(root.join("plugins/__pycache__")).unwrap();
        std::fs::create_dir_all(root.join("db")).unwrap();
        let plugin = "DB_URL = '/usr/share/ztpserver/db/resources.db'\n";
        for (name, text) in [("sqlite", plugin), ("rack", ""), ("rack.pyc", "")] {
            std::fs::write(root.join("plugins").join(name), text).unwrap();
        }
        let found = plugins(root).unwrap();
        let names: Vec<_> = found.iter().map(|plugin| plugin.name.as_str()).collect();
        assert_eq!(names, ["rack", "sqlite"]);
        let place = |plugins: &[Plugin]| database(plugins, root, "/usr/share/ztpserver");
        let missing = Some("/usr/share/ztpserver/db/resources.db".to_owned());
        assert_eq!(place(&found), Database::Missing(missing));
        std::fs::write(root.join("db/resources.db"), "").unwrap();
        assert_eq!(place(&found), Database::Found(root.join("db/resources.db")));
        assert_eq!(place(&[]), Database::None);
    }
}
