//! Which nodes an operator with sites may see and change.
//!
//! A node belongs to the site in its record `site`. Without that record, it is a node of the site where it was seen last,
//! so that its operators can provide for a switch that was refused.

use ztp_core::event::Event;
use ztp_core::key::Record;
use ztp_core::node::NodeId;

use super::{Context, unknown_node};
use crate::error::Error;
use crate::objects::node::protocol::Timeline;
use crate::storage::{NewValue, RecordChange, Records};
use crate::stream::Buffer;

/// Where a node without an owner was seen last.
///
/// A refusal from before an operator released the node does not count: until then the node belonged to a site, and
/// another one may have been refused.
pub fn seen_at(timeline: &Timeline) -> Option<&str> {
    let mut released = false;
    for (_, logged) in timeline.events.iter().rev() {
        if logged.by.is_some() {
            released |= matches!(logged.event, Event::Moved | Event::Forgotten);
            continue;
        }
        let is_refusal = matches!(logged.event, Event::Refused { .. });
        if let Some(site) = &logged.site
            && !(released && is_refusal)
        {
            return Some(site);
        }
    }
    None
}

/// The site that a change of a node without an owner assigns it to.
pub struct Claim {
    pub site: String,
    value: NewValue,
}

impl Claim {
    async fn of(site: String) -> Result<Self, Error> {
        let value = NewValue::new(Buffer::new(site.as_bytes())).await?;
        Ok(Self { site, value })
    }

    /// `changes`, with the record `site` if they are not empty. Those of a node that has an owner meanwhile are refused.
    ///
    /// # Errors
    /// [`Error::NotFound`]; as [`Records::get`].
    pub fn with_site(
        &self,
        node: &NodeId,
        records: &Records,
        mut changes: Vec<RecordChange>,
    ) -> Result<Vec<RecordChange>, Error> {
        let is_site = |change: &RecordChange| change.0 == Record::Site;
        match records.get(Record::Site)?.map(str::trim) {
            Some(owner) if owner != self.site => return Err(unknown_node(node)),
            Some(_) => {}
            None if changes.is_empty() || changes.iter().any(is_site) => {}
            None => changes.push((Record::Site, Some(self.value.clone()))),
        }
        Ok(changes)
    }
}

