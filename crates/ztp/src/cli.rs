//! The arguments of the command line, and its help.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use serde::Serialize;

use ztp_core::check::FindingKind;
use ztp_core::credentials::is_site_name;
use ztp_core::key::is_name;
use ztp_core::node::Identifier;
use ztp_core::printable::Printable;

use crate::Failure;
use crate::report::Format;
use crate::validate::allow;

/// Zero-touch provisioning content as code: check it, push it, and see the definition that a switch would get.
///
/// DIR is a ZTPServer data_root: the folder with neighbordb, definitions/, nodes/, resources/,
/// bootstrap/, actions/ and files/. That of a running ZTPServer can be used as it is.
#[derive(Debug, Parser)]
#[command(name = "ztp", version, propagate_version = true, after_help = EXAMPLES)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
    /// Print JSON: one document, or one per line for lists
    #[arg(long, global = true)]
    pub json: bool,
    /// The server, as https://HOST [default: ZTP_URL, else that of the last `ztp login`]
    #[arg(long, global = true)]
    pub url: Option<String>,
}

const EXAMPLES: &str = "\
Examples:
  ztp validate /usr/share/ztpserver            check what a ZTPServer serves now
  ztp explain . --serial JPE1 --neighbor Ethernet1=spine1:Ethernet7
                                               the definition that this switch gets, and why
  ztp login --url https://ztp.example.net      store the token of a server
  ztp push . --dry-run                         show the plan, store nothing
  ztp push .                                   store what differs
  ztp pull . --nodes                           fetch the backed-up configurations
  ztp check-list tonight.csv                   which of these switches will boot, and why not
  ztp doctor https://ztp.example.net/t/TOKEN/bootstrap
                                               what keeps a switch from booting from this URL

The server is that of --url, else of ZTP_URL, else of the last `ztp login`. The token is that of
ZTP_TOKEN, or the service token of Cloudflare Access in CF_ACCESS_CLIENT_ID and
CF_ACCESS_CLIENT_SECRET, else the one that `ztp login` has stored.

Exit status: 0 clean or done; 1 findings, a refusal, a difference or a conflict; 2 could not run.";

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check every file, and the references between files
    Validate(ValidateArgs),
    /// Show which pattern a node matches, why the others do not, and the definition that it receives
    Explain(ExplainArgs),
    /// Store new and changed files on the server
    Push(PushArgs),
    /// Take over a ZTPServer: its settings, content, pools and what it has allocated
    Takeover(TakeoverArgs),
    /// Show the changes that a push would make, as differences of texts; exit status 1 if there are any
    #[command(after_help = "Example:\n  ztp diff . --only definitions")]
    Diff(ChangeArgs),
    /// Fetch the stored content into a folder
    Pull(PullArgs),
    /// Tell which switches of a list will boot, and why not the others
    #[command(after_help = "\
Example:
  ztp check-list tonight.csv

The first line of FILE names the columns: serial or mac, and model, neighbors and site if they are
known. Neighbors are written INTERFACE=DEVICE:PORT, separated by blanks or semicolons:
  serial,model,neighbors
  JPE14080457,DCS-7050TX-64-F,Ethernet1=spine1:Ethernet7 Ethernet2=spine2:Ethernet7
A switch without neighbors in the list is one that is connected to nothing.")]
    CheckList {
        /// The list, as CSV; - is standard input
        file: PathBuf,
        /// The site of the switches whose line names none
        #[arg(long, value_parser = site_name)]
        site: Option<String>,
    },
    /// Send the requests of a switch to a server, and tell why they would fail
    Doctor(DoctorArgs),
    /// List the nodes
    Nodes(NodesArgs),
    /// Show a node: its facts, records, pool values and latest events
    Node {
        /// Its id
        id: String,
    },
    /// Store records of a node: its definition, startup-config or attributes
    Assign(AssignArgs),
    /// Drop the definition and pattern of nodes: they match neighbordb again at their next boot
    Reprovision {
        /// Their ids
        #[arg(required = true)]
        id: Vec<String>,
    },
    /// Delete all records of a node
    Forget {
        /// Its id
        id: String,
        /// Release its values of all pools, too
        #[arg(long)]
        pools: bool,
        /// Delete its history and former startup-configs, too
        #[arg(long)]
        history: bool,
    },
    /// Make a site the owner of a node
    Move {
        /// Its id
        id: String,
        /// The site
        #[arg(value_parser = site_name, required_unless_present = "no_site")]
        site: Option<String>,
        /// Remove the site: the next one that the node's requests come from becomes its owner
        #[arg(long, conflicts_with = "site")]
        no_site: bool,
    },
    /// Show the resource pools, one pool, or the values of a node
    Pools {
        /// A pool [default: all pools]
        pool: Option<String>,
        /// The values of this node, of all pools
        #[arg(long, value_name = "ID", conflicts_with = "pool")]
        node: Option<String>,
        /// With --node: release them
        #[arg(long, requires = "node")]
        release: bool,
    },
    /// Show the audit log: every change, the newest first
    Log(LogArgs),
    /// Undo a change of content in the audit log
    Undo {
        /// Its number in the log
        number: u64,
    },
    /// Verify a token, which is read from standard input, and store it
    #[command(after_help = "\
