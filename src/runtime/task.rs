//! Requests as tasks: run at once, and if they have to wait, again whenever what they wait for is there.
//!
//! What is in memory is answered without a promise. A task that waits goes on in the very step of
//! the event loop that settles its promise, which is also the only one in which the runtime lets a
//! request do anything with what belongs to it.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use worker::wasm_bindgen::JsValue;

use super::glue;

type Task = Pin<Box<dyn Future<Output = JsValue>>>;

thread_local! {
    /// Tasks that wait, by number.
    static WAITING: RefCell<BTreeMap<u32, Task>> = RefCell::default();
    static LAST: Cell<u32> = const { Cell::new(0) };
    /// The task that runs; 0 if none does.
    static RUNNING: Cell<u32> = const { Cell::new(0) };
    /// A task that was woken while it ran.
    static WOKEN: Cell<Option<u32>> = const { Cell::new(None) };
}

/// Wakes the task of that number.
struct Alarm(u32);

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        let Alarm(number) = *self;
        match WAITING.with_borrow_mut(|waiting| waiting.remove(&number)) {
            Some(task) => {
                if let Some(response) = go_on(number, task) {
                    glue::give_answer(number, response);
                }
            }
            None => WOKEN.set(Some(number)),
        }
    }
}

/// Runs a task for a request with that context. The response, if it is there at once, else the promise
/// of it.
pub fn run(task: impl Future<Output = JsValue> + 'static, context: &JsValue) -> JsValue {
    let number = LAST.get().wrapping_add(1);
    LAST.set(number);
    go_on(number, Box::pin(task)).unwrap_or_else(|| glue::promise_answer(number, context))
}

/// Has the task that runs carried out to its end, even if its client hangs up. It must have waited
/// for something before, so that there is a promise of its answer.
pub fn keep_on() {
    glue::keep_on(running());
}

/// The number of the task that runs.
pub fn running() -> u32 {
    RUNNING.get()
}

/// Runs a task as far as it comes.
fn go_on(number: u32, mut task: Task) -> Option<JsValue> {
    let waker = Waker::from(Arc::new(Alarm(number)));
    // Outside of tasks there are pools, whose promises are nobody's here.
    let outside = RUNNING.replace(number);
    let response = loop {
        WOKEN.set(None);
        if let Poll::Ready(response) = task.as_mut().poll(&mut Context::from_waker(&waker)) {
            break Some(response);
        }
        if WOKEN.get() != Some(number) {
            WAITING.with_borrow_mut(|waiting| waiting.insert(number, task));
            break None;
        }
    };
    RUNNING.set(outside);
    response
}
