//! POST /admin/explain: what POST /nodes and then GET /nodes/{id} would answer, and why. Nothing is written or
//! allocated.

use futures_util::future::join3;
use serde_json::{Value, json};
use ztp_core::credentials::Caller;
use ztp_core::key::Record;
use ztp_core::neighbordb::{Entry, MAX_REFUSAL, Trace};
use ztp_core::node::{NodeFacts, NodeId, Post};
use ztp_core::pattern::{Comparison, Mismatch, Pattern, Reason};

use super::pools::with_name;
use super::sight::seen_at;
use super::{Context, fields};
use crate::error::Error;
use crate::log::RequestLog;
use crate::objects::node::protocol::Timeline;
use crate::response::{Body, Response, content_type};
use crate::routes::definition::{self, Pools, Preview};
use crate::routes::nodes::{self, Provision};
use crate::storage::Records;

/// Explains the POST of a switch with these `facts`, or of the switch `node`, with the facts of its last POST if there
/// are any, also if that was refused. With site tokens, the switch has its own URL of the `site`: the given one, else the
/// one that the node belongs to, else the one where it was seen last. The credential in URLs of the definition is `TOKEN`.
///
/// 400 if the request is invalid; 403 if this operator may not see the site; 404 if it may not see the node; 503 if
/// storage fails.
pub async fn explain(mut context: Context<'_>) -> Result<Response, Error> {
    let body = fields(&context, &["facts", "node", "site"]).await?;
    let text = |name: &str| match body.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str())),
        Some(other) => Err(Error::BadRequest(format!(
            "the field {name:?} is {other}, but must be a text"
        ))),
    };
    let (site, id) = (text("site")?, text("node")?);
    let identifier = context.settings.identifier;
    let (node, post) = match (body.get("facts"), id) {
        (Some(facts), None) => {
            let post = Post::parse(facts.to_string().as_bytes());
            let named = post.and_then(|post| Ok((post.facts.id(identifier)?, post)));
            match named {
                Ok((node, post)) => (node, Some(post)),
                Err(error) => return Ok(Explanation::refused(&error.to_string()).respond()),
            }
        }
        (None, Some(id)) => (context.node_in_path(id)?, None),
        _ => {
            return Err(Error::BadRequest(
                "the request needs either `facts`, the body of POST /nodes, or `node`, an id"
                    .to_owned(),
            ));
        }
    };
    context.log.node = Some(node.to_string());
    let wanted = [
        Record::Facts,
        Record::Definition,
        Record::StartupConfig,
        Record::Pattern,
        Record::Attributes,
        Record::Site,
    ];
    let (records, neighbordb, timeline) = join3(
        context.storage.records(&node, &wanted),
        nodes::neighbordb(context.storage, identifier),
        context.storage.timeline(&node),
    )
    .await;
    let mut records = records?;
    let mut log = RequestLog::default();
    let timeline = timeline.unwrap_or_else(|error| {
        log.warn(format!(
            "{}; the facts of a refused POST are not known",
            error.detail()
        ));
        Timeline::default()
    });
    let caller = caller(&context, &node, site, &records, &timeline, post.is_none()).await?;
    let mut explanation = Explanation::default();
    let post = match post {
        Some(post) => post,
        None => {
            // Those of a refused POST are not stored as a record.
            let seen = timeline
                .seen
                .as_ref()
                .and_then(|seen| seen.facts.as_deref());
            let sent = seen.into_iter().chain(records.get(Record::Facts)?);
            let mut sent = sent.map(NodeFacts::parse_stored);
            let facts = sent.find_map(Result::ok).unwrap_or_else(|| {
                log.warn("the node has sent no facts yet: only its id is known");
                NodeFacts::of_id(&node, identifier)
            });
            let config = None;
            Post { facts, config }
        }
    };
    let base_url = match caller.site() {
        Some(_) => format!("{}/t/TOKEN", context.server_url),
        None => context.server_url.to_owned(),
    };
    let mut switch = Context {
        caller: &caller,
        base_url: &base_url,
        log: &mut log,
        ..context
    };
    explanation.node = Some(node.to_string());
    match nodes::plan(&mut switch, &node, &post, &records, &neighbordb).await {
        Err(error) => explanation.refuse(error)?,
        Ok(plan) => {
            explanation.known = plan.known;
            explanation.status = if plan.known { 409 } else { 201 };
            assume(&mut records, plan.provision, plan.new_facts);
            let mut pools = Pools::Preview(Vec::new());
            match definition::of(&mut switch, &node, &records, &mut pools).await {
                Ok(Body::Bytes(json)) => explanation.definition = String::from_utf8(json).ok(),
                Ok(Body::Buffer(json)) => {
                    explanation.definition = String::from_utf8(json.to_vec()).ok();
                }
                // The definition of a node is never a stream.
                Ok(_) => {}
                Err(error) => explanation.definition_error = Some(reason(error)?),
            }
            if let Pools::Preview(previews) = pools {
                explanation.pools = previews;
            }
        }
    }
    if !explanation.known
        && post.config.is_none()
        && let Ok(Some(neighbordb)) = &neighbordb
    {
        explanation.selection = display(&neighbordb.trace(&node, &post.facts), &post.facts);
    }
    if explanation.known
        && let Some(text) = records.get(Record::Pattern)?
        && let Ok(pattern) = Pattern::parse_stored(text)
    {
        explanation.checked = checked(&pattern, &post.facts);
    }
    explanation.warnings = context.storage.warnings();
    for warning in &explanation.warnings {
        context.log.warn(warning.as_str());
    }
    explanation.warnings.extend(log.warning);
    Ok(explanation.respond())
}

