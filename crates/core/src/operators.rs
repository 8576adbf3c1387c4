//! Who may use the /admin API, and for what.
//!
//! The document `operators` is a list. Each entry names a person by `email`, a `group` of the identity provider, or a
//! `service_token` of Cloudflare Access, and gives it a `role`. The first entry that matches counts.

use std::fmt;

use serde::Serialize;

use crate::credentials::is_site_name;
use crate::yaml::{self, Diagnostic, Node, Position, Value};

/// The keys of an entry.
pub const KEYS: [&str; 6] = [
    "email",
    "group",
    "service_token",
    "role",
    "sites",
    "secrets",
];

/// The rights of an operator. Each role may do everything that the ones before it may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Reads.
    Viewer,
    /// Acts on nodes.
    Operator,
    /// Changes content, pools and everything else.
    Admin,
}

impl Role {
    /// Every role, the least first.
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Operator, Self::Admin];

    /// Its name in `operators` and in responses.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The credential that identified an operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// The admin token, in the header `Authorization`.
    Token,
    /// A token of Cloudflare Access.
    Access,
    /// The session cookie of the console.
    Cookie,
}

/// An identified caller of the /admin API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    /// An email address, the id of a service token, or `admin token`; for the audit log.
    pub name: String,
    pub role: Role,
    /// The sites whose nodes are visible; `None`: all nodes.
    pub sites: Option<Vec<String>>,
    /// Whether secrets in startup-configs are visible.
    pub secrets: bool,
    pub method: Method,
}

impl Operator {
    /// The owner of `ZTP_ADMIN_TOKEN`, who may do everything.
    pub fn with_admin_token() -> Self {
        Self {
            name: "admin token".to_owned(),
            role: Role::Admin,
            sites: None,
            secrets: true,
            method: Method::Token,
        }
    }

    /// Whether the nodes of a site are visible; `None`: nodes that belong to no site.
    pub fn may_see(&self, site: Option<&str>) -> bool {
        match (&self.sites, site) {
            (None, _) => true,
            (Some(sites), Some(site)) => sites.iter().any(|own| own == site.trim()),
            (Some(_), None) => false,
        }
    }
}

/// Who a verified token of Cloudflare Access was made for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// `None` for a service token.
    pub email: Option<String>,
    pub groups: Vec<String>,
    /// The client id of a service token.
    pub service_token: Option<String>,
}

impl Identity {
    /// Its name in logs; `None` if it has neither an email address nor the id of a service token.
    pub fn name(&self) -> Option<&str> {
        self.email.as_deref().or(self.service_token.as_deref())
    }
}

/// The document `operators`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Operators(Vec<Entry>);

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where it begins.
    pub position: Position,
    pub who: Who,
    pub role: Role,
    /// At least one site, or `None`: all nodes are visible.
    pub sites: Option<Vec<String>>,
    /// Whether secrets in startup-configs are visible; by default to all but viewers.
    pub secrets: bool,
}

/// Whom an entry is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// In lower case: providers change the case of addresses.
    Email(String),
    Group(String),
    ServiceToken(String),
}

impl Who {
    fn is(&self, identity: &Identity) -> bool {
        match self {
            Self::Email(email) => identity
                .email
                .as_ref()
                .is_some_and(|own| own.to_lowercase() == *email),
            Self::Group(group) => identity.groups.contains(group),
            Self::ServiceToken(id) => identity.service_token.as_ref() == Some(id),
        }
    }
}

impl Operators {
    /// Parses the document; an empty one has no entries.
    ///
    /// # Errors
    /// Invalid YAML; not a list of mappings; an entry that does not name exactly one of `email`, `group` and
    /// `service_token`, has no valid `role`, or has an unknown key: a misspelled `sites` would make all nodes visible.
    pub fn parse(text: &str) -> Result<Self, Diagnostic> {
        let root = yaml::parse(text)?;
        match &root.value {
            Value::Null => Ok(Self::default()),
            Value::List(entries) => entries
                .iter()
                .map(Entry::parse)
                .collect::<Result<_, _>>()
                .map(Self),
            other => Err(Diagnostic::at(
                &root,
                format!(
                    "operators must be a list of entries with 'role' and 'email', 'group' or 'service_token', not {}",
                    other.kind()
                ),
            )),
        }
    }

    /// All entries, in order.
    pub fn entries(&self) -> &[Entry] {
        &self.0
    }

