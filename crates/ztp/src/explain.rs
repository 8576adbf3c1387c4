//! `ztp explain`: the response that a node would receive, and why.

use std::fmt::{Display, Write};

use serde_json::{Value as Json, json};

use ztp_core::check::{Index, PoolFile};
use ztp_core::content;
use ztp_core::definition::{Attributes, Definition, Unresolved};
use ztp_core::key::{Document, Record};
use ztp_core::neighbordb::Neighbordb;
use ztp_core::node::{Identifier, MAX_FACTS, NodeFacts, NodeId, Post};
use ztp_core::path;
use ztp_core::pattern::Pattern;
use ztp_core::plugin::{Call, PLUGINS};
use ztp_core::pool::{Holder, Pool};

use crate::api;
use crate::cli::ExplainArgs;
use crate::data_root::DataRoot;
use crate::fleet::{entries, pool_of, show, text};
use crate::servers::connect;
use crate::terminal::line;
use crate::{CLEAN, FINDINGS, Failure, display_path, identifier, regular};

pub fn run(args: &ExplainArgs, url: Option<&str>, json: bool) -> Result<u8, Failure> {
    let Some(dir) = &args.dir else {
        return ask(args, url, json);
    };
    if url.is_some() {
        return Err("give either DIR or --url: the content of one of them is used".into());
    }
    let root = DataRoot::scan(dir)?;
    let identifier = identifier(args.identifier, &root)?;
    let (id, facts) = node(args, &root, identifier)?;
    let mut explanation = Explanation {
        index: Index::of(&root),
        identifier,
        site: args.site.clone(),
        id,
        facts,
        trace: Vec::new(),
    };
    let rendered = explanation.render();
    let Explanation { id, trace, .. } = &explanation;
    let (id, definition, error) = (id.as_str(), rendered.as_ref().ok(), rendered.as_ref().err());
    let document = json!({"node": id, "error": error, "trace": trace, "definition": definition});
    let mut shown: String = trace.iter().map(|line| format!("{line}\n")).collect();
    shown += &match &rendered {
        Ok(definition) => format!("the node receives:\n{definition:#}\n"),
        Err(reason) => format!("refused with 400: {reason}\n"),
    };
    show(json, &document, &shown)?;
    Ok(if rendered.is_ok() { CLEAN } else { FINDINGS })
}

/// The explanation of the server, from the stored content.
fn ask(args: &ExplainArgs, url: Option<&str>, json: bool) -> Result<u8, Failure> {
    let mut body = match &args.id {
        Some(id) => json!({"node": id}),
        None => {
            let (source, facts) = given_facts(args)?;
            let facts = serde_json::from_slice::<Json>(&facts);
            json!({"facts": facts.map_err(|error| format!("{source}: not valid JSON: {error}"))?})
        }
    };
    if let Some(site) = &args.site {
        body["site"] = json!(site);
    }
    let server = connect(url)?;
    let explanation = server.json(&api::Call::post("explaining", "/explain", &body))?;
    let error = refusal(&explanation);
    show(json, &explanation, &from_server(&explanation, error))?;
    Ok(if error.is_none() { CLEAN } else { FINDINGS })
}

/// Why the switch of an explanation would be refused, if it would.
pub fn refusal(explanation: &Json) -> Option<&Json> {
    let errors = [&explanation["error"], &explanation["definition_error"]];
    errors.into_iter().find(|error| !error.is_null())
}

fn from_server(explanation: &Json, error: Option<&Json>) -> String {
    let status = match explanation["known"] == true {
        true => "409, the node is known. neighbordb is not used.".to_owned(),
        false => text(&explanation["status"]),
    };
    let node = text(&explanation["node"]);
    let mut out = format!("node {node}\nPOST /nodes: {status}\n");
    for candidate in entries(&explanation["selection"], "candidates") {
        let said = ["outcome", "reason"].map(|name| candidate[name].as_str());
        let said: Vec<&str> = said.into_iter().flatten().collect();
        let (name, said) = (text(&candidate["pattern"]), line(&said.join(": ")));
        let _ = writeln!(out, "  pattern '{name}' {said}");
    }
    for pool in entries(explanation, "pools") {
        let (name, value) = (pool_of(pool), text(&pool["value"]));
        let _ = match pool["held"] == true {
            true => writeln!(out, "pool {name}: it has {value}"),
            false => writeln!(out, "pool {name}: it would get {value}"),
        };
    }
    for warning in entries(explanation, "warnings") {
        let _ = writeln!(out, "warning: {}", text(warning));
    }
    let _ = match error {
        Some(error) => writeln!(out, "refused with 400: {}", text(error)),
        None => writeln!(out, "the node receives:\n{:#}", explanation["definition"]),
    };
    out
}

