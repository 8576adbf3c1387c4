//! The database of ZTPServer's plugin `sqlite`: a table for each pool, with the columns `key` and `node_id`.

use std::path::Path;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};

use crate::{Failure, display_path};

/// The largest number of rows of a table: that of the allocations of an import.
const MAX_ROWS: usize = 1_000_000;

/// A pool in a database.
#[derive(Debug, PartialEq, Eq)]
pub struct Table {
    pub name: String,
    /// The values, in the order in which they are allocated, each with its node; or why they cannot be read.
    pub rows: Result<Vec<(String, Option<String>)>, String>,
}

/// Reads the tables that the plugin can use, in the order of their names. Nothing is written, and no file is created.
///
/// # Errors
/// It is not a database of SQLite, or cannot be read.
pub fn read(path: &Path) -> Result<Vec<Table>, Failure> {
    let failed = |error: rusqlite::Error| {
        Failure::new(format!(
            "cannot read the database {}: {error}; stop the ZTPServer, or give a copy with --database",
            display_path(path)
        ))
    };
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let database = Connection::open_with_flags(path, flags).map_err(failed)?;
    names(&database)
        .map_err(failed)?
        .into_iter()
        .map(|name| {
            let rows = rows(&database, &name).map_err(failed)?;
            Ok(Table { name, rows })
        })
        .collect()
}

/// The names of the tables with both columns.
fn names(database: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut tables = database.prepare(
        "SELECT t.name FROM sqlite_schema AS t WHERE t.type = 'table' AND
           (SELECT COUNT(*) FROM pragma_table_info(t.name) AS c WHERE lower(c.name) IN ('key', 'node_id')) = 2
         ORDER BY t.name",
    )?;
    tables.query_map([], |row| row.get(0))?.collect()
}

type Rows = Result<Vec<(String, Option<String>)>, String>;

fn rows(database: &Connection, table: &str) -> rusqlite::Result<Rows> {
    let table = table.replace('"', "\"\"");
    // The plugin allocates in this order.
    let mut query = database.prepare(&format!(
        "SELECT key, node_id FROM \"{table}\" ORDER BY rowid"
    ))?;
    let mut found = query.query([])?;
    let mut rows = Vec::new();
    while let Some(row) = found.next()? {
        let (key, node) = (row.get_ref(0)?, row.get_ref(1)?);
        let (Some(key), node) = (text(key), (node != ValueRef::Null).then(|| text(node))) else {
            return Ok(Err("a key is neither a text nor an integer".to_owned()));
        };
        let Some(node) = node.map_or(Some(None), |node| node.map(Some)) else {
            let problem = format!("the node of {key} is neither a text nor an integer");
            return Ok(Err(problem));
        };
        if rows.len() == MAX_ROWS {
            return Ok(Err(format!("it has more than {MAX_ROWS} rows")));
        }
        rows.push((key, node));
    }
    Ok(Ok(rows))
}

/// A value as Python's `str` writes it.
fn text(value: ValueRef<'_>) -> Option<String> {
    match value {
        ValueRef::Text(text) => String::from_utf8(text.to_vec()).ok(),
        ValueRef::Integer(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database(sql: &str) -> (tempfile::TempDir, Result<Vec<Table>, Failure>) {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("resources.db");
        let made = Connection::open(&path).unwrap();
        made.execute_batch(sql).unwrap();
        drop(made);
        let read = read(&path);
        (place, read)
    }

    #[test]
    fn each_table_of_the_plugin_is_a_pool() {
        let (_place, read) = database(
            "CREATE TABLE `mgmt_subnet`(key TEXT, node_id TEXT);
             INSERT INTO `mgmt_subnet` VALUES('192.0.2.2/24', NULL);
             INSERT INTO `mgmt_subnet` VALUES('192.0.2.1/24', 'JPE1');
             CREATE TABLE asn(node_id TEXT, key INTEGER);
             INSERT INTO asn VALUES(NULL, 65001);
             CREATE TABLE broken(key BLOB, node_id TEXT);
             INSERT INTO broken VALUES(x'00', NULL);
             CREATE TABLE notes(key TEXT, text TEXT);",
        );
        let tables = read.unwrap();
        let names: Vec<_> = tables.iter().map(|table| table.name.as_str()).collect();
        assert_eq!(names, ["asn", "broken", "mgmt_subnet"]);
        assert_eq!(tables[0].rows, Ok(vec![("65001".to_owned(), None)]));
        assert!(tables[1].rows.is_err());
        let expected = vec![
            ("192.0.2.2/24".to_owned(), None),
            ("192.0.2.1/24".to_owned(), Some("JPE1".to_owned())),
        ];
        assert_eq!(tables[2].rows, Ok(expected));
    }

    #[test]
    fn a_file_that_is_not_a_database_is_an_error() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("resources.db");
        std::fs::write(
            &path,
            "not a database, and long enough to be looked at as one",
        )
        .unwrap();
        let error = read(&path).unwrap_err().to_string();
        assert!(error.contains("resources.db: "), "{error}");
        assert!(read(&place.path().join("none.db")).is_err());
    }
}
