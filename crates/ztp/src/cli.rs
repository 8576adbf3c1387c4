//! The arguments of the command line, and its help.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use ztp_core::credentials;
use ztp_core::node::Identifier;
use ztp_core::printable::Printable;

use crate::report::Format;

/// Zero-touch provisioning content as code: check it, push it, and see the definition that a switch would get.
///
/// DIR is a ZTPServer data_root: the folder with neighbordb, definitions/, nodes/, resources/,
/// bootstrap/, actions/ and files/. That of a running ZTPServer can be used as it is.
#[derive(Debug, Parser)]
#[command(name = "ztp", version, propagate_version = true, after_help = EXAMPLES)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "\
Examples:
  ztp validate /usr/share/ztpserver            check what a ZTPServer serves now
  ztp explain . --serial JPE1 --neighbor Ethernet1=spine1:Ethernet7
                                               the definition that this switch gets, and why
  ztp push . --dry-run                         show the plan, store nothing
  ztp push . --remote                          store it for the deployed Worker
  ztp pull . --remote --nodes                  fetch the backed-up configurations

Exit status: 0 clean or done; 1 findings, a refusal, or files left alone; 2 could not run.";

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check every file, and the references between files
    #[command(after_help = VALIDATE_EXAMPLES)]
    Validate(ValidateArgs),
    /// Show which pattern a node matches, why the others do not, and the definition that it receives
    #[command(after_help = EXPLAIN_EXAMPLES)]
    Explain(ExplainArgs),
    /// Store new and changed files where the Worker reads them
    #[command(after_help = PUSH_EXAMPLES)]
    Push(PushArgs),
    /// Fetch the stored content into a folder
    #[command(after_help = PULL_EXAMPLES)]
    Pull(PullArgs),
    /// Print the completions of a shell
    #[command(
        after_help = "Example:\n  ztp completions bash > ~/.local/share/bash-completion/completions/ztp"
    )]
    Completions { shell: Shell },
    /// List the kinds of findings, with what to do about each
    Kinds,
}

const VALIDATE_EXAMPLES: &str = "\
Examples:
  ztp validate .                               as text
  ztp validate . --format github               in GitHub Actions: shown next to the changed lines
  ztp validate . --format json | jq '.findings[] | select(.severity == \"error\")'

It changes no file and runs none: actions are compiled with this machine's python3,
not executed. `ztp kinds` lists what can be found.";

#[derive(Debug, Args)]
pub struct ValidateArgs {
    /// The data_root
    pub dir: PathBuf,
    /// How findings are written
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// Which fact names a node: serialnumber or systemmac [default: that of ztpserver.conf in DIR,
    /// else of the wrangler.toml above DIR]
    #[arg(long)]
    pub identifier: Option<Identifier>,
    /// The site of all nodes without a file nodes/ID/site: its pools, resources/SITE/POOL, come
    /// before resources/POOL
    #[arg(long, value_parser = site_name)]
    pub site: Option<String>,
}

const EXPLAIN_EXAMPLES: &str = "\
Examples:
  ztp explain . --node facts.json              the body of a POST, or a stored nodes/ID/.node
  ztp explain . --id JPE1                      a node whose .node is in DIR (ztp pull)
  ztp explain . --serial JPE1 --model DCS-7050TX-64-F \\
      --neighbor Ethernet1=spine1:Ethernet7 --neighbor Ethernet2=spine2:Ethernet7
  ztp explain --url https://ztp.example.net --id JPE1
                                               the definition that a running Worker sends

With DIR, the command writes nothing and allocates nothing: the value of a pool is shown as
<a value of POOL>. With --url, the Worker sends the response that the switch would receive, from the
facts that it stored; if the definition calls allocate, the node gets its values by that.";

