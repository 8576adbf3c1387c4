//! `ztp`: a data_root as code, checked before it reaches a switch.
//!
//! The rules are in `ztp_core`, which the Worker uses, too. This program reads files, calls `ztp_core`, and prints the
//! result.

mod api;
mod check_list;
mod cli;
mod data_root;
mod diff;
mod doctor;
mod explain;
mod fleet;
mod html;
mod parallel;
mod plan;
mod project;
mod pull;
mod push;
mod regular;
mod report;
mod seen;
mod servers;
mod set_aside;
mod takeover;
mod terminal;
mod validate;

use std::fmt;
use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use serde_json::json;

use ztp_core::check::FindingKind;

use cli::{Cli, Command};
use data_root::DataRoot;
use project::identifier;
use report::Format;
use set_aside::Wanted;
use terminal::display;
use validate::allow::Allow;

/// No findings, and everything was done.
const CLEAN: u8 = 0;
/// There are findings, a refusal, a difference, or files left alone.
const FINDINGS: u8 = 1;
/// The command could not run.
const FAILED: u8 = 2;

/// The reason why the program cannot run a command: a sentence for the operator, with what to do.
#[derive(Debug)]
pub struct Failure {
    message: String,
    /// The exit status.
    pub code: u8,
}

impl Failure {
    pub fn new(message: impl Into<String>) -> Self {
        let (message, code) = (message.into(), FAILED);
        Self { message, code }
    }

    /// The server understood the command, and refused it: the present state does not allow it.
    pub fn refused(message: impl Into<String>) -> Self {
        let (message, code) = (message.into(), FINDINGS);
        Self { message, code }
    }
}

/// The command could not run.
impl<T: Into<String>> From<T> for Failure {
    fn from(message: T) -> Self {
        Self::new(message)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

fn main() -> ExitCode {
    match Cli::try_parse().map(|cli| run(cli.command, cli.url.as_deref(), cli.json)) {
        Ok(Ok(code)) => ExitCode::from(code),
        Ok(Err(failure)) => {
            let style = anstyle::AnsiColor::Red.on_default().bold();
            let message = terminal::message(&failure.to_string());
            anstream::eprintln!("{style}error{style:#}: {message}");
            ExitCode::from(failure.code)
        }
        // It repeats the arguments, which a script may have taken from names of files.
        Err(error) if error.use_stderr() => {
            anstream::eprint!("{}", terminal::lines(&error.render().to_string()));
            ExitCode::from(FAILED)
        }
        Err(help) => help.exit(),
    }
}

fn run(command: Command, url: Option<&str>, json: bool) -> Result<u8, Failure> {
    let api = || servers::connect(url);
    match command {
        Command::Validate(args) => {
            let allow = Allow::load(&args.dir, &args.check.allow)?;
            let mut root = DataRoot::scan(&args.dir)?;
            let identifier = identifier(args.check.identifier, &root)?;
            root.set_aside(identifier, &Wanted::default());
            let (site, old_server) = (args.check.site.as_deref(), args.old_server.as_deref());
            let checked = validate::validate(&root, identifier, site, old_server, &allow);
            let format = if json { Format::Json } else { args.format };
            terminal::write(&checked.render(format))?;
            let clean = checked.validation.findings.is_empty();
            // The settings of a ZTPServer alone are fine.
            if clean && root.server_conf().is_none() {
                root.require_content()?;
            }
            Ok(if clean { CLEAN } else { FINDINGS })
        }
        Command::Explain(args) => explain::run(&args, url, json),
        Command::Push(args) => push::run(&args, url, json),
        Command::Takeover(args) => takeover::run(&args, url, json),
        Command::Diff(args) => diff::run(&args, url, json),
        Command::Pull(args) => pull::run(&args, api()?, json),
        Command::CheckList { file, site } => check_list::run(&file, site.as_deref(), url, json),
        Command::Nodes(args) => fleet::nodes(&api()?, &args, json),
        Command::Node { id } => fleet::node(&api()?, &id, json),
        Command::Assign(args) => fleet::assign(&api()?, &args, json),
        Command::Reprovision { id } => fleet::reprovision(&api()?, &id, json),
        Command::Forget { id, pools, history } => fleet::forget(&api()?, &id, pools, history, json),
        Command::Move { id, site, .. } => fleet::move_to(&api()?, &id, site.as_deref(), json),
        Command::Pools {
            node: Some(id),
            release,
            ..
        } => fleet::pools_of(&api()?, &id, release, json),
        Command::Pools { pool, .. } => fleet::pools(&api()?, pool.as_deref(), json),
        Command::Log(args) => fleet::log(&api()?, &args, json),
        Command::Doctor(args) => doctor::run(&args, json),
        Command::Undo { number } => fleet::undo(&api()?, number, json),
        Command::Login { access } => servers::login(url, access),
        Command::Logout => servers::logout(url),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "ztp", &mut script);
            terminal::write(&String::from_utf8_lossy(&script)).map(|()| CLEAN)
        }
        Command::Man { dir } => {
            let failed = |error| unwritable(&dir, error);
            std::fs::create_dir_all(&dir).map_err(failed)?;
            clap_mangen::generate_to(Cli::command(), &dir).map_err(failed)?;
            Ok(CLEAN)
        }
        Command::Kinds => {
            for kind in FindingKind::ALL {
                let (id, severity, help) = (kind.id(), kind.severity().name(), kind.help());
                let object = json!({"kind": id, "severity": severity, "help": help});
                fleet::print(json, &object, &format!("{id:24}{severity:9}{help}"))?;
            }
            Ok(CLEAN)
        }
    }
}

/// The message for a file or folder that cannot be read.
fn unreadable(path: &Path, error: impl fmt::Display) -> String {
    format!("cannot read {}: {error}", display_path(path))
}

/// The message for a file or folder that cannot be written.
fn unwritable(path: &Path, error: impl fmt::Display) -> String {
    format!("cannot write {}: {error}", display_path(path))
}

/// A path in a message.
fn display_path(path: &Path) -> String {
    terminal::line(&path.display().to_string())
}
