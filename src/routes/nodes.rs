//! POST /nodes: registers a node.

use std::rc::Rc;

use futures_util::future::join;
use ztp_core::credentials::Caller;
use ztp_core::event::Event;
use ztp_core::key::{Document, Record};
use ztp_core::neighbordb::{Entry, MAX_LOGGED_REFUSAL, MAX_REFUSAL, Neighbordb};
use ztp_core::node::{Identifier, MAX_FACTS, NodeFacts, NodeId, Post};
use ztp_core::path;
use ztp_core::printable::Printable;

use super::published::{DEFINITIONS, NEIGHBORDB, SOURCES, SharedDefinition};
use super::{Context, similar};
use crate::error::Error;
use crate::objects::node::protocol::{Commit, Contents, NewRecord, Notes};
use crate::response::{Response, width_in_html};
use crate::storage::{Outcome, Records, Storage, parse_once};
use crate::stream::Buffer;

/// Maximum size of a config-handler of a pattern, in bytes: each new node receives a copy of it, through its object.
pub const MAX_CONFIG_HANDLER_BYTES: usize = 512 << 10;
/// How often a POST is decided again because another request changed the node meanwhile.
const MAX_DECISIONS: u32 = 5;

/// Finds or registers the node that sent its facts, and responds with the URL of its definition
/// (specification, POST /nodes).
///
/// 1. Parse the facts; the node's id is one of them.
/// 2. A node with a definition or a startup-config is known: 409.
/// 3. Else a `config` in the body becomes its startup-config: 201.
/// 4. Else the node receives the definition of the first pattern in neighbordb that it matches: 201.
///
/// Every accepted POST stores the facts, if they changed. If sites are configured, the first accepted POST
/// assigns the node to the caller's site. The node's object commits all records at once: of two POSTs at the same
/// time, the second is decided again with the records of the first. While `READ_ONLY` is set, a known
/// node receives 409 and nothing is stored.
///
/// 400 if the facts are invalid, no pattern matches, or required content is missing or invalid; 403 if
/// this caller has no access; 413 over [`MAX_FACTS`]; 503 if storage or the node's object fails.
pub async fn create(mut context: Context<'_>) -> Result<Response, Error> {
    context.note_own();
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
    context.note(&node);
    let created = register(&mut context, &node, &post).await;
    if created.is_err() {
        context.noted.keep_facts(&post.facts);
    }
    created
}

async fn register(
    context: &mut Context<'_>,
    node: &NodeId,
    post: &Post,
) -> Result<Response, Error> {
    let storage = context.storage;
    let notes = context.noted.for_read(Event::FactsPosted);
    let notes = notes.map(|notes| Notes {
        model: post.facts.model.clone(),
        version: post.facts.version.clone(),
        ..notes
    });
    let wanted = context.with_site(&[Record::Facts, Record::Definition, Record::StartupConfig]);
    // neighbordb is read at the same time: a new node would wait for it next.
    let (records, neighbordb) = join(
        storage.noted_records(node, &wanted, notes),
        neighbordb(storage, context.settings.identifier),
    )
    .await;
    let mut records = records?;
    context.noted.read(&records);
    for _ in 0..MAX_DECISIONS {
        match decide(context, node, post, &mut records, &neighbordb).await? {
            Decision::Done { known } => return Ok(respond(context, node, known)),
            Decision::Conflict => {}
        }
    }
    Err(Error::Busy(format!(
        "the records of the node {node} changed {MAX_DECISIONS} times during this request; retry in a few \
         seconds"
    )))
}

fn respond(context: &Context<'_>, node: &NodeId, known: bool) -> Response {
    let location = format!(
        "{}/nodes/{}",
        context.base_url,
        path::encode_segment(node.as_str())
    );
    Response::empty(if known { 409 } else { 201 })
        .with_header("Location", location)
        .with_header("Cache-Control", "no-store")
}

enum Decision {
    Done {
        known: bool,
    },
    /// Another request changed the node: `records` has the new state.
    Conflict,
}

/// A POST that is decided, and not stored.
pub struct Plan {
    /// Whether the node has a definition or a startup-config.
    pub known: bool,
    pub provision: Provision,
    /// The facts as JSON, if they replace the stored ones.
    pub new_facts: Option<String>,
}

