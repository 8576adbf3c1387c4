//! The database of ZTPServer's plugin `sqlite`: a table for each pool, with the columns `key` and `node_id`.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};

use crate::{Failure, display_path, regular};

/// The largest number of rows of a table: that of the allocations of an import.
const MAX_ROWS: usize = 1_000_000;

/// The files beside a database with changes that are not in it, or not complete: the ends of their names.
const BESIDE: [&str; 2] = ["-wal", "-journal"];
/// The number of attempts to copy a database that changes meanwhile.
const COPIES: usize = 5;

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
    let refused = |error: &dyn std::fmt::Display| {
        Failure::new(format!(
            "cannot read the database {}: {error}; give that of the plugin `sqlite`, or a copy which no ZTPServer changes, \
             with --database",
            display_path(path)
        ))
    };
    let failed = |error: rusqlite::Error| refused(&error);
    let copy = copied(path).map_err(|error| refused(&error))?;
    let (opened, mode) = match &copy {
        None => (path.to_owned(), OpenFlags::SQLITE_OPEN_READ_ONLY),
        Some(copy) => (copy.path().join(COPY), OpenFlags::SQLITE_OPEN_READ_WRITE),
    };
    let flags = mode | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let database = Connection::open_with_flags(opened, flags).map_err(failed)?;
    // One state of all tables.
    database.execute_batch("BEGIN").map_err(failed)?;
    let names = names(&database).map_err(failed)?;
    names
        .into_iter()
        .map(|(name, first)| {
            let rows = match first.eq_ignore_ascii_case("key") {
                true => rows(&database, &name).map_err(failed)?,
                false => Err(format!(
                    "the plugin gives nodes the first column of a table, which is '{first}' here, and not 'key'"
                )),
            };
            Ok(Table { name, rows })
        })
        .collect()
}

/// The name of the database in the folder of its copy.
const COPY: &str = "resources.db";

/// A copy of a database that cannot be read without a change to its folder: one with a write-ahead log, or with an
/// unfinished change.
fn copied(path: &Path) -> io::Result<Option<tempfile::TempDir>> {
    let beside = |path: &Path, end: &str| {
        let mut name = OsString::from(path);
        name.push(end);
        PathBuf::from(name)
    };
    let is_there = |end| fs::metadata(beside(path, end)).is_ok_and(|found| found.len() > 0);
    if !(has_log(path)? || BESIDE.into_iter().any(is_there)) {
        return Ok(None);
    }
    let state = || ["", BESIDE[0], BESIDE[1]].map(|end| changed(&beside(path, end)));
    for _ in 0..COPIES {
        let folder = tempfile::tempdir()?;
        let before = state();
        let copy = folder.path().join(COPY);
        fs::copy(path, &copy)?;
        for end in BESIDE.into_iter().filter(|end| is_there(end)) {
            fs::copy(beside(path, end), beside(&copy, end))?;
        }
        if state() == before {
            return Ok(Some(folder));
        }
    }
    Err(io::Error::other("it changes all the time"))
}

/// The length of a file, and when it changed.
fn changed(path: &Path) -> Option<(u64, SystemTime)> {
    let found = fs::metadata(path).ok()?;
    Some((found.len(), found.modified().ok()?))
}

/// Whether a database has a write-ahead log: <https://www.sqlite.org/fileformat2.html#file_format_version_numbers>.
fn has_log(path: &Path) -> io::Result<bool> {
    let mut head = Vec::new();
    regular::open(path)?.take(20).read_to_end(&mut head)?;
    Ok(head.get(18..20) == Some(&[2, 2]))
}

/// The names of the tables with both columns, each with its first column.
fn names(database: &Connection) -> rusqlite::Result<Vec<(String, String)>> {
    let mut tables = database.prepare(
        "SELECT t.name, (SELECT c.name FROM pragma_table_info(t.name) AS c WHERE c.cid = 0)
           FROM sqlite_schema AS t WHERE t.type = 'table' AND
           (SELECT COUNT(*) FROM pragma_table_info(t.name) AS c WHERE lower(c.name) IN ('key', 'node_id')) = 2
         ORDER BY t.name",
    )?;
    let tables = tables.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    tables.collect()
}

type Rows = Result<Vec<(String, Option<String>)>, String>;

fn rows(database: &Connection, table: &str) -> rusqlite::Result<Rows> {
    let table = table.replace('"', "\"\"");
    // The plugin allocates in this order.
    let query = format!("SELECT key, node_id FROM \"{table}\" ORDER BY rowid");
    let mut query = match database.prepare(&query) {
        // A table without rowid: the plugin cannot use it either.
        Err(rusqlite::Error::SqlInputError { msg, .. }) => return Ok(Err(msg)),
        query => query?,
    };
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
             CREATE TABLE asn(key INTEGER, node_id TEXT, note TEXT);
             INSERT INTO asn VALUES(65001, NULL, NULL);
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
    fn a_table_that_the_plugin_uses_in_another_way_is_not_a_pool() {
        let (_place, read) = database(
            "CREATE TABLE first(id INTEGER PRIMARY KEY, key TEXT, node_id TEXT);
             INSERT INTO first VALUES(7, '192.0.2.1', 'JPE1');
             CREATE TABLE rowless(key TEXT PRIMARY KEY, node_id TEXT) WITHOUT ROWID;",
        );
        let tables = read.unwrap();
        let problem = |at: usize| tables[at].rows.clone().unwrap_err();
        assert!(problem(0).contains("the first column of a table, which is 'id' here"));
        assert!(
            problem(1).contains("no such column: rowid"),
            "{}",
            problem(1)
        );
    }

    #[test]
    fn a_database_with_a_log_or_a_journal_is_read_without_a_change_to_its_folder() {
        let (place, _) = database(
            "PRAGMA journal_mode = WAL; CREATE TABLE mgmt(key TEXT, node_id TEXT);
             INSERT INTO mgmt VALUES('a', 'JPE1');",
        );
        let path = place.path().join("resources.db");
        let files = || {
            let entries = fs::read_dir(place.path()).unwrap();
            let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        };
        let rows = || read(&path).unwrap()[0].rows.clone().unwrap();
        let before = files();
        assert_eq!(rows(), [("a".to_owned(), Some("JPE1".to_owned()))]);
        assert_eq!(files(), before);
        // The log has a row that the database does not have yet.
        let writer = Connection::open(&path).unwrap();
        writer
            .execute_batch("INSERT INTO mgmt VALUES('b', 'JPE2')")
            .unwrap();
        let before = files();
        assert_eq!(before.len(), 3);
        assert_eq!(rows().len(), 2);
        assert_eq!(files(), before);
        writer
            .execute_batch("PRAGMA journal_mode = DELETE")
            .unwrap();
        drop(writer);
        // The machine went down within a change, which the journal undoes.
        let writer = Connection::open(&path).unwrap();
        writer.execute_batch("PRAGMA cache_spill = 1; PRAGMA cache_size = 1; BEGIN; UPDATE mgmt SET node_id = 'X';").unwrap();
        for _ in 0..200 {
            writer
                .execute_batch("INSERT INTO mgmt VALUES(hex(randomblob(500)), NULL)")
                .unwrap();
        }
        let crashed = place.path().join("crashed.db");
        fs::copy(&path, &crashed).unwrap();
        fs::copy(
            place.path().join("resources.db-journal"),
            place.path().join("crashed.db-journal"),
        )
        .unwrap();
        drop(writer);
        let rows = read(&crashed).unwrap()[0].rows.clone().unwrap();
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[0].1.as_deref(), Some("JPE1"));
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
