//! Calls of resource plugins in action attributes: `allocate('mgmt_subnet')`, `allocate('p2p', 'uplink2')`.

use crate::pool::{InvalidValueName, ValueName};

/// The names of the plugins. Their calls are found anywhere in a string; a call of another name only at the beginning, where
/// ztpserver 2.1.0 finds it, so that `python -c "print('x')"` is not a call.
pub const PLUGINS: [&str; 2] = ["allocate", "sqlite"];

/// A call of a plugin, with its pool.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Call {
    pub plugin: String,
    pub pool: String,
    /// The name of the value, as written: `None` in a call with only a pool.
    pub name: Option<String>,
}

impl Call {
    /// The name of the value.
    ///
    /// # Errors
    /// It is not valid.
    pub fn value_name(&self) -> Result<Option<ValueName>, InvalidValueName> {
        self.name.as_deref().map(str::parse).transpose()
    }
}

impl std::fmt::Display for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{}('{}', '{name}')", self.plugin, self.pool),
            None => write!(f, "{}('{}')", self.plugin, self.pool),
        }
    }
}

/// A piece of a string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    Text(&'a str),
    Call(Call),
}

/// Splits a string into its calls and the text around them: `allocate('net')/24` is a call and `/24`.
pub fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut arguments = Arguments::of(text);
    let mut begin = 0;
    let mut at = 0;
    while let Some(name) = next_word(text, at) {
        at = name.end;
        let known = text
            .get(name.clone())
            .is_some_and(|word| PLUGINS.contains(&word));
        let Some((argument, end)) = arguments
            .at(name.end, known)
            .filter(|_| known || name.start == 0)
        else {
            continue;
        };
        if begin < name.start {
            pieces.extend(text.get(begin..name.start).map(Piece::Text));
        }
        let (pool, value_name) = match two_arguments(argument) {
            Some((pool, name)) => (pool, Some(name.to_owned())),
            None => (argument, None),
        };
        pieces.push(Piece::Call(Call {
            plugin: text.get(name).unwrap_or_default().to_owned(),
            pool: pool.to_owned(),
            name: value_name,
        }));
        (begin, at) = (end, end);
    }
    if begin < text.len() {
        pieces.extend(text.get(begin..).map(Piece::Text));
    }
    pieces
}

/// The calls in a string, in order.
pub fn calls(text: &str) -> impl Iterator<Item = Call> + '_ {
    pieces(text).into_iter().filter_map(|piece| match piece {
        Piece::Call(call) => Some(call),
        Piece::Text(_) => None,
    })
}

/// The arguments in `p2p', 'uplink2`, which is between the outer quotes of a call: its first `','` separates them, with
/// quotes of either kind and any white space around the comma.
fn two_arguments(argument: &str) -> Option<(&str, &str)> {
    let is_quote = |c: char| matches!(c, '\'' | '"');
    let mut commas = argument.match_indices(',');
    commas.find_map(|(at, comma)| {
        let (pool, name) = (argument.get(..at)?, argument.get(at + comma.len()..)?);
        let pool = pool.trim_end().strip_suffix(is_quote)?;
        let name = name.trim_start().strip_prefix(is_quote)?;
        (!pool.is_empty()).then_some((pool, name))
    })
}

/// The range of the next word, of letters, digits and underscores, at or after `from`.
fn next_word(text: &str, from: usize) -> Option<std::ops::Range<usize>> {
    let in_word = |c: char| c.is_alphanumeric() || c == '_';
    let rest = text.get(from..)?;
    let start = from + rest.find(in_word)?;
    let length = text
        .get(start..)?
        .find(|c| !in_word(c))
        .unwrap_or(text.len() - start);
    Some(start..start + length)
}

/// The arguments of calls in a string, read from its beginning to its end. Each search for the end of an argument continues
/// from the last one, so that a string of calls without an end takes linear time.
struct Arguments<'t> {
    text: &'t str,
    /// A quote with a `)` after it.
    closing: Ahead<'t>,
    newline: Ahead<'t>,
    blank: Ahead<'t>,
}

impl<'t> Arguments<'t> {
    fn of(text: &'t str) -> Self {
        let ahead = |is| Ahead {
            text,
            is,
            found: None,
        };
        Arguments {
            text,
            closing: ahead(|rest| rest.starts_with("')") || rest.starts_with("\")")),
            newline: ahead(|rest| rest.starts_with('\n')),
            blank: ahead(|rest| rest.starts_with(char::is_whitespace)),
        }
    }

    /// The quoted argument of a call whose `(` is at `open`, and the end of the call. Either quote opens and closes, as in
    /// ztpserver 2.1.0. Its rule that a call contains no white space applies only to unknown plugins.
    fn at(&mut self, open: usize, known: bool) -> Option<(&'t str, usize)> {
        let text = self.text;
        let quoted = text
            .get(open..)?
            .strip_prefix('(')?
            .strip_prefix(['\'', '"'])?;
        let start = text.len() - quoted.len();
        // An argument has at least one character.
        let first = quoted.chars().next()?;
        let end = self.closing.from(start + first.len_utf8())?;
        let breaks = |ahead: &mut Ahead<'_>| ahead.from(start).is_some_and(|at| at < end);
        let plain = !breaks(&mut self.newline) && (known || !breaks(&mut self.blank));
        plain.then_some((text.get(start..end)?, end + "')".len()))
    }
}

