//! Sites in a data_root: which one a node belongs to, and which file its calls of a pool read.

use ztp_core::credentials;
use ztp_core::key::{Document, Record};
use ztp_core::printable::Printable;

use crate::content::Place;
use crate::data_root::DataRoot;

/// Where a call of a pool finds its values.
#[derive(Debug, PartialEq, Eq)]
pub enum PoolFile {
    /// In the pool of that name: `berlin/mgmt` for the file `resources/berlin/mgmt`.
    Named(String),
    /// The site is not known, and only sites have a pool of that name: which ones.
    OfSites(Vec<String>),
    /// Nowhere: the keys that were looked for.
    Missing(Vec<String>),
}

/// The site that owns a node, as `nodes/<id>/site` has it.
pub fn site_of(root: &DataRoot, node: &str) -> Option<String> {
    let text = root.text(&format!("nodes/{node}/{}", Record::Site.name()))?;
    Some(text.trim().to_owned()).filter(|site| !site.is_empty())
}

/// The file that `allocate('<pool>')` reads for a node of a site, as the Worker looks for it: that of the site, else
/// the one that all sites share.
pub fn pool_file(root: &DataRoot, pool: &str, site: Option<&str>) -> PoolFile {
    let own = site.map(|site| format!("{site}/{pool}"));
    let names = own.into_iter().chain([pool.to_owned()]);
    let key = |name: &String| Document::Pool(name).to_string();
    let names: Vec<String> = names.collect();
    if let Some(name) = names.iter().find(|name| root.has(&key(name))) {
        return PoolFile::Named(name.clone());
    }
    let suffix = format!("/{pool}");
    let sites: Vec<String> = pool_names(root)
        .filter_map(|name| name.strip_suffix(&suffix))
        .filter(|site| credentials::is_site_name(site))
        .map(str::to_owned)
        .collect();
    match site {
        None if !sites.is_empty() => PoolFile::OfSites(sites),
        _ => PoolFile::Missing(names.iter().map(key).collect()),
    }
}

/// The names of all pools in a data_root.
pub fn pool_names(root: &DataRoot) -> impl Iterator<Item = &str> {
    root.files.values().filter_map(|file| match &file.place {
        Place::Pool(name) => Some(name.as_str()),
        _ => None,
    })
}

/// Reads the argument of `--site`.
///
/// # Errors
/// No site can have that name.
pub fn site_name(text: &str) -> Result<String, String> {
    match credentials::is_site_name(text) {
        true => Ok(text.to_owned()),
        false => Err(format!(
            "'{}' is not a valid name of a site: it must be letters, digits, - and _",
            Printable(text)
        )),
    }
}
