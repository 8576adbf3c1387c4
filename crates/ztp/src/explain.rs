//! `ztp explain`: the response that a node would receive, and why.

use std::fmt::Write;

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
use crate::fleet::{entries, pool_of, text};
use crate::servers::connect;
use crate::terminal::line;
use crate::{CLEAN, FINDINGS, Failure, display, display_path, identifier, regular};

/// Explains one node.
///
/// # Errors
/// The facts or the content cannot be read, or the server fails.
pub fn run(args: &ExplainArgs, url: Option<&str>, json: bool) -> Result<u8, Failure> {
    let Some(dir) = &args.dir else {
        return ask(args, url, json);
    };
    if url.is_some() {
        return Err(Failure::new(
            "give either DIR or --url: the content of one of them is used",
        ));
    }
    let root = DataRoot::scan(dir)?;
    let identifier = identifier(args.identifier, &root)?;
    let known = args.id.as_deref();
    let known = known.map(|written| known_id(&root, identifier, written));
    let facts = facts(args, known.as_deref(), &root)?;
    let id = match &known {
        Some(id) => id
            .parse()
            .map_err(|error| Failure::new(format!("{error}")))?,
        None => facts
            .id(identifier)
            .map_err(|error| Failure::new(format!("{error}")))?,
    };
    let index = Index::of(&root);
    let mut explanation = Explanation {
        owner: index.site_of(id.as_str()),
        index,
        identifier,
        site: args.site.clone(),
        id,
        facts,
        text: String::new(),
        definition: Json::Null,
    };
    let rendered = explanation.render();
    let refused = rendered.err().map(|Refused(reason)| reason);
    if json {
        let document = json!({
            "node": explanation.id.as_str(),
            "error": refused,
            "trace": explanation.text.lines().collect::<Vec<_>>(),
            "definition": explanation.definition,
        });
        display(&format!("{document:#}\n"))?;
    } else {
        let end = match &refused {
            Some(reason) => format!("refused with 400: {reason}\n"),
            None => format!("the node receives:\n{:#}\n", explanation.definition),
        };
        display(&(explanation.text + &end))?;
    }
    Ok(if refused.is_none() { CLEAN } else { FINDINGS })
}

/// The explanation of the server, from the stored content.
fn ask(args: &ExplainArgs, url: Option<&str>, json: bool) -> Result<u8, Failure> {
    let mut body = match &args.id {
        Some(id) => json!({"node": id}),
        None => {
            let facts = given_facts(args)?;
            let facts: Json = serde_json::from_slice(&facts)
                .map_err(|error| Failure::new(format!("the facts are not valid JSON: {error}")))?;
            json!({"facts": facts})
        }
    };
    if let Some(site) = &args.site {
        body["site"] = json!(site);
    }
    let server = connect(url)?;
    let explanation = server.json(&api::Call::post("explaining", "/explain", &body))?;
    let error = [&explanation["error"], &explanation["definition_error"]];
    let error = error.into_iter().find(|error| !error.is_null());
    let shown = match json {
        true => format!("{explanation:#}\n"),
        false => from_server(&explanation, error),
    };
    display(&shown)?;
    Ok(if error.is_none() { CLEAN } else { FINDINGS })
}

