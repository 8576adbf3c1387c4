//! `$SERVER` in the bootstrap script.

/// Puts `server` where the template says `$SERVER` or `${SERVER}`, as Python's
/// `string.Template(template).safe_substitute(SERVER=server)` does: `$$` becomes `$`, every other name stays, and so does
/// a `$` that begins no name. The flag says whether there was anything to replace.
///
/// One pass: what is put in is not looked at again, so a server URL that holds `$$` arrives as it is.
pub fn safe_substitute(template: &str, server: &str) -> (String, bool) {
    let mut text = String::with_capacity(template.len() + server.len());
    let mut found = false;
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('$') {
        text.push_str(before);
        rest = match placeholder(after) {
            Some(Placeholder {
                name: "SERVER",
                rest,
            }) => {
                text.push_str(server);
                found = true;
                rest
            }
            // Another name: its `$` stays, and so does what follows.
            Some(_) => {
                text.push('$');
                after
            }
            None => {
                text.push('$');
                after.strip_prefix('$').unwrap_or(after)
            }
        };
    }
    text.push_str(rest);
    (text, found)
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
    use super::safe_substitute;

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
                safe_substitute(template, "http://h/p").0,
                expected,
                "{template}"
            );
        }
    }

    #[test]
    fn tells_whether_the_name_occurs() {
        assert!(safe_substitute("a $SERVER", "x").1);
        assert!(!safe_substitute("a $$SERVER $OTHER", "x").1);
    }

    #[test]
    fn looks_at_the_replacement_only_once() {
        assert_eq!(
            safe_substitute("$SERVER", "http://h/$$/${SERVER}").0,
            "http://h/$$/${SERVER}"
        );
    }
}
