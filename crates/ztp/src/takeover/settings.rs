//! The settings of a ZTPServer: where they are, and the `[vars]` of wrangler.toml with the same meaning.

use std::path::{Path, PathBuf};

use ztp_core::check::{self, Contents, Finding, Listed, SERVER_CONF, ServerConf};
use ztp_core::content::Store;
use ztp_core::node::Identifier;

use super::script::{self, WsgiSettings};
use crate::{Failure, display_path, regular};

/// The folder of the settings of a ZTPServer.
pub const ETC: &str = "/etc/ztpserver";
/// The default of `data_root`.
const DATA_ROOT: &str = "/usr/share/ztpserver";
/// The default of `server_url`.
const SERVER_URL: &str = "http://ztpserver:8080";
const WSGI: &str = "ztpserver.wsgi";
/// The largest of these files, in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// The settings of a ZTPServer.
#[derive(Default)]
pub struct Settings {
    /// The file; `None`: there is none, and ZTPServer's defaults count.
    pub file: Option<PathBuf>,
    /// Where the file was looked for and is not.
    pub missing: Option<String>,
    pub conf: ServerConf,
    /// The text for wrangler.toml; empty without a file.
    pub vars: Vec<String>,
    pub findings: Vec<Finding>,
}

impl Settings {
    /// Finds the settings of the server with a data_root: the given file, else `ztpserver.conf` in the data_root, else the
    /// file that `ztpserver.wsgi` there names, else that of the folder `etc`, if it names this data_root.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn find(data_root: &Path, given: Option<&Path>, etc: &Path) -> Result<Self, Failure> {
        if let Some(given) = given {
            return Self::read(given);
        }
        let inside = data_root.join(SERVER_CONF);
        if inside.is_file() {
            return Self::read(&inside);
        }
        let mut missing = None;
        if let Some(named) = of_wsgi(data_root, etc)? {
            let named = named.ok_or_else(|| {
                Failure::new(format!(
                    "{} does not name its settings as a text; give them with --conf",
                    display_path(&data_root.join(WSGI))
                ))
            })?;
            if named.is_file() {
                return Self::read(&named);
            }
            missing = Some(format!(
                "{} names {}, which does not exist",
                display_path(&data_root.join(WSGI)),
                display_path(&named)
            ));
        }
        let outside = of_wsgi(etc, etc)?.flatten();
        let outside = outside.unwrap_or_else(|| etc.join(SERVER_CONF));
        if outside.is_file() {
            let found = Self::read(&outside)?;
            if is_same_folder(Path::new(found.data_root()), data_root) {
                return Ok(found);
            }
        }
        Ok(Self {
            missing,
            ..Self::default()
        })
    }

    fn read(path: &Path) -> Result<Self, Failure> {
        let text = regular::input(path, MAX_BYTES)?;
        let conf = ServerConf::parse(&String::from_utf8_lossy(&text));
        let checked = check::server_conf(&OneFile(text));
        let notes = checked.notes.into_iter();
        Ok(Self {
            file: Some(path.to_owned()),
            missing: None,
            conf,
            vars: notes.flat_map(|note| note.lines).collect(),
            findings: checked.findings,
        })
    }

    /// The fact that names a node.
    ///
    /// # Errors
    /// The file does not tell it.
    pub fn identifier(&self, file: &Path) -> Result<Identifier, Failure> {
        if self.conf.tells_identifier() {
            return Ok(self.conf.identifier().unwrap_or_default());
        }
        let problem = self.findings.first().map(|found| found.message.as_str());
        Err(Failure::refused(format!(
            "nothing is stored: {} does not tell which fact names a node on the ZTPServer ({}); correct it, or give a \
             corrected copy with --conf",
            display_path(file),
            problem.unwrap_or("it is not valid")
        )))
    }

    /// The folder of the content, as the settings name it.
    pub fn data_root(&self) -> &str {
        self.conf.data_root().unwrap_or(DATA_ROOT)
    }

    /// The URL that switches have of the server.
    pub fn server_url(&self) -> &str {
        self.conf.server_url().unwrap_or(SERVER_URL).trim()
    }
}

