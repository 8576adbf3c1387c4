//! The allocations of a ZTPServer in the pools of the server.

use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::Duration;

use serde_json::{Value as Json, json};
use ureq::http::Method;

use super::pools::Holding;
use crate::api::{Api, Call, Content, wait_scale};
use crate::fleet::entries;
use crate::{Failure, terminal};

/// The largest number of allocations in a request.
const AT_ONCE: usize = 10_000;
/// The delays before a retry, in seconds, after the file of a pool was stored: KV takes up to a minute to show it
/// to the object of the pool.
const DELAYS: [u64; 4] = [5, 10, 20, 40];

/// The outcome for the values that nodes hold.
#[derive(Default)]
pub struct Imported {
    /// Stored by this run, or with `--dry-run` by a next one.
    pub assigned: Vec<Holding>,
    /// The nodes hold them already.
    pub unchanged: usize,
    /// Not stored, each with the reason.
    pub refused: Vec<(Holding, String)>,
}

/// Allocates values to the nodes that hold them. A value that another node holds is refused, and does not affect others.
/// `is_new`: files of pools were just stored.
///
/// # Errors
/// The server fails. The stored part stays, and the next run resumes.
pub fn import(
    api: &Api,
    holdings: &[Holding],
    dry_run: bool,
    is_new: bool,
) -> Result<Imported, Failure> {
    if holdings.is_empty() {
        return Ok(Imported::default());
    }
    let held = api.json(&Call::get("reading the allocations", "/allocations"))?;
    let mut imported = compare(holdings, &held);
    if dry_run {
        return Ok(imported);
    }
    let missing = std::mem::take(&mut imported.assigned);
    let delays = if is_new { &DELAYS[..] } else { &[] };
    let scale = wait_scale()?;
    let (assigned, refused) = until_stored(
        missing,
        delays,
        |some| store(api, some),
        |seconds, (holding, why)| {
            let (pool, why) = (terminal::line(&holding.pool), terminal::line(why));
            anstream::eprintln!("waiting {seconds} seconds for the new file of {pool}: {why}");
            sleep(Duration::from_secs(seconds).mul_f64(scale));
        },
    )?;
    imported.assigned = assigned;
    imported.refused.extend(refused);
    Ok(imported)
}

/// Stores allocations, and those that are refused again after each delay.
fn until_stored(
    mut missing: Vec<Holding>,
    delays: &[u64],
    mut store: impl FnMut(&[Holding]) -> Result<Stored, Failure>,
    mut wait: impl FnMut(u64, &(Holding, String)),
) -> Result<Stored, Failure> {
    let mut all = Vec::new();
    let mut delays = delays.iter();
    loop {
        let (assigned, refused) = store(&missing)?;
        all.extend(assigned);
        let (Some(first), Some(seconds)) = (refused.first(), delays.next()) else {
            return Ok((all, refused));
        };
        wait(*seconds, first);
        missing = refused.into_iter().map(|(holding, _)| holding).collect();
    }
}

/// The import that is left to do. `held`: the allocations of the server.
fn compare(holdings: &[Holding], held: &Json) -> Imported {
    let text = |entry: &'_ Json, name: &str| entry[name].as_str().unwrap_or_default().to_owned();
    let mut by_value = BTreeMap::new();
    let mut by_node = BTreeMap::new();
    for entry in entries(held, "allocations") {
        let [pool, value, node] = ["pool", "value", "node"].map(|name| text(entry, name));
        let name = entry["name"].as_str().filter(|name| !name.is_empty());
        // A value with a name is one of several that the node has of the pool.
        if name.is_none() {
            by_node.insert((pool.clone(), node.clone()), value.clone());
        }
        by_value.insert((pool, value), (node, name));
    }
    let mut imported = Imported::default();
    for holding in holdings {
        let Holding { pool, value, node } = holding;
        let holder = by_value.get(&(pool.clone(), value.clone()));
        let other = by_node.get(&(pool.clone(), node.clone()));
        let refusal = match (holder, other) {
            (Some((holder, None)), _) if holder == node => {
                imported.unchanged += 1;
                continue;
            }
            (Some((holder, Some(name))), _) => format!(
                "{holder}/{name} holds it here; release it with `ztp pools --node {holder} --release`, which releases all \
                 values of {holder}, if it is that of {node}"
            ),
            (Some((holder, None)), _) => format!(
                "{holder} holds it here; release it with `ztp pools --node {holder} --release` if it is that of {node}"
            ),
            (None, Some(other)) => format!(
                "{node} holds {other} here; release that with `ztp pools --node {node} --release` to take over the \
                 former value"
            ),
            (None, None) => {
                imported.assigned.push(holding.clone());
                continue;
            }
        };
        imported.refused.push((holding.clone(), refusal));
    }
    imported
}

