//! The functions of `glue.js`, which documents them.

use worker::wasm_bindgen::{self, JsValue, prelude::wasm_bindgen};
use worker::web_sys;

// raw_module: the build lays glue.js beside what wasm-bindgen makes, where entry.js finds it as well.
#[wasm_bindgen(raw_module = "./glue.js")]
extern "C" {
    #[wasm_bindgen(js_name = promiseAnswer)]
    pub fn promise_answer(task: u32, context: &JsValue) -> JsValue;
    #[wasm_bindgen(js_name = keepOn)]
    pub fn keep_on(task: u32);
    #[wasm_bindgen(js_name = giveAnswer)]
    pub fn give_answer(task: u32, response: JsValue);
    #[wasm_bindgen(js_name = whenSettled)]
    pub fn when_settled(promise: JsValue, number: u32, task: u32);

    #[wasm_bindgen(js_name = prepareHead)]
    pub fn prepare_head(number: u32, head: &str);
    #[wasm_bindgen(catch)]
    pub fn respond(head: u32, location: Option<&str>, bytes: &[u8]) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(catch, js_name = respondWith)]
    pub fn respond_with(
        head: u32,
        location: Option<&str>,
        body: &JsValue,
    ) -> Result<JsValue, JsValue>;
    pub fn hold(bytes: &[u8]) -> JsValue;
    pub fn sleep(milliseconds: u32) -> JsValue;
    #[wasm_bindgen(catch, js_name = sha1Of)]
    pub fn sha1_of(buffer: &JsValue) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(catch, js_name = isBlank)]
    pub fn is_blank(buffer: &JsValue) -> Result<bool, JsValue>;
    #[wasm_bindgen(js_name = isSame)]
    pub fn is_same(one: &JsValue, other: &JsValue) -> bool;
    pub fn log(line: &str);
    pub fn warn(line: &str);
    pub fn error(line: &str);

    pub fn conditions(request: &web_sys::Request) -> Option<Box<[JsValue]>>;
    #[wasm_bindgen(catch, js_name = bodyUpTo)]
    pub fn body_up_to(request: &web_sys::Request, limit: usize) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(catch)]
    pub fn discard(body: Option<web_sys::ReadableStream>) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(js_name = textAt)]
    pub fn text_at(texts: &JsValue, index: usize) -> Option<String>;
    #[wasm_bindgen(js_name = hasAt)]
    pub fn has_at(texts: &JsValue, index: usize) -> bool;
    #[wasm_bindgen(catch, js_name = kvGet)]
    pub fn kv_get(namespace: &JsValue, key: &str) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(catch, js_name = kvHas)]
    pub fn kv_has(namespace: &JsValue, key: &str) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(catch, js_name = kvGetAll)]
    pub fn kv_get_all(namespace: &JsValue, keys: &str) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(catch, js_name = kvList)]
    pub fn kv_list(
        namespace: &JsValue,
        prefix: &str,
        cursor: Option<&str>,
    ) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(catch, js_name = kvPut)]
    pub fn kv_put(namespace: &JsValue, key: &str, bytes: &[u8]) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(catch, js_name = kvPutHeld)]
    pub fn kv_put_held(namespace: &JsValue, key: &str, bytes: &JsValue)
    -> Result<JsValue, JsValue>;

    #[wasm_bindgen(catch, js_name = r2Get)]
    pub fn r2_get(bucket: &JsValue, key: &str) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(catch, js_name = r2Head)]
    pub fn r2_head(bucket: &JsValue, key: &str) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(catch, js_name = r2GetPart)]
    pub fn r2_get_part(
        bucket: &JsValue,
        key: &str,
        etag: &str,
        offset: f64,
        length: f64,
    ) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(js_name = r2Describe)]
    pub fn r2_describe(object: &JsValue) -> String;
    #[wasm_bindgen(js_name = r2Digests)]
    pub fn r2_digests(object: &JsValue) -> Option<String>;
    #[wasm_bindgen(js_name = bodyOf)]
    pub fn body_of(object: &JsValue) -> Option<JsValue>;
    #[wasm_bindgen(catch, js_name = bytesOf)]
    pub fn bytes_of(object: &JsValue) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(catch)]
    pub fn sha1(stream: &JsValue) -> Result<JsValue, JsValue>;
}
