//! Waiting for a promise.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use worker::wasm_bindgen::{self, JsValue, prelude::wasm_bindgen};

use super::{glue, task};

enum Waiting {
    /// Who is to be woken, once somebody waits.
    For(Option<Waker>),
    Settled(Result<JsValue, JsValue>),
}

thread_local! {
    static WAITING: RefCell<BTreeMap<u32, Waiting>> = RefCell::default();
    static LAST: Cell<u32> = const { Cell::new(0) };
}

/// Waits for what a promise is fulfilled with.
///
/// # Errors
/// What it is rejected with.
pub fn settled(promise: JsValue) -> Settled {
    let number = LAST.get().wrapping_add(1);
    LAST.set(number);
    WAITING.with_borrow_mut(|waiting| waiting.insert(number, Waiting::For(None)));
    glue::when_settled(promise, number, task::running());
    Settled { number }
}

/// What [`settled`] waits with.
pub struct Settled {
    number: u32,
}

impl Future for Settled {
    type Output = Result<JsValue, JsValue>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        WAITING.with_borrow_mut(|waiting| {
            if let Some(Waiting::Settled(outcome)) = waiting.remove(&self.number) {
                return Poll::Ready(outcome);
            }
            waiting.insert(self.number, Waiting::For(Some(context.waker().clone())));
            Poll::Pending
        })
    }
}

impl Drop for Settled {
    fn drop(&mut self) {
        WAITING.with_borrow_mut(|waiting| waiting.remove(&self.number));
    }
}

/// Takes what a promise was settled with. `glue.js` calls this, and never for what another instance
/// of this wasm waited for.
#[wasm_bindgen]
pub fn settle(number: u32, fulfilled: bool, value: JsValue) {
    let outcome = if fulfilled { Ok(value) } else { Err(value) };
    let waited = WAITING.with_borrow_mut(|waiting| {
        // Nobody may wait for it any more.
        let waited = waiting.get_mut(&number)?;
        Some(std::mem::replace(waited, Waiting::Settled(outcome)))
    });
    if let Some(Waiting::For(Some(waker))) = waited {
        waker.wake();
    }
}
