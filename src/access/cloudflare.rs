//! The keys of a Cloudflare Access team, and the signatures that they verify, with WebCrypto.
//!
//! An instance reads the keys once, again after [`MAX_AGE_MS`], and when a token names a key that it does not know: the
//! team's keys are rotated.

use std::cell::RefCell;
use std::collections::HashMap;

use worker::js_sys::{self, Array, JSON, Uint8Array};
use worker::wasm_bindgen::{self, JsCast, JsValue, prelude::wasm_bindgen};
use worker::wasm_bindgen_futures::JsFuture;
use worker::web_sys::{AbortSignal, RequestInit, RequestRedirect, Response, WorkerGlobalScope};
use ztp_core::access_token::{Application, MAX_ACCESS_KEYS, Token, keys};

use super::Refused;
use crate::error::Error;
use crate::storage::{Flights, Storage, now};
use crate::stream;

/// How long keys are used without reading them again, in milliseconds.
const MAX_AGE_MS: u64 = 60 * 60 * 1000;
/// How long keys are used while they cannot be read again, in milliseconds.
const MAX_STALE_MS: u64 = 24 * 60 * 60 * 1000;
/// The least time between two reads, in milliseconds: anyone may invent key ids.
const PAUSE_MS: u64 = 60 * 1000;
/// The least time between a failed read and the next one, in milliseconds.
const PAUSE_AFTER_FAILURE_MS: u64 = 5 * 1000;
/// The timeout of a read, in milliseconds.
const TIMEOUT_MS: u32 = 5000;
/// Maximum number of keys of a team. It has two.
const MAX_KEYS: usize = 16;
/// The algorithm RS256, for WebCrypto.
const ALGORITHM: &str = r#"{"name":"RSASSA-PKCS1-v1_5","hash":"SHA-256"}"#;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(catch, js_namespace = ["crypto", "subtle"], js_name = importKey)]
    async fn import_key(
        format: &str,
        key: &JsValue,
        algorithm: &JsValue,
        extractable: bool,
        usages: &Array,
    ) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(catch, js_namespace = ["crypto", "subtle"], js_name = verify)]
    async fn js_verify(
        algorithm: &JsValue,
        key: &JsValue,
        signature: &Uint8Array,
        signed: &Uint8Array,
    ) -> Result<JsValue, JsValue>;
}

thread_local! {
    static KEYS: RefCell<Keys> = RefCell::default();
    static FLIGHTS: Flights = Flights::default();
}

/// The keys of the team, as far as this instance knows them.
#[derive(Default)]
struct Keys {
    /// `CryptoKey`s by key id.
    by_id: HashMap<String, JsValue>,
    /// When they were read, in milliseconds since 1970.
    read: u64,
    /// When they may be read again, in milliseconds since 1970.
    next: u64,
    /// Why the last read failed.
    failure: Option<Error>,
}

impl Keys {
    fn get(&self, id: &str, max_age: u64) -> Option<JsValue> {
        let is_fresh = now() < self.read + max_age;
        self.by_id.get(id).filter(|_| is_fresh).cloned()
    }
}

/// Verifies the signature of a token.
///
/// # Errors
/// The signature is wrong, or the team has no such key; [`Error::Storage`] if its keys cannot be read.
pub async fn verify(
    token: &Token<'_>,
    application: &Application,
    storage: &Storage,
) -> Result<(), Refused> {
    let key = key(&token.key_id, application, storage).await?;
    let signed = Uint8Array::from(token.signed.as_bytes());
    let signature = Uint8Array::from(token.signature.as_slice());
    let verified = js_verify(&algorithm(), &key, &signature, &signed).await;
    match verified {
        Ok(verified) if verified.is_truthy() => Ok(()),
        Ok(_) => Err(Refused::because("its signature is wrong")),
        Err(cause) => Err(Refused::because(format!(
            "its signature cannot be checked: {}",
            message(&cause)
        ))),
    }
}

