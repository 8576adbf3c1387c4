//! The plugins and config-handlers of a ZTPServer, and what replaces each.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use ztp_core::check::Contents;
use ztp_core::content::ContentKind;
use ztp_core::definition::{Attributes, Definition};
use ztp_core::key::Record;
use ztp_core::plugin::Call;

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
    /// Whether a definition calls it.
    is_called: bool,
    /// The database of the plugin `sqlite`, if it names one.
    database: Option<String>,
}

impl Plugin {
    /// Its replacement.
    pub fn replacement(&self) -> &'static str {
        match self.name.as_str() {
            "allocate" => {
                "it is built in: allocate('pool') gives a node the value that it holds, else the first free one; if you have \
                 changed the plugin, compare the definitions with --from"
            }
            "sqlite" => {
                "it is built in: sqlite('table') is the pool resources/table, with the values of the table"
            }
            _ if !self.is_called => "it does not run here, and no definition calls it",
            "mysql_vars" => {
                "it does not run here: put the values that it reads from MySQL into nodes/ID/attributes, and name them as \
                 $name in the definition"
            }
            _ => "it does not run here: move its work to an action or to the node's attributes",
        }
    }
}

/// The plugins of a data_root, in the order of their names. `calls`: those of its definitions.
///
/// # Errors
/// The folder or a plugin cannot be read.
pub fn plugins(data_root: &Path, calls: &HashSet<Call>) -> Result<Vec<Plugin>, Failure> {
    let folder = data_root.join(FOLDER);
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let failed = |error| Failure::new(format!("cannot read {}: {error}", display_path(&folder)));
    let mut plugins = Vec::new();
    for entry in std::fs::read_dir(&folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        // A link that leads nowhere is a plugin, too.
        if entry.path().is_dir() || is_leftover_name(&name) {
            continue;
        }
        let is_called = calls.iter().any(|call| call.plugin == name);
        let mut database = None;
        if name == "sqlite" {
            match regular::input(&entry.path(), MAX_BYTES) {
                Ok(text) => {
                    database = script::assigned(&String::from_utf8_lossy(&text), "DB_URL");
                }
                Err(failure) if is_called => return Err(failure),
                Err(_) => {}
            }
        }
        plugins.push(Plugin {
            name,
            is_called,
            database,
        });
    }
    plugins.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(plugins)
}

/// The calls of plugins in the definitions of a data_root, and in the attributes of nodes.
pub fn calls(root: &DataRoot) -> HashSet<Call> {
    let text = |key: &str| {
        root.files.get(key)?;
        String::from_utf8(root.read(key).ok()?).ok()
    };
    let mut calls = HashSet::new();
    for (key, file) in &root.files {
        let attributes = match &file.kind {
            ContentKind::Definition(_) => None,
            ContentKind::Record(node, Record::Definition) => {
                text(&format!("nodes/{node}/{}", Record::Attributes.name()))
            }
            _ => continue,
        };
        // The check reports what is not valid.
        let attributes = attributes.and_then(|text| Attributes::parse(&text).ok());
        let definition = text(key).and_then(|text| Definition::parse(&text).ok());
        let rendered = definition.map(|found| found.render(&attributes.unwrap_or_default()));
        calls.extend(
            rendered
                .into_iter()
                .flatten()
                .flat_map(|found| found.calls().to_vec()),
        );
    }
    calls
}

/// The database of the plugin `sqlite`.
#[derive(Debug, PartialEq, Eq)]
pub enum Database {
    /// There is no such plugin, or no definition calls it, and there is no database.
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
        return match plugin.is_called {
            true => Database::Missing(None),
            false => Database::None,
        };
    };
    let below = Path::new(path).strip_prefix(named).ok();
    let copy = below.map(|below| data_root.join(below));
    let mut candidates = copy.into_iter().chain([data_root.join(path)]);
    match candidates.find(|candidate| candidate.is_file()) {
        Some(found) => Database::Found(found),
        None if !plugin.is_called => Database::None,
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

    fn write(root: &Path, key: &str, text: &str) {
        let path = root.join(key);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    #[test]
    fn plugins_and_their_database_are_found() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path();
        assert!(plugins(root, &HashSet::new()).unwrap().is_empty());
        for (key, text) in [
            (
                "plugins/sqlite",
                "DB_URL = '/usr/share/ztpserver/db/resources.db'\n",
            ),
            ("plugins/rack", ""),
            ("plugins/rack.pyc", ""),
            ("plugins/test", ""),
            ("plugins/__pycache__/x", ""),
            (
                "definitions/leaf",
                "actions:\n- action: add_config\n  attributes: {a: \"x sqlite('mgmt')\", b: $rack}\n",
            ),
            (
                "nodes/JPE1/definition",
                "actions:\n- {action: add_config, attributes: {b: $rack}}\n",
            ),
            ("nodes/JPE1/attributes", "rack: rack('7')\n"),
        ] {
            write(root, key, text);
        }
        let scanned = DataRoot::scan(root).unwrap();
        let mut called: Vec<_> = calls(&scanned).iter().map(ToString::to_string).collect();
        called.sort();
        assert_eq!(called, ["rack('7')", "sqlite('mgmt')"]);
        let found = plugins(root, &calls(&scanned)).unwrap();
        let names = found
            .iter()
            .map(|plugin| (plugin.name.as_str(), plugin.is_called));
        let expected = [("rack", true), ("sqlite", true), ("test", false)];
        assert_eq!(names.collect::<Vec<_>>(), expected);

        let place = |plugins: &[Plugin]| database(plugins, root, "/usr/share/ztpserver");
        let missing = Some("/usr/share/ztpserver/db/resources.db".to_owned());
        assert_eq!(place(&found), Database::Missing(missing));
        let unused = plugins(root, &HashSet::new()).unwrap();
        assert_eq!(place(&unused), Database::None);
        write(root, "db/resources.db", "");
        assert_eq!(place(&found), Database::Found(root.join("db/resources.db")));
        assert_eq!(place(&[]), Database::None);
    }
}
