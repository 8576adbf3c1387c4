//! Answers as data, and the headers that every answer has.

use std::borrow::Cow;

use serde_json::{Value, json};
use worker::wasm_bindgen::JsValue;

use crate::domain::neighbordb::{MAX_LOGGED_REFUSAL, MAX_REFUSAL};
use crate::domain::printable::cut;
use crate::runtime::{self, Content, Failure, Held, Stream};

/// What the clients in the field take: any other type is an error to them.
pub mod content_type {
    /// The bootstrap script and actions.
    pub const PYTHON: &str = "text/x-python";
    /// Bootstrap configuration, definitions, meta-data.
    pub const JSON: &str = "application/json";
    /// Files and startup-configs, whatever they hold.
    pub const PLAIN: &str = "text/plain";
    /// The description of this API.
    pub const YAML: &str = "application/yaml";
    /// Errors, and the answers that have nothing to say.
    pub const HTML: &str = "text/html; charset=UTF-8";
}

/// What the headers of most answers fit in, in bytes.
const HEAD_BYTES: usize = 320;

/// What an answer carries.
pub enum Body {
    /// Bytes at hand; their number becomes Content-Length.
    Bytes(Vec<u8>),
    /// The same, remembered from one answer to the next.
    Held(Held),
    /// An R2 object of `length` bytes, passed through without being looked at.
    Stream { body: Stream, length: u64 },
    /// For HEAD: nothing, of this length.
    Head { length: u64 },
    /// Nothing, and no word of a length: 304.
    None,
}

impl Body {
    /// What Content-Length says.
    pub fn length(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Held(held) => held.len() as u64,
            Self::Stream { length, .. } | Self::Head { length } => *length,
            Self::None => 0,
        }
    }
}

/// Status, headers and body of an answer, and for the log the reason of a refusal.
pub struct Answer {
    pub status: u16,
    content_type: &'static str,
    headers: Vec<(&'static str, Cow<'static, str>)>,
    location: Option<String>,
    body: Body,
    pub reason: Option<String>,
}

impl Answer {
    /// 200 with bytes.
    pub fn ok(content_type: &'static str, bytes: impl Into<Vec<u8>>) -> Self {
        Self::new(200, content_type, Body::Bytes(bytes.into()))
    }

    /// 200 with JSON.
    pub fn json(value: &Value) -> Self {
        Self::ok(content_type::JSON, value.to_string())
    }

    /// A status with an empty HTML body, as ztpserver answers POST and PUT.
    pub fn empty(status: u16) -> Self {
        Self::new(status, content_type::HTML, Body::Bytes(Vec::new()))
    }

    /// Any status, type and body.
    pub fn new(status: u16, content_type: &'static str, body: Body) -> Self {
        Self {
            status,
            content_type,
            headers: Vec::new(),
            location: None,
            body,
            reason: None,
        }
    }

    /// An error whose body is the reason. It may repeat what a client sent, so it is escaped, and cut at
    /// [`MAX_REFUSAL`] bytes.
    pub fn refusal(status: u16, reason: String) -> Self {
        let body = escape_html(&cut(&reason, MAX_REFUSAL - "\n".len(), width_in_html)) + "\n";
        Self::refused(status, body, reason)
    }

    /// An error whose body is a JSON object under an HTML type: clients parse the body of
    /// /meta before they look at its status, and take the status only with that type.
    pub fn refusal_as_json(status: u16, reason: String) -> Self {
        let frame = json!({ "error": "" }).to_string().len();
        let body = cut(&reason, MAX_REFUSAL - frame, width_in_json);
        let body = json!({ "error": body }).to_string();
        // Inside a JSON string each of these may also be written as an escape.
        let body = body
            .replace('<', "\\u003c")
            .replace('>', "\\u003e")
            .replace('&', "\\u0026");
        Self::refused(status, body, reason)
    }

    /// No cache may keep a refusal: what it says is about one caller, and may be mended by now.
    fn refused(status: u16, body: String, reason: String) -> Self {
        let answer = Self::new(status, content_type::HTML, Body::Bytes(body.into_bytes()))
            .with_header("Cache-Control", "no-store");
        answer.with_logged_reason(reason)
    }

    /// The same answer with another reason in the log, where it is cut at [`MAX_LOGGED_REFUSAL`] bytes.
    pub fn with_logged_reason(mut self, reason: String) -> Self {
        self.reason = Some(cut(&reason, MAX_LOGGED_REFUSAL, char::len_utf8).into_owned());
        self
    }

    /// Adds a header. Content-Type, Content-Length and the headers of every answer are set already.
    pub fn with_header(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Adds `Location`.
    pub fn with_location(mut self, url: String) -> Self {
        self.location = Some(url);
        self
    }

    /// The same answer without its body, for HEAD (RFC 9110, 9.3.2).
    pub fn without_body(mut self) -> Self {
        if !matches!(self.body, Body::None) {
            self.body = Body::Head {
                length: self.body.length(),
            };
        }
        self
    }

    /// Hands the answer to the runtime.
    ///
    /// # Errors
    /// A header with a control character.
    pub fn respond(&self) -> Result<JsValue, Failure> {
        // The runtime takes the headers as lines.
        let values = self.headers.iter().map(|(_, value)| value.as_ref());
        let mut values = values.chain(self.location.as_deref());
        if values.any(|value| value.contains(char::is_control)) {
            return Err(JsValue::from("a header has a control character").into());
        }
        let mut head = String::with_capacity(HEAD_BYTES);
        head.push_str(&self.status.to_string());
        let mut add = |name: &str, value: &str| {
            head.push('\n');
            head.push_str(name);
            head.push_str(": ");
            head.push_str(value);
        };
        add("Content-Type", self.content_type);
        add("X-Content-Type-Options", "nosniff");
        if self.content_type == content_type::HTML {
            add("Content-Security-Policy", "default-src 'none'");
        }
        for (name, value) in &self.headers {
            add(name, value);
        }
        let content = match &self.body {
            // Bytes that are none would still be a stream to the runtime.
            Body::Bytes(bytes) if bytes.is_empty() => Content::Nothing,
            Body::Bytes(bytes) => Content::Bytes(bytes),
            Body::Held(held) => Content::Held(held),
            Body::Stream { body, .. } => Content::Stream(body),
            Body::Head { length } => {
                add("Content-Length", &length.to_string());
                Content::Nothing
            }
            Body::None => Content::Nothing,
        };
        runtime::respond(head, self.location.as_deref(), content)
    }
}

/// How many bytes a character of a reason takes in an HTML body.
pub fn width_in_html(c: char) -> usize {
    match c {
        '&' => "&amp;".len(),
        '<' => "&lt;".len(),
        '>' => "&gt;".len(),
        '"' => "&quot;".len(),
        c => c.len_utf8(),
    }
}

/// How many bytes it takes in a JSON string in which what HTML reads is escaped.
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
