//! Calls of resource plugins in action attributes: `allocate('mgmt_subnet')`.

/// The plugins that there are. Their calls are found anywhere in a text; a call of another name only where ztpserver
/// 2.1.0 finds it, at the beginning of a text, so that `python -c "print('x')"` is not taken for one.
pub const PLUGINS: [&str; 2] = ["allocate", "sqlite"];

/// One call: which plugin, with which pool.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Call {
    pub plugin: String,
    pub pool: String,
}

impl std::fmt::Display for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}('{}')", self.plugin, self.pool)
    }
}

/// A piece of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    Text(&'a str),
    Call(Call),
}

/// Takes a text apart into its calls and what stands around them, which is kept: `allocate('net')/24` is a call and `/24`.
pub fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut begin = 0;
    let mut at = 0;
    while let Some(name) = next_word(text, at) {
        at = name.end;
        let known = text
            .get(name.clone())
            .is_some_and(|word| PLUGINS.contains(&word));
        let Some((pool, end)) =
            argument(text, name.end, known).filter(|_| known || name.start == 0)
        else {
            continue;
        };
        if begin < name.start {
            pieces.extend(text.get(begin..name.start).map(Piece::Text));
        }
        pieces.push(Piece::Call(Call {
            plugin: text.get(name).unwrap_or_default().to_owned(),
            pool: pool.to_owned(),
        }));
        (begin, at) = (end, end);
    }
    if begin < text.len() {
        pieces.extend(text.get(begin..).map(Piece::Text));
    }
    pieces
}

/// The calls in a text, in order.
pub fn calls(text: &str) -> impl Iterator<Item = Call> + '_ {
    pieces(text).into_iter().filter_map(|piece| match piece {
        Piece::Call(call) => Some(call),
        Piece::Text(_) => None,
    })
}

/// Where the next run of letters, digits and underscores stands, from `from` on.
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

/// The quoted argument of a call whose `(` stands at `open`, and where the call ends. Either quote opens and closes, as in
/// ztpserver 2.1.0. Its rule that no blank may stand in a call is kept only for plugins that are not known.
fn argument(text: &str, open: usize, known: bool) -> Option<(&str, usize)> {
    let quoted = text
        .get(open..)?
        .strip_prefix('(')?
        .strip_prefix(['\'', '"'])?;
    let start = text.len() - quoted.len();
    let length = quoted
        .match_indices(['\'', '"'])
        .map(|(at, _)| at)
        .find(|&at| {
            at > 0
                && quoted
                    .get(at + 1..)
                    .is_some_and(|rest| rest.starts_with(')'))
        })?;
    let argument = quoted.get(..length)?;
    let plain = !argument.contains('\n') && (known || !argument.contains(char::is_whitespace));
    plain.then_some((argument, start + length + "')".len()))
}

#[cfg(test)]
mod tests {
    use super::{Call, Piece, pieces};

    fn shown(text: &str) -> String {
        pieces(text)
            .into_iter()
            .map(|piece| match piece {
                Piece::Text(text) => format!("[{text}]"),
                Piece::Call(Call { plugin, pool }) => format!("<{plugin} {pool}>"),
            })
            .collect()
    }

    #[test]
    fn finds_calls_and_keeps_the_text_around_them() {
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
            ("allocate ('net')", "[allocate ('net')]"),
            ("ü allocate('ü')ü", "[ü ]<allocate ü>[ü]"),
            ("print('two words')", "[print('two words')]"),
            ("", ""),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }
}
