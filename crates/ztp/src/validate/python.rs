//! Whether Python can compile a script, and which: a switch has Python 2, Python 3 or both, by its release of EOS.
//!
//! The parser is that of Ruff. No Python is needed on this machine, and nothing of a script is run.

use ruff_python_ast::visitor::{Visitor, walk_expr, walk_stmt};
use ruff_python_ast::{Expr, ExprContext, ModModule, PythonVersion, Stmt};
use ruff_python_parser::{Mode, ParseOptions, Parsed, UnsupportedSyntaxErrorKind, parse_unchecked};
use ruff_text_size::{Ranged, TextSize};

use ztp_core::yaml::Position;

use super::python2::{as_python3, may_unpack_parameters};

/// The Python of EOS since 4.28.
const NEWEST: PythonVersion = PythonVersion::PY39;

/// The largest script that is parsed, in bytes: the limit of an action.
pub const MAX_BYTES: usize = 8 << 20;

/// A problem, and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub position: Option<Position>,
    pub message: String,
}

/// Which Python compiles a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Python 3, and perhaps Python 2.
    Good {
        names: Names,
        /// Why the Python of EOS cannot compile it, if it is too old.
        too_new: Option<Problem>,
        /// Why Python 2 cannot, if that is certain.
        not_python2: Option<Problem>,
    },
    /// Only Python 2; why not Python 3.
    Python2 { names: Names, problem: Problem },
    /// None.
    Bad(Problem),
    /// It is for Python 2, and has syntax that is not checked.
    Unknown(Problem),
}

/// The names that a script defines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    main: bool,
    /// It imports all names of another module.
    all: bool,
}

impl Names {
    /// Whether it may define `main`.
    pub fn may_have_main(&self) -> bool {
        self.main || self.all
    }
}

/// The interpreter that the first line names; `None` if it names none.
pub fn interpreter(text: &str) -> Option<&str> {
    let line = text.trim_start_matches('\u{feff}').strip_prefix("#!")?;
    line.lines().next().map(str::trim)
}

/// Whether a script is one of Python, as far as its first line says.
pub fn is_python(text: &str) -> bool {
    interpreter(text).is_none_or(|line| line.contains("python"))
}

/// Checks a script.
pub fn check(bytes: &[u8]) -> Verdict {
    if let Some(at) = bytes.iter().position(|byte| *byte == 0) {
        let before = String::from_utf8_lossy(bytes.get(..at).unwrap_or_default());
        return Verdict::Bad(Problem {
            position: Some(position(&before, before.len())),
            message: "it contains a null byte".to_owned(),
        });
    }
    // Another encoding may be declared. It has the same syntax.
    let text = String::from_utf8_lossy(bytes);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    match parse(text) {
        Ok(parsed) => good(text, &parsed),
        Err(problem) => {
            let rewritten = as_python3(text);
            match parse(&rewritten) {
                Ok(parsed) => Verdict::Python2 {
                    names: names(&parsed),
                    problem,
                },
                // Parameters that are unpacked, and `[a for a in b, c]`, are not rewritten.
                Err(other)
                    if may_unpack_parameters(text) || other.message.contains("`]`, found `,`") =>
                {
                    Verdict::Unknown(problem)
                }
                // The error of Python 2, if there is something else that only it accepts.
                Err(other) if rewritten != text => Verdict::Bad(other),
                Err(_) => Verdict::Bad(problem),
            }
        }
    }
}

fn good(text: &str, parsed: &Parsed<ModModule>) -> Verdict {
    let mut too_new = parsed.unsupported_syntax_errors().iter();
    let too_new = too_new.next().map(|error| Problem {
        position: Some(position(text, offset(error.range.start()))),
        // "Cannot use `match` statement on Python 3.9 (syntax was added in Python 3.10)"
        message: error.to_string(),
    });
    let mut only = OnlyPython3::default();
    only.visit_body(parsed.suite());
    let not_python2 = only.found.map(|(at, what)| Problem {
        position: Some(position(text, at)),
        message: format!("{what} needs Python 3"),
    });
    Verdict::Good {
        names: names(parsed),
        too_new,
        not_python2,
    }
}

