//! The wrangler.toml that a data_root is below of: its setting IDENTIFIER.

use std::path::Path;

use toml::{Table, Value};

use ztp_core::node::Identifier;

use crate::{Failure, display_path, regular, unreadable};

/// The largest wrangler.toml, in bytes.
const MAX_CONFIG_BYTES: u64 = 1 << 20;

/// The fact that names a node, according to the nearest wrangler.toml in or above a folder, if there is one.
pub fn identifier(folder: &Path) -> Result<Option<Identifier>, Failure> {
    let mut paths = folder
        .ancestors()
        .map(|folder| folder.join("wrangler.toml"));
    let Some(path) = paths.find(|path| path.is_file()) else {
        return Ok(None);
    };
    let text = regular::text(&path, MAX_CONFIG_BYTES)?;
    let config: Table = text.parse().map_err(|error| unreadable(&path, error))?;
    let vars = config.get("vars").and_then(|vars| vars.get("IDENTIFIER"));
    let value = vars.and_then(Value::as_str).map(str::parse).transpose();
    Ok(value.map_err(|error| format!("in {}, {error}", display_path(&path)))?)
}
