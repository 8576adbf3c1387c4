//! The Durable Object of a site, and `*`, which concerns all sites: its audit log.
//!
//! Invariant: a change that an operator made is in the log. Its entry is written before the change begins, and
//! completed after it; an entry that is not complete says that the change may have been made.

mod database;
pub mod protocol;

use worker::{
    DurableObject, Env, Request, Response, State as ObjectState, durable_object, wasm_bindgen,
};
use ztp_core::audit::KEPT_MS;

use crate::storage::now;
use database::Database;
use protocol::{Command, Reply};

/// The name of the object that concerns all sites.
pub const ALL: &str = "*";

/// One site, or all.
#[durable_object]
pub struct Site {
    database: Database,
}

impl DurableObject for Site {
    fn new(object: ObjectState, _env: Env) -> Self {
        Self {
            database: Database::new(object.storage().sql()),
        }
    }

    async fn fetch(&self, mut request: Request) -> worker::Result<Response> {
        let command: Command = serde_json::from_str(&request.text().await?)?;
        let reply = self.answer(command);
        let reply = reply.unwrap_or_else(|cause| Reply::Failed(cause.to_string()));
        Response::ok(serde_json::to_string(&reply)?)
    }
}

impl Site {
    fn answer(&self, command: Command) -> worker::Result<Reply> {
        match command {
            Command::Begin(intent) => {
                let time = now();
                self.database.forget_before(time.saturating_sub(KEPT_MS))?;
                Ok(Reply::Begun(self.database.begin(time, &intent)?))
            }
            Command::End { number, ending } => {
                self.database.end(number, &ending)?;
                Ok(Reply::Ended)
            }
            Command::KeepCheck(result) => {
                self.database.keep_check(&result)?;
                Ok(Reply::Ended)
            }
            Command::LastCheck => Ok(Reply::Check(self.database.last_check()?)),
            Command::Entries(query) => Ok(Reply::Entries(self.database.entries(&query)?)),
        }
    }
}
