//! The setting IDENTIFIER of the project that a data_root belongs to.

use toml::{Table, Value};

use ztp_core::check::ServerConf;
use ztp_core::node::Identifier;

use crate::data_root::DataRoot;
use crate::{Failure, display_path, regular, unreadable};

/// The largest wrangler.toml, in bytes.
const MAX_CONFIG_BYTES: u64 = 1 << 20;

/// Which fact names a node: from the command line, else ztpserver.conf, else the nearest wrangler.toml in or above the
/// folder, else the Worker's default.
pub fn identifier(given: Option<Identifier>, root: &DataRoot) -> Result<Identifier, Failure> {
    if let Some(given) = given {
        return Ok(given);
    }
    if let Some(conf) = root.server_conf()
        && let Some(identifier) = ServerConf::parse(&String::from_utf8_lossy(&conf)).identifier()
    {
        return Ok(identifier);
    }
    let folder = std::path::absolute(&root.path).unwrap_or_else(|_| root.path.clone());
    let mut paths = folder.ancestors().map(|above| above.join("wrangler.toml"));
    let Some(path) = paths.find(|path| path.is_file()) else {
        return Ok(Identifier::default());
    };
    let text = regular::text(&path, MAX_CONFIG_BYTES)?;
    let config: Table = text.parse().map_err(|error| unreadable(&path, error))?;
    let vars = config.get("vars").and_then(|vars| vars.get("IDENTIFIER"));
    let value = vars.and_then(Value::as_str).map(str::parse).transpose();
    let value = value.map_err(|error| format!("in {}, {error}", display_path(&path)))?;
    Ok(value.unwrap_or_default())
}
