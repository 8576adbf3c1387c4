//! GET /admin/sites, /admin/nodes and /admin/events: where every switch stands, from the objects of the sites.
//!
//! An operator with sites sees these sites only: any other one is a 404 like a missing one. `default` has the nodes
//! without a site.

use futures_util::future::try_join_all;
use serde_json::{Map, Value, json};
use ztp_core::boot::State;
use ztp_core::fleet::{Counts, Place, Sort, states};
use ztp_core::path;

use super::audit::number;
use super::events::display_stored_event;
use super::{Context, is_given, limit, nodes, respond};
use crate::conditions::lists;
use crate::error::Error;
use crate::objects::site::DEFAULT;
use crate::objects::site::protocol::{EventQuery, NodeQuery, Placed, SiteCounts, SiteEvent};
use crate::response::{Response, iso_time};
use crate::storage::now;

/// Maximum number of nodes in a page.
pub const MAX_ROWS: u32 = 1_000;
/// The number of nodes in a page without `limit`.
const DEFAULT_ROWS: u32 = 200;
/// Maximum number of events in a response, and the number without `limit`.
pub const MAX_EVENTS_LISTED: u32 = 200;
/// The size of the rows or events after which a page ends, in bytes. One row or event may be larger.
pub const MAX_PAGE_BYTES: usize = 2 << 20;
/// The same for the rows of each site, if a request lists several.
const MAX_SITE_PAGE_BYTES: usize = 512 << 10;
/// Maximum number of sites that one request asks: the free plan of Cloudflare allows 50 subrequests.
pub const MAX_SITES_AT_ONCE: usize = 40;

/// GET /admin/sites: the visible sites, with the number of nodes in each state: those with nodes, and those that are
/// configured. The numbers are those of 2 s ago.
///
/// 503 if storage fails.
pub async fn sites(context: Context<'_>) -> Result<Response, Error> {
    let known = context.storage.site_counts().await?;
    let with_nodes = known.iter().filter(|site| site.counts.total() > 0);
    let mut names = configured(&context);
    for site in with_nodes {
        add(&mut names, &site.site);
    }
    let mut all = Counts::default();
    let mut shown = Vec::new();
    for name in names.into_iter().filter(|name| is_visible(&context, name)) {
        let found = known.iter().find(|site| site.site == name);
        let counts = found.map_or_else(Counts::default, |found| found.counts);
        all.add_all(&counts);
        shown.push(json!({
            "site": name,
            "nodes": counts.total(),
            "counts": display_counts(&counts),
            "last": time(found.and_then(|found| found.last)),
        }));
    }
    Ok(respond(
        &json!({ "sites": shown, "counts": display_counts(&all) }),
    ))
}

/// GET /admin/nodes: the nodes with their states: of one `site`, in one of the states `state`, with `text` in what
/// [`NodeQuery::text`] lists, in the order `sort`, at most `limit` with [`MAX_PAGE_BYTES`], after `cursor`. With
/// `records=1`: [`nodes::list_records`].
///
/// 400 if a parameter is invalid, or without `site` if too many sites have such nodes; 404 if the site is unknown or
/// not visible; 503 if the object of a site fails.
pub async fn nodes(context: Context<'_>) -> Result<Response, Error> {
    if is_given(&context, "records")? {
        return nodes::list_records(context).await;
    }
    let mut query = node_query(&context)?;
    let objects = match parameter(&context, "site") {
        Some(site) => vec![visible_site(&context, site).await?],
        None => visible_sites(&context, &query.states).await?,
    };
    if objects.len() > 1 {
        query.bytes = MAX_SITE_PAGE_BYTES;
    }
    let asked = objects
        .iter()
        .map(|object| context.storage.site_nodes(object, query.clone()));
    let pages = try_join_all(asked).await?;
    let more = pages.iter().any(|page| page.more);
    let total: u64 = pages.iter().map(|page| page.total).sum();
    let mut shown = Vec::new();
    let mut last = None;
    let mut bytes = 0;
    let pages = pages
        .into_iter()
        .map(|page| (page.rows.into_iter().peekable(), page.more));
    let mut lists: Vec<_> = objects.iter().zip(pages).collect();
    while shown.len() < query.limit {
        // The next row of a list that ended early may be the first.
        if lists
            .iter_mut()
            .any(|(_, (rows, more))| *more && rows.peek().is_none())
        {
            break;
        }
        // The list with the first of the next rows.
        let mut first: Option<(usize, &Place)> = None;
        let mut size = 0;
        for (at, (_, (rows, _))) in lists.iter_mut().enumerate() {
            if let Some(row) = rows.peek()
                && first.is_none_or(|(_, place)| row.place.compare(place, query.sort).is_lt())
            {
                first = Some((at, &row.place));
                size = row.row.len();
            }
        }
        bytes += size;
        if bytes > MAX_PAGE_BYTES && !shown.is_empty() {
            break;
        }
        let next = first.map(|(at, _)| at).and_then(|at| lists.get_mut(at));
        let Some((object, (rows, _))) = next else {
            break;
        };
        if let Some(Placed { place, row }) = rows.next() {
            let row = serde_json::from_str(&row);
            let row = row.map_err(|cause| Error::storage("reading the row of a node", cause))?;
            let site = site_of(&context, object);
            let last_event = Some(place.last).filter(|last| *last > 0);
            shown.push(display_row(&context, &place.node, site, row, last_event));
            last = Some(place);
        }
    }
    let more = more || lists.iter_mut().any(|(_, (rows, _))| rows.peek().is_some());
    let cursor = last.filter(|_| more).map(|last| last.to_string());
    Ok(respond(
        &json!({ "nodes": shown, "cursor": cursor, "total": total }),
    ))
}