    /// The operator that an identity is, by the first entry that matches; `None`: none matches.
    pub fn operator(&self, identity: &Identity) -> Option<Operator> {
        let name = identity.name()?;
        let entry = self.0.iter().find(|entry| entry.who.is(identity))?;
        Some(Operator {
            name: name.to_owned(),
            role: entry.role,
            sites: entry.sites.clone(),
            secrets: entry.secrets,
            method: Method::Access,
        })
    }
}

impl Entry {
    fn parse(node: &Node) -> Result<Self, Diagnostic> {
        if !matches!(node.value, Value::Mapping(_)) {
            return Err(wrong(
                node,
                "an entry of operators",
                "a mapping with 'role' and 'email', 'group' or 'service_token'",
            ));
        }
        if let Some(key) = node.unknown_keys(&KEYS).next() {
            return Err(Diagnostic::at(
                key,
                format!(
                    "{} is not a key of an entry of operators; the keys are {}",
                    key.shown(),
                    KEYS.join(", ")
                ),
            ));
        }
        let role = role(node)?;
        let secrets = match node.get("secrets") {
            None => role > Role::Viewer,
            Some(secrets) => match secrets.value {
                Value::Bool(secrets) => secrets,
                _ => return Err(wrong(secrets, "'secrets'", "true or false")),
            },
        };
        Ok(Self {
            position: node.position,
            who: who(node)?,
            role,
            sites: node.get("sites").map(sites).transpose()?,
            secrets,
        })
    }
}

fn who(node: &Node) -> Result<Who, Diagnostic> {
    let mut found = None;
    for key in ["email", "group", "service_token"] {
        let Some(value) = node.get(key) else { continue };
        if found.is_some() {
            return Err(Diagnostic::at(
                value,
                format!(
                    "an entry of operators has one of 'email', 'group' and 'service_token': add an entry for this '{key}'"
                ),
            ));
        }
        let name = value.as_name().map_or("", str::trim).to_owned();
        let (who, expected) = match key {
            "email" => (
                name.contains('@').then(|| Who::Email(name.to_lowercase())),
                "an email address",
            ),
            "group" => (
                Some(Who::Group(name.clone())),
                "the name or the id of a group",
            ),
            _ => (
                Some(Who::ServiceToken(name.clone())),
                "the client id of a service token",
            ),
        };
        let who = who.filter(|_| !name.is_empty());
        found = Some(who.ok_or_else(|| wrong(value, &format!("'{key}'"), expected))?);
    }
    found.ok_or_else(|| {
        Diagnostic::at(
            node,
            "this entry of operators has no 'email', 'group' or 'service_token'",
        )
    })
}

fn role(node: &Node) -> Result<Role, Diagnostic> {
    let role = node
        .get("role")
        .ok_or_else(|| Diagnostic::at(node, "this entry of operators has no 'role'"))?;
    Role::ALL
        .into_iter()
        .find(|known| role.as_str() == Some(known.name()))
        .ok_or_else(|| wrong(role, "'role'", "viewer, operator or admin"))
}

fn sites(node: &Node) -> Result<Vec<String>, Diagnostic> {
    let expected = "a list of at least one site; without 'sites', all nodes are visible";
    let Value::List(sites) = &node.value else {
        return Err(wrong(node, "'sites'", expected));
    };
    if sites.is_empty() {
        return Err(Diagnostic::at(node, format!("'sites' must be {expected}")));
    }
    let name = |site: &Node| match site.as_name() {
        Some(name) if is_site_name(name) => Ok(name.to_owned()),
        _ => Err(wrong(
            site,
            "a site",
            "a name of letters, digits, - and _, as in ZTP_TOKENS",
        )),
    };
    sites.iter().map(name).collect()
}

