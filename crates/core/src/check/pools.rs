//! Resource pools: whether they are valid, and have enough values.

use std::collections::{HashMap, HashSet};

use crate::key::{self, Document};
use crate::pool::{Holder, Pool};
use crate::printable::Printable;
use crate::yaml;

use super::finding::{Finding, FindingKind};
use crate::content::ContentKind;

use super::Check;

/// Most nodes that a message names.
const MAX_SHOWN: usize = 3;

impl Check<'_> {
    /// Checks every pool, and that it has a value for each node that calls it.
    pub(super) fn pools(&mut self) {
        self.read_pools();
        self.suffice();
    }

    /// Checks every pool by itself.
    pub(super) fn read_pools(&mut self) {
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
                    let message = format!("the pool is not valid: {}", error.message);
                    self.add(Finding::at(
                        FindingKind::BadPool,
                        key,
                        error.position,
                        message,
                    ));
                }
            }
        }
    }

    /// Finds values that the pool has twice, and nodes with two reservations.
    fn values(&mut self, key: &str, text: &str, pool: &Pool) {
        let Ok(root) = yaml::parse(text) else { return };
        let mut owners: HashMap<&Holder, &str> = HashMap::new();
        let reserved: HashMap<&str, &Holder> = pool.reserved().collect();
        for (name, _) in root.entries() {
            let Some(value) = name.as_name() else {
                continue;
            };
            if let Some(owner) = reserved.get(value) {
                if let Err(error) = owner.check() {
                    let message = format!(
                        "no node receives '{value}': it is reserved for '{}', and {error}",
                        Printable(&owner.to_string())
                    );
                    let kind = FindingKind::BadReservation;
                    self.add(Finding::at(kind, key, name.position, message));
                }
                if let Some(first) = owners.insert(owner, value) {
                    let message = format!(
                        "'{value}' is reserved for the node '{owner}', and so is '{first}'"
                    );
                    self.add(Finding::at(
                        FindingKind::DuplicateReservation,
                        key,
                        name.position,
                        message,
                    ));
                    owners.insert(owner, first);
                }
                // A reservation of one value of a range is intended.
                continue;
            }
            if let Some(range) = pool.range_of(value) {
                let message = format!("'{value}' is also in '{range}'");
                self.add(Finding::at(
                    FindingKind::DuplicateValue,
                    key,
                    name.position,
                    message,
                ));
            }
        }
    }

    /// Finds pools with fewer values than the nodes that are certain to call them request.
    fn suffice(&mut self) {
        let users = std::mem::take(&mut self.static_users);
        let short: Vec<(&String, Shortage<'_>)> = users
            .iter()
            .filter_map(|(name, holders)| {
                let pool = self.pools.get(name)?;
                let asking: Vec<&Holder> = holders
                    .iter()
                    .filter(|holder| {
                        let holder = holder.canonical(self.identifier);
                        pool.reservation(&holder).is_none()
                    })
                    .collect();
                let open: HashSet<String> = pool
                    .open()
                    .take(asking.len().saturating_mul(2))
                    .map(|value| value.into_owned())
                    .collect();
                let short = Shortage {
                    available: open.len(),
                    asking,
                    network: pool.network().map(str::to_owned),
                };
                (short.available < short.asking.len()).then_some((name, short))
            })
            .collect();
        for (name, short) in short {
            let Shortage {
                available,
                asking,
                network,
            } = short;
            let shown: Vec<_> = asking
                .iter()
                .take(MAX_SHOWN)
                .map(|holder| Printable(&holder.to_string()).to_string())
                .collect();
            let more = match asking.len().saturating_sub(MAX_SHOWN) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let nodes: HashSet<&str> = asking.iter().map(|holder| holder.node()).collect();
            let count = match nodes.len() {
                1 => "1 node".to_owned(),
                many => format!("{many} nodes"),
            };
            // A node requests several values by their names.
            let wanted = match asking.len() == nodes.len() {
                true => format!("{count} without a reservation will ask for a value"),
                false => format!(
                    "{count} will ask for {} values that are not reserved",
                    asking.len()
                ),
            };
            let shown = shown.join(", ");
            let message = format!("{wanted} ({shown}{more}), and the pool has {available}");
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

/// A pool with fewer values than nodes that call it.
struct Shortage<'u> {
    available: usize,
    asking: Vec<&'u Holder>,
    /// A key that is one value, though the operator may mean every address in it.
    network: Option<String>,
}
