//! The Durable Object of a resource pool: one for each pool, worldwide.
//!
//! Invariant: a value has at most one node, and a node at most one value, or one for each name. KV cannot ensure that, since it
//! has no transactions and its reads may be stale; a Durable Object is one thread with its own database.
//! The object owns the allocations. It reads the pool's file from KV for each new allocation, so that an edit
//! applies as soon as KV returns it. It remembers the newest contents and what they replaced ([`SeenFile`]):
//! a stale read never brings back a value that was removed, unless the object has never seen the stale
//! contents before. A change through the API is not left to such reads: the object receives [`Command::Refresh`] after it.
//!
//! Nothing awaits between the read of KV and the write of an allocation: no two requests can select the
//! same free value.
//!
//! [`SeenFile`]: ztp_core::pool::SeenFile

mod file;
pub mod protocol;

use std::cell::{Cell, RefCell, RefMut};
use std::rc::Rc;

use worker::{
    DurableObject, Env, Request, Response, SqlStorage, SqlStorageValue, State, console_warn,
    durable_object, wasm_bindgen,
};

use crate::error::Error;
use crate::objects::call::respond;
use crate::storage::{Storage, not_utf8, now};
use ztp_core::key::Document;
use ztp_core::node::Identifier;
use ztp_core::pool::{AllocationError, Allocations, Grant, Holder, Pool, Reading};
use ztp_core::settings::{SettingError, Settings};

use file::File;
use protocol::{Allocation, Command, Listing, PoolRequest, Reply};

/// One pool.
#[durable_object(fetch)]
pub struct ResourcePool {
    sql: SqlStorage,
    env: Env,
    /// The fact that identifies a node, in reservations and in the database.
    identifier: Result<Identifier, SettingError>,
    /// The allocations in the database, once read.
    allocations: RefCell<Option<Allocations>>,
    /// The newest state of the pool's file, once read.
    file: RefCell<Option<File>>,
    /// The number of [`Command::Refresh`].
    refreshes: Cell<u64>,
}

impl DurableObject for ResourcePool {
    fn new(state: State, env: Env) -> Self {
        let variable = |name: &str| env.var(name).ok().map(|value| value.to_string());
        let settings = Settings::read(variable);
        Self {
            sql: state.storage().sql(),
            env,
            identifier: settings.map(|settings| settings.identifier),
            allocations: RefCell::default(),
            file: RefCell::default(),
            refreshes: Cell::new(0),
        }
    }

    async fn fetch(&self, mut request: Request) -> worker::Result<Response> {
        let call: PoolRequest = serde_json::from_str(&request.text().await?)?;
        let reply = self.handle(&call).await.unwrap_or_else(|problem| {
            // Memory may differ from the database now: read the database again.
            self.allocations.take();
            match problem {
                Problem::Refused(reason) => Reply::Refused(reason),
                Problem::Failed(cause) => {
                    self.file.take();
                    Reply::Failed(cause)
                }
            }
        });
        respond(&reply)
    }
}

/// Why a command failed.
enum Problem {
    Refused(String),
    Failed(String),
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Storage { doing, cause } => Self::Failed(format!("{doing}: {cause}")),
            other => Self::Refused(other.to_string()),
        }
    }
}

