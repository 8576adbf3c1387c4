//! `ztp takeover`: from a ZTPServer to this server, step by step.
//!
//! Everything that it reads is on disk, and nothing there is changed. It stores with the push, and with the import of
//! allocations, so a second run stores only what is missing.

mod allocations;
mod compare;
mod database;
mod dhcp;
mod identity;
mod page;
mod plain;
mod plugins;
mod pools;
mod result;
mod script;
mod settings;
mod spelling;

use std::path::Path;

use serde_json::Value as Json;

use ztp_core::content::ContentKind;
use ztp_core::node::Identifier;

use crate::cli::{ChangeArgs, CheckArgs, Only, TakeoverArgs};
use crate::data_root::DataRoot;
use crate::plan::{Item, Step};
use crate::push::{self, Push};
use crate::report::count;
use crate::set_aside::Wanted;
use crate::terminal::line;
use crate::{CLEAN, FINDINGS, Failure, display, display_path, identifier};

use allocations::Imported;
use compare::{Comparison, Outcome};
use dhcp::BootUrl;
use plain::Plain;
use plugins::{Database, Plugin};
use pools::{Holding, Pools};
use result::Taken;
use settings::Settings;

/// Takes a ZTPServer over.
///
/// # Errors
/// DIR has errors, which are displayed, or cannot be read, or a server fails. The stored part stays, and the next run
/// resumes.
pub fn run(args: &TakeoverArgs, url: Option<&str>, json: bool) -> Result<u8, Failure> {
    let source = Source::read(args)?;
    let old = args.from.as_deref().map(reached).transpose()?;
    if let Some(path) = &args.report {
        writable(path).map_err(|error| unwritable(path, &error))?;
    }
    let shown = Steps { json };

    shown.step("1 of 7: checks", &[])?;
    let change = source.change(args);
    let mut push = Push::prepare(&change, url, json)?;
    let warnings = push.checked.validation.findings.len();
    shown.line(&format!("no error, {}", count(warnings, "warning")))?;

    shown.step("2 of 7: settings", &settings_lines(&source.settings))?;
    identity::of_server(&push.api, source.identifier, args.site.as_deref())?;

    let handlers = plugins::config_handlers(&push.root);
    shown.step("3 of 7: plugins", &plugin_lines(&source.plugins, &handlers))?;
    shown.step("4 of 7: pools", &pool_lines(&source))?;

    shown.step("5 of 7: content and allocations", &[])?;
    let (report, imported) = store(&mut push, &source.pools, args.dry_run, &shown)?;

    shown.step("6 of 7: definitions of both servers", &[])?;
    let pending = push.plan.count(Step::Add) + push.plan.count(Step::Change);
    let is_incomplete = args.dry_run && pending + imported.assigned.len() > 0;
    let comparison = old.as_ref().map(|old| Comparison {
        root: &push.root,
        identifier: source.identifier,
        site: args.site.as_deref(),
        pools: &source.pools,
        api: &push.api,
        old,
    });
    let nodes = match comparison {
        Some(comparison) if !is_incomplete => Some(comparison.run()?),
        _ => None,
    };
    shown.text(&match &nodes {
        Some(nodes) => node_lines(nodes),
        None if is_incomplete => "  nothing is compared before the content is stored\n".to_owned(),
        None => "  nothing is compared without --from\n".to_owned(),
    })?;

    let boot_url = BootUrl::of(&push.api.url)?;
    let taken = Taken {
        args,
        source,
        handlers,
        push,
        report,
        imported,
        nodes,
        boot_url,
    };
    let page = taken.page();
    shown.step("7 of 7: the result", &[])?;
    shown.text(&page.plain())?;
    if json {
        display(&format!("{:#}\n", taken.json()))?;
    }
    if let Some(path) = &args.report {
        std::fs::write(path, page.markdown()).map_err(|error| unwritable(path, &error))?;
    }
    Ok(match taken.is_clean() {
        true => CLEAN,
        false => FINDINGS,
    })
}

/// Checks that a file can be written, before anything is stored, and leaves it as it is.
fn writable(path: &Path) -> std::io::Result<()> {
    let is_new = std::fs::symlink_metadata(path).is_err();
    let mut options = std::fs::OpenOptions::new();
    options.append(true).create(true).open(path)?;
    match is_new {
        true => std::fs::remove_file(path),
        false => Ok(()),
    }
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!("cannot write {}: {error}", display_path(path)))
}