/// The syntax tree of a source; the first problem if it is not valid.
fn parse(text: &str) -> Result<Parsed<ModModule>, Problem> {
    let options = ParseOptions::from(Mode::Module).with_target_version(NEWEST);
    let failed = |at, message| Problem {
        position: Some(position(text, at)),
        message,
    };
    let Some(parsed) = parse_unchecked(text, options).try_into_module() else {
        return Err(failed(0, "it is not a module".to_owned()));
    };
    // Python 3.14 has another meaning for what is Python 2 in practice.
    let mut unsupported = parsed.unsupported_syntax_errors().iter();
    let comma = unsupported
        .find(|error| error.kind == UnsupportedSyntaxErrorKind::UnparenthesizedExceptionTypes);
    if let Some(error) = comma {
        let message = "'except' with a comma".to_owned();
        return Err(failed(offset(error.range.start()), message));
    }
    match parsed.errors().first() {
        None => Ok(parsed),
        Some(error) => Err(failed(
            offset(error.location.start()),
            error.error.to_string(),
        )),
    }
}

fn offset(size: TextSize) -> usize {
    size.to_usize()
}

/// The line and column of an offset in bytes.
fn position(text: &str, offset: usize) -> Position {
    let before = text.get(..offset).unwrap_or(text);
    Position {
        line: before.matches('\n').count() + 1,
        column: before.rsplit('\n').next().unwrap_or(before).chars().count() + 1,
    }
}

fn names(parsed: &Parsed<ModModule>) -> Names {
    let mut names = Names::default();
    names.visit_body(parsed.suite());
    names
}

/// Every name counts that may be defined at the top, also under a condition.
impl<'a> Visitor<'a> for Names {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        match stmt {
            Stmt::FunctionDef(function) => self.main |= function.name.as_str() == "main",
            Stmt::ClassDef(class) => self.main |= class.name.as_str() == "main",
            Stmt::Import(import) => {
                for alias in &import.names {
                    let name = alias.asname.as_ref().unwrap_or(&alias.name);
                    self.main |= name.as_str() == "main";
                }
            }
            Stmt::ImportFrom(import) => {
                for alias in &import.names {
                    let name = alias.asname.as_ref().unwrap_or(&alias.name);
                    self.main |= name.as_str() == "main";
                    self.all |= name.as_str() == "*";
                }
            }
            stmt => walk_stmt(self, stmt),
        }
    }

    fn visit_expr(&mut self, expr: &'a Expr) {
        if let Expr::Name(name) = expr {
            self.main |= name.ctx == ExprContext::Store && name.id.as_str() == "main";
        }
        walk_expr(self, expr);
    }
}

/// The first syntax that Python 2 does not have.
#[derive(Default)]
struct OnlyPython3 {
    found: Option<(usize, &'static str)>,
}

impl OnlyPython3 {
    fn find(&mut self, node: &impl Ranged, what: &'static str) {
        let at = node.start().to_usize();
        if self.found.is_none_or(|(first, _)| at < first) {
            self.found = Some((at, what));
        }
    }
}

impl<'a> Visitor<'a> for OnlyPython3 {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        match stmt {
            Stmt::FunctionDef(function) => {
                if function.is_async {
                    self.find(function, "'async'");
                }
                let parameters = &function.parameters;
                let mut annotated = parameters.iter_non_variadic_params();
                if annotated.any(|one| one.parameter.annotation.is_some())
                    || function.returns.is_some()
                {
                    self.find(function, "an annotation");
                }
                if !parameters.kwonlyargs.is_empty() {
                    self.find(function, "a parameter after '*'");
                }
            }
            Stmt::AnnAssign(assign) => self.find(assign, "an annotation"),
            Stmt::Nonlocal(nonlocal) => self.find(nonlocal, "'nonlocal'"),
            Stmt::Raise(raise) if raise.cause.is_some() => self.find(raise, "'raise ... from'"),
            Stmt::Match(found) => self.find(found, "'match'"),
            _ => {}
        }
        walk_stmt(self, stmt);
    }

