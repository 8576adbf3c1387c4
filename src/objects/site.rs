//! The Durable Object of a site: its nodes, and their events. And `*`, which concerns all sites: the audit log, the
//! values in KV that operators change, and the numbers of nodes of each site.
//!
//! Invariants: a change that an operator made is in the log. Its entry is written before the change begins, and
//! completed after it; an entry that is not complete says that the change may have been made. And a row of a node shows
//! the last report of the node's object that arrived, by its number: late and repeated reports change nothing.

mod content;
mod database;
mod fleet;
mod fleet_database;
mod keeper;
pub mod protocol;

use std::rc::Rc;

use worker::{
    DurableObject, Env, Request, Response, State as ObjectState, durable_object, wasm_bindgen,
};
use ztp_core::audit::{Intent, KEPT_MS};

use crate::objects::call::respond;
use crate::storage::now;
use content::Locks;
use database::Database;
use fleet::{Pushes, Reports};
use fleet_database::FleetDatabase;
use protocol::{Command, Reply};

/// The name of the object that concerns all sites.
pub const ALL: &str = "*";
/// The name of the object of nodes without a site. A configured site may have the same name: they share the object.
pub const DEFAULT: &str = "default";

/// The name of the object of a site; `None`: that of nodes without a site.
pub fn name_of(site: Option<&str>) -> &str {
    site.map_or(DEFAULT, str::trim)
}

/// One site, or all.
#[durable_object(alarm)]
pub struct Site {
    object: ObjectState,
    env: Env,
    database: Database,
    locks: Locks,
    fleet: Rc<FleetDatabase>,
    reports: Rc<Reports>,
    pushes: Pushes,
}

impl DurableObject for Site {
    fn new(object: ObjectState, env: Env) -> Self {
        Self {
            database: Database::new(object.storage().sql()),
            fleet: Rc::new(FleetDatabase::new(&object.storage())),
            reports: Rc::default(),
            object,
            env,
            locks: Locks::default(),
            pushes: Pushes::default(),
        }
    }

    async fn fetch(&self, mut request: Request) -> worker::Result<Response> {
        let command: Command = serde_json::from_str(&request.text().await?)?;
        let reply = self.answer(command).await;
        let reply = reply.unwrap_or_else(|cause| Reply::Failed(cause.to_string()));
        respond(&reply)
    }

    /// In the object of a site, sends its counts to the object of all sites. In that one, deletes what is not needed
    /// any more.
    async fn alarm(&self) -> worker::Result<Response> {
        match self.fleet.site()? {
            Some(site) => self.push(site).await?,
            None => self.clean().await?,
        }
        Response::empty()
    }
}

impl Site {
    async fn answer(&self, command: Command) -> worker::Result<Reply> {
        match command {
            Command::Begin(intent) => Ok(Reply::Begun(self.begin(&intent)?)),
            Command::End { number, ending } => {
                self.database.end(number, &ending)?;
                self.arm().await?;
                Ok(Reply::Ended)
            }
            Command::Entries(query) => Ok(Reply::Entries(self.database.entries(&query)?)),
            Command::Report(report) => self.report(*report).await,
            Command::Nodes(query) => self.nodes(&query),
            Command::Events(query) => self.fleet.events(query),
            Command::Counts(counts) => {
                self.fleet.set_counts(&counts)?;
                Ok(Reply::Ended)
            }
            Command::Sites => Ok(Reply::Sites(self.fleet.sites()?)),
            Command::Change(change) => self.change(*change).await,
            Command::SetItem(name, text) => {
                self.database.set_item(&name, &text, now())?;
                self.arm().await?;
                Ok(Reply::Ended)
            }
            Command::Items(name) => Ok(Reply::Items(self.database.items(&name)?)),
            Command::RemoveItems(name) => {
                self.database.remove_items(&name)?;
                Ok(Reply::Ended)
            }
            Command::Written(key) => {
                let state = self.database.key_state(&key, now())?;
                Ok(Reply::Written(state.accepted))
            }
        }
    }

    /// Writes an entry of the audit log; returns its number.
    fn begin(&self, intent: &Intent) -> worker::Result<u64> {
        let time = now();
        self.database.forget_before(time.saturating_sub(KEPT_MS))?;
        self.database.begin(time, intent)
    }
}