Examples:
  ztp login --url https://ztp.example.net      asks for the token, and does not show it
  ztp login --url https://ztp.example.net < token-file
  ztp login --url https://ztp.example.net --access
                                               a service token of Cloudflare Access: two lines

The file with the tokens can be read by its owner only. The server of the last login is the default.")]
    Login {
        /// Read the client ID and the client secret of a service token of Cloudflare Access
        #[arg(long)]
        access: bool,
    },
    /// Remove a stored token
    Logout,
    /// Print the completions of a shell
    #[command(
        after_help = "Example:\n  ztp completions bash > ~/.local/share/bash-completion/completions/ztp"
    )]
    Completions { shell: Shell },
    /// Write the manual pages to a folder
    #[command(after_help = "Example:\n  ztp man ~/.local/share/man/man1")]
    Man { dir: PathBuf },
    /// List the kinds of findings, with what to do about each
    Kinds,
}

/// How a data_root is checked.
#[derive(Debug, Default, Args)]
pub struct CheckArgs {
    /// Which fact names a node: serialnumber or systemmac [default: that of ztpserver.conf in DIR,
    /// else of the wrangler.toml above DIR]
    #[arg(long)]
    pub identifier: Option<Identifier>,
    /// The site of all nodes without a file nodes/ID/site: its pools, resources/SITE/POOL, come
    /// before resources/POOL
    #[arg(long, value_parser = site_name)]
    pub site: Option<String>,
    /// Allow findings of this kind, as `ztp kinds` names it; may be given many times. A file
    /// validate.toml in DIR allows some for good
    #[arg(long, value_name = "KIND", value_parser = allow::kind)]
    pub allow: Vec<FindingKind>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ztp validate .                               as text
  ztp validate . --format github               in GitHub Actions: shown next to the changed lines
  ztp validate . --format json | jq '.findings[] | select(.severity == \"error\")'

It changes no file and runs none. `ztp kinds` lists what can be found. Errors are what refuses a
switch, or gives it what nobody wants; everything else is a warning.")]
pub struct ValidateArgs {
    /// The data_root
    pub dir: PathBuf,
    /// How findings are written
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    #[command(flatten)]
    pub check: CheckArgs,
    /// The server that DIR comes from, as HOST or URL: texts that name it are found [default: that of
    /// ztpserver.conf in DIR]
    #[arg(long, value_name = "HOST")]
    pub old_server: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ztp explain . --node facts.json              the body of a POST, or a stored nodes/ID/.node
  ztp explain . --id JPE1                      a node whose .node is in DIR (ztp pull)
  ztp explain . --serial JPE1 --model DCS-7050TX-64-F \\
      --neighbor Ethernet1=spine1:Ethernet7 --neighbor Ethernet2=spine2:Ethernet7
  ztp explain --url https://ztp.example.net --id JPE1
                                               the definition that a server has for this node

Nothing is written and nothing is allocated: without a reservation, the value of a pool is shown as
<a value of POOL>. Without DIR, the server answers from the stored content.")]
pub struct ExplainArgs {
    /// The data_root [default: the content on the server]
    pub dir: Option<PathBuf>,
    /// A file with the node's facts, as JSON; - is standard input
    #[arg(long, value_name = "FACTS.json", group = "who")]
    pub node: Option<PathBuf>,
    /// A node that is known: by its folder in DIR, or on the server
    #[arg(long, group = "who")]
    pub id: Option<String>,
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
    #[arg(long, value_parser = site_name)]
    pub site: Option<String>,
}

/// Paths below DIR.
#[derive(Debug, Default, Args)]
pub struct Only {
    /// Only this path below DIR, a file or a folder; may be given many times
    #[arg(long, value_name = "PATH", value_parser = below)]
    pub only: Vec<String>,
}

impl Only {
    /// Whether a key is selected.
    pub fn includes(&self, key: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|path| is_below(key, path))
    }

