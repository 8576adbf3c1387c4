//! Python 2 as Python 3: what only Python 2 accepts is rewritten, so that a parser of Python 3 can check the rest. The
//! result is for checks only. Each line stays in its place.

/// A token, or the text between two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// White space, comments, and line ends inside brackets.
    Space,
    /// The end of a line that is the end of a statement.
    Newline,
    Name,
    Number,
    Text,
    Other,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Token {
    kind: Kind,
    text: String,
    /// The number of brackets around it.
    depth: usize,
}

/// Names that are words of the language only in Python 3.
const NEW_WORDS: [&str; 3] = ["async", "await", "nonlocal"];

/// Rewrites a source.
pub fn as_python3(source: &str) -> String {
    let mut out = String::with_capacity(source.len() + 64);
    for mut statement in statements(tokens(source)) {
        rewrite(&mut statement);
        out.extend(statement.into_iter().map(|token| token.text));
    }
    out
}

/// Whether a source may have parameters such as `def f(a, (b, c))`, which are not rewritten.
pub fn may_unpack_parameters(source: &str) -> bool {
    let mut in_parameters = false;
    for token in tokens(source) {
        match token.text.as_str() {
            "def" | "lambda" if token.kind == Kind::Name => in_parameters = true,
            ":" => in_parameters = false,
            "(" if in_parameters && token.depth > 0 => return true,
            _ => {}
        }
    }
    // `lambda (a, b): a` begins with the bracket.
    source.contains("lambda (") || source.contains("lambda(")
}

fn tokens(source: &str) -> Vec<Token> {
    let mut tokens: Vec<Token> = Vec::new();
    let mut depth = 0;
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let at_line_start = depth == 0
            && tokens
                .last()
                .is_none_or(|token| token.kind == Kind::Newline || token.text.ends_with('\n'));
        let (kind, length) = next(rest, first, depth);
        let (text, after) = rest.split_at(length);
        rest = after;
        let text = match kind {
            // Python 2 takes a tab for as many blanks as lead to the next multiple of eight.
            Kind::Space if at_line_start => expand(text),
            _ => text.to_owned(),
        };
        if matches!(first, ')' | ']' | '}') && kind == Kind::Other {
            depth = usize::saturating_sub(depth, 1);
        }
        tokens.push(Token { kind, text, depth });
        if matches!(first, '(' | '[' | '{') && kind == Kind::Other {
            depth += 1;
        }
    }
    tokens
}

/// The kind and the length of the first token.
fn next(rest: &str, first: char, depth: usize) -> (Kind, usize) {
    let until = |ends: &dyn Fn(char) -> bool| rest.find(ends).unwrap_or(rest.len());
    match first {
        '\n' if depth == 0 => (Kind::Newline, 1),
        '\n' => (Kind::Space, 1),
        '\\' if rest.starts_with("\\\n") => (Kind::Space, 2),
        '\\' if rest.starts_with("\\\r\n") => (Kind::Space, 3),
        '#' => (Kind::Space, until(&|c| c == '\n')),
        ' ' | '\t' | '\r' | '\u{c}' => (
            Kind::Space,
            until(&|c| !matches!(c, ' ' | '\t' | '\r' | '\u{c}')),
        ),
        _ if first.is_alphabetic() || first == '_' => {
            let length = until(&|c| !(c.is_alphanumeric() || c == '_'));
            let (name, after) = rest.split_at(length);
            let is_prefix = length <= 2 && name.chars().all(|c| "uUrRbB".contains(c));
            match string(after).filter(|_| is_prefix) {
                Some(string) => (Kind::Text, length + string),
                None => (Kind::Name, length),
            }
        }
        _ if first.is_ascii_digit() || begins_with_fraction(rest) => {
            (Kind::Number, number_length(rest))
        }
        _ => match string(rest) {
            Some(length) => (Kind::Text, length),
            None if rest.starts_with("<>") || rest.starts_with(">>") => (Kind::Other, 2),
            None => (Kind::Other, first.len_utf8()),
        },
    }
}

fn begins_with_fraction(rest: &str) -> bool {
    let digits = rest.strip_prefix('.');
    digits.is_some_and(|digits| digits.starts_with(|c: char| c.is_ascii_digit()))
}