/// Decides a POST by the records of the node: facts, definition, startup-config and site. It writes nothing.
///
/// # Errors
/// Those of [`create`].
pub async fn plan(
    context: &mut Context<'_>,
    node: &NodeId,
    post: &Post,
    records: &Records,
    neighbordb: &StoredNeighbordb,
) -> Result<Plan, Error> {
    if !context.may_see(records)? {
        return Err(unknown_node(node));
    }
    let known = records.get(Record::Definition)?.is_some() || records.has_startup_config()?;
    // Decide every refusal before the commit.
    let provision = if known {
        Provision::None
    } else if let Some(config) = &post.config {
        if let Caller::Site(_) = context.caller {
            return Err(Error::Forbidden(format!(
                "the node {node} is not known here; a configuration for it is accepted only from the \
                 URL that was made for it"
            )));
        }
        Provision::StartupConfig(config.clone())
    } else {
        match_neighbordb(context, node, &post.facts, neighbordb).await?
    };

    let facts = post.facts.to_json();
    let facts =
        facts.map_err(|cause| Error::storage(format!("writing the facts of {node}"), cause))?;
    // Invalid stored facts are replaced.
    let before = records.get(Record::Facts)?;
    let before = before.and_then(|stored| NodeFacts::parse_stored(stored).ok());
    let is_new = !before.as_ref().is_some_and(|old| old.is_same(&post.facts));
    let mut new_facts = is_new.then_some(facts);
    let before = before.filter(|_| known);
    if let Some(warning) = before.and_then(|old| other_switch_warning(&old, &post.facts)) {
        context.log.warn(warning);
    }
    if let Err(refusal) = context.may_write() {
        if !known {
            return Err(refusal);
        }
        if new_facts.take().is_some() {
            context.noted.keep_facts(&post.facts);
            context.log.warn(
                "the facts of the node differ from the stored ones, and are not stored (READ_ONLY is set)",
            );
        }
    }
    Ok(Plan {
        known,
        provision,
        new_facts,
    })
}