fn wrong(node: &Node, what: &str, expected: &str) -> Diagnostic {
    Diagnostic::at(
        node,
        format!("{what} must be {expected}, not {}", node.shown()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_includes_those_before_it() {
        assert!(Role::Viewer < Role::Operator && Role::Operator < Role::Admin);
        assert!(Role::ALL.is_sorted());
    }

    #[test]
    fn an_operator_with_sites_sees_their_nodes_only() {
        let mut operator = Operator::with_admin_token();
        assert!(operator.may_see(None) && operator.may_see(Some("berlin")));
        operator.sites = Some(vec!["berlin".to_owned()]);
        assert!(operator.may_see(Some("berlin\n")));
        assert!(!operator.may_see(Some("paris")) && !operator.may_see(None));
    }

    fn person(email: &str, groups: &[&str]) -> Identity {
        Identity {
            email: Some(email.to_owned()),
            groups: groups.iter().map(|&group| group.to_owned()).collect(),
            service_token: None,
        }
    }

    #[test]
    fn the_first_entry_that_matches_counts() {
        let operators = Operators::parse(
            "- {email: Ada@Example.NET, role: admin}\n\
             - {group: 0042, role: operator, sites: [berlin, 7], secrets: false}\n\
             - {group: noc, role: viewer}\n\
             - {email: ada@example.net, role: viewer}\n\
             - service_token: abc.access\n  role: operator\n",
        )
        .unwrap();
        let found = |identity: &Identity| {
            operators.operator(identity).map(|operator| {
                (
                    operator.name,
                    operator.role,
                    operator.sites,
                    operator.secrets,
                )
            })
        };
        let sites = Some(vec!["berlin".to_owned(), "7".to_owned()]);
        for (identity, expected) in [
            (
                person("ada@EXAMPLE.net", &["noc"]),
                Some(("ada@EXAMPLE.net", Role::Admin, None, true)),
            ),
            (
                person("bob@example.net", &["noc", "0042"]),
                Some(("bob@example.net", Role::Operator, sites, false)),
            ),
            (
                person("eve@example.net", &["noc"]),
                Some(("eve@example.net", Role::Viewer, None, false)),
            ),
            (
                Identity {
                    service_token: Some("abc.access".to_owned()),
                    ..Identity::default()
                },
                Some(("abc.access", Role::Operator, None, true)),
            ),
            (person("eve@example.net", &["NOC", "34"]), None),
            (person("abc.access", &[]), None),
            (
                Identity {
                    service_token: Some("ada@example.net".to_owned()),
                    ..Identity::default()
                },
                None,
            ),
            (Identity::default(), None),
        ] {
            let expected = expected
                .map(|(name, role, sites, secrets)| (name.to_owned(), role, sites, secrets));
            assert_eq!(found(&identity), expected, "{identity:?}");
        }
    }

    #[test]
    fn a_document_without_entries_has_no_operators() {
        for text in ["", "# none yet\n", "[]\n"] {
            assert_eq!(Operators::parse(text).unwrap().entries(), [], "{text}");
        }
    }

    #[test]
    fn an_invalid_entry_is_rejected_with_its_position() {
        for (text, reason) in [
            (
                "email: ada@example.net\n",
                "line 1, column 1: operators must be a list of entries with 'role' and 'email', 'group' or 'service_token', not a mapping",
            ),
            (
                "- ada@example.net\n",
                "line 1, column 3: an entry of operators must be a mapping with 'role' and 'email', 'group' or 'service_token', not 'ada@example.net'",
            ),
            (
                "- role: admin\n",
                "line 1, column 3: this entry of operators has no 'email', 'group' or 'service_token'",
            ),
            (
                "- email: ada@example.net\n",
                "line 1, column 3: this entry of operators has no 'role'",
            ),
            (
                "- email: a@b\n  role: viewer\n  site: [berlin]\n",
                "line 3, column 3: 'site' is not a key of an entry of operators; the keys are email, group, service_token, role, sites, secrets",
            ),
            (
                "- email: a@b\n  group: noc\n  role: viewer\n",
                "line 2, column 10: an entry of operators has one of 'email', 'group' and 'service_token': add an entry for this 'group'",
            ),
            (
                "- {email: ada, role: viewer}\n",
                "line 1, column 11: 'email' must be an email address, not 'ada'",
            ),
            (
                "- {group: '', role: viewer}\n",
                "line 1, column 11: 'group' must be the name or the id of a group, not ''",
            ),
            (
                "- {service_token: [], role: viewer}\n",
                "line 1, column 19: 'service_token' must be the client id of a service token, not a list",
            ),
            (
                "- {email: a@b, role: Admin}\n",
                "line 1, column 22: 'role' must be viewer, operator or admin, not 'Admin'",
            ),
            (
                "- {email: a@b, role: viewer, sites: berlin}\n",
                "line 1, column 37: 'sites' must be a list of at least one site; without 'sites', all nodes are visible, not 'berlin'",
            ),
            (
                "- {email: a@b, role: viewer, sites: []}\n",
                "line 1, column 37: 'sites' must be a list of at least one site; without 'sites', all nodes are visible",
            ),
            (
                "- {email: a@b, role: viewer, sites: [a/b]}\n",
                "line 1, column 38: a site must be a name of letters, digits, - and _, as in ZTP_TOKENS, not 'a/b'",
            ),
            (
                "- {email: a@b, role: viewer, secrets: 1}\n",
                "line 1, column 39: 'secrets' must be true or false, not '1'",
            ),
        ] {
            assert_eq!(
                Operators::parse(text).unwrap_err().to_string(),
                reason,
                "{text}"
            );
        }
    }
}
