//! POST /nodes: registers a node.

use std::rc::Rc;

use ztp_core::credentials::Caller;
use ztp_core::key::{Document, Record};
use ztp_core::neighbordb::{Entry, MAX_LOGGED_REFUSAL, MAX_REFUSAL, Neighbordb};
use ztp_core::node::{MAX_FACTS, NodeFacts, NodeId, Post};
use ztp_core::path;
use ztp_core::printable::Printable;

use super::published::{DEFINITIONS, NEIGHBORDB, SOURCES, SharedDefinition};
use super::{Context, similar};
use crate::error::Error;
use crate::response::{Response, width_in_html};
use crate::storage::{Payload, Storage, parse_once};

/// Finds or registers the node that sent its facts, and responds with the URL of its definition
/// (specification, POST /nodes).
///
/// 1. Parse the facts; the node's id is one of them.
/// 2. A node with a definition or a startup-config is known: 409.
/// 3. Else a `config` in the body becomes its startup-config: 201.
/// 4. Else the node receives the definition of the first pattern in neighbordb that it matches: 201.
///
/// Every accepted POST stores the facts, if they changed. If sites are configured, the first accepted POST
/// assigns the node to the caller's site. The record that registers a node is written last: if a write
/// fails, the next POST repeats all of them. While `READ_ONLY` is set, a known node receives 409 and
/// nothing is stored.
///
/// 400 if the facts are invalid, no pattern matches, or required content is missing or invalid; 403 if
/// this caller has no access; 413 over [`MAX_FACTS`]; 503 if storage fails.
pub async fn create(mut context: Context<'_>) -> Result<Response, Error> {
    if let Err(refusal) = context.authorize_nodes() {
        return Err(context.request.refuse(refusal).await);
    }
    let body = context.request.body("the node facts", MAX_FACTS).await?;
    let post = Post::parse(&body.to_vec()).map_err(|error| Error::BadRequest(error.to_string()))?;
    let node = post
        .facts
        .id(context.settings.identifier)
        .map_err(|error| Error::BadRequest(error.to_string()))?;
    context.authorize_node(&node)?;

    let storage = context.storage;
    let wanted = [Record::Facts, Record::Definition, Record::StartupConfig];
    let records = storage.records(&node, &context.with_site(&wanted)).await?;
    if !context.may_see(&records) {
        return Err(unknown_node(&node));
    }
    let known = records.has(Record::Definition) || records.has(Record::StartupConfig);
    // Decide every refusal before the first write.
    let provision = if known {
        Provision::None
    } else if let Some(config) = post.config {
        if let Caller::Site(_) = context.caller {
            return Err(Error::Forbidden(format!(
                "the node {node} is not known here; a configuration for it is accepted only from the \
                 URL that was made for it"
            )));
        }
        Provision::StartupConfig(config)
    } else {
        match_neighbordb(&mut context, &node, &post.facts).await?
    };

    let facts = post.facts.to_json();
    let facts =
        facts.map_err(|cause| Error::storage(format!("writing the facts of {node}"), cause))?;
    // Invalid stored facts are replaced.
    let before = records.get(Record::Facts);
    let before = before.and_then(|stored| NodeFacts::parse_stored(stored).ok());
    let new_facts = !before.as_ref().is_some_and(|old| old.is_same(&post.facts));
    let new_site = context.caller.site().filter(|_| !records.has(Record::Site));
    let before = before.filter(|_| known);
    if let Some(warning) = before.and_then(|old| other_switch_warning(&old, &post.facts)) {
        context.log.warn(warning);
    }
    match context.may_write() {
        Ok(()) => {
            let (mut first, last) = provision.writes();
            if new_facts {
                first.push((Record::Facts, Payload::Text(&facts)));
            }
            if let Some(site) = new_site {
                first.push((Record::Site, Payload::Text(site)));
            }
            storage.put_records(&node, &first).await?;
            storage.put_records(&node, last.as_slice()).await?;
        }
        Err(refusal) if !known => return Err(refusal),
        Err(_) if new_facts => context.log.warn(
            "the facts of the node differ from the stored ones, and are not stored (READ_ONLY is set)",
        ),
        Err(_) => {}
    }

    let location = format!(
        "{}/nodes/{}",
        context.base_url,
        path::encode_segment(node.as_str())
    );
    Ok(Response::empty(if known { 409 } else { 201 })
        .with_header("Location", location)
        .with_header("Cache-Control", "no-store"))
}

/// The error for a node that does not exist, or belongs to another site.
pub fn unknown_node(node: &NodeId) -> Error {
    Error::BadRequest(format!(
        "the node {node} is not known here: it has no definition and no startup-config"
    ))
}