fn from_server(explanation: &Json, error: Option<&Json>) -> String {
    let status = match explanation["known"] == true {
        true => "409, the node is known. neighbordb is not used.".to_owned(),
        false => text(&explanation["status"]),
    };
    let mut out = format!(
        "node {}\nPOST /nodes: {status}\n",
        text(&explanation["node"])
    );
    for candidate in entries(&explanation["selection"], "candidates") {
        let said = ["outcome", "reason"]
            .into_iter()
            .filter_map(|name| candidate[name].as_str());
        let said = line(&said.collect::<Vec<_>>().join(": "));
        let _ = writeln!(out, "  pattern '{}' {said}", text(&candidate["pattern"]));
    }
    for pool in entries(explanation, "pools") {
        let held = if pool["held"] == true {
            "has"
        } else {
            "would get"
        };
        let (name, value) = (pool_of(pool), text(&pool["value"]));
        let _ = writeln!(out, "pool {name}: it {held} {value}");
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

/// The node of `--id`: the folder of exactly that name, else the id, for which a MAC address may be in any format.
fn known_id(root: &DataRoot, identifier: Identifier, written: &str) -> String {
    let folder = format!("nodes/{written}/");
    match root.files.keys().any(|key| key.starts_with(&folder)) {
        true => written.to_owned(),
        false => identifier.canonical(written),
    }
}

/// The facts from the command line, a file, or the node's folder.
fn facts(args: &ExplainArgs, known: Option<&str>, root: &DataRoot) -> Result<NodeFacts, Failure> {
    if let Some(id) = known {
        let key = format!("nodes/{id}/{}", Record::Facts.name());
        let Some(text) = Index::of(root).text(&key) else {
            return Err(Failure::new(format!(
                "{} has no {key}: fetch it with `ztp pull`, or give the facts with --node or --serial",
                display_path(&root.path)
            )));
        };
        return NodeFacts::parse_stored(&text)
            .map_err(|error| Failure::new(format!("{key}: {error}")));
    }
    let post = Post::parse(&given_facts(args)?).map_err(|error| Failure::new(error.to_string()))?;
    Ok(post.facts)
}

/// The facts from a file or the options, as the body of a POST.
fn given_facts(args: &ExplainArgs) -> Result<Vec<u8>, Failure> {
    match &args.node {
        Some(path) => regular::input(path, MAX_FACTS as u64 + 1),
        None => from_options(args),
    }
}

fn from_options(args: &ExplainArgs) -> Result<Vec<u8>, Failure> {
    let neighbors = neighbors(args.neighbor.iter().map(String::as_str)).map_err(Failure::new)?;
    let body = json!({
        "serialnumber": args.serial,
        "systemmac": args.mac,
        "model": args.model,
        "neighbors": neighbors,
    });
    Ok(body.to_string().into_bytes())
}

/// Neighbors as a switch sends them, each given as INTERFACE=DEVICE:PORT.
///
/// # Errors
/// One is not valid.
pub fn neighbors<'a>(given: impl Iterator<Item = &'a str>) -> Result<Json, String> {
    let mut neighbors = serde_json::Map::new();
    for given in given {
        let parts = given
            .split_once('=')
            .and_then(|(interface, peer)| Some((interface, peer.split_once(':')?)));
        let Some((interface, (device, port))) = parts else {
            return Err(format!(
                "'{given}' is not a valid neighbor; write INTERFACE=DEVICE:PORT, as in Ethernet1=spine1:Ethernet7"
            ));
        };
        let seen = neighbors.entry(interface).or_insert_with(|| json!([]));
        if let Json::Array(seen) = seen {
            seen.push(json!({"device": device, "port": port}));
        }
    }
    Ok(Json::Object(neighbors))
}

/// Why a node receives 400.
struct Refused(String);

/// The explanation of one node, line by line.
struct Explanation<'r> {
    index: Index<'r>,
    identifier: Identifier,
    /// The site that the node belongs to, if the data_root says so.
    owner: Option<String>,
    /// The site that it sends its requests to, if the command line says so.
    site: Option<String>,
    id: NodeId,
    facts: NodeFacts,
    text: String,
    /// The definition that the node receives.
    definition: Json,
}