/// The switch that sends the requests. `shows_facts`: the answer has facts of the node that the server knows.
async fn caller<'a>(
    context: &Context<'a>,
    node: &NodeId,
    site: Option<&str>,
    records: &Records,
    timeline: &Timeline,
    shows_facts: bool,
) -> Result<Caller<'a>, Error> {
    let owner = records.get(Record::Site)?.map(str::trim);
    let own = context
        .operator
        .and_then(|operator| operator.sites.as_ref());
    if site.is_some() && !context.operator_may_see(site) {
        return Err(Error::Forbidden(format!(
            "{} may not see this site; the document `operators` names its sites",
            context.operator_name()
        )));
    }
    // To the switches of the given site, a node that another site has is unknown, but its facts are shown.
    let is_known = records.any()? || (shows_facts && timeline.seen.is_some());
    if own.is_some() && (site.is_none() || shows_facts) && is_known {
        context.expect_visible(node, owner).await?;
    }
    let Some(sites) = &context.settings.sites else {
        return match site {
            None => Ok(Caller::Anyone),
            Some(site) => Err(Error::BadRequest(format!(
                "the site {site:?} is not configured: there are no tokens of sites (ZTP_TOKENS)"
            ))),
        };
    };
    let first = own.and_then(|own| own.first()).map(String::as_str);
    // It may have lost its token since.
    let seen = seen_at(timeline)
        .filter(|seen| context.operator_may_see(Some(seen)) && sites.site(seen).is_some());
    let Some(site) = site.or(owner).or(seen).or(first) else {
        return Ok(Caller::Anyone);
    };
    let configured = sites.site(site).ok_or_else(|| {
        Error::BadRequest(format!("the site {site:?} has no token in ZTP_TOKENS"))
    })?;
    Ok(Caller::Node {
        site: configured,
        id: node.clone(),
    })
}

/// Assumes what a POST would store.
fn assume(records: &mut Records, provision: Provision, new_facts: Option<String>) {
    match provision {
        Provision::None => {}
        Provision::StartupConfig(_) => records.assume(Record::StartupConfig, None),
        Provision::Matched {
            definition,
            pattern,
            ..
        } => {
            records.assume(Record::Definition, Some(definition.to_string()));
            records.assume(Record::Pattern, Some(pattern));
        }
    }
    if let Some(facts) = new_facts {
        records.assume(Record::Facts, Some(facts));
    }
}

/// Why a switch would be refused.
///
/// # Errors
/// The server fails: that is no refusal.
fn reason(error: Error) -> Result<String, Error> {
    match error {
        Error::BadRequest(_) | Error::NoPattern { .. } | Error::Forbidden(_) => {
            Ok(error.to_string())
        }
        failure => Err(failure),
    }
}

