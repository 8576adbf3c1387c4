//! Hints on a neighbor that differs from the required one only in its DNS domain or in case, with an expression that
//! matches both.
//!
//! The neighbor's configuration decides whether LLDP announces `spine1` or `spine1.example.net`, so a pattern from a cabling
//! plan often differs only in that.

use std::fmt;

use super::mismatch::{NeighborConditions, Seen};
use crate::function::{Function, SystemName};
use crate::node::Neighbor;
use crate::printable::{Expression, Printable};
use crate::pyregex::{Budget, Indeterminate, PyRegex};

/// The neighbor, and suggestions for the device, the port, or both.
pub(super) struct Near<'a> {
    neighbor: &'a Neighbor,
    device: Option<Suggestion>,
    port: Option<Suggestion>,
}

/// An expression that matches the actual and the required name.
struct Suggestion {
    domain: bool,
    case: bool,
    expression: String,
}

/// The comparison of the actual name with the required one.
enum Comparison {
    Same,
    Near(Suggestion),
    Different,
}

/// The first neighbor that is similar to the required one.
///
/// # Errors
/// The budget is exhausted.
pub(super) fn find<'a>(
    required: NeighborConditions<'_>,
    seen: Seen<'a>,
    budget: &mut Budget,
) -> Result<Option<Near<'a>>, Indeterminate> {
    for neighbor in seen.neighbors() {
        budget.spend(1)?;
        let device = match compare(required.device, &neighbor.device, true, budget)? {
            Comparison::Same => None,
            Comparison::Near(suggestion) => Some(suggestion),
            Comparison::Different => continue,
        };
        let port = match compare(required.port, &neighbor.port, false, budget)? {
            Comparison::Same => None,
            Comparison::Near(suggestion) => Some(suggestion),
            Comparison::Different => continue,
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

fn compare(
    required: Option<&Function>,
    saw: &str,
    is_device: bool,
    budget: &mut Budget,
) -> Result<Comparison, Indeterminate> {
    let Some(function) = required else {
        return Ok(Comparison::Same);
    };
    if function.accepts(saw, budget)? {
        return Ok(Comparison::Same);
    }
    let near = match function {
        Function::Exact(required)
        | Function::Port {
            short: required, ..
        } => near_name(required, saw, is_device),
        Function::Regex(regex) => near_expression(regex, saw, is_device, budget)?,
        // A part of a name is similar to none.
        _ => None,
    };
    Ok(near.map_or(Comparison::Different, Comparison::Near))
}

fn near_name(required: &str, saw: &str, is_device: bool) -> Option<Suggestion> {
    let (host, other) = (SystemName::of(required), SystemName::of(saw));
    let case = host.host != other.host;
    let has_quote = required.contains(['\'', ':']);
    if required.eq_ignore_ascii_case(saw) {
        // The function ignores the domain, too.
        let expression = match is_device && host.domain.is_none() && !has_quote {
            true => format!("host('{required}')"),
            false => format!("regex('(?i){}$')", escaped(required)),
        };
        return Some(Suggestion {
            domain: false,
            case: true,
            expression,
        });
    }
    let near = is_device
        && host.domain != other.domain
        && !host.host.is_empty()
        && host.host.eq_ignore_ascii_case(other.host);
    near.then(|| Suggestion {
        domain: true,
        case,
        expression: match has_quote {
            false => format!("host('{}')", host.host),
            true => format!("regex('(?i){}{ANY_DOMAIN}')", escaped(host.host)),
        },
    })
}

/// The end of an expression that matches a host name with and without a domain.
const ANY_DOMAIN: &str = r"(\..*)?$";

fn near_expression(
    regex: &PyRegex,
    saw: &str,
    is_device: bool,
    budget: &mut Budget,
) -> Result<Option<Suggestion>, Indeterminate> {
    let ends = ["$", r"\Z"];
    let body = ends
        .into_iter()
        .find_map(|end| regex.as_str().strip_suffix(end))
        .filter(|body| !body.ends_with('\\'));
    let with_domain = body
        .filter(|_| is_device && SystemName::of(saw).domain.is_some())
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
        // The cost of compiling.
        budget.spend(64 + regex.size() as u64 + text.len() as u64)?;
        let Ok(candidate) = PyRegex::new(&text) else {
            continue;
        };
        if candidate.is_match(saw, budget)? {
            return Ok(Some(Suggestion {
                domain,
                case,
                expression: format!("regex('{text}')"),
            }));
        }
    }
    Ok(None)
}

/// A regular expression that matches exactly a name.
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
        if let Some(suggestion) = &self.device {
            write!(f, "'{}' {suggestion}", Printable(&self.neighbor.device))?;
        }
        if let Some(suggestion) = &self.port {
            let and = if self.device.is_some() { ", " } else { "" };
            write!(
                f,
                "{and}port '{}' {suggestion}",
                Printable(&self.neighbor.port)
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for Suggestion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match (self.domain, self.case) {
            (true, true) => "its domain and in case",
            (true, false) => "its domain",
            _ => "case",
        };
        write!(
            f,
            "differs only in {what}: to match it as well, write {}",
            Expression(&self.expression)
        )
    }
}
