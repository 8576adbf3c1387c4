//! The pools of a ZTPServer, and the values that its nodes hold: of the files `resources/*`, where `allocate` writes the
//! node beside its value, and of the database of the plugin `sqlite`.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use ztp_core::check::Contents;
use ztp_core::content::ContentKind;
use ztp_core::key::Document;
use ztp_core::node::Identifier;
use ztp_core::plugin::Call;
use ztp_core::pool::{Holder, Pool};
use ztp_core::yaml;

use super::database::{self, Table};
use super::page::Left;
use crate::Failure;
use crate::data_root::DataRoot;

/// The node of the values that `ztps --clear-resources` has freed: its file has this text in place of null.
const CLEARED: &str = "None";

/// A value that a node holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Holding {
    pub pool: String,
    pub value: String,
    pub node: String,
}

/// The pools of a ZTPServer.
#[derive(Default)]
pub struct Pools {
    /// The name of each, and where it is from.
    pub named: BTreeMap<String, &'static str>,
    pub holdings: Vec<Holding>,
    /// The files of pools that DIR does not have, each with its key.
    pub files: Vec<(String, PathBuf)>,
    pub left: Vec<Left>,
    /// The pool and the node of each holding.
    held: BTreeSet<(String, String)>,
    /// The folder of these files.
    folder: Option<tempfile::TempDir>,
}

impl Pools {
    /// Reads the pools of a data_root, and those of a database. `calls`: those of its definitions.
    ///
    /// # Errors
    /// The database cannot be read, or has a pool that is another one than the file of the same name.
    pub fn read(
        root: &DataRoot,
        identifier: Identifier,
        database: Option<&Path>,
        calls: &HashSet<Call>,
    ) -> Result<Self, Failure> {
        let mut pools = Self::default();
        let mut files = BTreeMap::new();
        for (key, file) in &root.files {
            let ContentKind::Pool(name) = &file.kind else {
                continue;
            };
            // The check reports what cannot be read.
            if let Some(pool) = parsed(root, key, identifier) {
                pools.hold(name, &pool);
                pools.named.insert(name.clone(), "a file");
                files.insert(name.as_str(), pool);
            }
        }
        let tables = database.map(database::read).transpose()?;
        for table in tables.into_iter().flatten() {
            let name = table.name.clone();
            let is_call = |call: &Call| call.plugin == "sqlite" && call.pool == name;
            let is_called = calls.iter().any(is_call);
            match pools.table(table, files.get(name.as_str()), identifier) {
                Ok(()) => {}
                Err(problem) if is_called => {
                    return Err(Failure::refused(format!(
                        "nothing is stored: definitions call sqlite('{name}'), and the table '{name}' cannot be taken \
                         over: {problem}"
                    )));
                }
                Err(problem) => pools.leave(format!("the table {name} of the database"), problem),
            }
        }
        Ok(pools)
    }

    /// Whether a node holds a value of a pool.
    pub fn holds(&self, pool: &str, node: &str) -> bool {
        self.held.contains(&(pool.to_owned(), node.to_owned()))
    }

    fn add(&mut self, pool: &str, value: &str, node: &str) {
        self.held.insert((pool.to_owned(), node.to_owned()));
        let [pool, value, node] = [pool, value, node].map(str::to_owned);
        self.holdings.push(Holding { pool, value, node });
    }

    /// Adds the values that a file has nodes for.
    fn hold(&mut self, name: &str, pool: &Pool) {
        let reserved: BTreeMap<&str, &Holder> = pool.reserved().collect();
        for (value, holder) in reserved {
            // No node of a ZTPServer holds a value with a name: it stays reserved for that name.
            if holder.name().is_some() {
                continue;
            }
            let node = holder.node();
            let first = pool.reservation(holder);
            if node.eq_ignore_ascii_case(CLEARED) {
                self.leave(
                    format!("the value {value} of the pool {name}"),
                    "`ztps --clear-resources` has written 'None' beside it, and no node receives it; write null there",
                );
            } else if first == Some(value) {
                self.add(name, value, node);
            } else {
                let first = first.unwrap_or_default();
                self.leave(
                    format!("the value {value} of the pool {name}"),
                    format!("{node} holds two values, and receives the first one, {first}, from both servers; this one \
                             stays reserved for it"),
                );
            }
        }
    }