    /// Whether a path is exactly this key.
    pub fn names(&self, key: &str) -> bool {
        self.only.iter().any(|path| path == key)
    }

    /// Checks that each path selects a key.
    pub fn check<'k>(&self, keys: impl Iterator<Item = &'k str> + Clone) -> Result<(), Failure> {
        let selects = |path: &&String| keys.clone().any(|key| is_below(key, path));
        let advice = "give a path below DIR, such as definitions/leaf or files";
        match self.only.iter().find(|path| !selects(path)) {
            None => Ok(()),
            Some(path) => Err(format!("--only {path} selects nothing; {advice}").into()),
        }
    }
}

/// Whether a path is a key, or a folder that it is in.
pub fn is_below(key: &str, path: &str) -> bool {
    let rest = key.strip_prefix(path);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The changes of a push.
#[derive(Debug, Args)]
pub struct ChangeArgs {
    /// The data_root
    pub dir: PathBuf,
    #[command(flatten)]
    pub only: Only,
    #[command(flatten)]
    pub check: CheckArgs,
    /// Delete keys that a push has stored, that have not changed since, and that DIR lacks
    #[arg(long)]
    pub prune: bool,
    /// Replace values that somebody else has changed since the last push or pull, and store documents
    /// that the server finds broken
    #[arg(long)]
    pub force: bool,
    /// Replace startup-configs that switches have stored, too
    #[arg(long)]
    pub overwrite_startup_configs: bool,
    /// Store nodes/ID/.node, too, as after moving to another account
    #[arg(long)]
    pub with_facts: bool,
    /// Store the unchanged client, actions and packages of ZTPServer, too
    #[arg(long)]
    pub with_stock: bool,
    /// Files that are not in DIR, each with its key
    #[arg(skip)]
    pub added: Vec<(String, PathBuf)>,
    /// The server that DIR comes from, for the check: see validate
    #[arg(skip)]
    pub old_server: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ztp push . --dry-run                         show the plan, store nothing
  ztp push .                                   store what differs
  ztp push . --only definitions/leaf           store one file
  ztp push . --allow missing-file              in spite of files that are missing
  ztp push . --prune                           and delete pushed keys that DIR no longer has

A push begins with `ztp validate`, and stores nothing if that finds an error, unless it is allowed;
content on the server counts as well. Warnings do not stop it. It never changes nodes/ID/.node, or a
startup-config that the switch itself has stored since the last push. A value that somebody else has
changed since the last push or pull of DIR stays, and the difference is shown. Run it again after an
interruption: it resumes.")]
pub struct PushArgs {
    #[command(flatten)]
    pub change: ChangeArgs,
    /// Show the plan, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// List unchanged files, too
    #[arg(long, short)]
    pub verbose: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ztp takeover /usr/share/ztpserver --dry-run  show each step, store nothing
  ztp takeover /usr/share/ztpserver --report takeover.md
  ztp takeover /usr/share/ztpserver --from http://ztpserver:8080
                                               and compare the definitions that both servers have

It changes nothing in DIR and on the ZTPServer. Like a push, it stops at errors. Run it again after an
interruption, or after a correction: it stores only the rest.")]
pub struct TakeoverArgs {
    /// The data_root of the ZTPServer, or a copy of it
    pub dir: PathBuf,
    /// The settings of the ZTPServer [default: ztpserver.conf in DIR, else the file that ztpserver.wsgi
    /// in DIR names, else that of /etc/ztpserver if DIR is its data_root]
    #[arg(long, value_name = "FILE")]
    pub conf: Option<PathBuf>,
    /// The database of the plugin sqlite [default: the one that the plugin names]
    #[arg(long, value_name = "FILE")]
    pub database: Option<PathBuf>,
    /// The URL of the ZTPServer: compare the definitions that both servers have for each node of DIR
    #[arg(long, value_name = "URL")]
    pub from: Option<String>,
    /// The site of all nodes without a file nodes/ID/site: see validate
    #[arg(long, value_parser = site_name)]
    pub site: Option<String>,
    /// Show each step, and store nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Write the final page to a file, as Markdown
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Allow findings of this kind, as `ztp kinds` names it; may be given many times
    #[arg(long, value_name = "KIND", value_parser = allow::kind)]
    pub allow: Vec<FindingKind>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ztp pull backup                              everything, into the folder backup
  ztp pull . --nodes                           only nodes/, with the backed-up configurations
  ztp pull . --nodes --overwrite               also replace files of DIR that differ

A file in DIR that differs is left alone and listed, unless --overwrite is given; nothing in DIR is
ever deleted.")]
pub struct PullArgs {
    /// The folder to write to; it is created if it does not exist
    pub dir: PathBuf,
    #[command(flatten)]
    pub only: Only,
    /// Only the records of nodes
    #[arg(long, conflicts_with = "only")]
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

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ztp doctor https://ztp.example.net/t/TOKEN/bootstrap
  ztp doctor - < url                           other users of this machine do not see the token

Run it where the switches are, because firewalls and proxies differ. It changes nothing on the
server, and uses no proxy. With an admin token, it also tells which limits of the free plan the
stored content will meet. It never prints the token of a site.

Exit status: 0 everything is fine; 1 a warning or a problem; 2 the URL is not valid.")]
pub struct DoctorArgs {
    /// The URL of DHCP option 67, https://HOST/t/TOKEN/bootstrap, or the start of it; - reads it from standard
    /// input
    #[arg(value_name = "URL")]
    pub target: String,
    /// Trust the authorities of this PEM file instead of the public ones: for a proxy of your own
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// The timeout of a connection, and of each part of a response, in seconds; a whole response may take twelve times as
    /// long
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=300))]
    pub timeout: u64,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ztp assign JPE1 --startup-config leaf7.cfg
  ztp assign JPE1 --definition leaf.yaml --attributes leaf7.yaml
  ztp assign JPE1 --delete attributes

Records that are not named stay as they are. All are stored together, or none.")]
pub struct AssignArgs {
    /// The node
    pub id: String,
    /// A file with its definition
    #[arg(long, value_name = "FILE")]
    pub definition: Option<PathBuf>,
    /// A file with its startup-config
    #[arg(long, value_name = "FILE")]
    pub startup_config: Option<PathBuf>,
    /// A file with its attributes
    #[arg(long, value_name = "FILE")]
    pub attributes: Option<PathBuf>,
    /// A file with the pattern that it must match
    #[arg(long, value_name = "FILE")]
    pub pattern: Option<PathBuf>,
    /// A file with its config-handler
    #[arg(long, value_name = "FILE")]
    pub config_handler: Option<PathBuf>,
    /// Delete a record; may be given many times
    #[arg(long, value_name = "RECORD", value_parser = ASSIGNABLE)]
    pub delete: Vec<String>,
    /// Store records that the server finds broken
    #[arg(long)]
    pub force: bool,
}

#[derive(Debug, Args, Serialize)]
pub struct NodesArgs {
    /// Only nodes of this site
    #[arg(long, value_parser = site_name)]
    pub site: Option<String>,
    /// Only nodes whose id contains this text
    #[arg(long)]
    pub text: Option<String>,
}

#[derive(Debug, Args, Serialize)]
pub struct LogArgs {
    /// Only changes of this key, node or pool
    #[arg(long)]
    pub target: Option<String>,
    /// Only changes by this operator
    #[arg(long)]
    pub who: Option<String>,
    /// Only changes before this number
    #[arg(long, value_name = "N")]
    pub before: Option<u64>,
    /// The largest number of changes, at most 200
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub limit: u64,
}

/// The records that `assign` changes.
const ASSIGNABLE: [&str; 5] = [
    "definition",
    "startup-config",
    "attributes",
    "pattern",
    "config-handler",
];

/// Reads the argument of `--only`.
fn below(text: &str) -> Result<String, String> {
    let path = text.trim_start_matches("./").trim_end_matches('/');
    let (is_valid, shown) = (path.split('/').all(is_name), Printable(text));
    let path = is_valid.then(|| path.to_owned());
    path.ok_or_else(|| {
        format!("'{shown}' is not a valid path below DIR: write it as definitions/leaf")
    })
}

/// Reads the argument of `--site`.
fn site_name(text: &str) -> Result<String, String> {
    let (is_valid, shown) = (is_site_name(text), Printable(text));
    let name = is_valid.then(|| text.to_owned());
    name.ok_or_else(|| {
        format!("'{shown}' is not a valid name of a site: it must be letters, digits, - and _")
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
