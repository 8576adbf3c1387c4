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
use super::spelling::{Spelling, Written, held};
use crate::Failure;
use crate::data_root::DataRoot;

/// The node of the values that `ztps --clear-resources` has freed: its file has this text in place of null.
const CLEARED: &str = "None";
/// The plugins of ZTPServer that find the node beside its value.
const ALLOCATE: &str = "allocate";
const SQLITE: &str = "sqlite";

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
    /// Where ZTPServer finds a value: the plugin, the pool, and the node as it is written beside the value.
    written: BTreeSet<(&'static str, String, String)>,
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
            let Some((pool, written)) = parsed(root, key, identifier) else {
                // The check reports why.
                pools.leave(
                    format!("the values that nodes hold of the pool {name}"),
                    format!("{key} is not a valid pool"),
                );
                continue;
            };
            pools.note(ALLOCATE, name, &written);
            pools.hold(name, &pool, &written, identifier);
            pools.named.insert(name.clone(), "a file");
            files.insert(name.as_str(), pool);
        }
        let tables = database.map(database::read).transpose()?;
        for table in tables.into_iter().flatten() {
            // SQLite does not distinguish case in the name of a table.
            let is_call =
                |call: &&Call| call.plugin == SQLITE && call.pool.eq_ignore_ascii_case(&table.name);
            let called = calls.iter().filter(is_call);
            let called: BTreeSet<&str> = called.map(|call| call.pool.as_str()).collect();
            if called.len() > 1 {
                let called: Vec<_> = called.into_iter().collect();
                return Err(Failure::refused(format!(
                    "nothing is stored: definitions call one table of the database by several names, which are several \
                     pools here: {}; write one of them everywhere",
                    called.join(", ")
                )));
            }
            let is_called = !called.is_empty();
            let name = called.first().copied().unwrap_or(&table.name).to_owned();
            let table = Table {
                name: name.clone(),
                ..table
            };
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

    /// Whether ZTPServer finds a value when a node with this id calls a plugin: it compares the texts.
    pub fn finds(&self, call: &Call, node: &str) -> bool {
        self.written.iter().any(|(plugin, pool, written)| {
            *plugin == call.plugin && *pool == call.pool && call.name.is_none() && written == node
        })
    }

    fn note(&mut self, plugin: &'static str, name: &str, written: &[Written]) {
        let nodes = written.iter();
        let nodes = nodes.map(|(_, node)| (plugin, name.to_owned(), node.clone()));
        self.written.extend(nodes);
    }

    /// Adds the values that a pool has nodes for.
    fn hold(&mut self, name: &str, pool: &Pool, written: &[Written], identifier: Identifier) {
        let owners: BTreeMap<&str, &Holder> = pool.reserved().collect();
        let held = held(&owners, written, identifier);
        for (value, as_written) in written {
            let holder = Holder::from(as_written.as_str()).canonical(identifier);
            // No node of a ZTPServer holds a value with a name: it stays reserved for that name.
            if holder.name().is_some() {
                continue;
            }
            let node = holder.node();
            let what = format!("the value {value} of the pool {name}");
            let owner = owners.get(value.as_str()).copied();
            let (first, spelling) = held.get(&holder).copied().unwrap_or_default();
            if node.eq_ignore_ascii_case(CLEARED) {
                self.leave(
                    what,
                    "`ztps --clear-resources` has written 'None' beside it, and no node receives it; write null there",
                );
            } else if let Some(owner) = owner.filter(|owner| **owner != holder) {
                self.leave(
                    format!("{what} for {node}"),
                    format!("the same value is there again for {owner}, which keeps it"),
                );
            } else if first == value {
                let [pool, value, node] = [name, value, node].map(str::to_owned);
                self.holdings.push(Holding { pool, value, node });
            } else if spelling > Spelling::of(as_written, node) {
                self.leave(
                    what,
                    format!(
                        "ZTPServer does not find {node} as '{as_written}', and gives it {first}, which it keeps; this one \
                         stays reserved for it"
                    ),
                );
            } else {
                self.leave(
                    what,
                    format!(
                        "{node} holds two values, and receives the first one, {first}, from both servers; this one stays \
                         reserved for it"
                    ),
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
        let (text, written, second) = text(&rows)?;
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
                self.hold(&name, &pool, &written, identifier);
            }
            // A former run made it, and a pull has fetched it. Since then the table may have given more values.
            Some(file) if is_same(file) => self.add(&name, &pool, &written, identifier)?,
            Some(_) => {
                return Err(format!(
                    "{key} is another pool, and here allocate('{name}') and sqlite('{name}') are the same; rename one, \
                     and correct its calls"
                ));
            }
        }
        self.note(SQLITE, &name, &written);
        for (value, node, holder) in second {
            self.leave(
                format!("the row of {node} with the value {value} in the table {name}"),
                format!("another row has the same value for {holder}, which keeps it"),
            );
        }
        Ok(())
    }

    /// Adds the values that a table has nodes for, and the file of the same pool has not.
    ///
    /// # Errors
    /// A value or a node of the table has another one in the file.
    fn add(
        &mut self,
        name: &str,
        table: &Pool,
        written: &[Written],
        identifier: Identifier,
    ) -> Result<(), String> {
        let mut of_table = Self::default();
        of_table.hold(name, table, written, identifier);
        for held in of_table.holdings {
            let mut of_file = self.holdings.iter().filter(|other| other.pool == name);
            let other = of_file.find(|other| other.value == held.value || other.node == held.node);
            match other {
                None => self.holdings.push(held),
                Some(other) if *other == held => {}
                Some(other) => {
                    return Err(format!(
                        "the table gives {} to {}, and resources/{name} gives {} to {}; correct that file, or remove it \
                         if only sqlite('{name}') is called",
                        held.value, held.node, other.value, other.node
                    ));
                }
            }
        }
        self.left.append(&mut of_table.left);
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

/// The file of a pool with the rows of a table: each value once; and its nodes.
fn text(rows: &[(String, Option<String>)]) -> Result<(String, Vec<Written>, Vec<Second>), String> {
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
    let (mut text, mut written) = (String::new(), Vec::new());
    for value in order {
        let holder = holders.get(value.as_str()).copied().flatten();
        written.extend(holder.map(|holder| (value.clone(), holder.to_owned())));
        let holder = holder.map_or_else(|| "null".to_owned(), yaml::quoted);
        text += &format!("{}: {holder}\n", yaml::quoted(value));
    }
    Ok((text, written, second))
}

/// A pool, and its nodes as they are written.
fn parsed(root: &DataRoot, key: &str, identifier: Identifier) -> Option<(Pool, Vec<Written>)> {
    let text = String::from_utf8(root.read(key).ok()?).ok()?;
    let pool = Pool::parse(&text, identifier).ok()?;
    let entries = yaml::parse(&text).ok()?;
    let owners: BTreeMap<&str, &Holder> = pool.reserved().collect();
    let written = entries.entries().iter().filter_map(|(value, node)| {
        let value = value.as_name().filter(|value| owners.contains_key(value))?;
        Some((value.to_owned(), node.as_name()?.to_owned()))
    });
    let written = written.collect();
    Some((pool, written))
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
        let call = |plugin: &str| {
            let [plugin, pool] = [plugin, "mgmt"].map(str::to_owned);
            Call {
                plugin,
                pool,
                name: None,
            }
        };
        assert!(pools.finds(&call("allocate"), "JPE1") && !pools.finds(&call("allocate"), "JPE2"));
        assert!(!pools.finds(&call("sqlite"), "JPE1"));
    }

    #[test]
    fn a_node_keeps_the_value_that_ztpserver_finds_by_its_text() {
        let file = "a: 00:1C:73:00:00:01\nb: 001c73000001\nc: 001c.7300.0002\nd: 001C73000003\ne: 001c.7300.0003\n";
        let place = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(place.path().join("resources")).unwrap();
        std::fs::write(place.path().join("resources/mgmt"), file).unwrap();
        let root = DataRoot::scan(place.path()).unwrap();
        let pools = Pools::read(&root, Identifier::SystemMac, None, &HashSet::new()).unwrap();
        assert_eq!(
            holdings(&pools),
            [
                "mgmt b 001c73000001",
                "mgmt c 001c73000002",
                "mgmt d 001c73000003"
            ]
        );
        assert_eq!(pools.left.len(), 2);
        assert!(
            pools.left[0]
                .why
                .contains("does not find 001c73000001 as '00:1C:73:00:00:01', and gives it b"),
            "{}",
            pools.left[0].why
        );
        // To ask for its definition would allocate a value.
        let [plugin, pool] = ["allocate", "mgmt"].map(str::to_owned);
        let call = Call {
            plugin,
            pool,
            name: None,
        };
        assert!(pools.finds(&call, "001c73000001") && !pools.finds(&call, "001c73000002"));
    }

    #[test]
    fn a_value_that_a_file_gives_to_two_nodes_is_told() {
        let pools = read(&[("resources/vlan", "10: JPE1\n'10': JPE2\n")], "").unwrap();
        assert_eq!(holdings(&pools), ["vlan 10 JPE2"]);
        assert_eq!(pools.left[0].what, "the value 10 of the pool vlan for JPE1");
    }

    #[test]
    fn a_file_that_is_not_a_pool_is_told() {
        let pools = read(&[("resources/old", "yes: JPE1\n")], "").unwrap();
        assert_eq!(pools.left[0].why, "resources/old is not a valid pool");
    }

    #[test]
    fn a_file_that_gives_a_value_of_the_table_to_another_node_is_another_pool() {
        for file in [
            "10.0.0.2/24: JPE9\n10.0.0.1/24:\n10.0.0.3/24:\n",
            "10.0.0.2/24:\n10.0.0.1/24: JPE1\n10.0.0.3/24:\n",
        ] {
            let pools = read(&[("resources/mgmt", file)], TABLE).unwrap();
            assert!(
                pools.left[0]
                    .why
                    .contains("the table gives 10.0.0.2/24 to JPE1, and resources/mgmt gives"),
                "{}",
                pools.left[0].why
            );
        }
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
    fn a_table_is_the_pool_that_a_definition_calls_in_any_case() {
        let call = |name: &str| {
            format!("actions:\n- action: add_config\n  attributes: {{ip: sqlite('{name}')}}\n")
        };
        let upper = call("MGMT");
        let pools = read(&[("definitions/leaf", &upper)], TABLE).unwrap();
        assert_eq!(pools.files[0].0, "resources/MGMT");
        assert_eq!(holdings(&pools), ["MGMT 10.0.0.2/24 JPE1"]);
        let lower = call("mgmt");
        let both = [
            ("definitions/leaf", upper.as_str()),
            ("definitions/spine", &lower),
        ];
        let error = read(&both, TABLE).err().unwrap().to_string();
        assert!(
            error.contains("by several names, which are several pools here: MGMT, mgmt"),
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