#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// The data_root
    #[arg(required_unless_present = "url", conflicts_with = "url")]
    pub dir: Option<PathBuf>,
    /// A file with the node's facts, as JSON; - is standard input
    #[arg(long, value_name = "FACTS.json", group = "who")]
    pub node: Option<PathBuf>,
    /// A node that is known: by its folder in DIR, or at --url
    #[arg(long, group = "who")]
    pub id: Option<String>,
    /// A running Worker, with the path of its site if it has tokens: https://HOST/t/TOKEN
    #[arg(long, requires = "id", conflicts_with_all = ["model", "serial", "mac", "neighbor"])]
    pub url: Option<String>,
    /// The serial number
    #[arg(long, conflicts_with = "who")]
    pub serial: Option<String>,
    /// The system MAC address
    #[arg(long, conflicts_with = "who")]
    pub mac: Option<String>,
    /// The model, as the switch sends it
    #[arg(long, conflicts_with = "who")]
    pub model: Option<String>,
    /// A neighbor, as INTERFACE=DEVICE:PORT; may be given many times
    #[arg(long, value_name = "INTERFACE=DEVICE:PORT", conflicts_with = "who")]
    pub neighbor: Vec<String>,
    /// Which fact names a node: serialnumber or systemmac [default: as for validate]
    #[arg(long)]
    pub identifier: Option<Identifier>,
    /// The site whose URL the node uses [default: that of nodes/ID/site]
    #[arg(long, value_parser = site_name, conflicts_with = "url")]
    pub site: Option<String>,
}

/// The storage that a command uses.
#[derive(Debug, Args)]
pub struct Target {
    /// The storage of `wrangler dev` on this machine (the default)
    #[arg(long, conflicts_with = "remote")]
    pub local: bool,
    /// With --local: where that storage is [default: .wrangler/state in the project]
    #[arg(long, value_name = "DIR", conflicts_with = "remote")]
    pub persist_to: Option<PathBuf>,
    /// The storage of the deployed Worker, as wrangler's user
    #[arg(long)]
    pub remote: bool,
    /// The folder of the project, which has wrangler.toml and node_modules [default: this folder,
    /// or the nearest one above it that has a wrangler.toml]
    #[arg(long, value_name = "DIR")]
    pub project: Option<PathBuf>,
}

const PUSH_EXAMPLES: &str = "\
Examples:
  ztp push . --dry-run                         show the plan, store nothing
  ztp push .                                   into the storage of `npm start`
  ztp push . --remote                          into that of the deployed Worker
  ztp push . --remote --prune                  and delete pushed keys that DIR no longer has

A push begins with `ztp validate`, and stores nothing if that finds an error. It never changes
nodes/ID/.node, or a startup-config that the switch itself has stored since the last push. Run it
again after an interruption: it resumes.

With --remote the credential is CLOUDFLARE_API_TOKEN, else that of `wrangler login`. Files over
300 MiB go through R2's S3 interface and need AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (an R2 API
token, created in the dashboard); if these are set, all files and actions use that interface.";

#[derive(Debug, Args)]
pub struct PushArgs {
    /// The data_root
    pub dir: PathBuf,
    #[command(flatten)]
    pub target: Target,
    /// The site of all nodes without a file nodes/ID/site, for the check: see validate
    #[arg(long, value_parser = site_name)]
    pub site: Option<String>,
    /// Show the plan, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Delete keys that a push has stored, that have not changed since, and that DIR lacks
    #[arg(long)]
    pub prune: bool,
    /// Replace startup-configs that switches have stored, too
    #[arg(long)]
    pub overwrite_startup_configs: bool,
    /// Store nodes/ID/.node, too, as after moving to another account
    #[arg(long)]
    pub with_facts: bool,
    /// List unchanged files, too
    #[arg(long, short)]
    pub verbose: bool,
}

const PULL_EXAMPLES: &str = "\
Examples:
  ztp pull backup --remote                     everything, into the folder backup
  ztp pull . --remote --nodes                  only nodes/, with the backed-up configurations
  ztp pull . --remote --nodes --overwrite      also replace files of DIR that differ

A file in DIR that differs is left alone and listed, unless --overwrite is given; nothing in DIR is
ever deleted.";

#[derive(Debug, Args)]
pub struct PullArgs {
    /// The folder to write to; it is created if it does not exist
    pub dir: PathBuf,
    #[command(flatten)]
    pub target: Target,
    /// Only the records of nodes
    #[arg(long)]
    pub nodes: bool,
    /// Replace files of DIR that differ
    #[arg(long)]
    pub overwrite: bool,
    /// Show the plan, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// List unchanged files, too
    #[arg(long, short)]
    pub verbose: bool,
}

/// Reads the argument of `--site`.
///
/// # Errors
/// It is not a valid name of a site.
fn site_name(text: &str) -> Result<String, String> {
    match credentials::is_site_name(text) {
        true => Ok(text.to_owned()),
        false => Err(format!(
            "'{}' is not a valid name of a site: it must be letters, digits, - and _",
            Printable(text)
        )),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
