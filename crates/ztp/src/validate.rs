//! `ztp validate`: the rules of [`ztp_core::check`], and the checks that need this machine's files and programs.

mod scripts;

use ztp_core::check::{self, Note, Validation};
use ztp_core::node::Identifier;

use crate::data_root::DataRoot;

/// Checks a data_root. `site`: the site of all nodes without a file `nodes/ID/site`.
pub fn validate(root: &DataRoot, identifier: Identifier, site: Option<&str>) -> Validation {
    let mut validation = check::check(root, identifier, site);
    let left_alone = root
        .left_alone
        .iter()
        .map(|left| Note::from(format!("{} is left alone: {}", left.path, left.reason)));
    validation.notes.splice(..0, left_alone);
    let scripts = scripts::compile(root);
    validation.notes.extend(scripts.notes);
    validation.add(root.findings.iter().cloned().chain(scripts.findings));
    validation
}
