//! The limits of the free plan that the stored content will meet: pure rules on the list of /admin/content.

use std::collections::{BTreeMap, BTreeSet};

use indicatif::{HumanBytes, HumanCount};

use ztp_core::content::Store;

use crate::api::{Stored, store_of};
use crate::report::count;

use super::check::Check;
use super::kind::Kind;
use super::target::Target;

/// <https://developers.cloudflare.com/kv/platform/limits/>
const FREE_KV_WRITES: usize = 1000;
/// The records that a new node's object copies to KV: docs/costs.md.
const WRITES_OF_A_BOOT: usize = 3;
/// The size of an object that the Worker hashes within the 10 ms of CPU of the free plan, in bytes: docs/costs.md has
/// 1.6 GB/s on the machine of the benchmark; a third of it leaves room for a slower one.
const HASHED_IN_TIME: u64 = 5 << 20;

type Content = BTreeMap<String, Stored>;

/// KV writes if all known nodes boot anew in one day.
pub fn kv_writes(content: &Content, target: &Target) -> Check {
    let name = "kv-writes";
    let mut nodes = BTreeSet::new();
    let mut has_handler = false;
    for key in content.keys() {
        let record = key
            .strip_prefix("nodes/")
            .and_then(|rest| rest.split_once('/'));
        if let Some((node, record)) = record {
            nodes.insert(node);
            has_handler |= record == "config-handler";
        }
    }
    let mut each = WRITES_OF_A_BOOT + 1;
    each += usize::from(target.credential.is_some()) + usize::from(has_handler);
    let total = nodes.len() * each;
    let message = format!(
        "a first boot with a backup writes {each} keys in KV, so {} of them reach the free plan's {} writes in a day; \
         the known {} would write {total}",
        FREE_KV_WRITES / each,
        HumanCount(FREE_KV_WRITES as u64),
        count(nodes.len(), "node"),
    );
    match total > FREE_KV_WRITES {
        true => Check::found(name, Kind::KvWrites, message),
        false => Check::fine(name, message),
    }
}

/// Objects that the Worker would have to hash.
pub fn first_hash(content: &Content) -> Check {
    let name = "first-hash";
    let objects = content.iter().filter(|(key, _)| store_of(key) == Store::R2);
    let unhashed = objects.filter(|(_, stored)| stored.sha1.is_none());
    let sized = unhashed.map(|(key, stored)| (stored.size.unwrap_or_default(), key));
    let large: Vec<_> = sized.filter(|(size, _)| *size > HASHED_IN_TIME).collect();
    match large.iter().max() {
        None => Check::fine(
            name,
            format!(
                "every object of more than {} has a stored SHA-1",
                HumanBytes(HASHED_IN_TIME)
            ),
        ),
        Some((size, key)) => Check::found(
            name,
            Kind::FirstHash,
            format!(
                "{} of more than {} without a stored SHA-1, the largest is {key} ({})",
                count(large.len(), "object"),
                HumanBytes(HASHED_IN_TIME),
                HumanBytes(*size)
            ),
        ),
    }
}

/// A small file to ask for: the smallest one with a few bytes.
pub fn file(content: &Content) -> Option<&str> {
    let files = content.iter().filter(|(key, _)| key.starts_with("files/"));
    let sized = files.filter_map(|(key, stored)| Some((stored.size?, key.as_str())));
    let smallest = sized.filter(|(size, _)| *size >= 20).min();
    smallest.map(|(_, key)| key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(entries: &[(&str, Option<u64>, Option<&str>)]) -> Content {
        let entries = entries.iter().map(|(key, size, sha1)| {
            let stored = serde_json::json!({ "key": key, "size": size, "sha1": sha1 });
            ((*key).to_owned(), serde_json::from_value(stored).unwrap())
        });
        entries.collect()
    }

    #[test]
    fn the_writes_of_a_boot_are_those_of_its_records_site_and_backup() {
        let target = |url| Target::parse(url).unwrap();
        let (open, site) = (
            target("https://z.example"),
            target("https://z.example/t/token"),
        );
        let some = content(&[
            ("nodes/A/definition", None, None),
            ("nodes/A/.node", None, None),
        ]);
        assert!(
            kv_writes(&some, &open)
                .message
                .contains("writes 4 keys in KV, so 250 of them")
        );
        assert!(
            kv_writes(&some, &site)
                .message
                .contains("writes 5 keys in KV, so 200 of them")
        );
        let handler = content(&[("nodes/A/config-handler", None, None)]);
        assert!(
            kv_writes(&handler, &site)
                .message
                .contains("writes 6 keys in KV, so 166 of them")
        );
    }

    #[test]
    fn more_nodes_than_the_writes_of_a_day_are_a_warning() {
        let target = Target::parse("https://z.example").unwrap();
        let keys: Vec<_> = (0..251)
            .map(|node| format!("nodes/N{node:03}/.node"))
            .collect();
        let entries: Vec<_> = keys.iter().map(|key| (key.as_str(), None, None)).collect();
        let kind = |count: usize| kv_writes(&content(&entries[..count]), &target).kind();
        assert_eq!((kind(250), kind(251)), (None, Some(Kind::KvWrites)));
    }

    #[test]
    fn a_large_object_without_a_stored_hash_is_a_warning() {
        let sha1 = Some("da39a3ee5e6b4b0d3255bfef95601890afd80709");
        for (key, size, sha1, kind) in [
            ("files/image", HASHED_IN_TIME, None, None),
            (
                "files/image",
                HASHED_IN_TIME + 1,
                None,
                Some(Kind::FirstHash),
            ),
            ("files/image", 1 << 30, sha1, None),
            ("nodes/A/startup-config", 6 << 20, None, None),
        ] {
            let check = first_hash(&content(&[(key, Some(size), sha1)]));
            assert_eq!(check.kind(), kind, "{key} {size}");
        }
        let found = first_hash(&content(&[
            ("files/a", Some(6 << 20), None),
            ("files/b", Some(1 << 30), None),
        ]));
        assert_eq!(
            found.message,
            "2 objects of more than 5.00 MiB without a stored SHA-1, the largest is files/b (1.00 GiB)"
        );
    }

    #[test]
    fn the_file_to_ask_for_is_the_smallest_with_a_few_bytes() {
        let stored = content(&[
            ("files/empty", Some(0), None),
            ("files/image", Some(1000), None),
            ("files/small", Some(20), None),
            ("actions/x", Some(30), None),
        ]);
        assert_eq!(file(&stored), Some("files/small"));
        assert_eq!(file(&content(&[])), None);
    }
}
