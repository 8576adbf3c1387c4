//! The static assets: the files of the console.

use worker::wasm_bindgen::{JsCast, JsValue};
use worker::wasm_bindgen_futures::JsFuture;
use worker::web_sys::{ReadableStream, RequestInit, Response};

use super::Storage;
use crate::error::Error;
use crate::js;

/// A file of the assets.
pub struct Asset {
    pub etag: Option<String>,
    pub body: ReadableStream,
}

impl Storage {
    /// The file `name`.
    ///
    /// # Errors
    /// [`Error::Misconfigured`] if the binding or the file is missing; [`Error::Storage`].
    pub async fn asset(&self, name: &str) -> Result<Asset, Error> {
        let failed =
            |cause: JsValue| Error::storage("reading a file of the console", js::message(&cause));
        let missing = || {
            Error::Misconfigured(format!(
                "the file {name} of the console is missing: `npm run deploy` builds and deploys it, if wrangler.toml has \
                 [assets] with binding = \"ZTP_CONSOLE\""
            ))
        };
        let assets = self.bindings.assets.as_ref().ok_or_else(missing)?;
        // The host has no meaning.
        let promise = assets.fetch(&format!("https://assets.local/{name}"), &RequestInit::new());
        let found = JsFuture::from(promise.map_err(failed)?).await;
        let found: Response = found.map_err(failed)?.unchecked_into();
        match found.status() {
            200 => Ok(Asset {
                etag: found.headers().get("ETag").ok().flatten(),
                body: found.body().ok_or_else(missing)?,
            }),
            404 => Err(missing()),
            status => Err(Error::storage(
                "reading a file of the console",
                format!("its status is {status}"),
            )),
        }
    }
}
