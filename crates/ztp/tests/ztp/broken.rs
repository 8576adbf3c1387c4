//! Broken data_roots, one for each problem that `ztp validate` reports: `tests/ztp/broken/NAME/root`,
//! with the expected output in `tests/ztp/broken/NAME/expected`. With ZTP_UPDATE=1 in the environment
//! the test writes the expected outputs instead of comparing them.
//!
//! The lines of the file `make` create files that git cannot store: `file "PATH" SIZE` (sparse),
//! `link "PATH" "TARGET"`, `fifo "PATH"`, `long FOLDER BYTES` (a file whose path has BYTES bytes),
//! `bytes-name FOLDER HEX`.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::scratch::{Scratch, copy};

/// The test must not pass because fixtures were not found.
const AT_LEAST: usize = 60;

pub fn fixtures() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/ztp/broken");
    let mut fixtures: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    fixtures.sort();
    fixtures
}

#[test]
fn every_broken_data_root_is_reported_as_expected() {
    let mut wrong = Vec::new();
    let fixtures = fixtures();
    for fixture in &fixtures {
        let name = fixture.file_name().unwrap().to_str().unwrap();
        let scratch = Scratch::new(&format!("broken-{name}"));
        let root = scratch.path().join("root");
        copy(&fixture.join("root"), &root);
        if let Ok(recipe) = std::fs::read_to_string(fixture.join("make")) {
            recipe.lines().for_each(|line| make(&root, line));
        }
        let (status, printed) = scratch.ztp(&["validate", "root"]);
        let expected = fixture.join("expected");
        if std::env::var_os("ZTP_UPDATE").is_some() {
            std::fs::write(&expected, &printed).unwrap();
        }
        let wanted = std::fs::read_to_string(&expected).unwrap_or_default();
        if status != 1 || printed != wanted {
            wrong.push(format!("{name}: status {status}, printed\n{printed}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(fixtures.len() >= AT_LEAST, "only {}", fixtures.len());
}

#[test]
fn every_kind_has_a_broken_data_root() {
    // The user root can read every file, so no fixture can have an unreadable one. The client of ZTPServer is left aside
    // in a folder, and found only where it is stored.
    let exempt = || BTreeSet::from(["unreadable", "stock-client"].map(str::to_owned));
    let mut missing = exempt();
    let seen: String = fixtures()
        .iter()
        .map(|fixture| std::fs::read_to_string(fixture.join("expected")).unwrap())
        .collect();
    let (_, kinds) = Scratch::new("kinds").ztp(&["kinds"]);
    let ids = kinds.lines().filter_map(|line| line.split(' ').next());
    for id in ids {
        match seen.contains(&format!("[{id}]")) {
            true => missing.remove(id),
            false => missing.insert(id.to_owned()),
        };
    }
    assert_eq!(missing, exempt());
}

fn make(root: &Path, line: &str) {
    let (kind, rest) = line.split_once(' ').unwrap();
    let quoted = |text: &str| -> String { serde_json::from_str(text).unwrap() };
    let prepare = |path: &str| {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    };
    match kind {
        "file" => {
            let (path, size) = rest.rsplit_once(' ').unwrap();
            let file = std::fs::File::create(prepare(&quoted(path))).unwrap();
            file.set_len(size.parse().unwrap()).unwrap();
        }
        "link" => {
            let (path, target) = rest.split_once(' ').unwrap();
            std::os::unix::fs::symlink(quoted(target), prepare(&quoted(path))).unwrap();
        }
        "fifo" => {
            let made = Command::new("mkfifo").arg(prepare(&quoted(rest))).status();
            assert!(made.unwrap().success());
        }
        "long" => {
            let (folder, bytes) = rest.split_once(' ').unwrap();
            let mut path = folder.to_owned();
            let bytes: usize = bytes.parse().unwrap();
            while path.len() < bytes {
                let part = "n".repeat((bytes - path.len() - 1).clamp(1, 200));
                path = format!("{path}/{part}");
            }
            std::fs::write(prepare(&path), "actions: []\n").unwrap();
        }
        "bytes-name" => {
            let (folder, hex) = rest.split_once(' ').unwrap();
            let bytes: Vec<u8> = (0..hex.len())
                .step_by(2)
                .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
                .collect();
            std::fs::write(prepare(folder).join(OsStr::from_bytes(&bytes)), "x").unwrap();
        }
        _ => panic!("{line:?} is not valid"),
    }
}
