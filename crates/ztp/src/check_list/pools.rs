//! The values of pools that the switches of a list receive together. The server explains each switch alone, and promises
//! the first free value of a pool to each of them.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::Value as Json;
use ztp_core::key::Document;
use ztp_core::node::Identifier;
use ztp_core::path::encode_segment;
use ztp_core::pool::{Allocations, Grant, Holder, Pool};

use crate::Failure;
use crate::api::{Api, Call, Sink};
use crate::fleet::{entries, holder_of, text};

/// The largest file of a pool, in bytes: that of a KV value.
const MAX_POOL_BYTES: u64 = 25 << 20;

/// The value for an entry of `pools` in an explanation, where it is another one than the server promises: by the places of
/// the explanation and of the entry. `None`: the switches before it receive the last ones.
pub type Shared = HashMap<(usize, usize), Option<String>>;

/// A value that a switch does not hold yet.
struct Promise<'e> {
    place: (usize, usize),
    holder: Holder,
    value: &'e str,
}

/// Gives each value to one switch, in the order of the list. Reads the pools that promise a value to several.
pub fn share(api: &Api, explanations: &[&Json]) -> Result<Shared, Failure> {
    let mut by_pool: BTreeMap<&str, Vec<Promise<'_>>> = BTreeMap::new();
    for (device, explanation) in explanations.iter().enumerate() {
        for (entry, pool) in entries(explanation, "pools").enumerate() {
            let (Some(name), Some(value)) = (pool["pool"].as_str(), pool["value"].as_str()) else {
                continue;
            };
            if pool["held"] == true {
                continue;
            }
            let mut named = pool.clone();
            named["node"] = explanation["node"].clone();
            by_pool.entry(name).or_default().push(Promise {
                place: (device, entry),
                holder: Holder::from(holder_of(&named).as_str()),
                value,
            });
        }
    }
    let mut shared = Shared::new();
    for (name, promises) in by_pool {
        let mut first = HashMap::new();
        let is_shared = promises.iter().any(|promise| {
            *first.entry(promise.value).or_insert(&promise.holder) != &promise.holder
        });
        if is_shared {
            shared.extend(share_pool(api, name, &promises)?);
        }
    }
    Ok(shared)
}

fn share_pool(api: &Api, name: &str, promises: &[Promise<'_>]) -> Result<Shared, Failure> {
    let key = Document::Pool(name).to_string();
    let mut file = Vec::new();
    let gone = || Failure::from(format!("{key} is not stored any more; try again"));
    api.read(&key, Sink::Memory(&mut file, MAX_POOL_BYTES))?
        .ok_or_else(gone)?;
    // The ids of reservations do not matter: their values are not free.
    let pool = Pool::parse(&String::from_utf8_lossy(&file), Identifier::SerialNumber);
    let pool = pool.map_err(|error| format!("{key} is not valid: {error}"))?;
    let reserved: HashSet<&str> = pool.reserved().map(|(value, _)| value).collect();
    let path = format!("/pools/{}", encode_segment(name));
    let listing = api.json(&Call::get(format!("reading the pool {name}"), path))?;
    let held = entries(&listing, "allocations");
    let held = held.map(|held| (text(&held["value"]), Holder::from(holder_of(held).as_str())));
    let mut allocations = Allocations::new(held);
    let mut shared = Shared::new();
    for promises in promises.chunk_by(|one, other| one.place.0 == other.place.0) {
        let promises: Vec<_> = promises
            .iter()
            .filter(|promise| !reserved.contains(promise.value))
            .collect();
        let holders: Vec<Holder> = promises
            .iter()
            .map(|promise| promise.holder.clone())
            .collect();
        let grants: Result<Vec<Grant>, _> =
            allocations.grants(&pool, &holders).into_iter().collect();
        let Ok(grants) = grants else {
            shared.extend(promises.iter().map(|promise| (promise.place, None)));
            continue;
        };
        for (promise, grant) in promises.iter().zip(grants) {
            let (Grant::Held(value) | Grant::New(value)) = grant;
            allocations.insert(value.clone(), promise.holder.clone());
            shared.insert(promise.place, Some(value));
        }
    }
    Ok(shared)
}