async fn key(id: &str, application: &Application, storage: &Storage) -> Result<JsValue, Refused> {
    let known = || KEYS.with_borrow(|keys| keys.get(id, MAX_AGE_MS));
    if let Some(key) = known() {
        return Ok(key);
    }
    // Requests of a console that starts arrive together: the first one reads the keys for all.
    let flights = FLIGHTS.with(Flights::clone);
    let _flight = flights.join("keys", u64::from(TIMEOUT_MS)).await;
    if let Some(key) = known() {
        return Ok(key);
    }
    if KEYS.with_borrow(|keys| now() >= keys.next) {
        let read = read(application).await;
        KEYS.with_borrow_mut(|keys| match read {
            Ok(by_id) => {
                *keys = Keys {
                    by_id,
                    read: now(),
                    next: now() + PAUSE_MS,
                    failure: None,
                };
            }
            Err(cause) => {
                keys.next = now() + PAUSE_AFTER_FAILURE_MS;
                keys.failure = Some(failed(application, cause));
            }
        });
    }
    KEYS.with_borrow(|keys| match (keys.get(id, MAX_STALE_MS), &keys.failure) {
        (Some(key), None) => Ok(key),
        (Some(key), Some(failure)) => {
            storage.warn(format!("{}; the known keys were used", failure.detail()));
            Ok(key)
        }
        (None, Some(failure)) => Err(Refused::Failed(failure.clone())),
        (None, None) => Err(Refused::because(format!(
            "its key is not one of those at {}",
            application.keys_url()
        ))),
    })
}

/// The keys of the team, by id.
async fn read(application: &Application) -> Result<HashMap<String, JsValue>, String> {
    let text = fetch(&application.keys_url())
        .await
        .map_err(|cause| message(&cause))??;
    let usages = Array::of1(&"verify".into());
    let mut by_id = HashMap::new();
    for (id, key) in keys(&text)?.into_iter().take(MAX_KEYS) {
        let key = JSON::parse(&key).map_err(|cause| message(&cause))?;
        let key = import_key("jwk", &key, &algorithm(), false, &usages).await;
        by_id.insert(id, key.map_err(|cause| message(&cause))?);
    }
    Ok(by_id)
}

/// The body of a response with status 200; the inner error is about the response.
async fn fetch(url: &str) -> Result<Result<String, String>, JsValue> {
    let init = RequestInit::new();
    init.set_redirect(RequestRedirect::Manual);
    init.set_signal(Some(&AbortSignal::timeout_with_u32(TIMEOUT_MS)));
    let worker: WorkerGlobalScope = js_sys::global().unchecked_into();
    let response = JsFuture::from(worker.fetch_with_str_and_init(url, &init)).await?;
    let response: Response = response.dyn_into()?;
    if response.status() != 200 {
        return Ok(Err(format!("status {}", response.status())));
    }
    let Some(body) = response.body() else {
        return Ok(Err("the response has no body".to_owned()));
    };
    let read = stream::read_up_to(&body, MAX_ACCESS_KEYS).await;
    Ok(match read {
        Ok(Some(bytes)) => {
            String::from_utf8(bytes.to_vec()).map_err(|_| "the response is not UTF-8".to_owned())
        }
        Ok(None) => Err(format!("the response exceeds {MAX_ACCESS_KEYS} bytes")),
        Err(cause) => Err(cause.to_string()),
    })
}

fn algorithm() -> JsValue {
    JSON::parse(ALGORITHM).unwrap_or_default()
}

fn failed(application: &Application, cause: String) -> Error {
    let url = application.keys_url();
    Error::storage(
        format!("reading the keys of Cloudflare Access at {url}"),
        cause,
    )
}

/// The message of a JavaScript error.
fn message(error: &JsValue) -> String {
    match error.dyn_ref::<js_sys::Error>() {
        Some(error) => error.message().into(),
        None => format!("{error:?}"),
    }
}