/// The id and the facts of the node: of `--id`, those in its folder, else those that are given.
fn node(
    args: &ExplainArgs,
    root: &DataRoot,
    identifier: Identifier,
) -> Result<(NodeId, NodeFacts), Failure> {
    let Some(written) = &args.id else {
        let (source, facts) = given_facts(args)?;
        let named =
            Post::parse(&facts).and_then(|post| Ok((post.facts.id(identifier)?, post.facts)));
        return Ok(named.map_err(|error| format!("{source}: {error}"))?);
    };
    // The folder of exactly that name, else the id, for which a MAC address may be in any format.
    let folder = format!("nodes/{written}/");
    let id = match root.files.keys().any(|key| key.starts_with(&folder)) {
        true => written.to_owned(),
        false => identifier.canonical(written),
    };
    let id: NodeId = id.parse().map_err(|error| format!("--id: {error}"))?;
    let key = Record::Facts.key(&id);
    let text = Index::of(root).text(&key).ok_or_else(|| {
        let root = display_path(&root.path);
        format!("{root} has no {key}: fetch it with `ztp pull`, or give the facts with --node or --serial")
    })?;
    let facts = NodeFacts::parse_stored(&text);
    let facts =
        facts.map_err(|error| format!("{key} is not valid: {error}; fetch it with `ztp pull`"))?;
    Ok((id, facts))
}

/// The facts from a file or the options, as the body of a POST, after their source for messages.
fn given_facts(args: &ExplainArgs) -> Result<(String, Vec<u8>), Failure> {
    if let Some(path) = &args.node {
        return Ok((
            display_path(path),
            regular::input(path, MAX_FACTS as u64 + 1)?,
        ));
    }
    let body = json!({
        "serialnumber": args.serial,
        "systemmac": args.mac,
        "model": args.model,
        "neighbors": neighbors(args.neighbor.iter().map(String::as_str))?,
    });
    Ok((
        "--serial, --mac, --model and --neighbor".to_owned(),
        body.to_string().into_bytes(),
    ))
}

/// Neighbors as a switch sends them, each given as INTERFACE=DEVICE:PORT.
pub fn neighbors<'a>(given: impl Iterator<Item = &'a str>) -> Result<Json, String> {
    let mut neighbors = json!({});
    for given in given {
        let parts = given.split_once('=');
        let parts = parts.and_then(|(interface, peer)| Some((interface, peer.split_once(':')?)));
        let Some((interface, (device, port))) = parts else {
            return Err(format!(
                "'{given}' is not a valid neighbor; write INTERFACE=DEVICE:PORT, as in Ethernet1=spine1:Ethernet7"
            ));
        };
        let peer = json!({"device": device, "port": port});
        match &mut neighbors[interface] {
            Json::Array(peers) => peers.push(peer),
            first => *first = json!([peer]),
        }
    }
    Ok(neighbors)
}

struct Explanation<'r> {
    index: Index<'r>,
    identifier: Identifier,
    /// The site that it sends its requests to, if the command line says so.
    site: Option<String>,
    id: NodeId,
    facts: NodeFacts,
    /// Its lines so far.
    trace: Vec<String>,
}

