//! The functions that compare a neighbor's name in a pattern: `exact`, `regex`, `includes`, `excludes`.

use std::fmt;

use super::printable::{Expression, Printable};
use super::pyregex::{Budget, Indeterminate, PyRegex};

/// A condition on the name of a device or port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Function {
    /// The name equals the string. A plain value has this meaning.
    Exact(Box<str>),
    /// Python's `re.match` finds a match.
    Regex(PyRegex),
    Includes(Box<str>),
    Excludes(Box<str>),
}

/// Makes a function of its argument; an error continues the call.
type Constructor = fn(&str) -> Result<Function, String>;

/// Every function with its name.
const FUNCTIONS: [(&str, Constructor); 4] = [
    ("exact", |argument| Ok(Function::Exact(argument.into()))),
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

    /// Whether a name satisfies the condition.
    ///
    /// # Errors
    /// The match of a regular expression is indeterminate; see [`PyRegex::is_match`].
    pub fn accepts(&self, name: &str, budget: &mut Budget) -> Result<bool, Indeterminate> {
        // A search may read the whole name.
        budget.spend(1 + name.len() as u64 / 32)?;
        match self {
            Function::Exact(wanted) => Ok(**wanted == *name),
            Function::Regex(regex) => regex.is_match(name, budget),
            Function::Includes(part) => Ok(name.contains(&**part)),
            Function::Excludes(part) => Ok(!name.contains(&**part)),
        }
    }
}

impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Function::Exact(wanted) => write!(f, "'{}'", Expression(wanted)),
            Function::Regex(regex) => write!(f, "regex('{}')", Expression(regex.as_str())),
            Function::Includes(part) => write!(f, "includes('{}')", Expression(part)),
            Function::Excludes(part) => write!(f, "excludes('{}')", Expression(part)),
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
        ] {
            let function = Function::parse(function).unwrap();
            assert_eq!(
                function.accepts(name, &mut Budget::new(1000)),
                Ok(expected),
                "{function} {name}"
            );
        }
    }
}
