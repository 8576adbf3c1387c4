//! `ztp takeover`: from a ZTPServer to this server, step by step.
//!
//! Everything that it reads is on disk, and nothing there is changed. It stores with the push, and with the import of
//! allocations, so a second run stores only what is missing.

mod allocations;
mod compare;
mod database;
mod dhcp;
mod page;
mod plain;
mod plugins;
mod pools;
mod result;
mod script;
mod settings;

use std::path::Path;

use serde_json::json;

use ztp_core::content::ContentKind;
use ztp_core::node::Identifier;

use crate::api::{Api, Call};
use crate::cli::{ChangeArgs, Only, TakeoverArgs};
use crate::data_root::DataRoot;
use crate::plan::Step;
use crate::push::{self, Push};
use crate::set_aside::Wanted;
use crate::terminal::line;
use crate::{CLEAN, FINDINGS, Failure, display, display_path, identifier};

use compare::{Comparison, Outcome};
use dhcp::BootUrl;
use plain::Plain;
use plugins::{Database, Plugin};
use pools::Pools;
use result::Taken;
use settings::Settings;

/// The facts of a switch that does not exist: the server answers with the one that is its id.
const PROBE_SERIAL: &str = "ZTP-TAKEOVER";
const PROBE_MAC: &str = "020000000000";

/// Takes a ZTPServer over.
///
/// # Errors
/// DIR has errors, which are displayed, or cannot be read, or a server fails. The stored part stays, and the next run
/// resumes.
pub fn run(args: &TakeoverArgs, url: Option<&str>, json: bool) -> Result<u8, Failure> {
    let Source {
        settings,
        identifier,
        plugins,
        database,
        pools,
    } = Source::read(args)?;
    let old = args.from.as_deref().map(reached).transpose()?;
    let shown = Steps { json };

    // A database that is not found explains why pools are missing.
    let missing = match &database {
        Database::Missing(path) => vec![result::missing_database(path.as_deref())],
        _ => Vec::new(),
    };
    shown.step("1 of 7: checks", &missing)?;
    let change = change(args, identifier, &settings, &pools);
    let mut push = Push::prepare(&change, url, json)?;
    let warnings = push.checked.validation.findings.len();
    shown.line(&format!("no errors, warnings: {warnings}"))?;

    shown.step("2 of 7: settings", &settings_lines(&settings))?;
    let of_server = identifier_of(&push.api)?;
    if of_server != identifier {
        let problem = format!(
            "the server names nodes by {}, and the ZTPServer by {}: set IDENTIFIER = \"{}\" under [vars] in \
             wrangler.toml, deploy, and run this again",
            of_server.as_str(),
            identifier.as_str(),
            identifier.as_str()
        );
        match args.dry_run {
            true => shown.line(&problem)?,
            false => return Err(Failure::refused(format!("nothing is stored: {problem}"))),
        }
    }

    let handlers = plugins::config_handlers(&push.root);
    shown.step("3 of 7: plugins", &plugin_lines(&plugins, &handlers))?;
    shown.step("4 of 7: pools", &pool_lines(&pools, &database))?;

    shown.step("5 of 7: content and allocations", &[])?;
    let plan = push.plan.text(false);
    shown.text(&plan)?;
    let pending = push.plan.count(Step::Add) + push.plan.count(Step::Change);
    let report = match args.dry_run {
        true => push::Report::default(),
        false => push.carry_out()?,
    };
    shown.text(
        &report
            .problems
            .iter()
            .map(push::display_problem)
            .collect::<String>(),
    )?;
    let is_new = |item: &crate::plan::Item| {
        let kind = ContentKind::of(&item.key);
        item.is_stored() && matches!(kind, Ok(ContentKind::Pool(_)))
    };
    let has_new_pools = push.plan.items.iter().any(is_new);
    let imported = allocations::import(&push.api, &pools.holdings, args.dry_run, has_new_pools)?;
    shown.line(&match args.dry_run {
        true => format!(
            "dry run: nothing is stored; {pending} keys and {} allocations would be",
            imported.assigned.len()
        ),
        false => format!(
            "stored {} keys and {} allocations; {} allocations were there",
            report.stored,
            imported.assigned.len(),
            imported.unchanged
        ),
    })?;
    for (holding, why) in &imported.refused {
        let (pool, value, node) = (&holding.pool, &holding.value, &holding.node);
        shown.line(&format!("conflict: {value} of {pool} for {node}: {why}"))?;
    }

    let is_complete = !args.dry_run || pending + imported.assigned.len() == 0;
    let nodes = match &old {
        Some(old) if is_complete => {
            let comparison = Comparison {
                root: &push.root,
                identifier,
                site: args.site.as_deref(),
                pools: &pools,
                api: &push.api,
                old,
            };
            Some(comparison.run()?)
        }
        _ => None,
    };
    let not_compared = match &old {
        None => "nothing is compared without --from",
        Some(_) => "dry run: nothing is compared before the content is stored",
    };
    shown.step("6 of 7: definitions of both servers", &[])?;
    shown.text(&match &nodes {
        None => format!("  {not_compared}\n"),
        Some(nodes) => node_lines(nodes),
    })?;

    let boot_url = BootUrl::of(&push.api.url)?;
    let taken = Taken {
        args,
        settings,
        plugins,
        database,
        handlers,
        pools,
        push,
        report,
        imported,
        nodes,
        boot_url,
    };
    let page = taken.page();
    shown.step("7 of 7: the result", &[])?;
    shown.text(&page.plain())?;
    if let Some(path) = &args.report {
        std::fs::write(path, page.markdown()).map_err(|error| {
            Failure::new(format!("cannot write {}: {error}", display_path(path)))
        })?;
    }
    if json {
        display(&format!("{:#}\n", taken.json()))?;
    }
    Ok(match taken.is_clean() {
        true => CLEAN,
        false => FINDINGS,
    })
}

