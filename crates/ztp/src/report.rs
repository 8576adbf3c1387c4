//! The output formats of findings: text, JSON, GitHub.

use std::fmt::Write;
use std::path::Path;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Element, Group, Level, Origin, Renderer, Snippet};
use serde_json::json;

use ztp_core::check::{Finding, Note, Severity};
use ztp_core::yaml::Position;

use crate::terminal::{self, line, masked};
use crate::{display_path, regular};

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

/// The findings and notes of `ztp validate`.
pub struct Report<'a> {
    /// The folder that the keys of findings are relative to.
    pub folder: &'a Path,
    pub findings: &'a [Finding],
    /// The findings that the operator allows.
    pub allowed: &'a [Finding],
    /// Notes, which are not findings: files left alone, settings to make.
    pub notes: &'a [Note],
    /// The number of files.
    pub files: usize,
}

impl Report<'_> {
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
        for finding in self.findings {
            out += &self.snippet(finding);
            out += "\n\n";
        }
        for note in self.notes {
            let _ = writeln!(out, "note: {}", note.display(line));
        }
        out + &self.summary() + "\n"
    }

    /// One line: the numbers of files, errors and warnings.
    pub fn summary(&self) -> String {
        let errors = self
            .findings
            .iter()
            .filter(|found| found.is_error())
            .count();
        let warnings = self.findings.len() - errors;
        let files = count(self.files, "file");
        match (errors, warnings) {
            (0, 0) => format!("{files} checked, nothing found"),
            (errors, 0) => format!("{files} checked: {}", count(errors, "error")),
            (0, warnings) => format!("{files} checked: {}", count(warnings, "warning")),
            (errors, warnings) => format!(
                "{files} checked: {} and {}",
                count(errors, "error"),
                count(warnings, "warning")
            ),
        }
    }

    fn snippet(&self, finding: &Finding) -> String {
        let level = match finding.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let path = display_path(&self.folder.join(&finding.key));
        let source = finding.position.and_then(|at| self.line(&finding.key, at));
        let source = source.as_deref().map(masked);
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

    /// The line that a finding is about.
    fn line(&self, key: &str, at: Position) -> Option<String> {
        let text = regular::read(&self.folder.join(key), MAX_SOURCE_BYTES).ok()?;
        let text = String::from_utf8_lossy(&text);
        let line = text.lines().nth(at.line.checked_sub(1)?)?;
        Some(line.to_owned())
    }

    fn json(&self) -> String {
        let list = |findings: &[Finding]| -> Vec<_> {
            let findings = findings.iter();
            let findings = findings.map(|finding| {
                json!({
                    "kind": finding.kind.id(),
                    "severity": finding.severity.name(),
                    "file": finding.key,
                    "line": finding.position.map(|at| at.line),
                    "column": finding.position.map(|at| at.column),
                    "source": finding.position.and_then(|at| self.line(&finding.key, at)),
                    "message": finding.message,
                    "help": finding.help(),
                })
            });
            findings.collect()
        };
        let notes: Vec<_> = self
            .notes
            .iter()
            .map(|note| note.display(str::to_owned))
            .collect();
        let (findings, allowed) = (list(self.findings), list(self.allowed));
        let report =
            json!({"files": self.files, "findings": findings, "allowed": allowed, "notes": notes});
        terminal::lines(&format!("{report:#}\n"))
    }

    /// <https://docs.github.com/actions/reference/workflow-commands-for-github-actions>
    fn github(&self) -> String {
        let mut out = String::new();
        for finding in self.findings {
            let file = self.folder.join(&finding.key).display().to_string();
            let _ = write!(
                out,
                "::{} file={}",
                finding.severity.name(),
                property(&file)
            );
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
    let at = column.saturating_sub(1);
    let start = line
        .char_indices()
        .nth(at)
        .map_or(line.len(), |(start, _)| start);
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
    let lines: Vec<_> = text
        .split('\n')
        .map(|part| line(part).replace('%', "%25"))
        .collect();
    lines.join("%0A")
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
        let report = Report {
            folder: Path::new("root"),
            findings: &[finding],
            allowed: &[],
            notes: &[],
            files: 1,
        };
        assert_eq!(
            report.render(Format::Github),
            "::warning file=root/files/a%2Cb,title=broken-link::100%25 of%0Ait; fix or remove the \
             symbolic link\n"
        );
    }
}