impl Explanation<'_> {
    /// POST /nodes, then GET /nodes/{id}: the definition that the node receives.
    ///
    /// # Errors
    /// Why the node receives 400.
    fn render(&mut self) -> Result<Json, String> {
        let id = &self.id;
        if let (Some(owner), Some(site)) = (self.index.site_of(id.as_str()), &self.site)
            && owner != *site
        {
            let key = Record::Site.key(id);
            return Err(format!(
                "the node {id} belongs to the site '{owner}' ({key}), and is not known to the site '{site}'"
            ));
        }
        self.trace.push(format!("node {id}"));
        let known = [Record::Definition, Record::StartupConfig].map(|record| record.key(id));
        let definition = match known.into_iter().find(|key| self.index.has(key)) {
            Some(key) => {
                self.trace.push(format!(
                    "POST /nodes: 409, the node is known: {key} is stored. neighbordb is not used."
                ));
                self.check_stored_pattern()?;
                self.parsed(&Record::Definition.key(&self.id), Definition::parse)?
            }
            None => {
                let key = self.matched()?;
                let definition = self.parsed(&key, Definition::parse)?;
                Some(definition.ok_or_else(|| format!("{key} is not stored"))?)
            }
        };
        self.definition(definition)
    }

    /// The key of the definition that neighbordb has for the node.
    fn matched(&mut self) -> Result<String, String> {
        let key = Document::Neighbordb.to_string();
        let neighbordb = self.parsed(&key, |text| Neighbordb::parse(text, self.identifier))?;
        let neighbordb = neighbordb
            .ok_or("the node is not known, and there is no neighbordb to match it against")?;
        let start = "POST /nodes: the node is not known; the patterns of neighbordb, in order:";
        self.trace.push(start.to_owned());
        let trace = neighbordb.trace(&self.id, &self.facts);
        let lines = trace.to_string();
        let lines = lines.lines().map(|line| format!("  {line}"));
        self.trace.extend(lines);
        let chosen = trace.chosen().ok_or_else(|| trace.summary().to_owned())?;
        Ok(content::definition_key(chosen.definition.as_str()))
    }

    fn check_stored_pattern(&mut self) -> Result<(), String> {
        let checked = match self.parsed(&Record::Pattern.key(&self.id), Pattern::parse_stored)? {
            None => "there is no pattern to check.",
            Some(pattern) => {
                let checked = pattern.check(&self.facts);
                checked.map_err(|why| format!("the node no longer matches its pattern: {why}"))?;
                "the node matches its pattern."
            }
        };
        self.trace.push(format!("GET /nodes/ID: {checked}"));
        Ok(())
    }

    /// The definition that the node receives.
    fn definition(&self, definition: Option<Definition>) -> Result<Json, String> {
        let attributes = self.parsed(&Record::Attributes.key(&self.id), Attributes::parse)?;
        let definition = match self.index.has(&Record::StartupConfig.key(&self.id)) {
            true => {
                let id = path::encode_segment(self.id.as_str());
                let url = format!("<the server's URL>/nodes/{id}/startup-config");
                Definition::autogenerated(&url, definition)
            }
            false => definition.ok_or("there is no definition")?,
        };
        let rendered = definition.render(&attributes.unwrap_or_default());
        let rendered = rendered.map_err(|error| format!("the definition is broken: {error}"))?;
        let response = rendered.resolve(|call| self.value_of(call));
        Ok(json!(response.map_err(|error| match error {
            Unresolved::Value(refused) => refused,
            Unresolved::TooLarge => Unresolved::<String>::TooLarge.to_string(),
        })?))
    }

    /// The value that is reserved for the node, or the name of the pool.
    fn value_of(&self, call: &Call) -> Result<String, String> {
        if !PLUGINS.contains(&call.plugin.as_str()) {
            return Err(format!(
                "the definition calls {call}, and this plugin does not exist here: use allocate"
            ));
        }
        let value_name = call.value_name();
        let value_name =
            value_name.map_err(|error| format!("the definition calls {call}, and {error}"))?;
        let with_name = call
            .name
            .as_ref()
            .map(|name| format!(" with the name {name}"));
        let with_name = with_name.unwrap_or_default();
        let site = self.index.site_of(self.id.as_str());
        let site = site.as_deref().or(self.site.as_deref());
        let name = match self.index.pool_file(&call.pool, site) {
            PoolFile::Named(name) => name,
            PoolFile::OfSites(_) => {
                return Ok(format!(
                    "<a value of {} of the node's site{with_name}>",
                    call.pool
                ));
            }
            PoolFile::Missing(keys) => {
                let keys = keys.join(" and no ");
                return Err(format!(
                    "the definition calls {call}, and there is no {keys}"
                ));
            }
        };
        let key = Document::Pool(&name).to_string();
        let pool = self.parsed(&key, |text| Pool::parse(text, self.identifier))?;
        let holder = Holder::new(self.id.as_str(), value_name.as_ref());
        let value = pool.and_then(|pool| Some(pool.reservation(&holder)?.to_owned()));
        Ok(value.unwrap_or_else(|| format!("<a value of {name}{with_name}>")))
    }

    /// A document; `None` if it is not stored.
    fn parsed<T, E: Display>(
        &self,
        key: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<Option<T>, String> {
        if !self.index.has(key) {
            return Ok(None);
        }
        let text = self.index.text(key);
        let text =
            text.ok_or_else(|| format!("{key} cannot be read as UTF-8 text; see `ztp validate`"))?;
        let parsed = parse(&text).map_err(|error| format!("{key} is broken: {error}"))?;
        Ok(Some(parsed))
    }
}
