//! A folder for one test, and running `ztp` in it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A folder below the build's own for tests, empty at first.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        if folder.exists() {
            std::fs::remove_dir_all(&folder).unwrap();
        }
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file, and the folders that it is in.
    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.0.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    /// Runs `ztp` here: its exit status and its output.
    pub fn ztp(&self, args: &[&str]) -> (i32, String) {
        self.ztp_with(args, &[], "")
    }

    /// Runs `ztp` here with environment variables and standard input. Its settings are here, too.
    pub fn ztp_with(
        &self,
        args: &[&str],
        variables: &[(&str, &str)],
        input: &str,
    ) -> (i32, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ztp"));
        for name in [
            "ZTP_URL",
            "ZTP_TOKEN",
            "CF_ACCESS_CLIENT_ID",
            "CF_ACCESS_CLIENT_SECRET",
        ] {
            command.env_remove(name);
        }
        let mut child = command
            .args(args)
            .current_dir(&self.0)
            .env("XDG_CONFIG_HOME", self.0.join(".config"))
            .envs(variables.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A command that does not read its input closes it.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let done = child.wait_with_output().unwrap();
        let text = String::from_utf8(done.stdout).unwrap();
        let complaint = String::from_utf8(done.stderr).unwrap();
        (done.status.code().unwrap(), text + &complaint)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A failed test leaves its folder for debugging.
        if !std::thread::panicking() {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}

/// Copies a folder with its contents.
pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
