//! The keys of a Cloudflare Access team, and the signatures that they verify, with WebCrypto.
//!
//! An instance reads the keys once, again after [`MAX_AGE_MS`], and when a token names a key that it does not know: the
//! team's keys are rotated.

use std::cell::RefCell;

use worker::js_sys::Uint8Array;
use ztp_core::access_token::{Application, Key, MAX_ACCESS_KEYS, Token, keys};

use super::Refused;
use crate::error::Error;
use crate::js;
use crate::storage::{Flights, Storage, now};

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

thread_local! {
    static KEYS: RefCell<Keys> = RefCell::default();
    static FLIGHTS: Flights = Flights::default();
}

/// The keys of the team, as far as this instance knows them.
#[derive(Default)]
struct Keys {
    keys: Vec<Key>,
    /// When they were read, in milliseconds since 1970.
    read: u64,
    /// When they may be read again, in milliseconds since 1970.
    next: u64,
    /// Why the last read failed.
    failure: Option<Error>,
}

impl Keys {
    fn get(&self, id: &str, max_age: u64) -> Option<String> {
        let is_fresh = now() < self.read + max_age;
        let key = self.keys.iter().find(|key| is_fresh && key.id == id)?;
        Some(key.public.clone())
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
    // A copy: memory of wasm may move while the runtime imports the key.
    let signature = Uint8Array::from(token.signature.as_slice());
    match js::verify(&key, &signature, token.signed).await {
        Ok(verified) if verified.is_truthy() => Ok(()),
        Ok(_) => Err(Refused::because("its signature is wrong")),
        Err(cause) => Err(Refused::because(format!(
            "its signature cannot be checked: {}",
            js::message(&cause)
        ))),
    }
}

async fn key(id: &str, application: &Application, storage: &Storage) -> Result<String, Refused> {
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
    let url = application.keys_url();
    if KEYS.with_borrow(|keys| now() >= keys.next) {
        let read = js::fetch_text(&url, MAX_ACCESS_KEYS, TIMEOUT_MS).await;
        let text = read.map_err(|cause| js::message(&cause));
        let read = text.and_then(|text| keys(&text.as_string().unwrap_or_default()));
        KEYS.with_borrow_mut(|known| match read {
            Ok(keys) => {
                *known = Keys {
                    keys,
                    read: now(),
                    next: now() + PAUSE_MS,
                    failure: None,
                };
            }
            Err(cause) => {
                let doing = format!("reading the keys of Cloudflare Access at {url}");
                known.next = now() + PAUSE_AFTER_FAILURE_MS;
                known.failure = Some(Error::storage(doing, cause));
            }
        });
    }
    let known = KEYS.with_borrow(|keys| (keys.get(id, MAX_STALE_MS), keys.failure.clone()));
    match known {
        (Some(key), None) => Ok(key),
        (Some(key), Some(failure)) => {
            storage.warn(format!("{}; the known keys were used", failure.detail()));
            Ok(key)
        }
        (None, Some(failure)) => Err(Refused::Failed(failure)),
        (None, None) => Err(Refused::because(format!(
            "its key is not one of those at {url}"
        ))),
    }
}
