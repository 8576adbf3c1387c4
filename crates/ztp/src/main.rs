//! `ztp`: a data_root as code, checked before it reaches a switch.
//!
//! The rules are in `ztp_core`, which the Worker uses, too. This program reads files, calls `ztp_core`, and prints the
//! result.

mod cli;
mod data_root;
mod digest;
mod explain;
mod http;
mod plan;
mod project;
mod pull;
mod push;
mod regular;
mod report;
mod store;
mod terminal;
mod validate;

use std::fmt;
use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use ztp_core::check::{FindingKind, ServerConf, Validation};
use ztp_core::node::Identifier;

use cli::{Cli, Command};
use data_root::DataRoot;
use report::{Format, Report};
use terminal::display;

/// No findings, and everything was done.
const CLEAN: u8 = 0;
/// There are findings, a refusal, or files left alone.
const FINDINGS: u8 = 1;
/// The command could not run.
const FAILED: u8 = 2;

/// The reason why the program cannot run a command: a sentence for the operator, with what to do.
#[derive(Debug)]
pub struct Failure(String);

impl Failure {
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl std::error::Error for Failure {}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn main() -> ExitCode {
    match Cli::try_parse().map(|cli| run(cli.command)) {
        Ok(Ok(code)) => ExitCode::from(code),
        Ok(Err(failure)) => {
            let style = anstyle::AnsiColor::Red.on_default().bold();
            let message = terminal::message(&failure.to_string());
            anstream::eprintln!("{style}error{style:#}: {message}");
            ExitCode::from(FAILED)
        }
        // It repeats the arguments, which a script may have taken from names of files.
        Err(error) if error.use_stderr() => {
            anstream::eprint!("{}", terminal::lines(&error.render().to_string()));
            ExitCode::from(FAILED)
        }
        Err(help) => help.exit(),
    }
}

fn run(command: Command) -> Result<u8, Failure> {
    match command {
        Command::Validate(args) => {
            let root = DataRoot::scan(&args.dir)?;
            let validation = validate::validate(
                &root,
                identifier(args.identifier, &root)?,
                args.site.as_deref(),
            );
            terminal::write(&report(&root, &validation).render(args.format))?;
            Ok(match validation.findings.is_empty() {
                true => CLEAN,
                false => FINDINGS,
            })
        }
        Command::Explain(args) => explain::run(&args),
        Command::Push(args) => push::run(&args),
        Command::Pull(args) => pull::run(&args),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "ztp", &mut script);
            terminal::write(&String::from_utf8_lossy(&script))?;
            Ok(CLEAN)
        }
        Command::Kinds => {
            let kinds = FindingKind::ALL.iter();
            let lines = kinds.map(|kind| {
                let (id, severity) = (kind.id(), kind.severity().name());
                format!("{id:24}{severity:9}{}\n", kind.help())
            });
            display(&lines.collect::<String>())?;
            Ok(CLEAN)
        }
    }
}

fn report<'a>(root: &'a DataRoot, validation: &'a Validation) -> Report<'a> {
    Report {
        folder: &root.path,
        findings: &validation.findings,
        notes: &validation.notes,
        files: root.files.len(),
    }
}

/// Which fact names a node: from the command line, else ztpserver.conf, else the wrangler.toml
/// that the folder belongs to, else the Worker's default.
fn identifier(given: Option<Identifier>, root: &DataRoot) -> Result<Identifier, Failure> {
    if let Some(given) = given {
        return Ok(given);
    }
    if let Some(conf) = root.server_conf()
        && let Some(identifier) = ServerConf::parse(&String::from_utf8_lossy(&conf)).identifier()
    {
        return Ok(identifier);
    }
    let folder = std::path::absolute(&root.path).unwrap_or_else(|_| root.path.clone());
    match project::Project::above(&folder) {
        Some(project) => project.identifier(),
        None => Ok(Identifier::default()),
    }
}

/// Prints findings as text, for commands other than `validate`.
fn display_findings(root: &DataRoot, validation: &Validation) -> Result<(), Failure> {
    terminal::write(&report(root, validation).render(Format::Text))
}

/// A path in a message.
fn display_path(path: &Path) -> String {
    terminal::line(&path.display().to_string())
}
