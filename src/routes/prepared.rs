//! Definitions that are told to many nodes.

use crate::domain::definition::{Attributes, Definition, DefinitionError};
use crate::runtime::Held;

/// A definition, ready to be told.
pub struct Prepared {
    pub definition: Definition,
    /// What every node without attributes of its own is told; `None` if that calls pools.
    pub plain: Option<Held>,
    /// The attributes for which it has null: see [`Rendered::undefined`](crate::domain::definition::Rendered::undefined).
    pub undefined: Vec<String>,
}

impl Prepared {
    /// Reads the YAML of a definition.
    ///
    /// # Errors
    /// As [`Definition::parse`].
    pub fn parse(text: &str) -> Result<Self, DefinitionError> {
        let definition = Definition::parse(text)?;
        // What cannot be rendered is said to the node that asks: its own attributes count as well.
        let rendered = definition.render(&Attributes::default()).ok();
        let undefined = rendered
            .as_ref()
            .map(|rendered| rendered.undefined().to_owned());
        let undefined = undefined.unwrap_or_default();
        let plain = rendered.and_then(|rendered| rendered.resolve(|_| Err(())).ok());
        let plain = plain.map(|answer| Held::copy(answer.to_string().as_bytes()));
        Ok(Self {
            definition,
            plain,
            undefined,
        })
    }
}
