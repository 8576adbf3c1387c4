//! What the URL's credential opens.

use super::{Context, nothing_here};
use crate::access::Caller;
use crate::domain::node::{Identifier, NodeId, normalize_mac};
use crate::error::Error;
use crate::key::Record;
use crate::log;
use crate::runtime::Request;
use crate::settings::Settings;
use crate::storage::{Records, Storage};

/// Whose request it is, the credential in its path, and the rest of the path.
///
/// # Errors
/// Without a valid credential where tokens are set, what an unknown path is told.
pub fn admit<'a, 'p>(
    settings: &'a Settings,
    segments: &'p [&'p str],
) -> Result<(Caller<'a>, Option<&'p str>, &'p [&'p str]), Error> {
    let Some(sites) = &settings.sites else {
        return Ok((Caller::Anyone, None, segments));
    };
    let ["t", credential, rest @ ..] = segments else {
        return Err(nothing_here());
    };
    let caller = sites
        .caller(credential, settings.identifier)
        .ok_or_else(nothing_here)?;
    Ok((caller, Some(credential), rest))
}

/// The server URL for whoever has that credential.
pub fn base_url(server_url: &str, credential: Option<&str>) -> String {
    match credential {
        Some(credential) => format!("{server_url}/t/{credential}"),
        None => server_url.to_owned(),
    }
}

/// Asks the rate-limiting binding, if there is one: by site and node where the URL was made for a
/// node, else by site and address, and by address alone where there is no valid credential. An id that
/// a caller merely names counts for nothing: it could name a new one each time, or use up what another
/// node may ask. A limiter that fails limits nobody: a warning says so.
///
/// # Errors
/// [`Error::TooMany`].
pub async fn limit_rate(
    request: &Request,
    storage: &Storage,
    caller: Option<&Caller<'_>>,
    log: &mut log::Entry,
) -> Result<(), Error> {
    let Some(limiter) = storage.rate_limiter() else {
        return Ok(());
    };
    let who = match caller {
        Some(Caller::Node { id, .. }) => format!("node {id}"),
        _ => request.header("CF-Connecting-IP").unwrap_or_default(),
    };
    let key = format!(
        "{}/{who}",
        caller.and_then(Caller::site).unwrap_or_default()
    );
    match limiter.limit(key).await {
        Ok(outcome) if outcome.success => Ok(()),
        Ok(_) => Err(Error::TooMany),
        Err(cause) => {
            log.warn(format!(
                "asking the rate limiter failed ({cause}); the request was let through"
            ));
            Ok(())
        }
    }
}

impl Context<'_> {
    /// The node that a path names, if this caller may have its records. Its id goes into the log.
    ///
    /// # Errors
    /// [`Error::BadRequest`] if no node can have that id; else as [`Context::open_node`].
    pub fn node_in_path(&mut self, segment: &str) -> Result<NodeId, Error> {
        let id = match self.settings.identifier {
            Identifier::SerialNumber => segment.parse(),
            // A MAC address in a URL may have come straight from a label or a `show version`.
            Identifier::SystemMac => normalize_mac(segment).parse(),
        };
        let node: NodeId = id.map_err(|error| Error::BadRequest(format!("{error}")))?;
        self.open_node(&node)?;
        Ok(node)
    }

    /// Whether the credential opens the records of a node. Its id goes into the log.
    ///
    /// # Errors
    /// [`Error::Forbidden`] if the URL is another node's, or is a site's and `REQUIRE_NODE_TOKEN`
    /// is set.
    pub fn open_node(&mut self, node: &NodeId) -> Result<(), Error> {
        self.log.node = Some(node.to_string());
        match self.caller {
            Caller::Node { id, .. } if id != node => Err(Error::Forbidden(format!(
                "this URL was made for another node, and does not open the records of {node}"
            ))),
            _ => self.may_open_nodes(),
        }
    }

    /// Whether the credential opens the records of any node, as far as that is known without its id.
    ///
    /// # Errors
    /// [`Error::Forbidden`] if the URL is a site's and `REQUIRE_NODE_TOKEN` is set.
    pub fn may_open_nodes(&self) -> Result<(), Error> {
        match self.caller {
            Caller::Site(_) if self.settings.require_node_token => Err(Error::Forbidden(
                "the records of a node need the URL made for that node (REQUIRE_NODE_TOKEN); it is \
                 in the script that the switch gets from /bootstrap when it says who it is"
                    .to_owned(),
            )),
            _ => Ok(()),
        }
    }

    /// Which of a node's records this request has to read besides `wanted`.
    pub fn with_site(&self, wanted: &[Record]) -> Vec<Record> {
        let mut records = wanted.to_vec();
        if self.caller.site().is_some() {
            records.push(Record::Site);
        }
        records
    }

    /// Whether the node that has these records is there for this caller's site. The caller does not
    /// learn that it is there for another; the operator does, from the log.
    pub fn sees(&mut self, records: &Records) -> bool {
        let sees = self.caller.sees(records.get(Record::Site).as_deref());
        if !sees {
            self.log.warn(
                "the node belongs to another site: its record `site` says which; delete that if the \
                 node has moved",
            );
        }
        sees
    }

    /// The same, for a request that needs no other record as text.
    pub async fn sees_node(&mut self, node: &NodeId) -> Result<bool, Error> {
        if self.caller.site().is_none() {
            return Ok(true);
        }
        let records = self.storage.records(node, &[Record::Site]).await?;
        Ok(self.sees(&records))
    }

    /// # Errors
    /// [`Error::Forbidden`] if clients may store nothing now.
    pub fn may_write(&self) -> Result<(), Error> {
        if self.settings.read_only {
            return Err(Error::Forbidden(
                "this server takes no writes from clients now (READ_ONLY is set)".to_owned(),
            ));
        }
        Ok(())
    }
}
