//! The HTML of errors: those of the Worker, which are a sentence, and those of other servers.

/// The characters that the Worker escapes in a sentence. The ampersand is last: what it stands in is not escaped again.
const ENTITIES: [(&str, &str); 4] = [
    ("&lt;", "<"),
    ("&gt;", ">"),
    ("&quot;", "\""),
    ("&amp;", "&"),
];
/// The headers of every HTML response of the Worker.
const OURS: [(&str, &str); 2] = [
    ("x-content-type-options", "nosniff"),
    ("content-security-policy", "default-src 'none'"),
];

/// Whether the headers of an HTML response are those of the Worker. `header`: the value of a header, or an empty text.
pub fn is_ours<'h>(header: impl Fn(&str) -> &'h str) -> bool {
    header("content-type").starts_with("text/html")
        && OURS.into_iter().all(|(name, value)| header(name) == value)
}

/// A text of HTML, without tags in it.
pub fn unescaped(text: &str) -> String {
    let text = text.to_owned();
    let replaced = |text: String, (entity, c): (&str, &str)| text.replace(entity, c);
    ENTITIES.into_iter().fold(text, replaced)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_unescaped_once() {
        for (html, text) in [
            ("no entity & none;", "no entity & none;"),
            ("&lt;a href=&quot;x&quot;&gt;", "<a href=\"x\">"),
            ("&amp;lt; &amp;amp;", "&lt; &amp;"),
        ] {
            assert_eq!(unescaped(html), text);
        }
    }
}
