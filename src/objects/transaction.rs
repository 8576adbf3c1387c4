//! Transactions of an object's database, without an await.

use worker::Storage;
use worker::wasm_bindgen::{JsCast, JsValue};

use crate::js::SyncStorage;

/// Groups of statements of which all count, or none.
pub struct Transactions(SyncStorage);

impl Transactions {
    pub fn new(storage: &Storage) -> Self {
        Self(storage.as_raw().unchecked_ref::<SyncStorage>().clone())
    }

    /// Runs statements as one. Changes that they make in memory stay after a failure.
    ///
    /// # Errors
    /// Those of the statements: none of them counts then.
    pub fn run(&self, statements: impl FnOnce() -> worker::Result<()>) -> worker::Result<()> {
        let mut statements = Some(statements);
        let mut run = || match statements.take() {
            Some(statements) => statements().map_err(JsValue::from),
            None => Ok(()),
        };
        Ok(self.0.transaction_sync(&mut run)?)
    }
}