/// Decides a POST by the records of the node, and commits the result.
async fn decide(
    context: &mut Context<'_>,
    node: &NodeId,
    post: &Post,
    records: &mut Records,
    neighbordb: &StoredNeighbordb,
) -> Result<Decision, Error> {
    let plan = plan(context, node, post, records, neighbordb).await?;
    let Plan {
        known,
        provision,
        new_facts,
    } = plan;
    if context.may_write().is_err() {
        return Ok(Decision::Done { known });
    }
    let base = records.revision()?;
    let claim = context.caller.site().map(|site| records.claim(site));
    let claim = claim.transpose()?;
    let unclaimed = claim.is_some() && records.get(Record::Site)?.is_none();
    let event = match (known, new_facts.is_some(), unclaimed) {
        (false, ..) => provision.event(),
        (true, true, _) => Event::FactsChanged,
        (true, false, true) => Event::Claimed,
        (true, false, false) => return Ok(Decision::Done { known }),
    };
    let mut contents = provision.contents(context.storage, node).await?;
    if let Some(facts) = new_facts {
        contents.push((Record::Facts, Contents::Text(facts)));
    }
    let version = contents.iter().find_map(|(_, contents)| match contents {
        Contents::Version(version) => Some(version.clone()),
        Contents::Text(_) | Contents::Deleted => None,
    });
    let new_records = contents.into_iter().map(|(record, contents)| NewRecord {
        record,
        contents,
        seen: records.seen(record),
        via: None,
    });
    let commit = Commit {
        base: Some(base),
        claim,
        records: new_records.collect(),
        event,
        replaces: context.noted.ticket(),
        by: None,
        without_history: false,
        given: Vec::new(),
    };
    let outcome = context.storage.commit(node, commit, records).await?;
    if let (Outcome::Conflict | Outcome::OtherSite, Some(version)) = (&outcome, version) {
        context.storage.discard_version(node, &version).await;
    }
    match outcome {
        Outcome::Committed => {
            context.noted.committed();
            Ok(Decision::Done { known })
        }
        Outcome::Conflict => Ok(Decision::Conflict),
        Outcome::OtherSite => Err(unknown_node(node)),
    }
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
pub enum Provision {
    /// The node is registered already.
    None,
    /// The `config` of the POST.
    StartupConfig(String),
    /// The content of the matching pattern.
    Matched {
        /// The name of the pattern.
        name: String,
        /// The name of its definition under `definitions/`.
        definition_name: String,
        definition: Rc<String>,
        pattern: String,
        config_handler: Option<Rc<String>>,
    },
}

impl Provision {
    /// The event of a new node.
    fn event(&self) -> Event {
        let (pattern, definition) = match self {
            Self::None | Self::StartupConfig(_) => (None, None),
            Self::Matched {
                name,
                definition_name,
                ..
            } => (Some(name.clone()), Some(definition_name.clone())),
        };
        Event::Registered {
            pattern,
            definition,
        }
    }

    /// The records to write. A startup-config is stored in the node's history first.
    async fn contents(
        self,
        storage: &Storage,
        node: &NodeId,
    ) -> Result<Vec<(Record, Contents)>, Error> {
        Ok(match self {
            Self::None => Vec::new(),
            Self::StartupConfig(config) => {
                let config = Buffer::new(config.as_bytes());
                let version = storage.put_version(node, &config).await?;
                vec![(Record::StartupConfig, Contents::Version(version))]
            }
            Self::Matched {
                definition,
                pattern,
                config_handler,
                ..
            } => {
                let mut contents = vec![
                    (Record::Definition, Contents::Text(definition.to_string())),
                    (Record::Pattern, Contents::Text(pattern)),
                ];
                if let Some(script) = config_handler {
                    contents.push((Record::ConfigHandler, Contents::Text(script.to_string())));
                }
                contents
            }
        })
    }
}

/// The parsed neighbordb, if it is stored.
pub type StoredNeighbordb = Result<Option<Rc<Neighbordb>>, Error>;

/// Reads neighbordb.
pub async fn neighbordb(storage: &Storage, identifier: Identifier) -> StoredNeighbordb {
    let parse = |text: String| {
        Neighbordb::parse(&text, identifier)
            .map_err(|error| format!("neighbordb is broken: {error}"))
    };
    storage
        .document(&NEIGHBORDB, Document::Neighbordb, false, parse)
        .await
}

/// The content of the first pattern in neighbordb that the node matches.
async fn match_neighbordb(
    context: &mut Context<'_>,
    node: &NodeId,
    facts: &NodeFacts,
    neighbordb: &StoredNeighbordb,
) -> Result<Provision, Error> {
    let storage = context.storage;
    let Some(neighbordb) = neighbordb.as_ref().map_err(Error::clone)? else {
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
    let config_handler = async {
        let Some(name) = &entry.config_handler else {
            return Ok(None);
        };
        let document = Document::ConfigHandler(name.as_str());
        let script = source(storage, document).await?;
        script.ok_or_else(|| missing(document)).map(Some)
    };
    let definition = source(storage, document);
    let (definition, config_handler) = join(definition, config_handler).await;
    let definition = definition?.ok_or_else(|| missing(document))?;
    let config_handler = config_handler?;
    Ok(Provision::Matched {
        name: entry.pattern.name.clone(),
        definition_name: entry.definition.as_str().to_owned(),
        definition,
        pattern: entry.pattern.to_yaml(),
        config_handler,
    })
}

/// The text of a definition or config-handler, of which the node stores a copy. A definition is parsed only to reject
/// an invalid one.
async fn source(storage: &Storage, document: Document<'_>) -> Result<Option<Rc<String>>, Error> {
    let check = |text: String| {
        let problem = match document {
            Document::ConfigHandler(_) => (text.len() > MAX_CONFIG_HANDLER_BYTES).then(|| {
                let bytes = text.len();
                Rc::from(format!(
                    "{bytes} bytes; the limit is {MAX_CONFIG_HANDLER_BYTES}"
                ))
            }),
            _ => parse_once(&DEFINITIONS, &text, SharedDefinition::parse).err(),
        };
        match problem {
            None => Ok(text),
            Some(problem) => Err(format!("{document} is broken: {problem}")),
        }
    };
    storage.document(&SOURCES, document, false, check).await
}
