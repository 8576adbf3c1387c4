//! Nodes as they are written beside their values: ZTPServer finds a node only by the id that its switch sends.

use std::collections::BTreeMap;

use ztp_core::node::Identifier;
use ztp_core::pool::Holder;

/// A value, and the node as it is written beside it.
pub type Written = (String, String);

/// How well ZTPServer finds a node by the text beside a value. It compares that with the id that the switch sends, which
/// has no separators.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Spelling {
    #[default]
    Other,
    OtherCase,
    Same,
}

impl Spelling {
    /// `node`: in the notation of [`Identifier::canonical`].
    pub fn of(written: &str, node: &str) -> Self {
        match written {
            _ if written == node => Self::Same,
            _ if written.eq_ignore_ascii_case(node) => Self::OtherCase,
            _ => Self::Other,
        }
    }
}

/// The value that each node holds: the first of those with the best spelling. `owners`: the node of each value.
pub fn held<'w>(
    owners: &BTreeMap<&str, &Holder>,
    written: &'w [Written],
    identifier: Identifier,
) -> BTreeMap<Holder, (&'w str, Spelling)> {
    let mut held = BTreeMap::new();
    for (value, as_written) in written {
        let holder = Holder::from(as_written.as_str()).canonical(identifier);
        if owners.get(value.as_str()) != Some(&&holder) {
            continue;
        }
        let spelling = Spelling::of(as_written, holder.node());
        let best = held.entry(holder).or_insert((value.as_str(), spelling));
        if spelling > best.1 {
            *best = (value, spelling);
        }
    }
    held
}
