//! A finding: its kind, which has a stable name, and its position.

use crate::yaml::{Diagnostic, Position};

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// A switch is refused, or receives something wrong. `ztp push` stops.
    Error,
    /// Something has no effect, or another one than it seems to have.
    Warning,
}

impl Severity {
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// Declares the kinds: variant, stable name, severity, advice.
macro_rules! kinds {
    ($($variant:ident $id:literal $severity:ident $help:literal,)*) => {
        /// A kind of finding. Its name is stable: configurations of CI may rely on it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum FindingKind {
            $($variant,)*
        }

        impl FindingKind {
            /// Every kind, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The stable name.
            pub fn id(self) -> &'static str {
                match self {
                    $(Self::$variant => $id,)*
                }
            }

            pub fn severity(self) -> Severity {
                match self {
                    $(Self::$variant => Severity::$severity,)*
                }
            }

            /// The advice for findings of this kind without their own advice.
            pub fn help(self) -> &'static str {
                match self {
                    $(Self::$variant => $help,)*
                }
            }
        }
    };
}

kinds! {
    // Names, sizes, files.
    BadName "bad-name" Error "rename it: every part of a key must be UTF-8 without control characters, and not '.' or '..'",
    KeyTooLong "key-too-long" Error "shorten the path",
    TooLarge "too-large" Error "make it smaller, or serve it from another server",
    BrokenLink "broken-link" Error "fix or remove the symbolic link",
    Unreadable "unreadable" Error "make it readable for the user that runs this",
    NotAFile "not-a-file" Error "remove it, or put a regular file in its place",
    NotUtf8 "not-utf8" Error "store it again as UTF-8",
    Misplaced "misplaced" Warning "move or rename it; as it is, nothing reads it",
    BadNodeId "bad-node-id" Error "rename the folder to the id that the switch sends",

    // Documents by themselves.
    DuplicateKey "duplicate-key" Warning "remove one: the last value is used, in the place of the first",
    BadNeighbordb "bad-neighbordb" Error "correct it: as long as neighbordb has an error, no new node is matched",
    BadPattern "bad-pattern" Error "correct the pattern, or remove it: one invalid pattern stops all matching",
    BadDefinition "bad-definition" Error "correct it: every node that uses it is refused",
    BadAttributes "bad-attributes" Error "correct it: as it is, the node is refused",
    BadPool "bad-pool" Error "correct it: as it is, the pool allocates nothing; a key is one value (10.0.0.1/24, 10.1.0.0/24), but 10.0.0.1-10.0.0.9/24 and hosts(10.1.0.0/24) are every address in it",
    BadFacts "bad-facts" Error "remove it: the node sends its facts again with its next POST",
    BadBootstrapConf "bad-bootstrap-conf" Error "correct it: until then clients receive no logging and XMPP configuration",
    BadOperators "bad-operators" Error "correct it: until then nobody can use /admin by Cloudflare Access",
    BadServerConf "bad-server-conf" Error "correct it, or set the [vars] in wrangler.toml by hand",
    UnknownKey "unknown-key" Warning "correct its spelling, or remove it: nothing reads it",
    UnknownLevel "unknown-level" Warning "use DEBUG, INFO, WARNING, ERROR or CRITICAL: with another level the client cannot log there",
    RenamedFile "renamed-file" Warning "rename the file: its name cannot be configured here",

    // Matching.
    NeverMatches "never-matches" Warning "correct the pattern, or remove it: no node can ever match it",
    Shadowed "shadowed" Warning "move it before the other pattern, change its conditions, or remove it",
    KnownNode "known-node" Warning "remove the pattern, or the node's folder: a registered node is not matched",
    DuplicatePattern "duplicate-pattern-name" Warning "give each pattern a unique name: a refusal names the pattern",
    UnusedVariable "unused-variable" Warning "use it as $name, or remove it",
    MissingDefinition "missing-definition" Error "add the file, or name another definition",
    MissingConfigHandler "missing-config-handler" Error "add the file, or remove the config-handler from the pattern",

    // Definitions and their references.
    MissingAction "missing-action" Error "add the file, or name one of the stock actions",
    MissingFile "missing-file" Error "add the file, or correct the URL",
    UnservedUrl "unserved-url" Error "put the file under files/: a URL without a scheme is relative to the server, which serves only files/, actions/, nodes/ and meta/",
    UndefinedName "undefined-name" Error "define it in the node's attributes or under 'attributes' of the definition: as it is, the switch gets null",
    NotLookedUp "not-looked-up" Warning "only the attributes of an action, and values one mapping down, are looked up, and only once",
    UnknownPlugin "unknown-plugin" Error "use allocate('pool') or sqlite('pool'): other plugins do not run here",
    MalformedCall "malformed-call" Warning "write allocate('pool'), with the pool in quotes and a closing parenthesis",

    // Pools.
    MissingPool "missing-pool" Error "add the file under resources/, or name another pool",
    ExhaustedPool "exhausted-pool" Error "add values to the pool, or reserve values for these nodes",
    DuplicateReservation "duplicate-reservation" Warning "remove one: the node receives the first value that is reserved for it, and no node receives the other",
    DuplicateValue "duplicate-value" Warning "remove one: a value is allocated once",

    // Nodes.
    FactsOfOtherNode "facts-of-other-node" Error "remove the file, or rename the folder to the node that sent these facts",
    RefusedNode "refused-node" Error "correct the pattern or the cabling, or remove the node's pattern: as it is, the node is refused",
    UnreachablePattern "unreachable-pattern" Warning "add a definition or a startup-config: without one the first POST of the node replaces the pattern",
    EmptyStartupConfig "empty-startup-config" Error "remove it, or put the configuration there: as it is, the switch gets an empty one",

    // Scripts.
    NoServer "no-server" Error "put $SERVER where the script needs the server's URL: clients have no other way to know it",
    BadScript "bad-script" Error "correct it: the switch cannot run it",
    NoMain "no-main" Error "define main(attributes): that is what the client calls",
}