/// The next position in a string for which `is` is true, searched from increasing positions.
struct Ahead<'t> {
    text: &'t str,
    is: fn(&str) -> bool,
    /// The last result.
    found: Option<Option<usize>>,
}

impl Ahead<'_> {
    fn from(&mut self, from: usize) -> Option<usize> {
        match self.found {
            Some(None) => None,
            Some(Some(at)) if at >= from => Some(at),
            _ => {
                let rest = self.text.get(from..)?;
                let mut places = rest.char_indices().map(|(at, _)| from + at);
                let found = places.find(|&at| self.text.get(at..).is_some_and(self.is));
                self.found = Some(found);
                found
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Call, Piece, pieces};

    fn shown(text: &str) -> String {
        pieces(text)
            .into_iter()
            .map(|piece| match piece {
                Piece::Text(text) => format!("[{text}]"),
                Piece::Call(Call { plugin, pool, name }) => match name {
                    Some(name) => format!("<{plugin} {pool} | {name}>"),
                    None => format!("<{plugin} {pool}>"),
                },
            })
            .collect()
    }

    #[test]
    fn calls_without_an_end_take_linear_time() {
        let text = "allocate('".repeat(100_000);
        assert_eq!(pieces(&text), [Piece::Text(text.as_str())]);
        for (end, calls) in [("\n')", 0), ("')", 1)] {
            let text = "x allocate('".repeat(100_000) + "pool" + end;
            let found = pieces(&text);
            let found = found.iter().filter(|piece| matches!(piece, Piece::Call(_)));
            assert_eq!(found.count(), calls, "{end:?}");
        }
        let text = "a('".repeat(300_000) + "b c')";
        assert_eq!(pieces(&text), [Piece::Text(text.as_str())]);
        let text = format!("allocate('{}')", ", ".repeat(300_000));
        assert!(matches!(pieces(&text).as_slice(), [Piece::Call(_)]));
    }

    #[test]
    fn a_call_is_shown_as_it_is_written() {
        for text in ["allocate('net')", "sqlite('p2p', 'uplink2')"] {
            let [Piece::Call(call)] = &pieces(text)[..] else {
                panic!("{text}")
            };
            assert_eq!(call.to_string(), text);
        }
    }

    #[test]
    fn a_string_is_split_into_calls_and_the_text_around_them() {
        for (text, expected) in [
            ("allocate('net')", "<allocate net>"),
            ("allocate(\"net\")", "<allocate net>"),
            ("allocate('net')/24", "<allocate net>[/24]"),
            (
                "ip address allocate('net')/24",
                "[ip address ]<allocate net>[/24]",
            ),
            ("allocate('a') allocate('b')", "<allocate a>[ ]<allocate b>"),
            ("sqlite('my pool')", "<sqlite my pool>"),
            ("mysql_vars('x')", "<mysql_vars x>"),
            ("python -c \"print('x')\"", "[python -c \"print('x')\"]"),
            ("reallocate('x') y", "<reallocate x>[ y]"),
            ("z reallocate('x')", "[z reallocate('x')]"),
            ("allocate()", "[allocate()]"),
            ("allocate('')", "[allocate('')]"),
            ("allocate(net)", "[allocate(net)]"),
            ("allocate('net'", "[allocate('net']"),
            ("allocate('it's')", "<allocate it's>"),
            ("allocate('')')", "<allocate ')>"),
            (
                "allocate('a\n') allocate('b')",
                "[allocate('a\n') ]<allocate b>",
            ),
            ("allocate('a' allocate('b')", "<allocate a' allocate('b>"),
            ("allocate('p2p', 'uplink2')", "<allocate p2p | uplink2>"),
            (
                "allocate(\"p2p\",'uplink2')/31",
                "<allocate p2p | uplink2>[/31]",
            ),
            (
                "sqlite('p2p' ,  \"Ethernet49/1\")",
                "<sqlite p2p | Ethernet49/1>",
            ),
            ("allocate('my, pool')", "<allocate my, pool>"),
            ("allocate('a,', 'b')", "<allocate a, | b>"),
            ("allocate('a', 'b', 'c')", "<allocate a | b', 'c>"),
            ("allocate('a', '')", "<allocate a | >"),
            ("allocate('', 'b')", "<allocate ', 'b>"),
            ("allocate('a', b)", "[allocate('a', b)]"),
            ("allocate('a', 'b' )", "[allocate('a', 'b' )]"),
            ("other('a','b')", "<other a | b>"),
            ("other('a', 'b')", "[other('a', 'b')]"),
            ("allocate ('net')", "[allocate ('net')]"),
            ("ü allocate('ü')ü", "[ü ]<allocate ü>[ü]"),
            ("print('two words')", "[print('two words')]"),
            ("", ""),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }
}