type Stored = (Vec<Holding>, Vec<(Holding, String)>);

/// Sends the allocations: those that are stored, and those that are not.
fn store(api: &Api, holdings: &[Holding]) -> Result<Stored, Failure> {
    let (mut assigned, mut refused) = (Vec::new(), Vec::new());
    for some in holdings.chunks(AT_ONCE) {
        let list: Vec<_> = some
            .iter()
            .map(|held| json!({"pool": held.pool, "value": held.value, "node": held.node}))
            .collect();
        let body = json!({"allocations": list});
        let call = Call::new("storing the allocations", Method::PUT, "/allocations");
        let done = api.json(&call.content(Content::Json(&body)))?;
        let text =
            |refusal: &Json, name: &str| refusal[name].as_str().unwrap_or_default().to_owned();
        let errors = entries(&done, "refused");
        let errors: BTreeMap<_, _> = errors
            .map(|refusal| {
                let place = ["pool", "value"].map(|name| text(refusal, name));
                (place, text(refusal, "error"))
            })
            .collect();
        for holding in some {
            match errors.get(&[holding.pool.clone(), holding.value.clone()]) {
                None => assigned.push(holding.clone()),
                Some(error) => refused.push((holding.clone(), error.clone())),
            }
        }
    }
    Ok((assigned, refused))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holding(value: &str, node: &str) -> Holding {
        let [pool, value, node] = ["mgmt", value, node].map(str::to_owned);
        Holding { pool, value, node }
    }

    #[test]
    fn only_what_the_server_does_not_have_is_sent() {
        let held = json!({"allocations": [
            {"pool": "mgmt", "value": "a", "node": "JPE1"},
            {"pool": "mgmt", "value": "b", "node": "JPE9"},
            {"pool": "mgmt", "value": "z", "node": "JPE3"},
            {"pool": "mgmt", "value": "y", "node": "JPE4", "name": "uplink2"},
            {"pool": "mgmt", "value": "x", "node": "JPE5", "name": "uplink2"},
            {"pool": "other", "value": "c", "node": "JPE9"},
        ]});
        let wanted = ["a JPE1", "b JPE2", "c JPE3", "d JPE4", "x JPE5"];
        let wanted = wanted.map(|pair| pair.split_once(' ').unwrap());
        let wanted = wanted.map(|(value, node)| holding(value, node));
        let found = compare(&wanted, &held);
        assert_eq!(found.unchanged, 1);
        assert_eq!(found.assigned, [holding("d", "JPE4")]);
        let refused: Vec<_> = found
            .refused
            .iter()
            .map(|(held, why)| (held.value.as_str(), why.as_str()))
            .collect();
        assert!(
            refused[0].0 == "b" && refused[0].1.starts_with("JPE9 holds it here;"),
            "{refused:?}"
        );
        assert!(
            refused[1].0 == "c" && refused[1].1.starts_with("JPE3 holds z here;"),
            "{refused:?}"
        );
        assert!(
            refused[2].0 == "x" && refused[2].1.starts_with("JPE5/uplink2 holds it here;"),
            "{refused:?}"
        );
        assert_eq!(refused.len(), 3);
    }

    #[test]
    fn what_is_refused_is_sent_again_until_the_new_file_is_seen() {
        let both = vec![holding("a", "JPE1"), holding("b", "JPE2")];
        let stored = |delays: &[u64], seen_at: usize| {
            let (mut requests, mut waited) = (Vec::new(), Vec::new());
            let store = |some: &[Holding]| {
                requests.push(some.len());
                let is_seen = |held: &&Holding| held.value == "a" || requests.len() >= seen_at;
                let (assigned, refused): (Vec<_>, Vec<_>) = some.iter().partition(is_seen);
                let refused = refused
                    .into_iter()
                    .map(|held| (held.clone(), "no file".to_owned()));
                Ok((assigned.into_iter().cloned().collect(), refused.collect()))
            };
            let (assigned, refused) = until_stored(both.clone(), delays, store, |seconds, _| {
                waited.push(seconds)
            })
            .unwrap();
            (assigned.len(), refused.len(), requests, waited)
        };
        assert_eq!(stored(&[], 3), (1, 1, vec![2], vec![]));
        assert_eq!(stored(&[5, 10, 20], 3), (2, 0, vec![2, 1, 1], vec![5, 10]));
        assert_eq!(stored(&[5], 3), (1, 1, vec![2, 1], vec![5]));
    }
}
