//! The objects of sites: their nodes and events.

use super::Storage;
use crate::error::Error;
use crate::objects::site::protocol::{
    Command, EventQuery, NodeQuery, Placed, Reply, Report, SiteCounts, SiteEvent,
};

/// Rows of nodes.
#[derive(Debug, Default)]
pub struct NodePage {
    pub rows: Vec<Placed>,
    /// Whether there are more after them.
    pub more: bool,
    /// The number of all nodes that the query selects.
    pub total: u64,
}

/// Events of a site, the oldest first.
#[derive(Debug, Default)]
pub struct EventPage {
    pub events: Vec<SiteEvent>,
    /// The number after which the next ones are.
    pub last: u64,
    /// Whether there are more after them.
    pub more: bool,
}

impl Storage {
    /// Sends the report of a node to the object of its site.
    ///
    /// # Errors
    /// As [`Storage::call_site_named`]. The report may be stored then: sending it again changes nothing.
    pub async fn report(&self, report: Report) -> Result<(), Error> {
        let site = report.site.clone();
        let report = report.sent();
        let report =
            report.map_err(|cause| Error::storage("writing the report of a node", cause))?;
        let report = Command::Report(Box::new(report));
        match self.call_site_named(&site, report).await? {
            Reply::Reported => Ok(()),
            _ => Err(unexpected()),
        }
    }

    /// The rows of nodes in an object.
    ///
    /// # Errors
    /// As [`Storage::call_site_named`].
    pub async fn site_nodes(&self, object: &str, query: NodeQuery) -> Result<NodePage, Error> {
        let query = Command::Nodes(query);
        match self.call_site_named(object, query).await? {
            Reply::Nodes { rows, more, total } => Ok(NodePage { rows, more, total }),
            _ => Err(unexpected()),
        }
    }

    /// The events in an object.
    ///
    /// # Errors
    /// As [`Storage::call_site_named`].
    pub async fn site_events(&self, object: &str, query: EventQuery) -> Result<EventPage, Error> {
        let query = Command::Events(query);
        match self.call_site_named(object, query).await? {
            Reply::Events { events, last, more } => Ok(EventPage { events, last, more }),
            _ => Err(unexpected()),
        }
    }

    /// The numbers of nodes of all sites that have some or had some.
    ///
    /// # Errors
    /// As [`Storage::call_site_named`].
    pub async fn site_counts(&self) -> Result<Vec<SiteCounts>, Error> {
        match self.call_site(Command::Sites).await? {
            Reply::Sites(sites) => Ok(sites),
            _ => Err(unexpected()),
        }
    }

    /// Calls an object of the class `Site`.
    ///
    /// # Errors
    /// [`Error::Misconfigured`] if the binding is missing; [`Error::Storage`].
    pub async fn call_site_named(&self, object: &str, command: Command) -> Result<Reply, Error> {
        let sites = self.bindings.sites.as_ref().ok_or_else(|| {
            Error::Misconfigured(
                "the binding ZTP_SITES is missing: the audit log and the states of nodes need the Durable Object \
                 class Site, bound and migrated as in the repository's wrangler.toml"
                    .to_owned(),
            )
        })?;
        self.count(|n| n.object_calls += 1);
        let failed = |cause| Error::storage("finding the object of a site", cause);
        let stub = sites.get_by_name(object).map_err(failed)?;
        command.send(stub, object).await
    }
}

fn unexpected() -> Error {
    Error::unexpected_reply("calling the object of a site")
}