/// The settings that a `ztpserver.wsgi` in a folder uses, if there is one; `None` in it if it computes their name.
fn of_wsgi(folder: &Path, etc: &Path) -> Result<Option<Option<PathBuf>>, Failure> {
    let path = folder.join(WSGI);
    if !path.is_file() {
        return Ok(None);
    }
    let text = regular::input(&path, MAX_BYTES)?;
    Ok(Some(
        match script::settings_of_wsgi(&String::from_utf8_lossy(&text)) {
            WsgiSettings::Named(named) => Some(folder.join(named)),
            WsgiSettings::Default => Some(etc.join(SERVER_CONF)),
            WsgiSettings::Unknown => None,
        },
    ))
}

fn is_same_folder(one: &Path, other: &Path) -> bool {
    let real = |path: &Path| std::fs::canonicalize(path).ok();
    real(one).is_some_and(|one| real(other) == Some(one))
}

/// A ztpserver.conf, wherever it is.
struct OneFile(Vec<u8>);

impl Contents for OneFile {
    fn list(&self) -> Vec<Listed> {
        vec![Listed {
            key: SERVER_CONF.to_owned(),
            store: Store::Kv,
            size: self.0.len() as u64,
        }]
    }

    fn read(&self, _key: &str) -> Result<Vec<u8>, String> {
        Ok(self.0.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Place(tempfile::TempDir);

    impl Place {
        fn new() -> Self {
            let place = Self(tempfile::tempdir().unwrap());
            std::fs::create_dir_all(place.root()).unwrap();
            std::fs::create_dir_all(place.etc()).unwrap();
            place
        }

        fn root(&self) -> PathBuf {
            self.0.path().join("root")
        }

        fn etc(&self) -> PathBuf {
            self.0.path().join("etc")
        }

        fn write(&self, path: &str, text: &str) -> PathBuf {
            let path = self.0.path().join(path);
            std::fs::write(&path, text).unwrap();
            path
        }

        fn find(&self, given: Option<&Path>) -> Settings {
            Settings::find(&self.root(), given, &self.etc()).unwrap()
        }
    }

    #[test]
    fn the_settings_are_those_of_this_data_root() {
        let place = Place::new();
        assert_eq!(place.find(None).file, None);
        let root = place.root().display().to_string();
        let etc = place.write("etc/ztpserver.conf", "[default]\ndata_root = /other\n");
        assert_eq!(place.find(None).file, None);
        place.write(
            "etc/ztpserver.conf",
            &format!("[default]\ndata_root = {root}\n"),
        );
        assert_eq!(place.find(None).file, Some(etc));
        // A deployment of Apache, with its settings elsewhere.
        let elsewhere = place.write(
            "apache.conf",
            &format!("[default]\ndata_root = {root}/\nserver_url = http://a\n"),
        );
        let script = format!("application = start_wsgiapp('{}')\n", elsewhere.display());
        place.write("etc/ztpserver.wsgi", &script);
        assert_eq!(place.find(None).file.as_ref(), Some(&elsewhere));
        assert_eq!(place.find(None).server_url(), "http://a");
        std::fs::remove_file(place.etc().join(WSGI)).unwrap();
        std::fs::remove_file(place.etc().join(SERVER_CONF)).unwrap();
        place.write(
            "root/ztpserver.wsgi",
            "application = start_wsgiapp('/no/x')\n",
        );
        let found = place.find(None);
        assert!(
            found
                .missing
                .unwrap()
                .ends_with("/ztpserver.wsgi names /no/x, which does not exist")
        );
        place.write("root/ztpserver.wsgi", "application = start_wsgiapp(path)\n");
        let computed = Settings::find(&place.root(), None, &place.etc());
        let error = computed.err().unwrap().to_string();
        assert!(error.contains("give them with --conf"), "{error}");
        let inside = place.write("root/ztpserver.conf", "[default]\n");
        assert_eq!(place.find(None).file, Some(inside));
        assert_eq!(place.find(Some(&elsewhere)).file, Some(elsewhere));
    }

    #[test]
    fn settings_become_vars() {
        let place = Place::new();
        let text = "[default]\nidentifier = serialnum\nserver_url = http://192.0.2.10:8080\ndisable_topology_validation = True\n";
        let conf = place.write("ztpserver.conf", text);
        let found = place.find(Some(&conf));
        assert_eq!(
            found.vars,
            [
                "[vars]",
                "SERVER_URL = \"auto\"  # the URL that was requested; ZTPServer had http://192.0.2.10:8080",
                "IDENTIFIER = \"serialnumber\"",
                "DISABLE_TOPOLOGY_VALIDATION = \"True\"",
            ]
        );
        assert!(found.findings.is_empty());
    }
}
