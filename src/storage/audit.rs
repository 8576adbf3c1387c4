//! The audit log, in the object that concerns all sites.

use std::future::Future;

use ztp_core::audit::{Ending, Entry, Intent, Outcome, Summary};

use super::Storage;
use crate::error::Error;
use crate::objects::site::ALL;
use crate::objects::site::protocol::{Command, Query, Reply, ValueChange};

/// The result of a change, for its entry in the audit log.
#[derive(Debug, Default)]
pub struct Change<T> {
    /// The result for the caller.
    pub value: T,
    /// The value before; `None`: there was none.
    pub before: Option<Summary>,
    /// The value after; `None`: there is none.
    pub after: Option<Summary>,
    /// The key in R2 of the former value, if it is kept for an undo.
    pub former: Option<String>,
    /// In words; replaces that of the intent.
    pub detail: Option<String>,
}

impl Storage {
    /// Makes a change: its entry is in the audit log before it begins, and completed after it. Returns the number of
    /// the entry with the result.
    ///
    /// If the change was made and its entry cannot be completed, the request succeeds with a warning: the entry says
    /// that the change may have been made.
    ///
    /// # Errors
    /// [`Error::Misconfigured`] and [`Error::Storage`] if the log cannot be written: nothing was changed. Else the
    /// error of the change.
    pub async fn audited<T>(
        &self,
        intent: Intent,
        change: impl Future<Output = Result<Change<T>, Error>>,
    ) -> Result<(u64, T), Error> {
        let number = self.begin(intent).await?;
        let (ending, result) = match change.await {
            Ok(change) => {
                let ending = Ending {
                    outcome: Outcome::Done,
                    before: change.before,
                    after: change.after,
                    former: change.former,
                    detail: change.detail,
                };
                (ending, Ok(change.value))
            }
            Err(error) => {
                let ending = Ending {
                    outcome: match error.is_uncertain() {
                        true => Outcome::Unknown,
                        false => Outcome::Failed,
                    },
                    before: None,
                    after: None,
                    former: None,
                    detail: Some(error.detail()),
                };
                (ending, Err(error))
            }
        };
        self.end(number, ending).await;
        result.map(|value| (number, value))
    }

    /// Writes an entry before its change; returns its number.
    async fn begin(&self, intent: Intent) -> Result<u64, Error> {
        match self.call_site(Command::Begin(intent)).await? {
            Reply::Begun(number) => Ok(number),
            _ => Err(unexpected()),
        }
    }

    /// Completes an entry. If that fails, the log has a warning.
    async fn end(&self, number: u64, ending: Ending) {
        if let Err(error) = self.call_site(Command::End { number, ending }).await {
            self.warn(format!(
                "{}; the entry {number} of the audit log is not complete",
                error.detail()
            ));
        }
    }

    /// Entries of the audit log, the newest first.
    ///
    /// # Errors
    /// [`Error::Misconfigured`] if the binding is missing; [`Error::Storage`].
    pub async fn audit_entries(&self, query: Query) -> Result<Vec<Entry>, Error> {
        match self.call_site(Command::Entries(query)).await? {
            Reply::Entries(entries) => Ok(entries),
            _ => Err(unexpected()),
        }
    }

    /// Changes a value in KV that is not a record of a node, through the object that concerns all sites.
    ///
    /// # Errors
    /// As [`Storage::call_site_named`].
    pub async fn call_site_to(&self, change: ValueChange) -> Result<Reply, Error> {
        self.call_site(Command::Change(Box::new(change))).await
    }

    /// Calls the object that concerns all sites.
    ///
    /// # Errors
    /// As [`Storage::call_site_named`].
    pub async fn call_site(&self, command: Command) -> Result<Reply, Error> {
        self.call_site_named(ALL, command).await
    }
}

fn unexpected() -> Error {
    Error::unexpected_reply("calling the audit log")
}