    fn leave(&mut self, what: impl Into<String>, why: impl Into<String>) {
        self.left.push(Left::new(what, why));
    }

    /// Adds the pool of a table. `file`: the pool of that name in DIR.
    ///
    /// # Errors
    /// Why there is no pool with the same values.
    fn table(
        &mut self,
        table: Table,
        file: Option<&Pool>,
        identifier: Identifier,
    ) -> Result<(), String> {
        let Table { name, rows } = table;
        let rows = rows?;
        let key = Document::Pool(&name).to_string();
        if ContentKind::of(&key) != Ok(ContentKind::Pool(name.clone())) {
            return Err(format!(
                "'{name}' is not a valid name of a pool; rename the table"
            ));
        }
        let (text, second) = text(&rows)?;
        let pool = Pool::parse(&text, identifier).map_err(|error| error.message)?;
        let is_same = |pool: &Pool| rows.iter().all(|(value, _)| pool.contains(value));
        let read: BTreeSet<_> = pool.open().collect();
        let count = read.len() + pool.reserved().count();
        let keys: BTreeSet<_> = rows.iter().map(|(value, _)| value).collect();
        if !is_same(&pool) || count != keys.len() {
            return Err(
                "one of its keys is a range of values in a file of a pool; rename the key"
                    .to_owned(),
            );
        }
        match file {
            None => {
                self.write(&key, &text)?;
                self.named.insert(name.clone(), "a table of the database");
                self.hold(&name, &pool);
            }
            // A former run made it, and a pull has fetched it.
            Some(file) if is_same(file) => {
                for (value, holder) in pool.reserved() {
                    let is_held = |held: &Holding| held.pool == name && held.value == value;
                    let is_first = pool.reservation(holder) == Some(value);
                    if !self.holdings.iter().any(is_held) && is_first && holder.name().is_none() {
                        self.add(&name, value, holder.node());
                    }
                }
            }
            Some(_) => {
                return Err(format!(
                    "{key} is another pool, and here allocate('{name}') and sqlite('{name}') are the same; rename one, \
                     and correct its calls"
                ));
            }
        }
        for (value, node, holder) in second {
            self.leave(
                format!("the row of {node} with the value {value} in the table {name}"),
                format!("another row has the same value for {holder}, which keeps it"),
            );
        }
        Ok(())
    }

    fn write(&mut self, key: &str, text: &str) -> Result<(), String> {
        let failed = |error: std::io::Error| format!("cannot write a temporary file: {error}");
        let folder = match self.folder.take() {
            Some(folder) => folder,
            None => tempfile::tempdir().map_err(failed)?,
        };
        let path = folder.path().join(self.files.len().to_string());
        self.folder = Some(folder);
        std::fs::write(&path, text).map_err(failed)?;
        self.files.push((key.to_owned(), path));
        Ok(())
    }
}

/// A row whose value another row has for another node: value, node, and the other one.
type Second = (String, String, String);

/// The file of a pool with the rows of a table: each value once.
fn text(rows: &[(String, Option<String>)]) -> Result<(String, Vec<Second>), String> {
    let mut holders: BTreeMap<&str, Option<&str>> = BTreeMap::new();
    let mut order = Vec::new();
    let mut second = Vec::new();
    for (value, node) in rows {
        if value.is_empty() || node.as_deref() == Some("") {
            return Err(format!("a key or node of it is an empty text ({value:?})"));
        }
        let node = node.as_deref();
        let first = holders.entry(value).or_insert_with(|| {
            order.push(value);
            node
        });
        match (*first, node) {
            (None, node) => *first = node,
            (Some(first), Some(node)) if first != node => {
                second.push((value.clone(), node.to_owned(), first.to_owned()));
            }
            _ => {}
        }
    }
    let lines = order.into_iter().map(|value| {
        let holder = holders.get(value.as_str()).copied().flatten();
        let holder = holder.map_or_else(|| "null".to_owned(), yaml::quoted);
        format!("{}: {holder}\n", yaml::quoted(value))
    });
    Ok((lines.collect(), second))
}