/// What there is of a ZTPServer on disk.
struct Source {
    settings: Settings,
    identifier: Identifier,
    plugins: Vec<Plugin>,
    database: Database,
    pools: Pools,
}

impl Source {
    fn read(args: &TakeoverArgs) -> Result<Self, Failure> {
        let mut root = DataRoot::scan(&args.dir)?;
        let etc = Path::new(settings::ETC);
        let settings = Settings::find(&args.dir, args.conf.as_deref(), etc)?;
        let identifier = match &settings.file {
            Some(_) => settings.conf.identifier().unwrap_or_default(),
            None => identifier(None, &root)?,
        };
        root.set_aside(identifier, &Wanted::default());
        let plugins = plugins::plugins(&args.dir)?;
        let database = match &args.database {
            Some(path) => Database::Found(path.clone()),
            None => plugins::database(&plugins, &args.dir, settings.data_root()),
        };
        let file = match &database {
            Database::Found(path) => Some(path.as_path()),
            _ => None,
        };
        let pools = Pools::read(&root, identifier, file)?;
        Ok(Self {
            settings,
            identifier,
            plugins,
            database,
            pools,
        })
    }
}

/// The old server, if it answers.
fn reached(url: &str) -> Result<Plain, Failure> {
    let old = Plain::new(url)?;
    old.get("/bootstrap/config").map_err(|error| {
        let url = line(&old.url);
        Failure::new(format!(
            "the ZTPServer at {url} does not answer: {error}; correct --from, or leave it out to compare nothing"
        ))
    })?;
    Ok(old)
}

fn change(
    args: &TakeoverArgs,
    identifier: Identifier,
    settings: &Settings,
    pools: &Pools,
) -> ChangeArgs {
    let old_server = settings.file.as_ref().map(|_| settings.server_url());
    ChangeArgs {
        dir: args.dir.clone(),
        only: Only::default(),
        site: args.site.clone(),
        identifier: Some(identifier),
        prune: false,
        force: false,
        overwrite_startup_configs: false,
        with_facts: false,
        with_stock: false,
        allow: args.allow.clone(),
        added: pools.files.clone(),
        old_server: old_server.or(args.from.as_deref()).map(str::to_owned),
    }
}

