//! Registered nodes that resemble one that is refused.

use std::collections::BTreeSet;

use super::Context;
use crate::domain::node::{NodeFacts, NodeId, Resemblance, beginnings};
use crate::domain::printable::Printable;
use crate::error::Error;
use crate::key::{NODES, Record};
use crate::runtime;

/// The most nodes that a refusal mentions.
const MAX_MENTIONED: usize = 3;
/// The most nodes that are looked at: KV reads so many keys at once.
const MAX_CANDIDATES: usize = 100;

/// The part of a refusal of this node that mentions registered ones which may have been meant, in
/// parentheses; empty if there is none.
///
/// Two steps of storage, and one more where there are sites: a list of the first thousand keys of nodes; if
/// there are more, lists of those that begin as [`beginnings`] says; the sites of those that resemble this
/// node. The caller does not hear of a node of another site. If storage fails, a warning says so, and
/// nothing is mentioned.
pub async fn mention(context: &mut Context<'_>, node: &NodeId, facts: &NodeFacts) -> String {
    match find(context, node, facts).await {
        Ok(found) => found.iter().map(describe).collect(),
        Err(failure) => {
            let detail = failure.detail();
            context
                .log
                .warn(format!("{detail}; no similar node was looked for"));
            String::new()
        }
    }
}

fn describe((name, resemblance): &(NodeId, Resemblance)) -> String {
    let name = Printable(name.as_str());
    match resemblance {
        Resemblance::Case => {
            format!(" (the node {name} is registered, and its id differs only in case)")
        }
        Resemblance::Mac { distance: 0 } => {
            format!(" (the node {name} is registered, and its id is the MAC address of this one)")
        }
        Resemblance::Mac { distance } => format!(
            " (the node {name} is registered, and its id is {distance} away from the MAC address of this \
             one: the MAC address on a label may not be the system's)"
        ),
    }
}

/// The registered nodes that resemble this one most.
async fn find(
    context: &Context<'_>,
    node: &NodeId,
    facts: &NodeFacts,
) -> Result<Vec<(NodeId, Resemblance)>, Error> {
    let storage = context.storage;
    let mac = facts.systemmac.as_deref();
    let (mut keys, all) = storage.first_keys(NODES.to_owned()).await?;
    if !all {
        let lists = beginnings(node, mac).into_iter();
        let lists = lists.map(|beginning| storage.first_keys(format!("{NODES}{beginning}")));
        for list in runtime::all(lists.collect()).await {
            keys.extend(list?.0);
        }
    }
    // In order of resemblance: the best come first.
    let found: BTreeSet<(Resemblance, &str)> = keys
        .iter()
        .filter_map(|key| registered(key))
        .filter_map(|name| Some((Resemblance::of(name, node, mac)?, name)))
        .collect();
    let found = found.into_iter().take(MAX_CANDIDATES);
    let found: Vec<(NodeId, Resemblance)> = found
        .filter_map(|(resemblance, name)| Some((name.parse().ok()?, resemblance)))
        .collect();
    let seen: Vec<bool> = match context.caller.site() {
        Some(_) if !found.is_empty() => {
            let nodes: Vec<&NodeId> = found.iter().map(|(name, _)| name).collect();
            let sites = storage.sites_of(&nodes).await?;
            let sees = |site: &Option<String>| context.caller.sees(site.as_deref());
            sites.iter().map(sees).collect()
        }
        _ => vec![true; found.len()],
    };
    let found = found.into_iter().zip(seen);
    let found = found.filter_map(|(found, sees)| sees.then_some(found));
    Ok(found.take(MAX_MENTIONED).collect())
}

/// The node that a key makes a registered one: one that only sent its facts is not.
fn registered(key: &str) -> Option<&str> {
    let (name, record) = key.strip_prefix(NODES)?.split_once('/')?;
    let registers = [
        Record::Definition,
        Record::StartupConfig,
        Record::Attributes,
    ];
    let record = Record::named(record)?;
    registers.contains(&record).then_some(name)
}