impl Explanation<'_> {
    fn line(&mut self, line: &str) {
        let _ = writeln!(self.text, "{line}");
    }

    /// POST /nodes, then GET /nodes/{id}.
    fn render(&mut self) -> Result<(), Refused> {
        if let (Some(owner), Some(site)) = (&self.owner, &self.site)
            && owner != site
        {
            return Err(Refused(format!(
                "the node {} belongs to the site '{owner}' (nodes/{}/{}), and is not known to the site '{site}'",
                self.id,
                self.id,
                Record::Site.name()
            )));
        }
        let known = [Record::Definition, Record::StartupConfig]
            .into_iter()
            .map(|record| record.key(&self.id))
            .find(|key| self.index.has(key));
        self.line(&format!("node {}", self.id));
        match known {
            Some(key) => {
                self.line(&format!(
                    "POST /nodes: 409, the node is known: {key} is stored. neighbordb is not used."
                ));
                self.check_stored_pattern()?;
                let definition = self.parsed(Record::Definition, Definition::parse)?;
                self.definition(definition)
            }
            None => {
                let key = self.matched()?;
                let text = self
                    .index
                    .text(&key)
                    .ok_or_else(|| Refused(format!("{key} is not stored, or is not UTF-8 text")))?;
                let definition = Definition::parse(&text)
                    .map_err(|error| Refused(format!("{key} is broken: {error}")))?;
                self.definition(Some(definition))
            }
        }
    }

    /// The key of the definition that neighbordb has for the node.
    fn matched(&mut self) -> Result<String, Refused> {
        let key = Document::Neighbordb.to_string();
        let text = self.index.text(&key).ok_or_else(|| {
            Refused("the node is not known, and there is no neighbordb to match it against".into())
        })?;
        let neighbordb = Neighbordb::parse(&text, self.identifier)
            .map_err(|error| Refused(format!("neighbordb is broken: {error}")))?;
        self.line("POST /nodes: the node is not known; the patterns of neighbordb, in order:");
        let facts = self.facts.clone();
        let trace = neighbordb.trace(&self.id, &facts);
        for line in trace.to_string().lines() {
            self.line(&format!("  {line}"));
        }
        match trace.chosen() {
            Some(entry) => Ok(content::definition_key(entry.definition.as_str())),
            None => Err(Refused(trace.summary().to_owned())),
        }
    }

    fn check_stored_pattern(&mut self) -> Result<(), Refused> {
        let Some(pattern) = self.parsed(Record::Pattern, Pattern::parse_stored)? else {
            self.line("GET /nodes/ID: there is no pattern to check.");
            return Ok(());
        };
        pattern.check(&self.facts).map_err(|mismatch| {
            Refused(format!(
                "the node no longer matches its pattern: {mismatch}"
            ))
        })?;
        self.line("GET /nodes/ID: the node matches its pattern.");
        Ok(())
    }

    /// The definition that the node receives.
    fn definition(&mut self, definition: Option<Definition>) -> Result<(), Refused> {
        let attributes = self.parsed(Record::Attributes, Attributes::parse)?;
        let definition = match self.index.has(&Record::StartupConfig.key(&self.id)) {
            true => {
                let id = path::encode_segment(self.id.as_str());
                let url = format!("<the server's URL>/nodes/{id}/startup-config");
                Definition::autogenerated(&url, definition)
            }
            false => definition.ok_or_else(|| Refused("there is no definition".to_owned()))?,
        };
        let rendered = definition.render(&attributes.unwrap_or_default());
        let rendered =
            rendered.map_err(|error| Refused(format!("the definition is broken: {error}")))?;
        let response = rendered.resolve(|call| self.value_of(call));
        let response = response.map_err(|error| match error {
            Unresolved::Value(refused) => refused,
            Unresolved::TooLarge => Refused(Unresolved::<String>::TooLarge.to_string()),
        })?;
        self.definition = json!(response);
        Ok(())
    }

    /// The value that is reserved for the node, or the name of the pool.
    fn value_of(&self, call: &Call) -> Result<String, Refused> {
        if !PLUGINS.contains(&call.plugin.as_str()) {
            return Err(Refused(format!(
                "the definition calls {call}, and this plugin does not exist here: use allocate"
            )));
        }
        let value_name = call
            .value_name()
            .map_err(|error| Refused(format!("the definition calls {call}, and {error}")))?;
        let with_name = call
            .name
            .as_ref()
            .map_or_else(String::new, |name| format!(" with the name {name}"));
        let site = self.owner.as_deref().or(self.site.as_deref());
        let name = match self.index.pool_file(&call.pool, site) {
            PoolFile::Named(name) => name,
            PoolFile::OfSites(_) => {
                return Ok(format!(
                    "<a value of {} of the node's site{with_name}>",
                    call.pool
                ));
            }
            PoolFile::Missing(keys) => {
                return Err(Refused(format!(
                    "the definition calls {call}, and there is no {}",
                    keys.join(" and no ")
                )));
            }
        };
        let key = Document::Pool(&name).to_string();
        let text = self.index.text(&key);
        let text = text.ok_or_else(|| Refused(format!("{key} is not UTF-8 text")))?;
        let pool = Pool::parse(&text, self.identifier)
            .map_err(|error| Refused(format!("{key} is broken: {error}")))?;
        let holder = Holder::new(self.id.as_str(), value_name.as_ref());
        Ok(match pool.reservation(&holder) {
            Some(value) => value.to_owned(),
            None => format!("<a value of {name}{with_name}>"),
        })
    }

    fn parsed<T, E: std::fmt::Display>(
        &self,
        record: Record,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<Option<T>, Refused> {
        let key = record.key(&self.id);
        if !self.index.has(&key) {
            return Ok(None);
        }
        let text = self.index.text(&key);
        let text = text.ok_or_else(|| Refused(format!("{key} is not UTF-8 text")))?;
        parse(&text)
            .map(Some)
            .map_err(|error| Refused(format!("{key} is broken: {error}")))
    }
}