fn parsed(root: &DataRoot, key: &str, identifier: Identifier) -> Option<Pool> {
    let text = String::from_utf8(root.read(key).ok()?).ok()?;
    Pool::parse(&text, identifier).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::Connection;

    /// A data_root with a file and a database.
    fn read(files: &[(&str, &str)], sql: &str) -> Result<Pools, Failure> {
        let place = tempfile::tempdir().unwrap();
        for (key, text) in files {
            let path = place.path().join(key);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let database = place.path().join("resources.db");
        Connection::open(&database)
            .unwrap()
            .execute_batch(sql)
            .unwrap();
        let root = DataRoot::scan(place.path()).unwrap();
        let calls = super::super::plugins::calls(&root);
        Pools::read(&root, Identifier::SerialNumber, Some(&database), &calls)
    }

    fn holdings(pools: &Pools) -> Vec<String> {
        let holdings = pools.holdings.iter();
        holdings
            .map(|held| format!("{} {} {}", held.pool, held.value, held.node))
            .collect()
    }

    #[test]
    fn the_nodes_in_a_file_hold_their_values() {
        let file = "a: JPE1\nb: JPE1\nc: null\nd: None\ne: '001122334455'\nf: JPE1/uplink2\n";
        let pools = read(&[("resources/mgmt", file)], "").unwrap();
        assert_eq!(holdings(&pools), ["mgmt a JPE1", "mgmt e 001122334455"]);
        let left: Vec<_> = pools.left.iter().map(|left| left.what.as_str()).collect();
        assert_eq!(
            left,
            [
                "the value b of the pool mgmt",
                "the value d of the pool mgmt"
            ]
        );
        assert!(pools.files.is_empty());
        assert!(pools.holds("mgmt", "JPE1") && !pools.holds("mgmt", "JPE2"));
    }

    const TABLE: &str = "CREATE TABLE mgmt(key TEXT, node_id TEXT);
        INSERT INTO mgmt VALUES('10.0.0.2/24', 'JPE1'), ('10.0.0.1/24', NULL), ('10.0.0.3/24', NULL), ('10.0.0.2/24', 'JPE2');";

    #[test]
    fn a_table_becomes_the_file_of_a_pool() {
        let pools = read(&[], TABLE).unwrap();
        let [(key, path)] = &pools.files[..] else {
            panic!("{:?}", pools.files)
        };
        let text = std::fs::read_to_string(path).unwrap();
        assert_eq!(key, "resources/mgmt");
        assert_eq!(
            text,
            "\"10.0.0.2/24\": JPE1\n\"10.0.0.1/24\": null\n\"10.0.0.3/24\": null\n"
        );
        assert_eq!(holdings(&pools), ["mgmt 10.0.0.2/24 JPE1"]);
        assert_eq!(pools.left.len(), 1, "the second row of 10.0.0.2/24");
        // The file is there already: it counts.
        let pools = read(&[("resources/mgmt", "10.0.0.1-10.0.0.9/24:\n")], TABLE).unwrap();
        assert_eq!(
            (pools.files.len(), holdings(&pools)),
            (0, vec!["mgmt 10.0.0.2/24 JPE1".to_owned()])
        );
    }

    #[test]
    fn a_table_that_is_another_pool_than_the_file_of_its_name_stops_if_it_is_called() {
        let other = ("resources/mgmt", "rack-7: null\n");
        let pools = read(&[other], TABLE).unwrap();
        assert_eq!(pools.left[0].what, "the table mgmt of the database");
        let definition = "actions:\n- action: add_config\n  attributes: {ip: sqlite('mgmt')}\n";
        let error = read(&[other, ("definitions/leaf", definition)], TABLE)
            .err()
            .unwrap();
        assert!(
            error.to_string().contains("resources/mgmt is another pool"),
            "{error}"
        );
    }

    #[test]
    fn a_key_that_would_be_a_range_is_not_taken_over() {
        let sql = "CREATE TABLE mgmt(key TEXT, node_id TEXT); INSERT INTO mgmt VALUES('hosts(10.0.0.0/30)', NULL);";
        let pools = read(&[], sql).unwrap();
        assert!(pools.files.is_empty());
        assert!(
            pools.left[0].why.contains("a range of values"),
            "{}",
            pools.left[0].why
        );
    }
}