/// Stores the content and the values that nodes hold.
fn store(
    push: &mut Push<'_>,
    pools: &Pools,
    dry_run: bool,
    shown: &Steps,
) -> Result<(push::Report, Imported), Failure> {
    shown.text(&push.plan.text(false))?;
    let report = match dry_run {
        true => push::Report::default(),
        false => push.carry_out()?,
    };
    let problems = report.problems.iter().map(push::display_problem);
    shown.text(&problems.collect::<String>())?;
    let is_new = |item: &Item| {
        let kind = ContentKind::of(&item.key);
        item.is_stored() && matches!(kind, Ok(ContentKind::Pool(_)))
    };
    let has_new = push.plan.items.iter().any(is_new);
    let imported = allocations::import(&push.api, &pools.holdings, dry_run, has_new)?;
    let (assigned, unchanged) = (imported.assigned.len(), imported.unchanged);
    shown.line(&match dry_run {
        true => format!("dry run: nothing is stored; {assigned} allocations would be"),
        false => format!(
            "stored {} keys and {assigned} allocations; {unchanged} allocations were there",
            report.stored
        ),
    })?;
    for (Holding { pool, value, node }, why) in &imported.refused {
        shown.line(&format!("conflict: {value} of {pool} for {node}: {why}"))?;
    }
    Ok((report, imported))
}

/// The parts of a ZTPServer on disk.
pub struct Source {
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
            Some(file) => settings.identifier(file)?,
            None => identifier(None, &root)?,
        };
        root.set_aside(identifier, &Wanted::default());
        root.require_content()?;
        identity::of_folders(&root, identifier)?;
        let calls = plugins::calls(&root);
        let plugins = plugins::plugins(&args.dir, &calls)?;
        let database = match &args.database {
            Some(path) => Database::Found(path.clone()),
            None => plugins::database(&plugins, &args.dir, settings.data_root()),
        };
        let file = match &database {
            Database::Found(path) => Some(path.as_path()),
            Database::None => None,
            // Its nodes would receive other values.
            Database::Missing(path) => {
                return Err(Failure::refused(format!(
                    "nothing is stored: definitions call sqlite, and its database is missing: {}",
                    result::missing_database(path.as_deref())
                )));
            }
        };
        let pools = Pools::read(&root, identifier, file, &calls)?;
        Ok(Self {
            settings,
            identifier,
            plugins,
            database,
            pools,
        })
    }

    /// The content to push.
    fn change(&self, args: &TakeoverArgs) -> ChangeArgs {
        let settings = &self.settings;
        let old_server = settings.file.as_ref().map(|_| settings.server_url());
        ChangeArgs {
            dir: args.dir.clone(),
            only: Only::default(),
            check: CheckArgs {
                site: args.site.clone(),
                identifier: Some(self.identifier),
                allow: args.allow.clone(),
            },
            prune: false,
            force: false,
            overwrite_startup_configs: false,
            with_facts: false,
            with_stock: false,
            added: self.pools.files.clone(),
            old_server: old_server.or(args.from.as_deref()).map(str::to_owned),
        }
    }
}

/// The old server, if it answers.
fn reached(url: &str) -> Result<Plain, Failure> {
    let old = Plain::new(url)?;
    let problem = match old.get("/bootstrap/config") {
        Ok(answer) => match is_ztpserver(&answer) {
            true => return Ok(old),
            false if answer.is_ours => "is a server like the new one, not a ZTPServer".to_owned(),
            false => format!("does not answer as a ZTPServer (status {})", answer.status),
        },
        Err(error) => format!("does not answer: {error}"),
    };
    let url = line(&old.url);
    Err(Failure::new(format!(
        "the ZTPServer at {url} {problem}; correct --from, or leave it out to compare nothing"
    )))
}

/// Whether the answer to GET /bootstrap/config is that of a ZTPServer.
fn is_ztpserver(answer: &plain::Answer) -> bool {
    let config = serde_json::from_slice::<Json>(&answer.body).unwrap_or_default();
    answer.status == 200 && !answer.is_ours && config["logging"].is_array()
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

fn pool_lines(source: &Source) -> Vec<String> {
    let pools = &source.pools;
    let mut lines = Vec::new();
    if let Database::Found(path) = &source.database {
        lines.push(format!("the database is {}", display_path(path)));
    }
    for (name, from) in &pools.named {
        let of_pool = |holding: &&Holding| &holding.pool == name;
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
            Outcome::Same | Outcome::NoFacts => return None,
            Outcome::Refused(why) => format!("  {node}: both servers refuse it: {}\n", line(why)),
            Outcome::NotCompared(why) => format!("  {node}: not compared: {}\n", line(why)),
            Outcome::Differs(how) => format!("  {node}: differs:\n{how}\n"),
        })
    });
    let counts = result::counts(nodes);
    format!("{}  {}\n", lines.collect::<String>(), line(&counts))
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
