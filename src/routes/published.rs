//! The shared documents that routes read, each with the cache of its kind.

use std::cell::RefCell;
use std::collections::HashMap;

use ztp_core::definition::{Attributes, Definition, DefinitionError};
use ztp_core::neighbordb::Neighbordb;
use ztp_core::pattern::Pattern;
use ztp_core::template::Template;

use crate::storage::{Documents, ParsedTexts, documents, parsed_texts};
use crate::stream::Buffer;

thread_local! {
    pub static BOOTSTRAP: Documents<Script> = documents();
    /// As JSON.
    pub static BOOTSTRAP_CONF: Documents<Buffer> = documents();
    pub static NEIGHBORDB: Documents<Neighbordb> = documents();
    /// Texts of definitions and config-handlers, stored for a node as they are written.
    pub static TEXTS: Documents<String> = documents();
    /// Only whether they are stored.
    pub static SITE_POOLS: Documents<()> = documents();

    pub static DEFINITIONS: ParsedTexts<SharedDefinition> = parsed_texts();
    pub static PATTERNS: ParsedTexts<Pattern> = parsed_texts();
}

/// Most URLs for which a script is kept rendered: there is one for each site.
const MAX_RENDERED: usize = 64;

/// The client script.
pub struct Script {
    template: Template,
    /// By URL.
    rendered: RefCell<HashMap<String, Buffer>>,
}

impl Script {
    pub fn parse(text: String) -> Self {
        Self {
            template: Template::parse(text),
            rendered: RefCell::default(),
        }
    }

    /// Whether it has `$SERVER`.
    pub fn has_server(&self) -> bool {
        self.template.has_server()
    }

    /// The script for one client, which no other receives.
    pub fn render(&self, url: &str) -> Vec<u8> {
        self.template.render(url).into_bytes()
    }

    /// The script for all clients of a URL.
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

/// A definition that many nodes have, each as a copy under its own key.
pub struct SharedDefinition {
    pub definition: Definition,
    /// The response for every node without attributes of its own; `None` if the definition calls pools.
    pub json: Option<Buffer>,
    /// The attributes that are null in it: see
    /// [`Rendered::undefined`](ztp_core::definition::Rendered::undefined).
    pub undefined: Vec<String>,
}

impl SharedDefinition {
    /// Reads the YAML of a definition.
    ///
    /// # Errors
    /// As [`Definition::parse`].
    pub fn parse(text: &str) -> Result<Self, DefinitionError> {
        let definition = Definition::parse(text)?;
        // A node that receives it is refused if it cannot be rendered: its own attributes count, too.
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