/// The length of the number at the beginning: `0x1F`, `10L`, `1.5e-05`, `.25`.
fn number_length(rest: &str) -> usize {
    let bytes = rest.as_bytes();
    let while_from = |from: usize, accepts: fn(&u8) -> bool| {
        let more = bytes.iter().skip(from).take_while(|byte| accepts(byte));
        from + more.count()
    };
    if bytes.first() == Some(&b'0') && bytes.get(1).is_some_and(u8::is_ascii_alphabetic) {
        return while_from(1, u8::is_ascii_alphanumeric);
    }
    let mut end = while_from(0, u8::is_ascii_digit);
    if bytes.get(end) == Some(&b'.') {
        end = while_from(end + 1, u8::is_ascii_digit);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        if bytes.get(end + 1 + sign).is_some_and(u8::is_ascii_digit) {
            end = while_from(end + 1 + sign, u8::is_ascii_digit);
        }
    }
    end + usize::from(matches!(bytes.get(end), Some(b'j' | b'J' | b'l' | b'L')))
}

/// The length of the string at the beginning.
fn string(rest: &str) -> Option<usize> {
    let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let triple = String::from_iter([quote; 3]);
    let end = match rest.starts_with(&triple) {
        true => triple,
        false => quote.to_string(),
    };
    let mut at = end.len();
    loop {
        let inside = rest.get(at..)?;
        if inside.starts_with(&end) {
            return Some(at + end.len());
        }
        let first = inside.chars().next()?;
        if first == '\n' && end.len() == 1 {
            return None;
        }
        at += first.len_utf8();
        if first == '\\' {
            at += rest.get(at..)?.chars().next()?.len_utf8();
        }
    }
}

fn expand(indentation: &str) -> String {
    let mut out = String::new();
    for c in indentation.chars() {
        match c {
            '\t' => out += &" ".repeat(8 - out.len() % 8),
            c => out.push(c),
        }
    }
    out
}

/// Splits tokens into simple statements and the headers of compound ones, each with what ends it.
fn statements(tokens: Vec<Token>) -> Vec<Vec<Token>> {
    let mut statements = vec![Vec::new()];
    let mut in_lambda = 0;
    for token in tokens {
        let is_colon = token.text == ":" && token.depth == 0;
        if token.text == "lambda" && token.depth == 0 {
            in_lambda += 1;
        }
        let ends = match token.kind {
            Kind::Newline => true,
            Kind::Other if token.text == ";" => token.depth == 0,
            Kind::Other if is_colon && in_lambda > 0 => {
                in_lambda -= 1;
                false
            }
            Kind::Other => is_colon,
            _ => false,
        };
        if let Some(statement) = statements.last_mut() {
            statement.push(token);
        }
        if ends {
            in_lambda = 0;
            statements.push(Vec::new());
        }
    }
    statements
}

fn rewrite(statement: &mut [Token]) {
    let mut in_backticks = false;
    let mut after_dot = false;
    for token in statement.iter_mut() {
        let is_attribute = std::mem::replace(&mut after_dot, token.text == ".");
        match token.kind {
            Kind::Number => token.text = number(&token.text),
            Kind::Text => {
                let prefix = token.text.find(['"', '\'']).unwrap_or_default();
                if prefix == 2 && token.text.starts_with(['u', 'U']) {
                    token.text.remove(0);
                }
                // Only strings with `u` have these escapes.
                if !token.text.starts_with(['u', 'U']) {
                    for escape in ["\\u", "\\U", "\\N"] {
                        token.text = token.text.replace(escape, "__");
                    }
                }
            }
            Kind::Name if is_attribute => token.text.push('_'),
            Kind::Name if NEW_WORDS.contains(&token.text.as_str()) => token.text.push('_'),
            Kind::Other if token.text == "<>" => token.text = "!=".to_owned(),
            Kind::Other if token.text == "`" => {
                token.text = if in_backticks { ")" } else { "(" }.to_owned();
                in_backticks = !in_backticks;
            }
            _ => {}
        }
    }
    let is_code = |token: &Token| !matches!(token.kind, Kind::Space | Kind::Newline);
    let Some(first) = statement.iter().position(is_code) else {
        return;
    };
    let Some(last) = statement.iter().rposition(|token| {
        is_code(token) && !(token.depth == 0 && matches!(token.text.as_str(), ";" | ":"))
    }) else {
        return;
    };
    let (word, arguments) = (statement[first].text.clone(), first + 1..=last);
    let second = statement.get(arguments.clone()).unwrap_or_default();
    let comma = second
        .iter()
        .any(|token| token.depth == 0 && token.text == ",");
    let next = second.iter().find(|token| is_code(token));
    let next = next.map(|token| token.text.clone()).unwrap_or_default();
    let wraps = match word.as_str() {
        "print" => !matches!(next.as_str(), "(" | "=" | "." | "," | ""),
        "exec" => !matches!(next.as_str(), "(" | "=" | "." | "," | ""),
        "raise" | "except" => comma,
        _ => false,
    };
    if !wraps || first > last {
        return;
    }
    if word == "print"
        && let Some(chevron) = statement
            .iter_mut()
            .skip(first)
            .find(|token| is_code(token) && token.text == ">>")
        && next == ">>"
    {
        chevron.text.clear();
    }
    statement[last].text.push(')');
    statement[first].text.push('(');
}