    fn visit_expr(&mut self, expr: &'a Expr) {
        match expr {
            Expr::FString(found) => self.find(found, "an f-string"),
            Expr::YieldFrom(found) => self.find(found, "'yield from'"),
            Expr::Await(found) => self.find(found, "'await'"),
            Expr::Named(found) => self.find(found, "':='"),
            _ => {}
        }
        walk_expr(self, expr);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One word for a verdict.
    fn kind(source: &str) -> &'static str {
        match check(source.as_bytes()) {
            Verdict::Good {
                too_new: Some(_), ..
            } => "new",
            Verdict::Good {
                not_python2: Some(_),
                ..
            } => "3",
            Verdict::Good { .. } => "both",
            Verdict::Python2 { .. } => "2",
            Verdict::Bad(_) => "bad",
            Verdict::Unknown(_) => "unknown",
        }
    }

    #[test]
    fn each_python_is_told_apart() {
        for (source, expected) in [
            ("def main(attributes):\n    pass\n", "both"),
            (
                "from __future__ import print_function\nprint('a')\n",
                "both",
            ),
            ("try:\n    a\nexcept E as e:\n    pass\n", "both"),
            ("a = u'b'\n", "both"),
            ("a = 1\r\nb = 2\r\n", "both"),
            ("\u{feff}a = 1\n", "both"),
            ("print 'a'\n", "2"),
            ("os.chmod(a, 0777)\n", "2"),
            ("try:\n    a\nexcept E, e:\n    pass\n", "2"),
            ("raise E, 'a'\n", "2"),
            ("exec a in b\n", "2"),
            ("if a:\n\tb\n        c\n", "2"),
            ("if a <> b: print `c`\n", "2"),
            ("f(async=True)\n", "2"),
            ("a = f'{b}'\n", "3"),
            ("def f(a: int): pass\n", "3"),
            ("def f(*, a): pass\n", "3"),
            ("raise a from b\n", "3"),
            ("async def f(): pass\n", "3"),
            ("match a:\n    case 1: pass\n", "new"),
            ("type A = int\n", "new"),
            ("def f(:\n", "bad"),
            ("if a:\nb\n", "bad"),
            ("print 'a'\nif\n", "bad"),
            ("a = 'b\n", "bad"),
            ("a\0\n", "bad"),
            ("wanted=4.31.1F\n", "bad"),
            ("def f(a, (b, c)):\n    print a\n", "unknown"),
        ] {
            assert_eq!(
                kind(source),
                expected,
                "{source:?}: {:?}",
                check(source.as_bytes())
            );
        }
    }

    #[test]
    fn a_name_that_may_be_main_counts() {
        for (source, expected) in [
            ("def main(attributes): pass\n", true),
            ("if a:\n    from b import c as main\n", true),
            ("main = a\n", true),
            ("from a import *\n", true),
            ("def main(a):\n    print a\n", true),
            ("def run(attributes):\n    main = 1\n", false),
            ("a.main = 1\n", false),
            ("import main.a\n", false),
        ] {
            let names = match check(source.as_bytes()) {
                Verdict::Good { names, .. } | Verdict::Python2 { names, .. } => names,
                other => panic!("{source}: {other:?}"),
            };
            assert_eq!(names.may_have_main(), expected, "{source}");
        }
    }

    #[test]
    fn the_position_is_that_of_the_first_problem() {
        let Verdict::Python2 { problem, .. } = check(b"import os\nos.chmod(a, 0777)\n") else {
            panic!("not Python 2");
        };
        let at = problem.position.map(|at| (at.line, at.column));
        assert_eq!(at, Some((2, 13)));
    }

    #[test]
    fn a_script_of_another_interpreter_is_known() {
        for (text, expected) in [
            ("#!/bin/bash\n", false),
            ("#!/usr/bin/env python\n", true),
            ("#!/usr/bin/python2.7 -E\r\n", true),
            ("\u{feff}#!/bin/sh\n", false),
            ("print(1)\n", true),
        ] {
            assert_eq!(is_python(text), expected, "{text:?}");
        }
    }
}
