//! The output formats of findings: text, JSON, GitHub.

use std::fmt::Write;
use std::path::Path;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Element, Group, Level, Origin, Renderer, Snippet};
use serde_json::{Value as Json, json};

use ztp_core::check::{Finding, Severity, Validation};

use crate::terminal::{self, line, masked};
use crate::validate::Checked;
use crate::{Failure, display_path, regular};

/// The widest line of a snippet that is not cut, in columns.
const WIDTH: usize = 120;

/// The largest file whose lines are shown, in bytes: the largest value of KV.
const MAX_SOURCE_BYTES: u64 = 25 << 20;

/// The output format of findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Text: the position, the line itself, what to do.
    Text,
    /// One JSON object.
    Json,
    /// Workflow commands that GitHub shows next to the changed lines.
    Github,
}

/// The lines that findings are about. Findings of one file follow each other, so that each file is read once.
struct Sources<'a> {
    folder: &'a Path,
    /// The file that was read last, and its lines; none if it cannot be read.
    last: (String, Vec<String>),
}

impl<'a> Sources<'a> {
    fn of(folder: &'a Path) -> Self {
        let last = Default::default();
        Self { folder, last }
    }

    /// The line of a finding, if it is known and can be read.
    fn line(&mut self, finding: &Finding) -> Option<&str> {
        let at = finding.position?;
        if self.last.0 != finding.key {
            let text = regular::read(&self.folder.join(&finding.key), MAX_SOURCE_BYTES);
            let text = text.unwrap_or_default();
            let text = String::from_utf8_lossy(&text);
            self.last = (
                finding.key.clone(),
                text.lines().map(str::to_owned).collect(),
            );
        }
        self.last.1.get(at.line.checked_sub(1)?).map(String::as_str)
    }
}

impl Checked {
    /// Prints findings as text, for commands other than `validate`.
    pub fn display(&self) -> Result<(), Failure> {
        terminal::write(&self.render(Format::Text))
    }

    /// The complete report. Text has colours, which anstream removes if the output is not a terminal.
    pub fn render(&self, format: Format) -> String {
        match format {
            Format::Text => self.text(),
            Format::Json => self.json(),
            Format::Github => self.github(),
        }
    }

    fn text(&self) -> String {
        let mut out = String::new();
        let mut sources = Sources::of(&self.folder);
        for finding in &self.validation.findings {
            out += &self.snippet(finding, sources.line(finding));
            out += "\n\n";
        }
        for note in &self.validation.notes {
            let _ = writeln!(out, "note: {}", note.display(line));
        }
        out + &self.summary() + "\n"
    }

    /// One line: the numbers of files, errors and warnings.
    fn summary(&self) -> String {
        let findings = &self.validation.findings;
        let errors = findings.iter().filter(|finding| finding.is_error()).count();
        let found = [(errors, "error"), (findings.len() - errors, "warning")];
        let found = found.into_iter().filter(|(number, _)| *number > 0);
        let found: Vec<_> = found.map(|(number, noun)| count(number, noun)).collect();
        let files = count(self.files, "file");
        match found.is_empty() {
            true => format!("{files} checked, nothing found"),
            false => format!("{files} checked: {}", found.join(" and ")),
        }
    }

    /// A finding with the line that it is about.
    fn snippet(&self, finding: &Finding, source: Option<&str>) -> String {
        let level = match finding.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let path = display_path(&self.folder.join(&finding.key));
        let source = source.map(masked);
        let place: Element = match (&source, finding.position) {
            (Some(source), Some(at)) => Snippet::source(source.as_str())
                .line_start(at.line)
                .path(path)
                .annotation(AnnotationKind::Primary.span(span(source, at.column)))
                .into(),
            (None, Some(at)) => Origin::path(path)
                .line(at.line)
                .char_column(at.column)
                .into(),
            _ => Origin::path(path).into(),
        };
        let group: Group = level
            .primary_title(line(&finding.message))
            .id(finding.kind.id())
            .element(place)
            .element(Level::HELP.message(line(finding.help())));
        Renderer::styled()
            .decor_style(DecorStyle::Ascii)
            .term_width(WIDTH)
            .render(&[group])
    }

    fn json(&self) -> String {
        let Validation { findings, notes } = &self.validation;
        let notes = notes.iter().map(|note| note.display(str::to_owned));
        let report = json!({
            "files": self.files, "findings": self.list(findings), "allowed": self.list(&self.allowed),
            "notes": notes.collect::<Vec<_>>(),
        });
        terminal::lines(&format!("{report:#}\n"))
    }

    /// Findings as JSON.
    fn list(&self, findings: &[Finding]) -> Vec<Json> {
        let mut sources = Sources::of(&self.folder);
        let object = |finding: &Finding| {
            json!({
                "kind": finding.kind.id(),
                "severity": finding.severity.name(),
                "file": finding.key,
                "line": finding.position.map(|at| at.line),
                "column": finding.position.map(|at| at.column),
                "source": sources.line(finding),
                "message": finding.message,
                "help": finding.help(),
            })
        };
        findings.iter().map(object).collect()
    }

    /// <https://docs.github.com/actions/reference/workflow-commands-for-github-actions>
    fn github(&self) -> String {
        let mut out = String::new();
        for finding in &self.validation.findings {
            let file = self.folder.join(&finding.key).display().to_string();
            let (severity, file) = (finding.severity.name(), property(&file));
            let _ = write!(out, "::{severity} file={file}");
            if let Some(at) = finding.position {
                let _ = write!(out, ",line={},col={}", at.line, at.column);
            }
            let message = format!("{}; {}", finding.message, finding.help());
            let _ = writeln!(out, ",title={}::{}", finding.kind.id(), data(&message));
        }
        out
    }
}

/// The bytes of a line from a column to the end of the word there; at least one character.
fn span(line: &str, column: usize) -> std::ops::Range<usize> {
    let start = line.char_indices().nth(column.saturating_sub(1));
    let start = start.map_or(line.len(), |(start, _)| start);
    let rest = line.get(start..).unwrap_or_default();
    let word = rest.find([' ', ',', '}', ']']).unwrap_or(rest.len());
    let first = rest.chars().next().map_or(0, char::len_utf8);
    start..start + word.max(first)
}

/// A number with its noun: `1 file`, `2 files`.
pub fn count(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

/// The data of a workflow command: GitHub's escapes for line ends, those of [`line`] for the rest.
fn data(text: &str) -> String {
    let lines = text.split('\n').map(|part| line(part).replace('%', "%25"));
    lines.collect::<Vec<_>>().join("%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use ztp_core::check::FindingKind;

    #[test]
    fn a_span_ends_with_its_word() {
        assert_eq!(span("  a: b c", 6), 5..6);
        assert_eq!(span("ä: über x", 4), 4..9);
        assert_eq!(span("[a,b]", 2), 1..2);
        assert_eq!(span("a", 5), 1..1);
        assert_eq!(span(" ,", 2), 1..2);
    }

    #[test]
    fn github_gets_one_escaped_line_for_each_finding() {
        let finding = Finding::of_file(FindingKind::BrokenLink, "files/a,b", "100% of\nit");
        let checked = Checked {
            folder: "root".into(),
            files: 1,
            validation: Validation {
                findings: vec![finding],
                notes: Vec::new(),
            },
            allowed: Vec::new(),
        };
        assert_eq!(
            checked.render(Format::Github),
            "::warning file=root/files/a%2Cb,title=broken-link::100%25 of%0Ait; fix or remove the \
             symbolic link\n"
        );
    }
}
