//! Registered nodes that resemble a rejected node.

use std::collections::BTreeSet;

use futures_util::future::try_join_all;
use ztp_core::key::{NODES, Record};
use ztp_core::node::{NodeFacts, NodeId, Resemblance, id_prefixes};
use ztp_core::printable::Printable;

use super::Context;
use crate::error::Error;

/// Maximum number of nodes that a refusal mentions.
const MAX_MENTIONED: usize = 3;
/// Maximum number of nodes whose site is checked: KV reads at most this number of keys at once.
const MAX_CANDIDATES: usize = 100;

/// The part of this node's refusal that mentions the registered nodes which it resembles, each in
/// parentheses; empty if it resembles none.
///
/// Two steps of storage, and a third if sites are configured: list the first thousand keys of nodes; if
/// more exist, list the keys with each of the [`id_prefixes`]; read the sites of the nodes that resemble
/// this one. A node of another site is not mentioned. If storage fails, the log has a warning and no node
/// is mentioned.
pub async fn mention(context: &mut Context<'_>, node: &NodeId, facts: &NodeFacts) -> String {
    match find(context, node, facts).await {
        Ok(found) => found.iter().map(describe).collect(),
        Err(failure) => {
            let detail = failure.detail();
            context.log.warn(format!(
                "{detail}; the search for similar nodes was skipped"
            ));
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

/// The registered nodes that resemble this one most, visible to the caller.
async fn find(
    context: &Context<'_>,
    node: &NodeId,
    facts: &NodeFacts,
) -> Result<Vec<(NodeId, Resemblance)>, Error> {
    let storage = context.storage;
    let mac = facts.systemmac.as_deref();
    let (mut keys, all) = storage.first_keys(NODES.to_owned()).await?;
    if !all {
        let prefixes = id_prefixes(node, mac).into_iter();
        let lists = prefixes.map(|prefix| storage.first_keys(format!("{NODES}{prefix}")));
        for (found, _) in try_join_all(lists).await? {
            keys.extend(found);
        }
    }
    let alike = keys
        .iter()
        .filter_map(|key| registered(key))
        .filter_map(|name| Some((Resemblance::of(name, node, mac)?, name)));
    // In the order of resemblance, the closest first. `collect` would take more code.
    let mut found: BTreeSet<(Resemblance, &str)> = BTreeSet::new();
    found.extend(alike);
    let found = found.into_iter().take(MAX_CANDIDATES);
    let found: Vec<(NodeId, Resemblance)> = found
        .filter_map(|(resemblance, name)| Some((name.parse().ok()?, resemblance)))
        .collect();
    let visible: Vec<bool> = match context.caller.site() {
        Some(_) if !found.is_empty() => {
            let nodes: Vec<&NodeId> = found.iter().map(|(name, _)| name).collect();
            let sites = storage.sites_of(&nodes).await?;
            let may_see = |site: &Option<String>| context.caller.may_see(site.as_deref());
            sites.iter().map(may_see).collect()
        }
        _ => vec![true; found.len()],
    };
    let found = found.into_iter().zip(visible);
    let found = found.filter_map(|(found, visible)| visible.then_some(found));
    Ok(found.take(MAX_MENTIONED).collect())
}

/// The id of the node that a key registers. A node that only has facts is not registered.
fn registered(key: &str) -> Option<&str> {
    let (name, record) = key.strip_prefix(NODES)?.split_once('/')?;
    let registering = [
        Record::Definition,
        Record::StartupConfig,
        Record::Attributes,
    ];
    let record = Record::named(record)?;
    registering.contains(&record).then_some(name)
}
