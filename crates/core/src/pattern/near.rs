//! A neighbor that is the one wanted but for its DNS domain or for its case, and how to write a pattern that takes both.
//!
//! Whether LLDP says `spine1` or `spine1.example.net` depends on the neighbor's own configuration, so that a pattern that
//! was written from a cabling plan often misses by just that.

use std::fmt;

use super::mismatch::{Kind, Seen};
use crate::function::Function;
use crate::node::Neighbor;
use crate::printable::{Expression, Printable};
use crate::pyregex::{Budget, Indeterminate, PyRegex};

/// The neighbor, and what to write in place of its device, its port, or both.
pub(super) struct Near<'a> {
    neighbor: &'a Neighbor,
    device: Option<Instead>,
    port: Option<Instead>,
}

/// An expression that takes the name seen and the one wanted.
struct Instead {
    domain: bool,
    case: bool,
    expression: String,
}

/// How a name seen compares with the one wanted.
enum Likeness {
    Same,
    Near(Instead),
    Different,
}

/// The first of the neighbors that is near to the kind wanted.
///
/// # Errors
/// The budget is used up.
pub(super) fn find<'a>(
    wants: Kind<'_>,
    seen: Seen<'a>,
    budget: &mut Budget,
) -> Result<Option<Near<'a>>, Indeterminate> {
    for neighbor in seen.neighbors() {
        budget.spend(1)?;
        let device = match likeness(wants.device, &neighbor.device, true, budget)? {
            Likeness::Same => None,
            Likeness::Near(instead) => Some(instead),
            Likeness::Different => continue,
        };
        let port = match likeness(wants.port, &neighbor.port, false, budget)? {
            Likeness::Same => None,
            Likeness::Near(instead) => Some(instead),
            Likeness::Different => continue,
        };
        if device.is_some() || port.is_some() {
            return Ok(Some(Near {
                neighbor,
                device,
                port,
            }));
        }
    }
    Ok(None)
}

fn likeness(
    wanted: Option<&Function>,
    saw: &str,
    is_device: bool,
    budget: &mut Budget,
) -> Result<Likeness, Indeterminate> {
    let Some(function) = wanted else {
        return Ok(Likeness::Same);
    };
    if function.accepts(saw, budget)? {
        return Ok(Likeness::Same);
    }
    let near = match function {
        Function::Exact(wanted) => near_name(wanted, saw, is_device),
        Function::Regex(regex) => near_expression(regex, saw, is_device, budget)?,
        Function::Includes(_) | Function::Excludes(_) => None,
    };
    Ok(near.map_or(Likeness::Different, Likeness::Near))
}

fn near_name(wanted: &str, saw: &str, is_device: bool) -> Option<Instead> {
    let instead = |name: &str, domain, case| Instead {
        domain,
        case,
        expression: format!(
            "regex('{}{}{}')",
            if case { "(?i)" } else { "" },
            escaped(name),
            if domain { ANY_DOMAIN } else { "$" }
        ),
    };
    if wanted.eq_ignore_ascii_case(saw) {
        return Some(instead(wanted, false, true));
    }
    let (wanted, saw) = (split(wanted), split(saw));
    let near = is_device
        && wanted.domain != saw.domain
        && !wanted.host.is_empty()
        && wanted.host.eq_ignore_ascii_case(saw.host);
    near.then(|| instead(wanted.host, true, wanted.host != saw.host))
}

/// What an expression ends with that takes a host name with and without a domain.
const ANY_DOMAIN: &str = r"(\..*)?$";

fn near_expression(
    regex: &PyRegex,
    saw: &str,
    is_device: bool,
    budget: &mut Budget,
) -> Result<Option<Instead>, Indeterminate> {
    let ends = ["$", r"\Z"];
    let body = ends
        .into_iter()
        .find_map(|end| regex.as_str().strip_suffix(end))
        .filter(|body| !body.ends_with('\\'));
    let with_domain = body
        .filter(|_| is_device && split(saw).domain.is_some())
        // Not `(?:...)`: in `<device>:<port>` an expression cannot have a ':'.
        .map(|body| match body.contains('|') {
            true => format!("({body}){ANY_DOMAIN}"),
            false => format!("{body}{ANY_DOMAIN}"),
        });
    let any_case = |expression: &str| format!("(?i){expression}");
    let tries = [
        Some((false, true, any_case(regex.as_str()))),
        with_domain.clone().map(|text| (true, false, text)),
        with_domain.map(|text| (true, true, any_case(&text))),
    ];
    for (domain, case, text) in tries.into_iter().flatten() {
        // What compiling costs.
        budget.spend(64 + regex.size() as u64 + text.len() as u64)?;
        let Ok(candidate) = PyRegex::new(&text) else {
            continue;
        };
        if candidate.is_match(saw, budget)? {
            return Ok(Some(Instead {
                domain,
                case,
                expression: format!("regex('{text}')"),
            }));
        }
    }
    Ok(None)
}

/// A system name as LLDP has it: a host, with or without its domain.
struct SystemName<'a> {
    host: &'a str,
    domain: Option<&'a str>,
}

/// Addresses have dots, too: a domain ends with a label that begins with a letter (RFC 3696, 2).
fn split(name: &str) -> SystemName<'_> {
    let parts = name.split_once('.').filter(|(_, domain)| {
        let top = domain.trim_end_matches('.').rsplit('.').next();
        top.is_some_and(|label| label.starts_with(|c: char| c.is_ascii_alphabetic()))
    });
    match parts {
        Some((host, domain)) => SystemName {
            host,
            domain: Some(domain),
        },
        None => SystemName {
            host: name,
            domain: None,
        },
    }
}

/// A name as a regular expression that takes just that name.
fn escaped(name: &str) -> String {
    let mut escaped = String::with_capacity(name.len());
    for c in name.chars() {
        if r".^$*+?{}[]\|()".contains(c) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

impl fmt::Display for Near<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "; ")?;
        if let Some(instead) = &self.device {
            write!(f, "'{}' {instead}", Printable(&self.neighbor.device))?;
        }
        if let Some(instead) = &self.port {
            let and = if self.device.is_some() { ", " } else { "" };
            write!(
                f,
                "{and}port '{}' {instead}",
                Printable(&self.neighbor.port)
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for Instead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match (self.domain, self.case) {
            (true, true) => "its domain and in case",
            (true, false) => "its domain",
            _ => "case",
        };
        write!(
            f,
            "differs only in {what}: to take it as well, write {}",
            Expression(&self.expression)
        )
    }
}