impl Context<'_> {
    fn own_sites(&self) -> Option<&[String]> {
        self.operator?.sites.as_deref()
    }

    /// Whether the operator may see a node with this owner and this history.
    pub fn may_see_node(&self, owner: Option<&str>, timeline: &Timeline) -> bool {
        self.operator_may_see(owner.or_else(|| seen_at(timeline)))
    }

    /// Checks that the operator may see a node; returns the site that it is visible for. Its object is asked only if the operator has sites and the node has no
    /// owner.
    ///
    /// # Errors
    /// [`Error::NotFound`], the same for an unknown node and for one of another site; [`Error::Storage`].
    pub async fn expect_visible(
        &self,
        node: &NodeId,
        owner: Option<&str>,
    ) -> Result<Option<String>, Error> {
        let timeline = match (owner, self.own_sites()) {
            (None, Some(_)) => self.storage.timeline(node).await?,
            _ => Timeline::default(),
        };
        match self.may_see_node(owner, &timeline) {
            true => {
                let site = owner.or_else(|| seen_at(&timeline));
                Ok(site.map(|site| site.trim().to_owned()))
            }
            false => Err(unknown_node(node)),
        }
    }

    /// Checks that the operator may assign records to a node, whose `records` are all records. Returns the site that the
    /// change has to store, if the node has none: where it was seen, or for an unknown node the only site of the
    /// operator.
    ///
    /// # Errors
    /// As [`Context::expect_visible`].
    pub async fn expect_assignable(
        &self,
        node: &NodeId,
        records: &Records,
    ) -> Result<Option<Claim>, Error> {
        let owner = records.get(Record::Site)?;
        let (None, Some(own)) = (owner, self.own_sites()) else {
            return self.expect_visible(node, owner).await.map(|_| None);
        };
        let timeline = self.storage.timeline(node).await?;
        let has_token = |site: &str| self.has_token(site);
        let site = match (seen_at(&timeline), own) {
            (Some(seen), _) if self.operator_may_see(Some(seen)) => seen,
            (None, [only])
                if timeline.is_empty()
                    && timeline.row.is_none()
                    && !records.any()?
                    && has_token(only) =>
            {
                only
            }
            _ => return Err(unknown_node(node)),
        };
        // No switch could receive the records of a node of a site without a token.
        if !has_token(site) {
            return Ok(None);
        }
        Claim::of(site.to_owned()).await.map(Some)
    }

    /// The site that a node without an owner belongs to once it has the records of a planned node of this `site`: the plan
    /// has kept them from other sites. `None` if it was seen at another one.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn claim_of_plan(
        &self,
        node: &NodeId,
        records: &Records,
        site: String,
    ) -> Result<Option<Claim>, Error> {
        if records.get(Record::Site)?.is_some() || !self.has_token(&site) {
            return Ok(None);
        }
        let timeline = self.storage.timeline(node).await?;
        match seen_at(&timeline) {
            Some(seen) if seen != site => Ok(None),
            _ => Claim::of(site).await.map(Some),
        }
    }

    /// Whether switches of this site can make requests.
    fn has_token(&self, site: &str) -> bool {
        let sites = self.settings.sites.as_ref();
        sites.is_some_and(|sites| sites.site(site).is_some())
    }

    /// Checks that the operator may assign a node to this site, or with `None` to none.
    ///
    /// # Errors
    /// [`Error::Forbidden`].
    pub fn expect_own_site(&self, site: Option<&str>) -> Result<(), Error> {
        match self.operator_may_see(site) {
            true => Ok(()),
            false => Err(Error::Forbidden(format!(
                "{} may assign nodes only to its own sites, which the document `operators` names",
                self.operator_name()
            ))),
        }
    }

    /// Checks that switches of this site can make requests.
    ///
    /// # Errors
    /// [`Error::BadRequest`].
    pub fn expect_token_of(&self, site: &str) -> Result<(), Error> {
        match &self.settings.sites {
            Some(sites) if sites.site(site).is_none() => Err(Error::BadRequest(format!(
                "the site {site} has no token in ZTP_TOKENS: no switch of it could receive the node's records"
            ))),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ztp_core::event::Logged;

    fn refused() -> Event {
        let request = "POST /nodes".to_owned();
        let reason = String::new();
        Event::Refused {
            request,
            status: 400,
            reason,
        }
    }

    /// The site of a node with these events, each with its site, or without one if it is of an operator.
    fn seen(events: &[(Option<&str>, Event)]) -> Option<String> {
        let logged = events.iter().map(|(site, event)| Logged {
            time: 0,
            site: site.map(str::to_owned),
            by: site.is_none().then(|| "ada@example.net".to_owned()),
            report: None,
            event: event.clone(),
        });
        let timeline = Timeline {
            events: (1..).zip(logged).collect(),
            ..Timeline::default()
        };
        seen_at(&timeline).map(str::to_owned)
    }

    #[test]
    fn a_node_without_an_owner_was_seen_at_the_site_of_its_last_request() {
        assert_eq!(seen(&[]), None);
        let paris = (Some("paris"), refused());
        let berlin = (Some("berlin"), Event::FactsPosted);
        let last = [
            berlin.clone(),
            paris.clone(),
            (None, Event::OperatorChanged),
        ];
        assert_eq!(seen(&last).as_deref(), Some("paris"));
        assert_eq!(seen(&[paris, berlin]).as_deref(), Some("berlin"));
    }

    #[test]
    fn a_refusal_from_before_a_release_does_not_count() {
        let paris = (Some("paris"), refused());
        let berlin = (Some("berlin"), Event::FactsPosted);
        for release in [Event::Moved, Event::Forgotten] {
            let released = [berlin.clone(), paris.clone(), (None, release.clone())];
            assert_eq!(seen(&released).as_deref(), Some("berlin"));
            assert_eq!(seen(&[paris.clone(), (None, release.clone())]), None);
            let again = [berlin.clone(), (None, release), paris.clone()];
            assert_eq!(seen(&again).as_deref(), Some("paris"));
        }
    }
}