/// The fact that names a node on the server.
fn identifier_of(api: &Api) -> Result<Identifier, Failure> {
    let facts = json!({"serialnumber": PROBE_SERIAL, "systemmac": PROBE_MAC, "neighbors": {}});
    let body = json!({"facts": facts});
    let explained = api.json(&Call::post("asking for IDENTIFIER", "/explain", &body))?;
    match explained["node"].as_str() {
        Some(PROBE_SERIAL) => Ok(Identifier::SerialNumber),
        Some(PROBE_MAC) => Ok(Identifier::SystemMac),
        _ => Err(Failure::new(format!(
            "asking for IDENTIFIER failed: the response {explained} is not valid"
        ))),
    }
}

fn settings_lines(settings: &Settings) -> Vec<String> {
    let mut lines: Vec<String> = settings.missing.clone().into_iter().collect();
    match &settings.file {
        None => lines.push(
            "there is no ztpserver.conf for this data_root, so ZTPServer's defaults count, which are those of wrangler.toml; \
             give another file with --conf"
                .to_owned(),
        ),
        Some(file) => {
            lines.push(format!("from {}, for wrangler.toml:", display_path(file)));
            lines.extend(settings.vars.iter().map(|var| format!("    {var}")));
        }
    }
    let findings = settings.findings.iter();
    lines.extend(findings.map(|finding| format!("{}; {}", finding.message, finding.help())));
    lines
}

fn plugin_lines(plugins: &[Plugin], handlers: &[String]) -> Vec<String> {
    let mut lines: Vec<String> = plugins
        .iter()
        .map(|plugin| format!("plugin {}: {}", plugin.name, plugin.replacement()))
        .collect();
    let handlers = handlers.iter();
    lines.extend(handlers.map(|key| format!("{key}: stored as text, and never run")));
    if lines.is_empty() {
        lines.push("there are no plugins and no config-handlers".to_owned());
    }
    lines
}

fn pool_lines(pools: &Pools, database: &Database) -> Vec<String> {
    let mut lines = Vec::new();
    match database {
        Database::None => {}
        Database::Found(path) => lines.push(format!("the database is {}", display_path(path))),
        Database::Missing(path) => lines.push(result::missing_database(path.as_deref())),
    }
    for (name, from) in &pools.named {
        let of_pool = |holding: &&pools::Holding| &holding.pool == name;
        let held = pools.holdings.iter().filter(of_pool).count();
        lines.push(format!("{name}: {from}; nodes hold {held} values"));
    }
    lines.extend(pools.left.iter().map(ToString::to_string));
    if lines.is_empty() {
        lines.push("there are no pools".to_owned());
    }
    lines
}

fn node_lines(nodes: &[(String, Outcome)]) -> String {
    let lines = nodes.iter().filter_map(|(node, outcome)| {
        let node = line(node);
        Some(match outcome {
            Outcome::Same => return None,
            Outcome::Refused(why) => format!("  {node}: both servers refuse it: {}\n", line(why)),
            Outcome::NotCompared(why) => format!("  {node}: not compared: {}\n", line(why)),
            Outcome::Differs(how) => format!("  {node}: differs:\n{how}\n"),
        })
    });
    format!("{}  {}\n", lines.collect::<String>(), result::counts(nodes))
}

/// The output while the steps are done.
struct Steps {
    json: bool,
}

impl Steps {
    fn step(&self, title: &str, lines: &[String]) -> Result<(), Failure> {
        let lines = lines.iter().map(|text| format!("  {}\n", line(text)));
        self.text(&format!("\nstep {title}\n{}", lines.collect::<String>()))
    }

    fn line(&self, text: &str) -> Result<(), Failure> {
        self.text(&format!("  {}\n", line(text)))
    }

    /// A text whose names are escaped.
    fn text(&self, text: &str) -> Result<(), Failure> {
        match self.json {
            true => Ok(()),
            false => display(text),
        }
    }
}
