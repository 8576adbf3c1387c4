//! Texts in Python scripts of a ZTPServer: the settings that `ztpserver.wsgi` names, and the database of a plugin. Nothing
//! of a script is run.

use ruff_python_ast::visitor::{Visitor, walk_expr, walk_stmt};
use ruff_python_ast::{Arguments, Expr, Stmt};
use ruff_python_parser::{Mode, ParseOptions, parse_unchecked};

/// The variable of the environment that names the settings. It counts more than the argument of `start_wsgiapp`.
const VARIABLE: &str = "ZTPS_CONFIG";

/// The settings that a `ztpserver.wsgi` uses.
#[derive(Debug, PartialEq, Eq)]
pub enum WsgiSettings {
    /// It names none.
    Default,
    Named(String),
    /// It computes their name.
    Unknown,
}

/// The settings that a `ztpserver.wsgi` names: in `os.environ`, else as the argument of `start_wsgiapp`.
pub fn settings_of_wsgi(text: &str) -> WsgiSettings {
    let mut found = Wsgi::default();
    visit(text, &mut found);
    let is_read = found.mentions == found.reads;
    match found.variable.or(found.argument) {
        Some(Some(named)) if is_read => WsgiSettings::Named(named),
        None if is_read => WsgiSettings::Default,
        _ => WsgiSettings::Unknown,
    }
}

/// The text that a script assigns to a name.
pub fn assigned(text: &str, name: &str) -> Option<String> {
    let mut found = Assigned { name, value: None };
    visit(text, &mut found);
    found.value
}

fn visit(text: &str, visitor: &mut impl for<'a> Visitor<'a>) {
    let options = ParseOptions::from(Mode::Module);
    // A script for Python 2 has a tree with gaps.
    if let Some(parsed) = parse_unchecked(text, options).try_into_module() {
        visitor.visit_body(parsed.suite());
    }
}

fn text_of(expr: &Expr) -> Option<String> {
    let literal = expr.as_string_literal_expr()?;
    Some(literal.value.to_str().to_owned())
}

/// Each text is `None` if it is not a literal.
#[derive(Default)]
struct Wsgi {
    variable: Option<Option<String>>,
    argument: Option<Option<String>>,
    /// How often the variable is named, and how often as it is understood here.
    mentions: usize,
    reads: usize,
}

impl<'a> Visitor<'a> for Wsgi {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        if let Stmt::Assign(assign) = stmt
            && assign.targets.iter().any(is_variable)
        {
            self.variable = Some(text_of(&assign.value));
            self.reads += 1;
        }
        walk_stmt(self, stmt);
    }

    fn visit_expr(&mut self, expr: &'a Expr) {
        if let Expr::Call(call) = expr {
            let name = match call.func.as_ref() {
                Expr::Name(name) => name.id.as_str(),
                Expr::Attribute(attribute) => attribute.attr.as_str(),
                _ => "",
            };
            let argument = |at| call.arguments.args.get(at).map(text_of);
            match name {
                "start_wsgiapp" => {
                    let named = keyword(&call.arguments, "config_file");
                    self.argument = argument(0).or(named.map(text_of));
                }
                "setdefault" | "putenv" if argument(0) == Some(Some(VARIABLE.to_owned())) => {
                    self.variable = Some(argument(1).flatten());
                    self.reads += 1;
                }
                _ => {}
            }
            self.mentions += usize::from(keyword(&call.arguments, VARIABLE).is_some());
        }
        self.mentions += usize::from(text_of(expr).as_deref() == Some(VARIABLE));
        walk_expr(self, expr);
    }
}

fn keyword<'a>(arguments: &'a Arguments, name: &str) -> Option<&'a Expr> {
    let mut keywords = arguments.keywords.iter();
    let found = keywords.find(|keyword| keyword.arg.as_ref().is_some_and(|arg| arg == name))?;
    Some(&found.value)
}

/// Whether an expression is `os.environ["ZTPS_CONFIG"]`.
fn is_variable(target: &Expr) -> bool {
    target
        .as_subscript_expr()
        .is_some_and(|subscript| text_of(&subscript.slice).as_deref() == Some(VARIABLE))
}

struct Assigned<'n> {
    name: &'n str,
    value: Option<String>,
}

impl<'a> Visitor<'a> for Assigned<'_> {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        if let Stmt::Assign(assign) = stmt {
            let is_name = |target: &Expr| {
                let name = target.as_name_expr();
                name.is_some_and(|name| name.id.as_str() == self.name)
            };
            if assign.targets.iter().any(is_name) {
                self.value = text_of(&assign.value);
            }
        }
        walk_stmt(self, stmt);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_settings_of_a_wsgi_script_are_found() {
        for (text, expected) in [
            ("application = start_wsgiapp()\n", None),
            ("application = start_wsgiapp(debug=True)\n", None),
            ("application = start_wsgiapp('/a')\n", Some("/a")),
            (
                "from ztpserver import app\napplication = app.start_wsgiapp(debug=True, config_file=\"/a\")\n",
                Some("/a"),
            ),
            (
                "import os\nos.environ['ZTPS_CONFIG'] = '/b'\napplication = start_wsgiapp('/a')\n",
                Some("/b"),
            ),
            (
                "os.environ.setdefault('ZTPS_CONFIG', '/b')\napplication = start_wsgiapp()\n",
                Some("/b"),
            ),
            (
                "print 'starting'\napplication = start_wsgiapp('/a')\n",
                Some("/a"),
            ),
            ("# start_wsgiapp('/a')\n", None),
        ] {
            let expected = expected.map_or(WsgiSettings::Default, |named| {
                WsgiSettings::Named(named.to_owned())
            });
            assert_eq!(settings_of_wsgi(text), expected, "{text}");
        }
        for text in [
            "application = start_wsgiapp(path)\n",
            "application = start_wsgiapp(config_file=os.path.join('a', 'b'))\n",
            "os.environ['ZTPS_CONFIG'] = path\napplication = start_wsgiapp()\n",
            "os.environ.update({'ZTPS_CONFIG': '/b'})\napplication = start_wsgiapp('/a')\n",
            "os.environ.update(ZTPS_CONFIG='/b')\napplication = start_wsgiapp()\n",
        ] {
            assert_eq!(settings_of_wsgi(text), WsgiSettings::Unknown, "{text}");
        }
    }

    #[test]
    fn the_text_of_a_name_is_found() {
        for (text, expected) in [
            ("# DB_URL = '/a'\nDB_URL = \"/b\"\n", Some("/b")),
            ("DB_URL = os.path.join('a', 'b')\n", None),
            ("OTHER = '/a'\n", None),
            ("DB_URL = ('/a'\n          '/b')\n", Some("/a/b")),
        ] {
            assert_eq!(assigned(text, "DB_URL").as_deref(), expected, "{text}");
        }
    }
}
