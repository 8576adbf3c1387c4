//! `$SERVER` in the bootstrap script.

/// A template that was looked through once: what stands between the places for the server's URL.
///
/// `$SERVER` and `${SERVER}` are such places, as for Python's `string.Template.safe_substitute`: `$$` becomes `$`, every
/// other name stays, and so does a `$` that begins no name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    first: String,
    /// What follows each place.
    rest: Vec<String>,
}

impl Template {
    pub fn parse(text: &str) -> Template {
        let mut pieces = Vec::new();
        let mut piece = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('$') {
            piece.push_str(before);
            rest = match placeholder(after) {
                Some(Placeholder {
                    name: "SERVER",
                    rest,
                }) => {
                    pieces.push(std::mem::take(&mut piece));
                    rest
                }
                // Another name: its `$` stays, and so does what follows.
                Some(_) => {
                    piece.push('$');
                    after
                }
                None => {
                    piece.push('$');
                    after.strip_prefix('$').unwrap_or(after)
                }
            };
        }
        piece.push_str(rest);
        pieces.push(piece);
        let mut pieces = pieces.into_iter();
        Template {
            first: pieces.next().unwrap_or_default(),
            rest: pieces.collect(),
        }
    }

    /// Whether there is a place for the URL at all.
    pub fn has_server(&self) -> bool {
        !self.rest.is_empty()
    }

    /// The text with `server` in each place. What is put in is not looked at: a URL that holds `$$` arrives as it is.
    pub fn render(&self, server: &str) -> String {
        let length: usize = self
            .rest
            .iter()
            .map(|piece| server.len() + piece.len())
            .sum();
        let mut text = String::with_capacity(self.first.len() + length);
        text.push_str(&self.first);
        for piece in &self.rest {
            text.push_str(server);
            text.push_str(piece);
        }
        text
    }
}

/// A name behind a `$`, and what follows it.
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

/// An ASCII identifier at the front of a text, and the rest.
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
    fn replaces_as_python_does() {
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
                Template::parse(template).render("http://h/p"),
                expected,
                "{template}"
            );
        }
    }

    #[test]
    fn tells_whether_the_name_occurs() {
        assert!(Template::parse("a $SERVER").has_server());
        assert!(!Template::parse("a $$SERVER $OTHER").has_server());
    }

    #[test]
    fn looks_at_the_replacement_only_once() {
        assert_eq!(
            Template::parse("$SERVER").render("http://h/$$/${SERVER}"),
            "http://h/$$/${SERVER}"
        );
    }
}
