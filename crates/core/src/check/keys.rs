//! Keys and sizes: whether a store accepts them, and whether the Worker reads them.

use super::Check;
use super::contents::{Listed, Unread};
use super::finding::{Finding, FindingKind, Note};
use crate::content::{ContentKind, NotContent};
use crate::printable::Printable;

/// The largest action, in bytes: MAX_BODY of the client.
pub const MAX_ACTION_BYTES: u64 = 8 << 20;

impl Check<'_> {
    /// Finds keys that the Worker does not read, but that look like content.
    pub(super) fn unread(&mut self, unread: &[(Listed, Unread)]) {
        for (listed, reason) in unread {
            self.findings.extend(match reason {
                Unread::NotContent(reason) => misplaced(&listed.key, reason),
                Unread::OtherStore(store) => {
                    let message = format!("the key is in {}", listed.store.name());
                    let help = format!("move it: the Worker reads it from {}", store.name());
                    Some(
                        Finding::of_file(FindingKind::Misplaced, &listed.key, message)
                            .with_help(help),
                    )
                }
            });
        }
    }

    /// Checks that the store accepts each key and value, and the client each action.
    pub(super) fn keys_and_sizes(&mut self) {
        for (key, content) in self.index.iter() {
            let (store, size) = (content.kind.store(), content.size);
            if key.len() > store.max_key_bytes() {
                let message = format!(
                    "the key has {} bytes, and {} accepts at most {}",
                    key.len(),
                    store.name(),
                    store.max_key_bytes()
                );
                self.add(Finding::of_file(FindingKind::KeyTooLong, key, message));
            }
            if size > store.max_value_bytes() {
                let message = format!(
                    "the file has {size} bytes, and {} accepts at most {}",
                    store.name(),
                    store.max_value_bytes()
                );
                self.add(Finding::of_file(FindingKind::TooLarge, key, message));
            }
            if matches!(content.kind, ContentKind::Action(_)) && size > MAX_ACTION_BYTES {
                let message = format!(
                    "the action has {size} bytes, and the client accepts at most {MAX_ACTION_BYTES}"
                );
                self.add(Finding::of_file(FindingKind::TooLarge, key, message));
            }
        }
    }

    /// Notes each config-handler: it is not run.
    pub(super) fn config_handlers(&mut self) {
        let handlers =
            self.keys(|kind| matches!(kind, ContentKind::ConfigHandler(_)).then_some(()));
        for (key, ()) in handlers {
            self.notes.push(Note::from(format!(
                "{key} is stored but never run here: fetch the startup-configs with `ztp pull --nodes`, and run it on them"
            )));
        }
    }
}

fn misplaced(key: &str, reason: &NotContent) -> Option<Finding> {
    Some(match reason {
        NotContent::Foreign | NotContent::Plugin | NotContent::ServerConf => return None,
        NotContent::Misplaced(reason) => Finding::of_file(
            FindingKind::Misplaced,
            key,
            "nothing reads a file of this name",
        )
        .with_help(format!("{reason}; as it is, it is left alone")),
        NotContent::InvalidNodeId(reason) => {
            Finding::of_file(FindingKind::BadNodeId, key, reason.as_str())
        }
        NotContent::BadName => Finding::of_file(
            FindingKind::BadName,
            key,
            format!("'{}' is not a valid key", Printable(key)),
        ),
    })
}