impl From<worker::Error> for Problem {
    fn from(error: worker::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

impl ResourcePool {
    async fn handle(&self, call: &PoolRequest) -> Result<Reply, Problem> {
        let name = &call.pool;
        match &call.command {
            Command::Allocate {
                node,
                others,
                held_only,
                preview,
            } => {
                let holders = self.holders(node, others)?;
                // A node keeps its values also while the file is missing or invalid.
                if let Some(held) = self.all_held(&holders)? {
                    return Ok(Reply::each(held));
                }
                let pool = self.contents(name).await?;
                let grants = self.allocations()?.grants(&pool, &holders);
                let is_refused = grants.iter().any(Result::is_err);
                let replies = holders
                    .iter()
                    .zip(grants)
                    .map(|(holder, grant)| match grant {
                        Ok(Grant::New(_)) if *held_only => Ok(Reply::NotHeld),
                        Ok(Grant::New(value)) if *preview || is_refused => Ok(Reply::Next(value)),
                        grant => match self.store_grant(name, holder, grant) {
                            Ok(value) => Ok(Reply::Value(value)),
                            Err(Problem::Refused(reason)) => Ok(Reply::Refused(reason)),
                            Err(failure) => Err(failure),
                        },
                    });
                Ok(Reply::each(replies.collect::<Result<_, _>>()?))
            }
            Command::Held { node, others } => {
                let holders = self.holders(node, others)?;
                let allocations = self.allocations()?;
                let replies = holders.iter().map(|holder| {
                    let held = allocations.held(holder).map(str::to_owned);
                    held.map_or(Reply::NotHeld, Reply::Value)
                });
                Ok(Reply::each(replies.collect()))
            }
            Command::Assign { value, node } => {
                let holder = &node.canonical(self.identifier()?);
                let pool = self.contents(name).await?;
                let grant = self.allocations()?.assign(&pool, value, holder);
                self.store_grant(name, holder, grant).map(Reply::Value)
            }
            Command::Allocations => Ok(Reply::Allocations(self.rows()?)),
            Command::Import(pairs) => {
                let pool = self.contents(name).await?;
                let refusals = pairs.iter().map(|(value, node)| {
                    let holder = &node.canonical(self.identifier()?);
                    let grant = self.allocations()?.assign(&pool, value, holder);
                    match self.store_grant(name, holder, grant) {
                        Ok(_) => Ok(None),
                        Err(Problem::Refused(reason)) => Ok(Some(reason)),
                        Err(failure) => Err(failure),
                    }
                });
                Ok(Reply::Imported(refusals.collect::<Result<_, _>>()?))
            }
            Command::List => {
                let pool = self.contents(name).await?;
                let reserved = pool.reserved();
                let mut reservations: Vec<_> = reserved
                    .map(|(value, holder)| (value.to_owned(), holder.clone()))
                    .collect();
                reservations.sort();
                let size = u64::try_from(pool.open_len()).unwrap_or(u64::MAX);
                Ok(Reply::Listing(Listing {
                    size,
                    allocations: self.rows()?,
                    reservations,
                }))
            }
            Command::ReleaseValue { value, holder } => {
                let found = self.rows()?.into_iter().find(|row| row.value == *value);
                if let (Some(found), Some(holder)) = (&found, holder)
                    && found.node != holder.canonical(self.identifier()?)
                {
                    return Err(Problem::Refused(format!(
                        "the value {value} of the pool '{name}' was not released: {} holds it now, not {holder}; read \
                         the pool again",
                        found.node
                    )));
                }
                self.release(found).map(Reply::Released)
            }
            #[cfg(feature = "panics")]
            Command::Panic => panic!("in a pool"),
            Command::Holding { node } => Ok(Reply::Allocations(self.allocations_of(node)?)),
            Command::ReleaseNode { node } => {
                let holder = node.canonical(self.identifier()?);
                let mut held = self.allocations_of(holder.node())?.into_iter();
                let found = held.find(|row| row.node == holder);
                self.release(found).map(Reply::Released)
            }
            Command::ReleaseAll(node) => {
                let held = self.allocations_of(node)?.into_iter();
                let released = held.map(|row| self.release(Some(row)));
                let released: Vec<Option<Allocation>> = released.collect::<Result<_, _>>()?;
                Ok(Reply::Allocations(released.into_iter().flatten().collect()))
            }
            Command::Refresh => {
                self.refresh(name).await?;
                Ok(Reply::Refreshed)
            }
        }
    }

    /// Reads the file as the API knows it: KV may still show former contents, or show again those that were put back.
    async fn refresh(&self, name: &str) -> Result<(), Problem> {
        let number = self.refreshes.get() + 1;
        self.refreshes.set(number);
        let storage = Storage::open(&self.env)?;
        // First what KV shows: the former contents are known as such then.
        let shown = storage.bytes(Document::Pool(name)).await?;
        let stored = storage.current_bytes(Document::Pool(name)).await?;
        // A later one has read the file later.
        if self.refreshes.get() == number {
            let mut file = self.file()?;
            file.see(&self.sql, shown, now())?;
            file.put(&self.sql, stored, now())?;
        }
        Ok(())
    }

    /// The contents of the pool's file that count.
    async fn contents(&self, name: &str) -> Result<Rc<Pool>, Problem> {
        let read = Storage::open(&self.env)?.bytes(Document::Pool(name)).await;
        self.count(name, read?)
    }

    /// The contents that count after KV has shown these: the same, unless the read is stale.
    fn count(&self, name: &str, shown: Option<Vec<u8>>) -> Result<Rc<Pool>, Problem> {
        let document = Document::Pool(name);
        let mut file = self.file()?;
        let now = now();
        let stale = match file.see(&self.sql, shown, now)? {
            Reading::Unchanged | Reading::Newer => None,
            Reading::Stale { until } => Some(stale(document, until.saturating_sub(now))),
        };
        if let Some(warning) = &stale {
            let line = serde_json::json!({ "object": "pool", "pool": name, "warning": warning });
            console_warn!("{line}");
        }
        if let Some(pool) = &file.parsed {
            return Ok(Rc::clone(pool));
        }
        let note = stale.map_or_else(String::new, |warning| format!("; {warning}"));
        let refused = |what: String| Problem::Refused(format!("the pool '{name}' {what}{note}"));
        let Some(text) = &file.text else {
            return Err(refused(match file.seen.newest() {
                Some(_) => format!("cannot be used: {}", not_utf8(document)),
                None => format!("is not found: {document} is not stored"),
            }));
        };
        let pool = Pool::parse(text, self.identifier()?)
            .map_err(|error| refused(format!("cannot be used: {document} is broken: {error}")))?;
        let pool = Rc::new(pool);
        file.parsed = Some(Rc::clone(&pool));
        Ok(pool)
    }

    /// Stores a new grant, and returns the value.
    fn store_grant(
        &self,
        name: &str,
        holder: &Holder,
        grant: Result<Grant, AllocationError>,
    ) -> Result<String, Problem> {
        match grant {
            Ok(Grant::Held(value)) => Ok(value),
            Ok(Grant::New(value)) => {
                let since = SqlStorageValue::from(now() as f64);
                // The constraints of the table enforce the invariant.
                let cursor = self.sql.exec(
                    "INSERT INTO allocation (value, node, since) VALUES (?, ?, ?) \
                     ON CONFLICT DO NOTHING RETURNING value, node, since",
                    vec![value.as_str().into(), holder.to_string().into(), since],
                )?;
                if cursor.to_array::<Allocation>()?.len() != 1 {
                    return Err(Problem::Failed(format!("{value} is already allocated")));
                }
                self.allocations()?.insert(value.clone(), holder.clone());
                Ok(value)
            }
            Err(refusal) => Err(Problem::Refused(format!(
                "the pool '{name}' has no value for the node {holder}: {refusal}"
            ))),
        }
    }

    /// The holders of a request, each with its canonical id.
    fn holders(&self, node: &Holder, others: &[Holder]) -> Result<Vec<Holder>, Problem> {
        let identifier = self.identifier()?;
        let holders = std::iter::once(node).chain(others);
        Ok(holders.map(|holder| holder.canonical(identifier)).collect())
    }

    /// The value of each name, if the node holds all of them.
    fn all_held(&self, holders: &[Holder]) -> Result<Option<Vec<Reply>>, Problem> {
        let allocations = self.allocations()?;
        let held = holders.iter().map(|holder| {
            let value = allocations.held(holder)?;
            Some(Reply::Value(value.to_owned()))
        });
        Ok(held.collect())
    }

    /// The allocations of a node.
    fn allocations_of(&self, node: &str) -> Result<Vec<Allocation>, Problem> {
        let node = self.identifier()?.canonical(node);
        let mut rows = self.rows()?;
        let allocations = self.allocations()?;
        rows.retain(|row| {
            row.node.node() == node && allocations.held(&row.node) == Some(row.value.as_str())
        });
        Ok(rows)
    }

    fn release(&self, found: Option<Allocation>) -> Result<Option<Allocation>, Problem> {
        if let Some(allocation) = &found {
            let value = vec![allocation.value.as_str().into()];
            self.sql
                .exec("DELETE FROM allocation WHERE value = ?", value)?;
            self.allocations()?.release(&allocation.value);
        }
        Ok(found)
    }

    fn identifier(&self) -> Result<Identifier, Problem> {
        let read = self.identifier.as_ref();
        read.copied()
            .map_err(|error| Problem::Failed(error.to_string()))
    }

    /// The pool's file; the first call reads it from the database.
    fn file(&self) -> Result<RefMut<'_, File>, Problem> {
        let mut known = self.file.borrow_mut();
        if known.is_none() {
            *known = Some(File::load(&self.sql)?);
        }
        RefMut::filter_map(known, Option::as_mut)
            .map_err(|_| Problem::Failed("the pool's file was not read".to_owned()))
    }

    /// The allocations; the first call reads them from the database.
    fn allocations(&self) -> Result<RefMut<'_, Allocations>, Problem> {
        let mut known = self.allocations.borrow_mut();
        if known.is_none() {
            let rows = self.rows()?.into_iter().map(|row| (row.value, row.node));
            *known = Some(Allocations::new(rows));
        }
        Ok(RefMut::map(known, |known| known.get_or_insert_default()))
    }

