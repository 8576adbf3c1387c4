//! `$SERVER` in the bootstrap script.

use std::ops::Range;

/// A parsed template.
///
/// `$SERVER` and `${SERVER}` are placeholders, as for Python's `string.Template.safe_substitute`: `$$` becomes `$`, and
/// other names and any other `$` stay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    text: String,
    pieces: Vec<Piece>,
}

/// A piece of the rendered text.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    /// This part of the text.
    Text(Range<usize>),
    Server,
}

impl Template {
    pub fn parse(text: String) -> Template {
        let mut pieces = Vec::new();
        let mut begin = 0;
        let mut at = 0;
        while let Some(found) = text.get(at..).and_then(|rest| rest.find('$')) {
            let dollar = at + found;
            let after = dollar + 1;
            let rest = text.get(after..).unwrap_or_default();
            at = match placeholder(rest) {
                Some(Placeholder {
                    name: "SERVER",
                    rest,
                }) => {
                    pieces.push(Piece::Text(begin..dollar));
                    pieces.push(Piece::Server);
                    begin = text.len() - rest.len();
                    begin
                }
                // Another name: its `$` stays, and so does what follows.
                Some(_) => after,
                None if rest.starts_with('$') => {
                    pieces.push(Piece::Text(begin..after));
                    begin = after + 1;
                    begin
                }
                None => after,
            };
        }
        pieces.push(Piece::Text(begin..text.len()));
        Template { text, pieces }
    }

    /// Whether the template contains a placeholder.
    pub fn has_server(&self) -> bool {
        self.pieces.contains(&Piece::Server)
    }

    /// The text with `server` in each placeholder. The value is not expanded: a URL may contain `$$`.
    pub fn render(&self, server: &str) -> String {
        let parts = || {
            self.pieces.iter().map(|piece| match piece {
                Piece::Text(range) => self.text.get(range.clone()).unwrap_or_default(),
                Piece::Server => server,
            })
        };
        let mut text = String::with_capacity(parts().map(str::len).sum());
        text.extend(parts());
        text
    }
}

/// The names of all placeholders in a text, each with the place of its `$` in bytes.
pub fn names(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let dollar = at + text.get(at..)?.find('$')?;
            let rest = text.get(dollar + 1..).unwrap_or_default();
            if let Some(Placeholder { name, rest }) = placeholder(rest) {
                at = text.len() - rest.len();
                return Some((dollar, name));
            }
            at = dollar + 1 + usize::from(rest.starts_with('$'));
        }
    })
}

/// The name after a `$`, and the rest of the text.
struct Placeholder<'a> {
    name: &'a str,
    rest: &'a str,
}

fn placeholder(after_dollar: &str) -> Option<Placeholder<'_>> {
    match after_dollar.strip_prefix('{') {
        Some(braced) => {
            let (name, rest) = identifier(braced)?;
            Some(Placeholder {
                name,
                rest: rest.strip_prefix('}')?,
            })
        }
        None => identifier(after_dollar).map(|(name, rest)| Placeholder { name, rest }),
    }
}

/// The ASCII identifier at the beginning of a string, and the rest.
fn identifier(text: &str) -> Option<(&str, &str)> {
    if !text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
        return None;
    }
    let end = text
        .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .unwrap_or(text.len());
    Some(text.split_at(end))
}

#[cfg(test)]
mod tests {
    use super::Template;

    #[test]
    fn placeholders_are_replaced_as_in_python() {
        // Expected values printed by Python 3.11's string.Template.
        for (template, expected) in [
            ("s = '$SERVER'", "s = 'http://h/p'"),
            ("${SERVER}x", "http://h/px"),
            (
                "$SERVERX ${SERVERX} $server ${server}",
                "$SERVERX ${SERVERX} $server ${server}",
            ),
            ("$$SERVER", "$SERVER"),
            ("$$$SERVER", "$http://h/p"),
            ("$$$$", "$$"),
            ("5$ $1 ${} ${SERVER $", "5$ $1 ${} ${SERVER $"),
            ("$SERVER$SERVER", "http://h/phttp://h/p"),
            ("$SERVERé", "http://h/pé"),
            ("${SERVERé}", "${SERVERé}"),
            ("$é$SERVER", "$éhttp://h/p"),
            ("${$SERVER}", "${http://h/p}"),
            ("", ""),
        ] {
            assert_eq!(
                Template::parse(template.to_owned()).render("http://h/p"),
                expected,
                "{template}"
            );
        }
    }

    #[test]
    fn the_names_of_all_placeholders_are_found() {
        let found: Vec<_> = super::names("$a ${b}$c $$d $1 ${e $$$f").collect();
        assert_eq!(found, [(0, "a"), (3, "b"), (7, "c"), (23, "f")]);
    }

    #[test]
    fn an_escaped_placeholder_does_not_count() {
        assert!(Template::parse("a $SERVER".to_owned()).has_server());
        assert!(!Template::parse("a $$SERVER $OTHER".to_owned()).has_server());
    }

    #[test]
    fn the_server_url_is_not_expanded() {
        assert_eq!(
            Template::parse("$SERVER".to_owned()).render("http://h/$$/${SERVER}"),
            "http://h/$$/${SERVER}"
        );
    }
}
