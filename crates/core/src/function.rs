//! The functions that compare a neighbor's name in a pattern: `exact`, `host`, `regex`, `includes`, `excludes`.

use std::fmt;

use super::printable::{Expression, Printable};
use super::pyregex::{Budget, Indeterminate, PyRegex};

/// A condition on the name of a device or port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Function {
    /// The name equals the string. A plain value has this meaning.
    Exact(Box<str>),
    /// The host of the name equals the string in any case. Which domain follows does not count.
    Host(Box<str>),
    /// A port in the short form that EOS prints, and its full name: `Et49/1`, which LLDP announces as `Ethernet49/1`.
    Port {
        short: Box<str>,
        full: Box<str>,
    },
    /// Python's `re.match` finds a match.
    Regex(PyRegex),
    Includes(Box<str>),
    Excludes(Box<str>),
}

/// Makes a function of its argument; an error continues the call.
type Constructor = fn(&str) -> Result<Function, String>;

/// Every function with its name.
const FUNCTIONS: [(&str, Constructor); 5] = [
    ("exact", |argument| Ok(Function::Exact(argument.into()))),
    ("host", |argument| match SystemName::of(argument).host {
        "" => Err("has no host before the domain".to_owned()),
        host => Ok(Function::Host(host.into())),
    }),
    ("regex", |argument| {
        let regex = PyRegex::new(argument);
        let regex =
            regex.map_err(|reason| format!("cannot be used as a regular expression: {reason}"))?;
        Ok(Function::Regex(regex))
    }),
    ("includes", |argument| {
        Ok(Function::Includes(argument.into()))
    }),
    ("excludes", |argument| {
        Ok(Function::Excludes(argument.into()))
    }),
];

impl Function {
    /// Parses a call like `regex('spine\d+')`; any other string is an exact name.
    ///
    /// # Errors
    /// The reason. ztpserver 2.1.0 accepts many invalid calls as exact names, which then never match.
    pub fn parse(text: &str) -> Result<Function, String> {
        let shown = Printable(text);
        let name_length = text
            .find(|c: char| !(c.is_alphanumeric() || c == '_'))
            .unwrap_or(text.len());
        let (name, rest) = text.split_at(name_length);
        let Some(inside) = rest.strip_prefix('(').filter(|_| !name.is_empty()) else {
            return Ok(Function::Exact(text.into()));
        };
        let known = FUNCTIONS.iter().find(|(known, _)| *known == name);
        let quote = inside.chars().next().filter(|c| matches!(c, '\'' | '"'));
        let Some(quote) = quote else {
            if known.is_some() {
                return Err(format!(
                    "'{shown}' is not a valid call: write {name}('...'), with the argument in quotes"
                ));
            }
            return Ok(Function::Exact(text.into()));
        };
        let Some((_, make)) = known else {
            return Err(format!(
                "'{shown}' calls an unknown function; the functions are {}",
                FUNCTIONS.map(|(name, _)| name).join(", ")
            ));
        };
        let end = format!("{quote})");
        let Some(argument) = inside
            .strip_prefix(quote)
            .and_then(|inside| inside.strip_suffix(&end))
            .filter(|argument| !argument.contains(&end))
        else {
            return Err(format!(
                "'{shown}' is not a valid call: it must end with the closing quote and ')', and contain them only there (a ':' in the argument needs the form {{device: ..., port: ...}})"
            ));
        };
        if argument.is_empty() {
            return Err(format!("'{shown}' has an empty argument"));
        }
        make(argument).map_err(|reason| format!("'{shown}' {reason}"))
    }

    /// As a condition on a port: a plain name in the short form of EOS means the interface of that name, too.
    pub fn on_port(self) -> Function {
        match self {
            Function::Exact(short) => match full_name(&short) {
                Some(full) => Function::Port {
                    full: full.into(),
                    short,
                },
                None => Function::Exact(short),
            },
            other => other,
        }
    }

    /// Whether a name satisfies the condition.
    ///
    /// # Errors
    /// The match of a regular expression is indeterminate; see [`PyRegex::is_match`].
    pub fn accepts(&self, name: &str, budget: &mut Budget) -> Result<bool, Indeterminate> {
        // A search may read the whole name.
        budget.spend(1 + name.len() as u64 / 32)?;
        match self {
            Function::Exact(wanted) => Ok(**wanted == *name),
            Function::Host(host) => Ok(SystemName::of(name).host.eq_ignore_ascii_case(host)),
            Function::Port { short, full } => Ok(**short == *name || **full == *name),
            Function::Regex(regex) => regex.is_match(name, budget),
            Function::Includes(part) => Ok(name.contains(&**part)),
            Function::Excludes(part) => Ok(!name.contains(&**part)),
        }
    }
}

impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Function::Exact(wanted) | Function::Port { short: wanted, .. } => {
                write!(f, "'{}'", Expression(wanted))
            }
            Function::Host(host) => write!(f, "host('{}')", Expression(host)),
            Function::Regex(regex) => write!(f, "regex('{}')", Expression(regex.as_str())),
            Function::Includes(part) => write!(f, "includes('{}')", Expression(part)),
            Function::Excludes(part) => write!(f, "excludes('{}')", Expression(part)),
        }
    }
}

/// The full name of an interface in the short form of `show` commands: `Et49/1`, `Ma0`, `Po1`.
fn full_name(short: &str) -> Option<String> {
    let kinds = [
        ("Et", "Ethernet"),
        ("Ma", "Management"),
        ("Po", "Port-Channel"),
    ];
    let (numbers, kind) = kinds
        .into_iter()
        .find_map(|(short_kind, kind)| Some((short.strip_prefix(short_kind)?, kind)))?;
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    numbers
        .split('/')
        .all(is_number)
        .then(|| format!("{kind}{numbers}"))
}

/// A system name in LLDP: a host, with or without its domain.
pub(crate) struct SystemName<'a> {
    pub host: &'a str,
    pub domain: Option<&'a str>,
}

impl SystemName<'_> {
    /// Splits off the domain. An IP address has no domain, although it has dots: the last label of a domain begins with a
    /// letter (RFC 3696, 2).
    pub fn of(name: &str) -> SystemName<'_> {
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
}

#[cfg(test)]
mod tests {
    use super::{Budget, Function};

    #[test]
    fn a_call_is_parsed_and_any_other_string_is_an_exact_name() {
        for (text, expected) in [
            ("spine1", "'spine1'"),
            ("exact('spine1')", "'spine1'"),
            ("host('spine1')", "host('spine1')"),
            ("host('spine1.example.net')", "host('spine1')"),
            ("regex('spine\\d+')", "regex('spine\\d+')"),
            ("regex(\"a'b\")", "regex('a'b')"),
            ("regex('(a|b|)c')", "regex('(a|b|)c')"),
            ("includes('x')", "includes('x')"),
            ("excludes('x')", "excludes('x')"),
            ("core(old)", "'core(old)'"),
            ("(x)", "'(x)'"),
            ("rack-1('x')", "'rack-1('x')'"),
        ] {
            assert_eq!(
                Function::parse(text)
                    .map(|function| function.to_string())
                    .as_deref(),
                Ok(expected),
                "{text}"
            );
        }
    }

    #[test]
    fn an_invalid_call_is_rejected() {
        for text in [
            "regex(spine)",
            "regex('spine'",
            "regex('a')b",
            "regex('a')b')",
            "regexp('a')",
            "matches(\"a\")",
            "regex('')",
            "exact()",
            "regex('(')",
            "regex('a\")",
            "host('.example.net')",
        ] {
            assert!(Function::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn each_function_compares_names() {
        for (function, name, expected) in [
            ("spine1", "spine1", true),
            ("spine1", "spine10", false),
            ("regex('spine')", "spine10", true),
            ("regex('pine')", "spine10", false),
            ("includes('pine')", "spine10", true),
            ("excludes('pine')", "spine10", false),
            ("excludes('leaf')", "", true),
            ("host('spine1')", "spine1", true),
            ("host('spine1')", "SPINE1.dc1.example.net", true),
            ("host('Spine1.example.net')", "spine1.example.org", true),
            ("host('spine1')", "spine10", false),
            ("host('spine1')", "spine", false),
            ("host('192.0.2.1')", "192.0.2.2", false),
        ] {
            let function = Function::parse(function).unwrap();
            assert_eq!(
                function.accepts(name, &mut Budget::new(1000)),
                Ok(expected),
                "{function} {name}"
            );
        }
    }

    #[test]
    fn a_port_in_the_short_form_of_eos_is_also_its_full_name() {
        for (port, name, expected) in [
            ("Et49/1", "Ethernet49/1", true),
            ("Et49/1", "Et49/1", true),
            ("Ma0", "Management0", true),
            ("Po1", "Port-Channel1", true),
            ("Et49/1", "Ethernet49", false),
            ("Eth1", "Ethernet1", false),
            ("et1", "Ethernet1", false),
            ("Et", "Ethernet", false),
            ("Ethernet1", "Et1", false),
        ] {
            let function = Function::parse(port).unwrap().on_port();
            let accepts = function.accepts(name, &mut Budget::new(1000));
            assert_eq!(accepts, Ok(expected), "{port} {name}");
            assert_eq!(function.to_string(), format!("'{port}'"));
        }
    }
}
