//! The page at the end of a takeover: as text, and as Markdown.

use std::fmt::Write;

use serde_json::{Value as Json, json};

use crate::terminal::line;

/// Something that did not move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    pub what: String,
    pub why: String,
}

impl Left {
    pub fn new(what: impl Into<String>, why: impl Into<String>) -> Self {
        let (what, why) = (what.into(), why.into());
        Self { what, why }
    }

    pub fn json(&self) -> Json {
        json!({"what": self.what, "why": self.why})
    }
}

impl std::fmt::Display for Left {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.what, self.why)
    }
}

/// A page of headings, paragraphs, lists and code.
#[derive(Default)]
pub struct Page(Vec<Block>);

enum Block {
    Title(String),
    Heading(&'static str),
    Text(String),
    Item(String),
    /// The language, and the text.
    Code(&'static str, String),
}

impl Page {
    pub fn title(&mut self, text: impl Into<String>) {
        self.0.push(Block::Title(text.into()));
    }

    pub fn heading(&mut self, text: &'static str) {
        self.0.push(Block::Heading(text));
    }

    pub fn text(&mut self, text: impl Into<String>) {
        self.0.push(Block::Text(text.into()));
    }

    pub fn item(&mut self, text: impl Into<String>) {
        self.0.push(Block::Item(text.into()));
    }

    pub fn code(&mut self, language: &'static str, text: impl Into<String>) {
        self.0.push(Block::Code(language, text.into()));
    }

    /// As text for a terminal.
    pub fn plain(&self) -> String {
        let mut out = String::new();
        for block in &self.0 {
            let _ = match block {
                Block::Title(text) => writeln!(out, "{}", line(text)),
                Block::Heading(text) => writeln!(out, "\n{text}:"),
                Block::Text(text) => writeln!(out, "  {}", line(text)),
                Block::Item(text) => writeln!(out, "  - {}", line(text)),
                Block::Code(_, text) => text
                    .lines()
                    .try_for_each(|text| writeln!(out, "      {}", line(text))),
            };
        }
        out
    }

    pub fn markdown(&self) -> String {
        let mut out = String::new();
        let mut in_list = false;
        for block in &self.0 {
            let is_item = matches!(block, Block::Item(_));
            let continues = in_list && is_item;
            if !(out.is_empty() || continues) {
                out.push('\n');
            }
            in_list = is_item;
            let _ = match block {
                Block::Title(text) => writeln!(out, "# {}", escaped(text)),
                Block::Heading(text) => writeln!(out, "## {text}"),
                Block::Text(text) => writeln!(out, "{}", escaped(text)),
                Block::Item(text) => writeln!(out, "- {}", escaped(text)),
                // A longer fence than any in the text.
                Block::Code(language, text) => {
                    let fence = "`".repeat(longest_run(text).max(2) + 1);
                    let end = if text.ends_with('\n') { "" } else { "\n" };
                    writeln!(out, "{fence}{language}\n{text}{end}{fence}")
                }
            };
        }
        out
    }
}

/// A text in one line, without Markdown in names. Between backticks, everything is itself.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut is_code = false;
    for c in line(text).chars() {
        is_code ^= c == '`';
        if !is_code && matches!(c, '\\' | '*' | '_' | '<' | '>' | '[' | ']' | '|' | '#') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// The length of the longest run of backticks.
fn longest_run(text: &str) -> usize {
    let runs = text.split(|c| c != '`');
    runs.map(str::len).max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_text_and_markdown() {
        let mut page = Page::default();
        page.title("Takeover of a_b");
        page.heading("What moved");
        page.item("nodes/*/x");
        page.item(Left::new("a", "b\nc").to_string());
        page.text("`a_b` c_d");
        page.code("toml", "A = 1\n```\n");
        assert_eq!(
            page.plain(),
            "Takeover of a_b\n\nWhat moved:\n  - nodes/*/x\n  - a: b\\nc\n  `a_b` c_d\n      A = 1\n      ```\n"
        );
        assert_eq!(
            page.markdown(),
            "# Takeover of a\\_b\n\n## What moved\n\n- nodes/\\*/x\n- a: b\\\\nc\n\n`a_b` c\\_d\n\n````toml\nA = 1\n```\n````\n"
        );
    }
}