/// One problem, and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub kind: FindingKind,
    /// The key of the file, which is its path below DIR.
    pub key: String,
    /// `None`: it is about the file as a whole.
    pub position: Option<Position>,
    /// One sentence without a full stop. It has names and values as they are stored: escape it for display.
    pub message: String,
    /// In place of [`FindingKind::help`].
    pub help: Option<String>,
}

impl Finding {
    /// About a file as a whole.
    pub fn of_file(kind: FindingKind, key: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            kind,
            key: key.into(),
            position: None,
            message: message.into(),
            help: None,
        }
    }

    /// About a place in a file.
    pub fn at(
        kind: FindingKind,
        key: impl Into<String>,
        position: Position,
        message: impl Into<String>,
    ) -> Self {
        Self {
            position: Some(position),
            ..Self::of_file(kind, key, message)
        }
    }

    /// A problem that a parser reports.
    pub fn of_diagnostic(
        kind: FindingKind,
        key: impl Into<String>,
        diagnostic: Diagnostic,
    ) -> Self {
        Self::at(kind, key, diagnostic.position, diagnostic.message)
    }

    /// With advice in place of that of its kind.
    pub fn with_help(self, help: impl Into<String>) -> Self {
        Self {
            help: Some(help.into()),
            ..self
        }
    }

    /// The advice for the operator.
    pub fn help(&self) -> &str {
        self.help.as_deref().unwrap_or(self.kind.help())
    }

    pub fn is_error(&self) -> bool {
        self.kind.severity() == Severity::Error
    }
}

/// Something that is not a finding, but the operator should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    pub text: String,
    /// Lines to copy from it.
    pub lines: Vec<String>,
}

impl Note {
    /// The complete text, each line escaped by `escape`.
    pub fn display(&self, escape: impl Fn(&str) -> String) -> String {
        let mut out = escape(&self.text);
        if !self.lines.is_empty() {
            let lines: Vec<_> = self.lines.iter().map(|line| escape(line)).collect();
            out += &format!("\n\n    {}\n", lines.join("\n    "));
        }
        out
    }
}

impl From<String> for Note {
    fn from(text: String) -> Self {
        let lines = Vec::new();
        Self { text, lines }
    }
}