/// The warning for a known node whose MAC address and model have both changed.
fn other_switch_warning(before: &NodeFacts, now: &NodeFacts) -> Option<String> {
    let (old_mac, mac) = (before.systemmac.as_deref()?, now.systemmac.as_deref()?);
    let (old_model, model) = (before.model.as_deref()?, now.model.as_deref()?);
    (old_mac != mac && old_model != model).then(|| {
        format!(
            "another switch has this id now: it was a {} with the MAC address {}, and is a {} with {}; \
             delete the node's records if it is not meant to get the same configuration",
            Printable(old_model),
            Printable(old_mac),
            Printable(model),
            Printable(mac)
        )
    })
}

/// The content that registers a node.
enum Provision {
    /// The node is registered already.
    None,
    /// The `config` of the POST.
    StartupConfig(String),
    /// The content of the matching pattern.
    Matched {
        definition: Rc<String>,
        pattern: String,
        config_handler: Option<Rc<String>>,
    },
}

/// A record and its new value.
type Write<'a> = (Record, Payload<'a>);

impl Provision {
    /// The writes in any order, and the write after all of those.
    fn writes<'a>(&'a self) -> (Vec<Write<'a>>, Option<Write<'a>>) {
        match self {
            Self::None => (Vec::new(), None),
            Self::StartupConfig(config) => {
                let config = Payload::Text(config);
                (Vec::new(), Some((Record::StartupConfig, config)))
            }
            Self::Matched {
                definition,
                pattern,
                config_handler,
            } => {
                let mut first = vec![(Record::Pattern, Payload::Text(pattern))];
                if let Some(script) = config_handler {
                    first.push((Record::ConfigHandler, Payload::Text(script)));
                }
                (first, Some((Record::Definition, Payload::Text(definition))))
            }
        }
    }
}

/// The content of the first pattern in neighbordb that the node matches.
async fn match_neighbordb(
    context: &mut Context<'_>,
    node: &NodeId,
    facts: &NodeFacts,
) -> Result<Provision, Error> {
    let (storage, identifier) = (context.storage, context.settings.identifier);
    let parse = |text: String| {
        Neighbordb::parse(&text, identifier)
            .map_err(|error| format!("neighbordb is broken: {error}"))
    };
    let stored = storage.document(&NEIGHBORDB, Document::Neighbordb, false, parse);
    let Some(neighbordb) = stored.await? else {
        let similar = similar::mention(context, node, facts).await;
        return Err(Error::BadRequest(format!(
            "the node {node} is not known here{similar}, and there is no neighbordb to match it against"
        )));
    };
    let trace = neighbordb.trace(node, facts);
    if let Some(entry) = trace.chosen() {
        return load(storage, entry).await;
    }
    let similar = similar::mention(context, node, facts).await;
    let head = format!("the node {node} is not known here{similar}, and no pattern matches it:\n");
    let room = |max: usize| {
        max.saturating_sub(head.chars().map(width_in_html).sum::<usize>() + "\n".len())
    };
    let reasons = |max, width: fn(char) -> usize| trace.refusal(room(max), width);
    Err(Error::NoPattern {
        response: format!("{head}{}", reasons(MAX_REFUSAL, width_in_html)),
        log: format!("{head}{}", reasons(MAX_LOGGED_REFUSAL, char::len_utf8)),
    })
}

/// Loads the definition and the config-handler of a pattern.
async fn load(storage: &Storage, entry: &Entry) -> Result<Provision, Error> {
    let missing = |document: Document<'_>| {
        Error::BadRequest(format!(
            "the pattern '{}' of neighbordb fits, but the {document} that it names is not stored",
            entry.pattern.name
        ))
    };
    let document = Document::Definition(entry.definition.as_str());
    // The node stores the source text: it is parsed here only to reject an invalid definition.
    let check = |text: String| match parse_once(&DEFINITIONS, &text, SharedDefinition::parse) {
        Ok(_) => Ok(text),
        Err(error) => Err(format!("{document} is broken: {error}")),
    };
    let definition = storage.document(&SOURCES, document, false, check).await?;
    let definition = definition.ok_or_else(|| missing(document))?;
    let config_handler = match &entry.config_handler {
        Some(name) => {
            let document = Document::ConfigHandler(name.as_str());
            let script = storage.document(&SOURCES, document, false, Ok).await?;
            Some(script.ok_or_else(|| missing(document))?)
        }
        None => None,
    };
    Ok(Provision::Matched {
        definition,
        pattern: entry.pattern.to_yaml(),
        config_handler,
    })
}
