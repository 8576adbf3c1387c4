//! The Durable Object of a resource pool: one for each pool, wherever in the world it is asked.
//!
//! KV cannot hand out a value once, since it has no transaction and answers late; a Durable Object
//! is one thread with a database of its own. It owns the allocations. What there is to allocate it
//! reads from KV whenever it gives out a value, so that an edited pool counts as soon as KV shows it.
//!
//! Between reading KV and answering, nothing here awaits: no two calls can see the same free value.

pub mod protocol;

use std::cell::{RefCell, RefMut};
use std::rc::Rc;

use worker::{
    Date, DurableObject, Env, Request, Response, SqlStorage, SqlStorageValue, State,
    durable_object, wasm_bindgen,
};

use crate::error::Error;
use crate::storage::Storage;
use ztp_core::key::Document;
use ztp_core::node::Identifier;
use ztp_core::pool::{Allocations, Grant, Pool, Refusal};
use ztp_core::settings::{SettingError, Settings};

use protocol::{Allocation, Call, Command, Listing, Reply};

/// One pool.
#[durable_object]
pub struct ResourcePool {
    sql: SqlStorage,
    env: Env,
    /// Which fact a node is called by, in reservations and in the database alike.
    identifier: Result<Identifier, SettingError>,
    /// What the database holds, once it was read.
    allocations: RefCell<Option<Allocations>>,
    /// The last contents, as text and as parsed.
    contents: RefCell<Option<(String, Rc<Pool>)>>,
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
            contents: RefCell::default(),
        }
    }

    async fn fetch(&self, mut request: Request) -> worker::Result<Response> {
        let call: Call = serde_json::from_str(&request.text().await?)?;
        let reply = self.answer(&call).await.unwrap_or_else(|problem| {
            // What memory says may no longer be what the database says: read it again.
            self.allocations.take();
            match problem {
                Problem::Refused(reason) => Reply::Refused(reason),
                Problem::Failed(cause) => Reply::Failed(cause),
            }
        });
        Response::ok(serde_json::to_string(&reply)?)
    }
}

/// Why a command is not carried out.
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
    async fn answer(&self, call: &Call) -> Result<Reply, Problem> {
        let name = &call.pool;
        match &call.command {
            Command::Allocate { node, held_only } => {
                let node = &self.identifier()?.canonical(node);
                // What a node holds it keeps, also while the file is missing or broken.
                if let Some(held) = self.allocations()?.held(node) {
                    return Ok(Reply::Value(held.to_owned()));
                }
                let pool = self.contents(name).await?;
                let grant = self.allocations()?.grant(&pool, node);
                if *held_only && matches!(grant, Ok(Grant::New(_))) {
                    return Ok(Reply::NotHeld);
                }
                self.give(name, node, grant).map(Reply::Value)
            }
            Command::Held { node } => {
                let node = self.identifier()?.canonical(node);
                let held = self.allocations()?.held(&node).map(str::to_owned);
                Ok(held.map_or(Reply::NotHeld, Reply::Value))
            }
            Command::Assign { value, node } => {
                let node = &self.identifier()?.canonical(node);
                let pool = self.contents(name).await?;
                let grant = self.allocations()?.assign(&pool, value, node);
                self.give(name, node, grant).map(Reply::Value)
            }
            Command::List => {
                let pool = self.contents(name).await?;
                let reserved = pool.reserved();
                let mut reservations: Vec<_> = reserved
                    .map(|(value, node)| (value.to_owned(), node.to_owned()))
                    .collect();
                reservations.sort();
                let size = u64::try_from(pool.open_len()).unwrap_or(u64::MAX);
                Ok(Reply::Listing(Listing {
                    size,
                    allocations: self.rows()?,
                    reservations,
                }))
            }
            Command::ReleaseValue { value } => {
                self.release(self.rows()?.into_iter().find(|row| row.value == *value))
            }
            #[cfg(feature = "panics")]
            Command::Panic => panic!("in a pool"),
            Command::ReleaseNode { node } => {
                let node = self.identifier()?.canonical(node);
                let held = self.allocations()?.held(&node).map(str::to_owned);
                self.release(
                    self.rows()?
                        .into_iter()
                        .find(|row| Some(&row.value) == held.as_ref()),
                )
            }
        }
    }

    /// What the pool's file says now.
    async fn contents(&self, name: &str) -> Result<Rc<Pool>, Problem> {
        let document = Document::Pool(name);
        let refused = |what: String| Problem::Refused(format!("the pool '{name}' {what}"));
        let text = Storage::open(&self.env)?.text(document).await?;
        let text =
            text.ok_or_else(|| refused(format!("is not there: {document} is not stored")))?;
        let mut last = self.contents.borrow_mut();
        if let Some((_, pool)) = last.as_ref().filter(|(known, _)| *known == text) {
            return Ok(Rc::clone(pool));
        }
        let pool = Pool::parse(&text, self.identifier()?)
            .map_err(|error| refused(format!("cannot be used: {document} is broken: {error}")))?;
        let pool = Rc::new(pool);
        *last = Some((text, Rc::clone(&pool)));
        Ok(pool)
    }

    /// Carries out what was decided, and answers the value.
    fn give(
        &self,
        name: &str,
        node: &str,
        grant: Result<Grant, Refusal>,
    ) -> Result<String, Problem> {
        match grant {
            Ok(Grant::Held(value)) => Ok(value),
            Ok(Grant::New(value)) => {
                let since = SqlStorageValue::from(Date::now().as_millis() as f64);
                // The constraints of the table have the last word: no value and no node twice.
                let cursor = self.sql.exec(
                    "INSERT INTO allocation (value, node, since) VALUES (?, ?, ?) \
                     ON CONFLICT DO NOTHING RETURNING value, node, since",
                    vec![value.as_str().into(), node.into(), since],
                )?;
                if cursor.to_array::<Allocation>()?.len() != 1 {
                    return Err(Problem::Failed(format!("{value} was not free after all")));
                }
                self.allocations()?.insert(value.clone(), node.to_owned());
                Ok(value)
            }
            Err(refusal) => Err(Problem::Refused(format!(
                "the pool '{name}' has no value for the node {node}: {refusal}"
            ))),
        }
    }

    fn release(&self, found: Option<Allocation>) -> Result<Reply, Problem> {
        if let Some(allocation) = &found {
            let value = vec![allocation.value.as_str().into()];
            self.sql
                .exec("DELETE FROM allocation WHERE value = ?", value)?;
            self.allocations()?.release(&allocation.value);
        }
        Ok(Reply::Released(found))
    }

    fn identifier(&self) -> Result<Identifier, Problem> {
        let read = self.identifier.as_ref();
        read.copied()
            .map_err(|error| Problem::Failed(error.to_string()))
    }

    /// The allocations, read from the database the first time.
    fn allocations(&self) -> Result<RefMut<'_, Allocations>, Problem> {
        let mut known = self.allocations.borrow_mut();
        if known.is_none() {
            let rows = self.rows()?.into_iter().map(|row| (row.value, row.node));
            *known = Some(Allocations::new(rows));
        }
        Ok(RefMut::map(known, |known| known.get_or_insert_default()))
    }

    /// What the database has, each node by its canonical id. An operator may have given a value to a
    /// MAC address with separators, which no node was called by: such a row comes after those that
    /// nodes got themselves.
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
            .partition(|row| identifier.canonical(&row.node) == row.node);
        rows.extend(other.into_iter().map(|row| Allocation {
            node: identifier.canonical(&row.node),
            ..row
        }));
        Ok(rows)
    }
}
