//! Responses as values, and the headers that every response has.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;

use serde_json::{Value, json};
use worker::wasm_bindgen::JsValue;
use worker::web_sys::{self, Headers, ReadableStream, ResponseInit};

use ztp_core::neighbordb::{MAX_LOGGED_REFUSAL, MAX_REFUSAL};
use ztp_core::printable::cut;

use crate::error::Error;
use crate::stream::Buffer;

/// The content types that deployed clients accept; they treat any other as an error.
pub mod content_type {
    /// The bootstrap script and actions.
    pub const PYTHON: &str = "text/x-python";
    /// Bootstrap configuration, definitions, metadata.
    pub const JSON: &str = "application/json";
    /// Files and startup-configs of any content.
    pub const PLAIN: &str = "text/plain";
    /// The OpenAPI description.
    pub const YAML: &str = "application/yaml";
    /// Errors, and responses without a body.
    pub const HTML: &str = "text/html; charset=UTF-8";
}

/// The body of a response.
pub enum Body {
    Bytes(Vec<u8>),
    /// Shared by any number of responses.
    Buffer(Buffer),
    /// Passed through. `length` in bytes, if it is known.
    Stream {
        body: ReadableStream,
        length: Option<u64>,
    },
    /// For HEAD: no body, with a Content-Length of `length` bytes.
    Head {
        length: Option<u64>,
    },
    /// No body and no length: 204, 304.
    None,
}

impl Body {
    /// In bytes, if it is known.
    pub fn length(&self) -> Option<u64> {
        match self {
            Self::Bytes(bytes) => Some(bytes.len() as u64),
            Self::Buffer(buffer) => Some(buffer.len() as u64),
            Self::Stream { length, .. } | Self::Head { length } => *length,
            Self::None => None,
        }
    }
}

/// Status, headers and body of a response, and the reason of a refusal for the log.
pub struct Response {
    pub status: u16,
    content_type: &'static str,
    headers: Vec<(&'static str, Cow<'static, str>)>,
    pub body: Body,
    pub reason: Option<String>,
}

impl Response {
    /// 200 with bytes.
    pub fn ok(content_type: &'static str, bytes: impl Into<Vec<u8>>) -> Self {
        Self::new(200, content_type, Body::Bytes(bytes.into()))
    }

    /// 200 with JSON.
    pub fn json(value: &Value) -> Self {
        Self::ok(content_type::JSON, value.to_string())
    }

    /// A status with an empty HTML body, as ztpserver's responses to POST and PUT.
    pub fn empty(status: u16) -> Self {
        Self::new(status, content_type::HTML, Body::Bytes(Vec::new()))
    }

    /// 204.
    pub fn no_content() -> Self {
        Self::new(204, content_type::PLAIN, Body::None)
    }

    /// Any status, type and body.
    pub fn new(status: u16, content_type: &'static str, body: Body) -> Self {
        Self {
            status,
            content_type,
            headers: Vec::new(),
            body,
            reason: None,
        }
    }

    /// An error whose body is the reason, escaped: it may contain values from the request. At most
    /// [`MAX_REFUSAL`] bytes.
    pub fn refusal(status: u16, reason: String) -> Self {
        let body = escape_html(&cut(&reason, MAX_REFUSAL - "\n".len(), width_in_html)) + "\n";
        Self::refused(status, body, reason)
    }

    /// An error whose body is a JSON object with an HTML type: clients parse the body of /meta before
    /// they check its status, and accept the status only with that type.
    pub fn refusal_as_json(status: u16, reason: String) -> Self {
        let frame = json!({ "error": "" }).to_string().len();
        let body = cut(&reason, MAX_REFUSAL - frame, width_in_json);
        let body = json!({ "error": body }).to_string();
        // JSON allows an escape for each of these.
        let body = body
            .replace('<', "\\u003c")
            .replace('>', "\\u003e")
            .replace('&', "\\u0026");
        Self::refused(status, body, reason)
    }

    /// An error for an operator: a JSON object with the reason, and the fields of the error.
    pub fn refusal_to_operator(error: Error) -> Self {
        let fields = match &error {
            Error::Refused { fields, .. } => fields.clone(),
            _ => serde_json::Map::new(),
        };
        let reason = error.to_string();
        let refusal = Self::from(error);
        let mut body = json!({ "error": cut(&reason, MAX_REFUSAL, width_in_json) });
        if let Some(body) = body.as_object_mut() {
            body.extend(fields);
        }
        Self {
            content_type: content_type::JSON,
            body: Body::Bytes(body.to_string().into_bytes()),
            ..refusal
        }
    }

    /// No cache may store a refusal: it concerns one caller, and an operator may fix its cause.
    fn refused(status: u16, body: String, reason: String) -> Self {
        let response = Self::new(status, content_type::HTML, Body::Bytes(body.into_bytes()))
            .with_header("Cache-Control", "no-store");
        response.with_logged_reason(reason)
    }

    /// Replaces the reason in the log, at most [`MAX_LOGGED_REFUSAL`] bytes of it.
    fn with_logged_reason(mut self, reason: String) -> Self {
        self.reason = Some(cut(&reason, MAX_LOGGED_REFUSAL, char::len_utf8).into_owned());
        self
    }

