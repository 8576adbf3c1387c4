//! Files of a data_root that a push leaves out: leftovers of editors, package managers and people, and the stock files of
//! ZTPServer, of which this server has better ones.

use std::collections::{BTreeMap, BTreeSet};

use ztp_core::assets;
use ztp_core::check::Contents;
use ztp_core::content::{ContentKind, NotContent};
use ztp_core::key::{NODES, Record};
use ztp_core::node::{Identifier, NodeFacts};

use crate::cli::Only;
use crate::data_root::DataRoot;
use crate::regular::FileDigest;

/// The SHA-1, the key and the releases of each stock file, as `scripts/stock_files.py` found them.
const STOCK: &str = include_str!("stock.txt");
/// The largest stock file, in bytes: the package has 0.4 MB.
const MAX_STOCK_BYTES: u64 = 1 << 20;

/// Ends of names that nobody gives to content.
const LEFTOVERS: [&str; 15] = [
    ".orig",
    ".bak",
    ".new",
    ".old",
    ".save",
    ".rej",
    ".rpmnew",
    ".rpmsave",
    ".rpmorig",
    ".dpkg-old",
    ".dpkg-new",
    ".dpkg-dist",
    ".pyc",
    ".pyo",
    ".swo",
];
/// Ends of the names of copies of a node's folder; the id of a node may end so, too.
const COPIES: [&str; 8] = [
    "-back", "-backup", "-bak", "-old", "-orig", "-copy", "_old", "_bak",
];

/// Which of these files are content all the same.
#[derive(Default)]
pub struct Wanted<'a> {
    /// The files that the operator names.
    pub only: Option<&'a Only>,
    /// The stock files, too.
    pub stock: bool,
    /// The server has a client of its own, which may need the stock files.
    pub own_client: bool,
}

impl DataRoot {
    /// Sets leftovers and stock files aside. Content that something names is not a leftover, and neither is a key that is
    /// stored.
    pub fn set_aside(&mut self, identifier: Identifier, wanted: &Wanted<'_>) {
        let is_wanted = |key: &str| {
            let stored = self.stored.as_ref();
            wanted.only.is_some_and(|only| only.names(key))
                || stored.is_some_and(|stored| stored.contains(key))
        };
        let keys = self.files.keys();
        let leftovers = keys.filter(|key| self.is_leftover(key, identifier) && !is_wanted(key));
        let mut leftovers: BTreeSet<String> = leftovers.cloned().collect();
        // A document that is named may name others.
        loop {
            let before = leftovers.len();
            if before > 0 {
                let texts = self.referring(&leftovers);
                leftovers.retain(|key| !is_named(key, &texts));
            }
            if leftovers.len() == before {
                break;
            }
        }
        let mut stock = self.stock(wanted.own_client);
        if wanted.stock {
            stock.clear();
        }
        if let Some(only) = wanted.only {
            stock.retain(|key, _| !only.names(key));
        }
        // Nobody names an action without a counterpart here: then no switch needs it.
        let has_none = |key: &String| {
            let name = key.strip_prefix("actions/");
            name.is_some_and(|name| assets::action(name).is_none())
        };
        if stock.keys().any(has_none) {
            let texts = self.referring(&leftovers);
            stock.retain(|key, _| !has_none(key) || !is_named(key, &texts));
        }
        self.files
            .retain(|key, _| !leftovers.contains(key) && !stock.contains_key(key));
        // Beside content, where the Worker reads other names: a leftover is not misplaced.
        let is_misplaced =
            |key: &str| matches!(ContentKind::of(key), Err(NotContent::Misplaced(_)));
        let others = self.others.keys();
        let others = others.filter(|key| is_misplaced(key) && self.is_leftover(key, identifier));
        leftovers.extend(others.cloned());
        self.others.retain(|key, _| !leftovers.contains(key));
        self.leftovers = leftovers;
        self.stock = stock;
    }

    fn is_leftover(&self, key: &str, identifier: Identifier) -> bool {
        let parts: Vec<&str> = key.split('/').skip(1).collect();
        let record = key.starts_with(NODES).then(|| parts.last()).flatten();
        let is_record = record.is_some_and(|record| Record::named(record).is_some());
        let names = match is_record {
            true => parts.split_last().map_or(&[][..], |(_, folders)| folders),
            false => &parts[..],
        };
        if names.iter().any(|name| is_leftover_name(name)) {
            return true;
        }
        let [node, _] = parts[..] else { return false };
        key.starts_with(NODES) && self.is_copy(node, identifier)
    }