fn node_query(context: &Context<'_>) -> Result<NodeQuery, Error> {
    let invalid = |name: &str, value: &str, expected: &str| {
        Error::BadRequest(format!("{name} is {value:?}, but must be {expected}"))
    };
    let all = State::ALL.map(State::name).join(", ");
    let states = match parameter(context, "state") {
        None => State::ALL.to_vec(),
        Some(list) => states(&list)
            .ok_or_else(|| invalid("state", &list, &format!("one or more of {all}")))?,
    };
    let sort = match parameter(context, "sort") {
        None => Sort::default(),
        Some(sort) => sort
            .parse()
            .map_err(|()| invalid("sort", &sort, "state, node or last"))?,
    };
    let after: Option<Place> = match parameter(context, "cursor") {
        None => None,
        Some(cursor) => Some(cursor.parse().map_err(|()| {
            Error::BadRequest("the cursor is not valid: use that of the page before".to_owned())
        })?),
    };
    let text = parameter(context, "text").map(|text| text.to_lowercase());
    Ok(NodeQuery {
        states,
        text: text.filter(|text| !text.is_empty()),
        sort,
        after,
        limit: limit(context, DEFAULT_ROWS, MAX_ROWS)? as usize,
        bytes: MAX_PAGE_BYTES,
    })
}

/// GET /admin/events: the events of a `site`, the oldest first: at most `limit`, with [`MAX_PAGE_BYTES`], after the
/// number `after`, or the last ones. `n` is the number of an event in the site, `node_n` that in its node. A client that asks again with `If-None-Match` receives 304 until there are others.
///
/// 400 if a parameter is invalid or `site` is missing; 404 if the site is unknown or not visible; 503 if its object
/// fails.
pub async fn events(context: Context<'_>) -> Result<Response, Error> {
    let query = EventQuery {
        after: number(&context, "after")?,
        limit: limit(&context, MAX_EVENTS_LISTED, MAX_EVENTS_LISTED)? as usize,
        bytes: MAX_PAGE_BYTES,
    };
    let object = match parameter(&context, "site") {
        Some(site) => visible_site(&context, site).await?,
        None if context.settings.sites.is_none() => {
            visible_site(&context, DEFAULT.to_owned()).await?
        }
        None => {
            return Err(Error::BadRequest(
                "missing parameter `site`: the name of a site; GET /admin/sites lists them"
                    .to_owned(),
            ));
        }
    };
    let page = context.storage.site_events(&object, query).await?;
    let etag = format!("\"{}{}\"", page.last, if page.more { "+" } else { "" });
    let known = context.request.header("If-None-Match");
    let response = match known.is_some_and(|known| lists(&known, &etag)) {
        true => Response::empty(304).with_header("Cache-Control", "no-store"),
        false => {
            let events = page.events.iter().map(display_site_event);
            respond(&json!({
                "events": events.collect::<Result<Vec<_>, _>>()?,
                "last": page.last,
                "more": page.more,
            }))
        }
    };
    Ok(response.with_header("ETag", etag))
}

fn display_site_event(event: &SiteEvent) -> Result<Value, Error> {
    let logged = serde_json::from_str(&event.contents);
    let logged = logged.map_err(|cause| Error::storage("reading an event", cause))?;
    let mut shown = display_stored_event(logged);
    shown["n"] = json!(event.number);
    shown["node_n"] = json!(event.of_node);
    shown["node"] = json!(event.node);
    Ok(shown)
}

