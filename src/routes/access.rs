//! The access of callers to records of nodes.

use ztp_core::credentials::Caller;
use ztp_core::event::Event;
use ztp_core::key::Record;
use ztp_core::node::{Identifier, NodeId, normalize_mac};

use super::Context;
use crate::error::Error;
use crate::storage::{Records, StoredBody};

impl Context<'_> {
    /// The node in a path, if this caller may access its records. Its id goes into the log.
    ///
    /// # Errors
    /// [`Error::BadRequest`] if the id is invalid; else as [`Context::authorize_node`].
    pub fn node_in_path(&mut self, segment: &str) -> Result<NodeId, Error> {
        let id = match self.settings.identifier {
            Identifier::SerialNumber => segment.parse(),
            // An operator may have copied the MAC address from a label or from `show version`.
            Identifier::SystemMac => normalize_mac(segment).parse(),
        };
        let node: NodeId = id.map_err(|error| Error::BadRequest(format!("{error}")))?;
        self.authorize_node(&node)?;
        Ok(node)
    }

    /// Checks that the credential gives access to the records of a node. Its id goes into the log.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for the URL of another node, and for the URL of a site if
    /// `REQUIRE_NODE_TOKEN` is set.
    pub fn authorize_node(&mut self, node: &NodeId) -> Result<(), Error> {
        self.log.node = Some(node.to_string());
        match self.caller {
            Caller::Node { id, .. } if id != node => Err(Error::Forbidden(format!(
                "this URL was made for another node, and does not give access to the records of {node}"
            ))),
            _ => self.authorize_nodes(),
        }
    }

    /// Checks that the credential gives access to records of nodes, before the node is known.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for the URL of a site if `REQUIRE_NODE_TOKEN` is set.
    pub fn authorize_nodes(&self) -> Result<(), Error> {
        match self.caller {
            Caller::Site(_) if self.settings.require_node_token => Err(Error::Forbidden(
                "the records of a node need the URL made for that node (REQUIRE_NODE_TOKEN); the script \
                 that the switch receives from /bootstrap contains it"
                    .to_owned(),
            )),
            _ => Ok(()),
        }
    }

    /// `wanted`, and the site of the node if this caller has a site.
    pub fn with_site(&self, wanted: &[Record]) -> Vec<Record> {
        let mut records = wanted.to_vec();
        if self.caller.site().is_some() {
            records.push(Record::Site);
        }
        records
    }

    /// Whether the node with these records is visible to this caller's site. A caller of another site
    /// receives the response of an unknown node; the log has a warning for the operator.
    ///
    /// # Errors
    /// As [`Records::get`].
    pub fn may_see(&mut self, records: &Records) -> Result<bool, Error> {
        if self.caller.site().is_none() {
            return Ok(true);
        }
        let may_see = self.caller.may_see(records.get(Record::Site)?);
        if !may_see {
            self.log.warn(
                "the node belongs to another site, which its record `site` names; delete that record if \
                 the node has moved",
            );
        }
        Ok(may_see)
    }

    /// Notes that the request concerns a node to which the caller has access. A request with HEAD leaves no event.
    pub fn note(&mut self, node: &NodeId) {
        if !self.head {
            self.noted.of(node, self.caller.site());
        }
    }

    /// Notes that the request concerns the node of the URL, if that was made for one.
    pub fn note_own(&mut self) {
        if let Caller::Node { id, .. } = self.caller {
            self.note(id);
        }
    }

    /// One record of a node, if it is stored and visible to this caller's site. `event`: the one that the request leaves.
    ///
    /// # Errors
    /// As [`Storage::records`].
    pub async fn record(
        &mut self,
        node: &NodeId,
        record: Record,
        event: Option<Event>,
    ) -> Result<Option<StoredBody>, Error> {
        let wanted = self.with_site(&[]);
        let notes = event.and_then(|event| self.noted.for_read(event));
        let (records, found) = self
            .storage
            .noted_found(node, record, &wanted, notes)
            .await?;
        self.noted.read(&records);
        match self.may_see(&records)? {
            true => self.storage.body(node, found).await,
            false => Ok(None),
        }
    }

    /// Checks that clients may write.
    ///
    /// # Errors
    /// [`Error::Forbidden`] if `READ_ONLY` is set.
    pub fn may_write(&self) -> Result<(), Error> {
        if self.settings.read_only {
            return Err(Error::Forbidden(
                "this server accepts no writes from clients (READ_ONLY is set)".to_owned(),
            ));
        }
        Ok(())
    }
}
