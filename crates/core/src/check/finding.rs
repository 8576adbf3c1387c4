//! A finding: its kind, which has a stable name, and its position.

use crate::yaml::{Diagnostic, Position};

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// According to the content that was checked, a switch is refused, or receives what nobody wants. `ztp push` stops.
    Error,
    /// Everything else: something has no effect, or another one than it seems to have, or an error that nothing uses.
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
    BadName "bad-name" Warning "rename it: every part of a key must be UTF-8 without control characters, and not '.' or '..'",
    KeyTooLong "key-too-long" Error "shorten the path",
    TooLarge "too-large" Error "make it smaller, or serve it from another server",
    BrokenLink "broken-link" Warning "fix or remove the symbolic link",
    Unreadable "unreadable" Error "make it readable for the user that runs this",
    NotAFile "not-a-file" Warning "remove it, or put a regular file in its place",
    NotUtf8 "not-utf8" Error "store it again as UTF-8",
    Misplaced "misplaced" Warning "move or rename it; as it is, nothing reads it",
    BadNodeId "bad-node-id" Warning "rename the folder to the id that the switch sends",

    // Documents by themselves.
    DuplicateKey "duplicate-key" Warning "remove one: the last value is used, in the place of the first",
    BadNeighbordb "bad-neighbordb" Error "correct it: as long as neighbordb has an error, no new node is matched",
    BadPattern "bad-pattern" Error "correct the pattern, or remove it: one invalid pattern stops all matching",
    BadDefinition "bad-definition" Error "correct it: every node that uses it is refused",
    BadAttributes "bad-attributes" Error "correct it: as it is, the node is refused",
    BadPool "bad-pool" Error "correct it: as it is, the pool allocates nothing; a key is one value (10.0.0.1/24, 10.1.0.0/24), but 10.0.0.1-10.0.0.9/24 and hosts(10.1.0.0/24) are every address in it",
    BadFacts "bad-facts" Warning "remove it: the node sends its facts again with its next POST, and a push does not store the file",
    BadBootstrapConf "bad-bootstrap-conf" Error "correct it: until then clients receive no logging and XMPP configuration",
    BadOperators "bad-operators" Error "correct it: until then nobody can use /admin by Cloudflare Access",
    BadServerConf "bad-server-conf" Warning "correct it, or set the [vars] in wrangler.toml by hand",
    UnknownKey "unknown-key" Warning "correct its spelling, or remove it: nothing reads it",
    UnknownLevel "unknown-level" Warning "use DEBUG, INFO, WARNING, ERROR or CRITICAL: with another level the client cannot log there",
    BadDestination "bad-destination" Error "write file:PATH, HOST or HOST:PORT: as it is, clients log nothing there",
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
    BadValueName "bad-value-name" Error "write allocate('pool', 'name'), with a name of at most 64 bytes without quotes",
    MisplacedKey "misplaced-key" Warning "move it out of 'attributes': it belongs beside 'action', and has no effect here",
    RepeatedCall "repeated-call" Warning "give each value a name if they should differ: allocate('pool', 'first') and allocate('pool', 'second'); every call with the same pool and name returns the same value",
    ReplacedAttributes "replaced-attributes" Warning "repeat these keys in the node's attributes if they are still wanted: a mapping of the node replaces that of the definition as a whole",
    UndefinedVariable "undefined-variable" Warning "add it to 'variables' of the action, or write $$ for a dollar sign: as it is, the text reaches the configuration unchanged",
    MalformedCall "malformed-call" Warning "write allocate('pool') or allocate('pool', 'name'), with quotes and a closing parenthesis",

    // Pools.
    MissingPool "missing-pool" Error "add the file under resources/, or name another pool",
    ExhaustedPool "exhausted-pool" Error "add values to the pool, or reserve values for these nodes",
    DuplicateReservation "duplicate-reservation" Warning "remove one, or give it a name (NODE/NAME): the node receives the first value that is reserved for it, and no node receives the other",
    DuplicateValue "duplicate-value" Warning "remove one: a value is allocated once",

    // Nodes.
    FactsOfOtherNode "facts-of-other-node" Warning "remove the file, or rename the folder to the node that sent these facts; a push does not store the file",
    RefusedNode "refused-node" Warning "correct the pattern or the cabling, or remove the node's pattern: the node is refused as long as it sends these facts; those in the file may be old, and a push does not store them",
    UnreachablePattern "unreachable-pattern" Warning "add a definition or a startup-config: without one the first POST of the node replaces the pattern",
    EmptyStartupConfig "empty-startup-config" Error "remove it, or put the configuration there: as it is, the switch gets an empty one",

    // Scripts.
    StockClient "stock-client" Warning "delete it: without it, switches receive the client of this server, which retries and logs more, and needs no package",
    ByteOrderMark "byte-order-mark" Warning "store it without a byte order mark: the server removes it, but other servers do not",
    LineEnds "line-ends" Warning "store it with the line ends of Unix: the server removes the carriage returns, but other servers do not",
    NoServer "no-server" Warning "put $SERVER where the script needs the server's URL, unless the script has another way to know it",
    BadScript "bad-script" Error "correct it: the switch cannot run it",
    Python2 "python-2-only" Warning "write it for Python 2.7 and 3: releases of EOS without Python 2 cannot run it",
    NewPython "new-python" Warning "use older syntax if your switches run releases of EOS with an older Python",
    NoMain "no-main" Error "define main(attributes): that is what the client calls",

    // Moving from another server.
    Leftover "leftover" Warning "remove these, or push one with --only and its path",
    OldServer "old-server" Warning "use a path on this server, or $SERVER in the bootstrap script: the old server will be gone",
}

/// One problem, and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub kind: FindingKind,
    /// That of the kind, unless the rest of the content shows that it is less.
    pub severity: Severity,
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
            severity: kind.severity(),
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

    /// As a warning: nothing that was checked shows that a switch is concerned.
    pub fn as_warning(self) -> Self {
        let severity = Severity::Warning;
        Self { severity, ..self }
    }

    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
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