/// A row of the API. `row` is what [`Row::display`](crate::objects::site::protocol::Row::display) returned, `last` the
/// time of the last event of the switch in milliseconds since 1970, and `site` that of the node.
pub fn display_row(
    context: &Context<'_>,
    node: &str,
    site: Option<&str>,
    mut row: Value,
    last: Option<u64>,
) -> Value {
    let stalled_at = last.map(|last| last.saturating_add(context.settings.stalled_ms));
    if row["state"] == State::Booting.name()
        && let Some(stalled_at) = stalled_at.filter(|time| *time <= now())
    {
        row["state"] = json!(State::Stalled.name());
        row["since"] = json!(iso_time(stalled_at));
    }
    row["node"] = json!(node);
    row["site"] = json!(site);
    row
}

fn display_counts(counts: &Counts) -> Map<String, Value> {
    let counts = counts.iter();
    let counts = counts.map(|(state, nodes)| (state.name().to_owned(), json!(nodes)));
    counts.collect()
}

fn time(milliseconds: Option<u64>) -> Option<String> {
    milliseconds.map(iso_time)
}

fn parameter(context: &Context<'_>, name: &str) -> Option<String> {
    path::query_value(&context.request.url, name)
}

/// The names of the sites with tokens; without any, that of the nodes without a site.
fn configured<'a>(context: &Context<'a>) -> Vec<&'a str> {
    let mut names = Vec::new();
    match &context.settings.sites {
        Some(sites) => sites.names().for_each(|name| add(&mut names, name)),
        None => names.push(DEFAULT),
    }
    names
}

/// Adds a name to names in their order, each once.
fn add<'a>(names: &mut Vec<&'a str>, name: &'a str) {
    if let Err(place) = names.binary_search(&name) {
        names.insert(place, name);
    }
}

/// The site of the nodes in an object. A site may have tokens and the name of the object of nodes without a site: they
/// are listed together.
fn site_of<'a>(context: &Context<'_>, object: &'a str) -> Option<&'a str> {
    let sites = context.settings.sites.as_ref();
    let is_site = object != DEFAULT || sites.is_some_and(|sites| sites.site(DEFAULT).is_some());
    Some(object).filter(|_| is_site)
}

fn is_visible(context: &Context<'_>, object: &str) -> bool {
    context.operator_may_see(site_of(context, object))
}

/// The object of a site that the operator may see.
///
/// # Errors
/// [`Error::NotFound`], the same for an unknown site and for one that is not visible.
async fn visible_site(context: &Context<'_>, site: String) -> Result<String, Error> {
    let is_known = is_visible(context, &site)
        && (site == DEFAULT
            || configured(context).contains(&site.as_str())
            || counted(context)
                .await?
                .iter()
                .any(|known| known.site == site));
    match is_known {
        true => Ok(site),
        false => Err(Error::NotFound(format!(
            "nothing is known of the site {site:?}; GET /admin/sites lists the sites"
        ))),
    }
}

/// The objects of the sites that the operator may see and that may have nodes in these states.
///
/// # Errors
/// [`Error::BadRequest`] if they are too many.
async fn visible_sites(context: &Context<'_>, states: &[State]) -> Result<Vec<String>, Error> {
    let counted = counted(context).await?;
    let mut names = configured(context);
    // Of the others, the last event may be younger than the counts.
    if names.len() >= MAX_SITES_AT_ONCE {
        names.clear();
    }
    let has_some = |site: &&SiteCounts| {
        let mut counts = site.counts.iter();
        counts.any(|(state, nodes)| nodes > 0 && states.contains(&state))
    };
    for site in counted.iter().filter(has_some) {
        add(&mut names, &site.site);
    }
    names.retain(|name| is_visible(context, name));
    if names.len() > MAX_SITES_AT_ONCE {
        return Err(Error::BadRequest(format!(
            "{} sites have such nodes, and one request lists those of {MAX_SITES_AT_ONCE} at most: name one with \
             `site`; GET /admin/sites lists them",
            names.len()
        )));
    }
    Ok(names.into_iter().map(str::to_owned).collect())
}

/// The sites with nodes.
async fn counted(context: &Context<'_>) -> Result<Vec<SiteCounts>, Error> {
    let mut sites = context.storage.site_counts().await?;
    sites.retain(|site| site.counts.total() > 0);
    Ok(sites)
}