/// `0777` -> `0o777`, `10L` -> `10`
fn number(text: &str) -> String {
    let text = text.strip_suffix(['L', 'l']).unwrap_or(text);
    let octal = text.strip_prefix('0').filter(|digits| !digits.is_empty());
    match octal {
        Some(digits) if digits.bytes().all(|digit| digit.is_ascii_digit()) => {
            format!("0o{digits}")
        }
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_python_2_accepts_is_rewritten() {
        for (source, expected) in [
            ("print 'a', b\n", "print( 'a', b)\n"),
            ("print\n", "print\n"),
            ("print 'a',  # b\n", "print( 'a',)  # b\n"),
            (
                "if a: print 'b'; print c\n",
                "if a: print( 'b'); print( c)\n",
            ),
            ("print >>f, 'a'\n", "print( f, 'a')\n"),
            ("print (a)\n", "print (a)\n"),
            ("print('a', file=f)\n", "print('a', file=f)\n"),
            ("exec a in b\n", "exec( a in b)\n"),
            ("raise E, 'a'\n", "raise( E, 'a')\n"),
            ("raise E('a', b)\n", "raise E('a', b)\n"),
            ("except E, e:\n", "except( E, e):\n"),
            ("except (A, B):\n", "except (A, B):\n"),
            ("a = 0777 + 10L + 0\n", "a = 0o777 + 10 + 0\n"),
            (
                "a = .01 + 1E-05 + 0x1FL + 7L\n",
                "a = .01 + 1E-05 + 0x1F + 7\n",
            ),
            (
                "a = '\\u' + u'\\u1234' + b.False\n",
                "a = '__' + u'\\u1234' + b.False_\n",
            ),
            ("a <> `b`\n", "a != (b)\n"),
            ("a = ur'x'\n", "a = r'x'\n"),
            ("f(async=True)\n", "f(async_=True)\n"),
            ("\tif a:\n        b\n", "        if a:\n        b\n"),
            ("a = '''\nprint 'b'\n'''\n", "a = '''\nprint 'b'\n'''\n"),
            ("a = 'it\\'s print'\n", "a = 'it\\'s print'\n"),
            ("a = (1,\nprint\n)\n", "a = (1,\nprint\n)\n"),
            ("a = lambda: b\n", "a = lambda: b\n"),
            ("print a, \\\n  b\n", "print( a, \\\n  b)\n"),
            ("# print a\n", "# print a\n"),
        ] {
            assert_eq!(as_python3(source), expected, "{source:?}");
        }
    }

    #[test]
    fn parameters_that_are_unpacked_are_noticed() {
        for source in ["def f(a, (b, c)):\n", "lambda (a, b): a\n"] {
            assert!(may_unpack_parameters(source), "{source}");
        }
        for source in ["def f(a):\n  (b)\n", "def f():\n  g((a, b))\n"] {
            assert!(!may_unpack_parameters(source), "{source}");
        }
    }
}
