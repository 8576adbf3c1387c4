//! The documents that all nodes share, and a cache for each kind of them.

use std::cell::RefCell;
use std::collections::HashMap;

use ztp_core::definition::{Attributes, Definition};
use ztp_core::neighbordb::Neighbordb;
use ztp_core::pattern::Pattern;
use ztp_core::script::runnable;
use ztp_core::template::Template;
use ztp_core::yaml::Diagnostic;

use crate::storage::{Documents, ParsedTexts, documents, parsed_texts};
use crate::stream::Buffer;

thread_local! {
    pub static BOOTSTRAP: Documents<Script> = documents();
    /// As JSON.
    pub static BOOTSTRAP_CONF: Documents<Buffer> = documents();
    pub static NEIGHBORDB: Documents<Neighbordb> = documents();
    /// Source texts of definitions and config-handlers: a node stores a copy.
    pub static SOURCES: Documents<String> = documents();
    /// Whether the pool of a site is stored.
    pub static SITE_POOLS: Documents<()> = documents();

    pub static DEFINITIONS: ParsedTexts<SharedDefinition> = parsed_texts();
    pub static PATTERNS: ParsedTexts<Pattern> = parsed_texts();
}

/// Maximum number of URLs for which a rendered script is cached: each site has one.
const MAX_RENDERED: usize = 64;

/// The client script.
pub struct Script {
    template: Template,
    /// By URL.
    rendered: RefCell<HashMap<String, Buffer>>,
}

impl Script {
    /// Parses a stored script. A byte order mark and the line ends of Windows are removed: they keep a switch from
    /// running it.
    pub fn parse(text: String) -> Self {
        Self {
            template: Template::parse(runnable(text)),
            rendered: RefCell::default(),
        }
    }

    /// Whether the script contains `$SERVER`.
    pub fn has_server(&self) -> bool {
        self.template.has_server()
    }

    /// The script for one client, not cached.
    pub fn render(&self, url: &str) -> Vec<u8> {
        self.template.render(url).into_bytes()
    }

    /// The script for all clients of a URL, cached.
    pub fn rendered(&self, url: &str) -> Buffer {
        let mut rendered = self.rendered.borrow_mut();
        if let Some(script) = rendered.get(url) {
            return script.clone();
        }
        if rendered.len() >= MAX_RENDERED {
            rendered.clear();
        }
        let script = Buffer::new(&self.render(url));
        rendered.insert(url.to_owned(), script.clone());
        script
    }
}

/// The parsed form of a definition of which many nodes store a copy.
pub struct SharedDefinition {
    pub definition: Definition,
    /// The response for every node without attributes of its own; `None` if the definition calls pools.
    pub json: Option<Buffer>,
    /// The undefined attributes, which are null in `json`: see
    /// [`Rendered::undefined`](ztp_core::definition::Rendered::undefined).
    pub undefined: Vec<String>,
}

impl SharedDefinition {
    /// Parses the YAML of a definition.
    ///
    /// # Errors
    /// As [`Definition::parse`].
    pub fn parse(text: &str) -> Result<Self, Diagnostic> {
        let definition = Definition::parse(text)?;
        // An error here is not final: rendering depends on the node's attributes.
        let rendered = definition.render(&Attributes::default()).ok();
        let undefined = rendered
            .as_ref()
            .map(|rendered| rendered.undefined().to_owned());
        let undefined = undefined.unwrap_or_default();
        let json = rendered.and_then(|rendered| rendered.resolve(|_| Err(())).ok());
        let json = json.map(|json| Buffer::new(json.to_string().as_bytes()));
        Ok(Self {
            definition,
            json,
            undefined,
        })
    }
}
