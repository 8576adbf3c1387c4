//! The notes that the request of a switch leaves in its node's object.
//!
//! An event goes with a call of the object that the request makes anyway. A refusal, and others that are known only later,
//! follow in one call after the response: no switch waits for it.

use worker::{Env, console_error};
use ztp_core::event::{Event, PoolValue};
use ztp_core::key::Record;
use ztp_core::node::{NodeFacts, NodeId};

use crate::error::Error;
use crate::objects::node::protocol::{Notes, Ticket};
use crate::response::{Body, Response};
use crate::storage::{Records, Storage, now};
use crate::stream::{self, Transfer};

/// Maximum size of the facts that are kept of a POST that was refused, as JSON in bytes; larger ones are kept without
/// the neighbors.
pub const MAX_SEEN_FACTS: usize = 64 << 10;

/// The notes of a request.
#[derive(Default)]
pub struct Noted {
    /// The node that the request concerns, once its caller has access to it.
    node: Option<NodeId>,
    /// For the call after the response.
    notes: Notes,
    /// The event that the object noted with a read.
    ticket: Option<Ticket>,
    values: Vec<PoolValue>,
    /// Those that the node received before.
    known_values: Vec<PoolValue>,
    download: Option<Download>,
}

/// A file that is being sent.
struct Download {
    path: String,
    bytes: u64,
    /// In milliseconds since 1970.
    began: u64,
    transfer: Transfer,
}

impl Noted {
    /// The request concerns a node, and its caller has access to it.
    pub fn of(&mut self, node: &NodeId, site: Option<&str>) {
        self.node = Some(node.clone());
        self.notes.site = site.map(str::to_owned);
    }

    /// The notes for a read with the event that the request leaves if it succeeds.
    pub fn for_read(&self, event: Event) -> Option<Notes> {
        self.node.as_ref()?;
        Some(Notes {
            site: self.notes.site.clone(),
            events: vec![event],
            ..Notes::default()
        })
    }

    /// The object replied to a read.
    pub fn read(&mut self, records: &Records) {
        self.ticket = records.context.ticket;
        self.known_values.clone_from(&records.context.values);
        self.notes.shown = records.unknown_values();
        if self.notes.shown.contains_key(&Record::Site) {
            self.notes.owner = records.site_in_kv();
        }
    }

    /// The event of the read, which a commit replaces.
    pub fn ticket(&self) -> Option<Ticket> {
        self.ticket
    }

    /// A commit has replaced the event of the read.
    pub fn committed(&mut self) {
        self.ticket = None;
    }

    /// The facts of a POST are not stored as a record.
    pub fn keep_facts(&mut self, facts: &NodeFacts) {
        let json = |facts: &NodeFacts| facts.to_json().ok();
        let small = |json: &String| json.len() <= MAX_SEEN_FACTS;
        self.notes.facts = json(facts).filter(small).or_else(|| {
            json(&NodeFacts {
                neighbors: Vec::new(),
                ..facts.clone()
            })
        });
    }

    /// The request leaves this event.
    pub fn event(&mut self, event: Event) {
        self.notes.events.push(event);
    }

    /// The node received a value of a pool.
    pub fn value(&mut self, value: PoolValue) {
        self.values.push(value);
    }

    /// The request leaves the event of a file, once that is sent: the response with its body, observed.
    pub fn file(&mut self, path: &str, mut response: Response) -> Result<Response, Error> {
        if self.node.is_none() {
            return Ok(response);
        }
        let path = path.to_owned();
        match &mut response.body {
            Body::Stream {
                body,
                length: Some(bytes),
            } => {
                let observed = stream::observed(body, *bytes);
                let (observed, transfer) =
                    observed.map_err(|cause| Error::storage(format!("sending {path}"), cause))?;
                *body = observed;
                self.download = Some(Download {
                    path,
                    bytes: *bytes,
                    began: now(),
                    transfer,
                });
            }
            Body::Bytes(_) | Body::Buffer(_) => {
                let bytes = response.body.length().unwrap_or_default();
                self.event(Event::FileFetched {
                    path,
                    bytes,
                    seconds: 0.0,
                    complete: true,
                });
            }
            Body::Stream { .. } | Body::Head { .. } | Body::None => {}
        }
        Ok(response)
    }

    /// The request ended: what has to follow in a call after the response, if anything does. `refusal`: the route, the
    /// status and the reason of a request that was refused.
    pub fn follow_up(mut self, refusal: Option<(String, u16, String)>) -> Option<FollowUp> {
        let node = self.node?;
        let mut notes = self.notes;
        let values = self.values;
        if !values.is_empty() && values != self.known_values {
            notes.events.push(Event::PoolValuesGiven { values });
        }
        match refusal {
            Some((request, status, reason)) => {
                notes
                    .events
                    .retain(|event| matches!(event, Event::PoolValuesGiven { .. }));
                notes.events.push(Event::Refused {
                    request,
                    status,
                    reason,
                });
                notes.replaces = self.ticket;
                self.download = None;
            }
            None => {
                let is_named = |event: &Event| matches!(event, Event::DefinitionFetched { .. });
                notes.replaces = self.ticket.filter(|_| notes.events.iter().any(is_named));
            }
        }
        let is_empty = notes.events.is_empty()
            && notes.shown.is_empty()
            && notes.facts.is_none()
            && self.download.is_none();
        (!is_empty).then_some(FollowUp {
            node,
            notes,
            download: self.download,
        })
    }
}

/// The call that follows after a response.
pub struct FollowUp {
    node: NodeId,
    notes: Notes,
    download: Option<Download>,
}

impl FollowUp {
    /// Tells the object of the node, after the end of a download.
    pub async fn send(self, env: Env) {
        let Self {
            node,
            mut notes,
            download,
        } = self;
        if let Some(download) = download {
            let complete = download.transfer.ends().await;
            notes.events.push(Event::FileFetched {
                path: download.path,
                bytes: download.bytes,
                seconds: now().saturating_sub(download.began) as f64 / 1000.0,
                complete,
            });
        }
        let noted = match Storage::open(&env) {
            Ok(storage) => storage.note(&node, notes).await,
            Err(error) => Err(error),
        };
        if let Err(error) = noted {
            console_error!("noting an event of {node}: {}", error.detail());
        }
    }
}