/// The patterns that were checked, each with its lines beside what the switch sees as long as they fit.
fn display(trace: &Trace<'_>, facts: &NodeFacts) -> Value {
    let mut comparison = Comparison::of(facts, MAX_REFUSAL);
    let verdicts = trace.verdicts(MAX_REFUSAL).into_iter();
    let candidates = verdicts
        .zip(trace.candidates())
        .map(|(verdict, candidate)| {
            let Entry {
                pattern,
                definition,
                ..
            } = candidate.entry;
            let mismatch = candidate.outcome.as_ref().err();
            let mut shown = beside(pattern, mismatch, &mut comparison);
            shown["outcome"] = verdict.outcome.into();
            shown["reason"] = verdict.reason.into();
            shown["line"] = pattern.position.line.into();
            shown["definition"] = definition.to_string().into();
            shown
        });
    json!({
        "pattern": trace.chosen().map(|entry| &entry.pattern.name),
        "candidates": candidates.collect::<Vec<_>>(),
        "omitted": trace.omitted(),
    })
}

/// The stored pattern of a known node, in the form of a candidate.
fn checked(pattern: &Pattern, facts: &NodeFacts) -> Value {
    let outcome = pattern.check(facts);
    let mismatch = outcome.as_ref().err();
    let mut comparison = Comparison::of(facts, MAX_REFUSAL);
    let mut shown = beside(pattern, mismatch, &mut comparison);
    shown["outcome"] = match mismatch {
        None => "matches",
        Some(mismatch) if mismatch.is_indeterminate() => "indeterminate",
        Some(_) => "mismatch",
    }
    .into();
    shown["reason"] = mismatch.map(ToString::to_string).into();
    shown
}

/// A pattern beside what the switch sees, as long as it fits; without its outcome.
fn beside<'a>(
    pattern: &Pattern,
    mismatch: Option<&Mismatch<'a>>,
    comparison: &mut Comparison<'a>,
) -> Value {
    let differs = matches!(
        mismatch,
        Some(Mismatch {
            reason: Reason::Model { .. },
            ..
        })
    );
    let model = pattern.model.as_ref();
    json!({
        "pattern": pattern.name,
        "line": null,
        "definition": null,
        "model": model.map(|model| json!({ "line": model.as_str(), "differs": differs })),
        "wants": comparison.lines(pattern, mismatch),
    })
}

/// The response.
#[derive(Default)]
struct Explanation {
    node: Option<String>,
    known: bool,
    selection: Value,
    /// The stored pattern of a known node.
    checked: Value,
    /// Of POST /nodes.
    status: u16,
    error: Option<String>,
    /// As JSON.
    definition: Option<String>,
    definition_error: Option<String>,
    pools: Vec<Preview>,
    warnings: Vec<String>,
}

impl Explanation {
    /// A POST whose body is refused.
    fn refused(error: &str) -> Self {
        Self {
            status: 400,
            error: Some(error.to_owned()),
            ..Self::default()
        }
    }

    fn refuse(&mut self, error: Error) -> Result<(), Error> {
        self.status = match error {
            Error::Forbidden(_) => 403,
            _ => 400,
        };
        self.error = Some(reason(error)?);
        Ok(())
    }

    fn respond(self) -> Response {
        let pools = self.pools.iter().map(|preview| {
            let shown =
                json!({ "pool": preview.pool, "value": preview.value, "held": preview.held });
            with_name(shown, preview.name.as_deref())
        });
        let mut text = json!({
            "node": self.node,
            "known": self.known,
            "selection": self.selection,
            "checked": self.checked,
            "status": self.status,
            "error": self.error,
            "definition_error": self.definition_error,
            "pools": pools.collect::<Vec<_>>(),
            "warnings": self.warnings,
        })
        .to_string();
        // As the switch receives it: a number would not survive another reading.
        text.pop();
        text += ",\"definition\":";
        text += self.definition.as_deref().unwrap_or("null");
        text.push('}');
        Response::ok(content_type::JSON, text).with_header("Cache-Control", "no-store")
    }
}