    /// Adds a header. The constructors set Content-Type, Content-Length and the headers of every response.
    pub fn with_header(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Removes the body, for HEAD (RFC 9110, 9.3.2).
    pub fn without_body(mut self) -> Self {
        if !matches!(self.body, Body::None) {
            self.body = Body::Head {
                length: self.body.length(),
            };
        }
        self
    }

    /// Converts to the runtime's type.
    ///
    /// # Errors
    /// A header value is invalid.
    pub fn into_web(self) -> Result<web_sys::Response, JsValue> {
        let init = init(self.status, self.content_type)?;
        let response = match &self.body {
            // An empty array would become a stream.
            Body::Bytes(bytes) if bytes.is_empty() => with_stream(None, &init),
            Body::Bytes(bytes) => with_buffer(&Buffer::new(bytes), &init),
            Body::Buffer(buffer) => with_buffer(buffer, &init),
            Body::Stream { body, .. } => with_stream(Some(body), &init),
            Body::Head { .. } | Body::None => with_stream(None, &init),
        }?;
        if !self.headers.is_empty() || matches!(self.body, Body::Head { .. }) {
            let headers = response.headers();
            for (name, value) in &self.headers {
                headers.set(name, value)?;
            }
            if let Body::Head {
                length: Some(length),
            } = self.body
            {
                headers.set("Content-Length", &length.to_string())?;
            }
        }
        Ok(response)
    }
}

/// The one mapping from an error to a status.
impl From<Error> for Response {
    fn from(error: Error) -> Self {
        let reason = error.to_string();
        match error {
            Error::BadRequest(_) => Self::refusal(400, reason),
            Error::NoPattern { log, .. } => Self::refusal(400, reason).with_logged_reason(log),
            Error::Forbidden(_) => Self::refusal(403, reason),
            Error::NotFound(_) => Self::refusal(404, reason),
            Error::MethodNotAllowed { allow } => {
                Self::refusal(405, reason).with_header("Allow", allow)
            }
            Error::Conflict(_) => Self::refusal(409, reason),
            Error::Refused { status, .. } => Self::refusal(status, reason),
            Error::TooLarge(_) => Self::refusal(413, reason),
            Error::Busy(_) => Self::refusal(503, reason).with_header("Retry-After", "5"),
            Error::RangeNotSatisfiable { size } => {
                Self::refusal(416, reason).with_header("Content-Range", format!("bytes */{size}"))
            }
            Error::RateLimited => Self::refusal(429, reason).with_header("Retry-After", "60"),
            Error::TooMany(_) => Self::refusal(429, reason),
            Error::MetaNotFound(_) => Self::refusal_as_json(500, reason),
            Error::Misconfigured(_) => Self::refusal(500, reason),
            Error::Closed => Self::refusal(503, reason).with_header("Retry-After", "60"),
            Error::Storage { .. } => Self::refusal(503, reason).with_header("Retry-After", "5"),
        }
    }
}

thread_local! {
    /// The `ResponseInit` of each status and type: creating one costs more than the rest of a response.
    static INITS: RefCell<HashMap<(u16, &'static str), ResponseInit>> = RefCell::default();
}

fn init(status: u16, content_type: &'static str) -> Result<ResponseInit, JsValue> {
    INITS.with_borrow_mut(|inits| {
        if let Some(init) = inits.get(&(status, content_type)) {
            return Ok(init.clone());
        }
        let headers = Headers::new()?;
        headers.set("Content-Type", content_type)?;
        headers.set("X-Content-Type-Options", "nosniff")?;
        if content_type == content_type::HTML {
            headers.set("Content-Security-Policy", "default-src 'none'")?;
        }
        let init = ResponseInit::new();
        init.set_status(status);
        init.set_headers_headers(&headers);
        inits.insert((status, content_type), init.clone());
        Ok(init)
    })
}

fn with_buffer(buffer: &Buffer, init: &ResponseInit) -> Result<web_sys::Response, JsValue> {
    web_sys::Response::new_with_opt_js_u8_array_and_init(Some(buffer.as_js()), init)
}

fn with_stream(
    stream: Option<&ReadableStream>,
    init: &ResponseInit,
) -> Result<web_sys::Response, JsValue> {
    web_sys::Response::new_with_opt_readable_stream_and_init(stream, init)
}

/// A time in milliseconds since 1970, in ISO 8601, in UTC.
pub fn iso_time(milliseconds: u64) -> String {
    let time = worker::Date::new(worker::DateInit::Millis(milliseconds));
    worker::js_sys::Date::from(time).to_iso_string().into()
}

/// The size of a character in an HTML body, escaped, in bytes.
pub fn width_in_html(c: char) -> usize {
    match c {
        '&' => "&amp;".len(),
        '<' => "&lt;".len(),
        '>' => "&gt;".len(),
        '"' => "&quot;".len(),
        c => c.len_utf8(),
    }
}

/// The size of a character in a JSON string with the characters of HTML escaped, in bytes.
fn width_in_json(c: char) -> usize {
    match c {
        '&' | '<' | '>' => "\\u0026".len(),
        '"' | '\\' => 2,
        c if c.is_control() => "\\u0000".len(),
        c => c.len_utf8(),
    }
}

fn escape_html(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
