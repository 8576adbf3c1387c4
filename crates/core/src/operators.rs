//! Who may use the /admin API, and for what.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What an operator may do. Each role may do everything that the ones before it may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Reads.
    Viewer,
    /// Acts on nodes.
    Operator,
    /// Changes content, pools and everything else.
    Admin,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        })
    }
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
}

impl Operator {
    /// The owner of `ZTP_ADMIN_TOKEN`, who may do everything.
    pub fn with_admin_token() -> Self {
        Self {
            name: "admin token".to_owned(),
            role: Role::Admin,
            sites: None,
            secrets: true,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_includes_those_before_it() {
        assert!(Role::Viewer < Role::Operator && Role::Operator < Role::Admin);
    }

    #[test]
    fn an_operator_with_sites_sees_their_nodes_only() {
        let mut operator = Operator::with_admin_token();
        assert!(operator.may_see(None) && operator.may_see(Some("berlin")));
        operator.sites = Some(vec!["berlin".to_owned()]);
        assert!(operator.may_see(Some("berlin\n")));
        assert!(!operator.may_see(Some("paris")) && !operator.may_see(None));
    }
}
