//! Resource pools: whether they can be read, and whether they suffice.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::key::{self, Document};
use crate::pool::Pool;
use crate::printable::Printable;
use crate::yaml;

use super::finding::{Finding, FindingKind};
use crate::content::ContentKind;

use super::Check;

/// Most nodes that a message names.
const MAX_SHOWN: usize = 3;

impl Check<'_> {
    /// Reads every pool, and counts who will ask it.
    pub(super) fn pools(&mut self) {
        let pools = self.keys(|kind| match kind {
            ContentKind::Pool(name) => Some(name.clone()),
            _ => None,
        });
        for (key, name) in pools {
            let Some(text) = self.yaml(&key) else {
                continue;
            };
            if !key::is_pool_name(&name) {
                continue;
            }
            match Pool::parse(&text, self.identifier) {
                Ok(pool) => {
                    self.values(&key, &text, &pool);
                    self.pools.insert(name, pool);
                }
                Err(error) => {
                    let message = format!("the pool cannot be used: {}", error.message);
                    self.add(Finding::at(
                        FindingKind::BadPool,
                        key,
                        error.position,
                        message,
                    ));
                }
            }
        }
        self.suffice();
    }

    /// Values that are written twice, and nodes that have two.
    fn values(&mut self, key: &str, text: &str, pool: &Pool) {
        let Ok(root) = yaml::parse(text) else { return };
        let mut owners: HashMap<&str, &str> = HashMap::new();
        let ranges: Vec<(&str, Pool)> = root
            .entries()
            .iter()
            .filter_map(|(name, _)| {
                let name = name.as_name()?;
                let alone = format!("{}: null", yaml::quoted(name));
                let alone = Pool::parse(&alone, self.identifier).ok()?;
                (alone.open_len() > 1).then_some((name, alone))
            })
            .collect();
        let reserved: HashMap<&str, &str> = pool.reserved().collect();
        for (name, _) in root.entries() {
            let Some(value) = name.as_name() else {
                continue;
            };
            if let Some(owner) = reserved.get(value) {
                if let Some(first) = owners.insert(owner, value) {
                    let message = format!(
                        "'{value}' is reserved for the node '{owner}', which has '{first}'"
                    );
                    self.add(Finding::at(
                        FindingKind::DuplicateReservation,
                        key,
                        name.position,
                        message,
                    ));
                    owners.insert(owner, first);
                }
                // To reserve one value of a range is what ranges and reservations are for.
                continue;
            }
            let range = ranges
                .iter()
                .find(|(range, alone)| *range != value && alone.contains(value));
            if let Some((range, _)) = range {
                let message = format!("'{value}' is in '{range}', too");
                self.add(Finding::at(
                    FindingKind::DuplicateValue,
                    key,
                    name.position,
                    message,
                ));
            }
        }
    }

    /// Whether every node of which it is known that it will ask can get a value.
    fn suffice(&mut self) {
        let users = std::mem::take(&mut self.static_users);
        let short: BTreeMap<&String, Short<'_>> = users
            .iter()
            .filter_map(|(name, nodes)| {
                let pool = self.pools.get(name)?;
                let reserved: HashSet<&str> = pool.reserved().map(|(_, node)| node).collect();
                let asking: Vec<_> = nodes
                    .iter()
                    .filter(|node| !reserved.contains(self.identifier.canonical(node).as_str()))
                    .collect();
                let open: HashSet<String> = pool
                    .open()
                    .take(asking.len().saturating_mul(2))
                    .map(|value| value.into_owned())
                    .collect();
                let short = Short {
                    there: open.len(),
                    asking,
                    network: pool.network().map(str::to_owned),
                };
                (short.there < short.asking.len()).then_some((name, short))
            })
            .collect();
        for (name, short) in short {
            let Short {
                there,
                asking,
                network,
            } = short;
            let shown: Vec<_> = asking
                .iter()
                .take(MAX_SHOWN)
                .map(|node| Printable(node).to_string())
                .collect();
            let more = match asking.len().saturating_sub(MAX_SHOWN) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let message = format!(
                "{} that no value is reserved for will ask for one ({}{more}), and there are {}",
                match asking.len() {
                    1 => "1 node".to_owned(),
                    many => format!("{many} nodes"),
                },
                shown.join(", "),
                there
            );
            let key = Document::Pool(name).to_string();
            let finding = Finding::of_file(FindingKind::ExhaustedPool, key, message);
            let help = network.map(|network| {
                format!(
                    "{}; '{network}' is one value: write hosts({network}) if you mean each address in it",
                    FindingKind::ExhaustedPool.help()
                )
            });
            self.findings.push(Finding { help, ..finding });
        }
    }
}

/// A pool with fewer values than nodes that ask it.
struct Short<'u> {
    there: usize,
    asking: Vec<&'u String>,
    /// A key of which the operator may mean the addresses.
    network: Option<String>,
}
