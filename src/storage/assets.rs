//! The static assets: the files of the console.

use worker::web_sys::{self, ReadableStream};
use worker::{Headers, RequestInit};

use super::Storage;
use crate::error::Error;

/// A file of the assets.
pub struct Asset {
    pub etag: Option<String>,
    /// `None`: the client has the current version.
    pub body: Option<ReadableStream>,
    /// In bytes, if it is known.
    pub length: Option<u64>,
}

impl Storage {
    /// The file `name`. `known`: the `If-None-Match` of the client.
    ///
    /// # Errors
    /// [`Error::Misconfigured`] if the binding or the file is missing; [`Error::Storage`].
    pub async fn asset(&self, name: &str, known: Option<&str>) -> Result<Asset, Error> {
        let missing = |what: &str| {
            Error::Misconfigured(format!(
                "{what} is missing: add [assets] with binding = \"ZTP_CONSOLE\" and directory = \"build/console\" to \
                 wrangler.toml and deploy again with `npm run deploy`, which builds the console"
            ))
        };
        let assets = self.bindings.assets.as_ref();
        let assets = assets.ok_or_else(|| missing("the binding ZTP_CONSOLE"))?;
        let failed = |cause: worker::Error| Error::Storage {
            doing: format!("reading the file {name} of the console"),
            cause: cause.to_string(),
        };
        let mut init = RequestInit::new();
        if let Some(known) = known {
            let headers = Headers::new();
            headers.set("If-None-Match", known).map_err(failed)?;
            init.with_headers(headers);
        }
        // The host has no meaning.
        let url = format!("https://assets.local/{name}");
        let found = assets.fetch(url, Some(init)).await.map_err(failed)?;
        let etag = found.headers().get("ETag").map_err(failed)?;
        let length = found.headers().get("Content-Length").map_err(failed)?;
        let length = length.and_then(|length| length.parse().ok());
        match found.status_code() {
            200 => {
                let body = web_sys::Response::from(found).body();
                let body = body.ok_or_else(|| missing(&format!("the text of {name}")))?;
                let body = Some(body);
                Ok(Asset { etag, body, length })
            }
            304 => Ok(Asset {
                etag,
                body: None,
                length: None,
            }),
            404 => Err(missing(&format!("the file {name} of the console"))),
            status => Err(Error::Storage {
                doing: format!("reading the file {name} of the console"),
                cause: format!("its status is {status}"),
            }),
        }
    }
}