    /// Whether a folder of a node is a copy of that of another one.
    fn is_copy(&self, node: &str, identifier: Identifier) -> bool {
        let original = COPIES.iter().find_map(|end| node.strip_suffix(end));
        let Some(original) = original.filter(|original| !original.is_empty()) else {
            return false;
        };
        let folder = format!("{NODES}{original}/");
        let mut after = self.files.range(folder.clone()..);
        if after
            .next()
            .is_some_and(|(key, _)| key.starts_with(&folder))
        {
            return true;
        }
        let facts = self.read(&format!("{NODES}{node}/{}", Record::Facts.name()));
        let facts = facts.ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let facts = facts.and_then(|text| NodeFacts::parse_stored(&text).ok());
        facts.is_some_and(|facts| facts.id(identifier).is_ok_and(|id| id.as_str() != node))
    }

    /// The texts that name other content, but those of leftovers. Each with its key.
    fn referring(&self, leftovers: &BTreeSet<String>) -> Vec<(&String, String)> {
        let names_others = |kind: &ContentKind| {
            matches!(
                kind,
                ContentKind::Neighbordb
                    | ContentKind::Bootstrap
                    | ContentKind::Definition(_)
                    | ContentKind::Record(_, Record::Definition | Record::Attributes)
            )
        };
        let files = self.files.iter();
        let files =
            files.filter(|(key, file)| names_others(&file.kind) && !leftovers.contains(*key));
        let texts = files.filter_map(|(key, _)| Some((key, self.read(key).ok()?)));
        texts
            .map(|(key, bytes)| (key, String::from_utf8_lossy(&bytes).into_owned()))
            .collect()
    }

    /// The stock files, each with the releases that have it. The actions and the package belong to the client: with a
    /// client of the operator's own, they are not set aside.
    fn stock(&self, own_client: bool) -> BTreeMap<String, String> {
        let mut known: BTreeMap<&str, Vec<(&str, &str)>> = BTreeMap::new();
        for line in STOCK.lines() {
            if let Some((sha1, rest)) = line.split_once(' ')
                && let Some((key, releases)) = rest.split_once(' ')
            {
                known.entry(sha1).or_default().push((key, releases));
            }
        }
        let candidates = self.files.iter().filter(|(key, file)| {
            let is_package = key.starts_with("files/") && key.ends_with(".tar.gz");
            let by_kind = matches!(file.kind, ContentKind::Bootstrap | ContentKind::Action(_));
            (by_kind || is_package) && file.size <= MAX_STOCK_BYTES
        });
        let mut own_client = own_client;
        let mut stock = BTreeMap::new();
        for (key, file) in candidates {
            let digest = FileDigest::of(&file.path).ok();
            let found = digest
                .as_ref()
                .and_then(|digest| known.get(digest.sha1.as_str()));
            // An action under another name has no counterpart here.
            let same = found.and_then(|found| found.iter().find(|(stock, _)| stock == key));
            match same {
                Some((_, releases)) => drop(stock.insert(key.clone(), (*releases).to_owned())),
                None => own_client |= file.kind == ContentKind::Bootstrap,
            }
        }
        if own_client {
            stock.retain(|key, _| key == "bootstrap/bootstrap");
        }
        stock
    }
}

/// Whether a text names content. Only definitions name actions.
fn is_named(key: &str, texts: &[(&String, String)]) -> bool {
    let Some((folder, name)) = key.split_once('/').filter(|(folder, _)| *folder != "nodes") else {
        return false;
    };
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    let names = |text: &str| {
        text.match_indices(name).any(|(at, _)| {
            let before = text.get(..at).and_then(|text| text.chars().next_back());
            let after = text
                .get(at + name.len()..)
                .and_then(|text| text.chars().next());
            ![before, after].into_iter().flatten().any(is_part)
        })
    };
    let mut texts = texts.iter().filter(|(key, _)| match folder {
        "actions" => key.ends_with("/definition") || key.starts_with("definitions/"),
        _ => true,
    });
    texts.any(|(_, text)| names(text))
}

pub fn is_leftover_name(name: &str) -> bool {
    let is_of_emacs = name.len() > 1 && name.starts_with('#') && name.ends_with('#');
    name.starts_with('.') || is_of_emacs || LEFTOVERS.iter().any(|end| name.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_stock_files_has_the_clients_of_the_check() {
        let clients = STOCK.lines().filter(|line| line.contains(" bootstrap/"));
        let mut clients: Vec<_> = clients.filter_map(|line| line.split(' ').next()).collect();
        clients.sort_unstable();
        assert_eq!(clients, ztp_core::stock::clients().collect::<Vec<_>>());
    }

    #[test]
    fn a_leftover_is_known_by_its_name() {
        for name in ["leaf.bak", "x.pyc", ".x.swp", "#a#", ".hidden", "JPE1.old"] {
            assert!(is_leftover_name(name), "{name}");
        }
        for name in ["leaf", "newest", "EOS.swi", "#", "a.older", "back"] {
            assert!(!is_leftover_name(name), "{name}");
        }
    }
}