    /// The rows of the database, each with the node's canonical id. An operator may have assigned a value
    /// to a MAC address with separators, which is not a canonical id: such a row sorts after those with
    /// canonical ids.
    ///
    /// The column `node` has the text of a [`Holder`]: one constraint keeps each of its names unique.
    fn rows(&self) -> Result<Vec<Allocation>, Problem> {
        let identifier = self.identifier()?;
        self.sql.exec(
            "CREATE TABLE IF NOT EXISTS allocation \
             (value TEXT PRIMARY KEY, node TEXT NOT NULL UNIQUE, since REAL NOT NULL)",
            None,
        )?;
        let cursor = self.sql.exec(
            "SELECT value, node, since FROM allocation ORDER BY since, value",
            None,
        )?;
        let rows: Vec<Allocation> = cursor.to_array()?;
        let (mut rows, other): (Vec<_>, Vec<_>) = rows
            .into_iter()
            .partition(|row| row.node.canonical(identifier) == row.node);
        rows.extend(other.into_iter().map(|row| Allocation {
            node: row.node.canonical(identifier),
            ..row
        }));
        Ok(rows)
    }
}

/// A note about a stale read; the shown state would count after `pause` milliseconds.
fn stale(document: Document<'_>, pause: u64) -> String {
    let minutes = pause.div_ceil(60_000);
    format!(
        "KV shows an earlier state of {document}, and a newer one counts; if you have put the earlier state \
         back, it counts in {minutes} min, or change the file, for example with a comment, and it counts at once"
    )
}
