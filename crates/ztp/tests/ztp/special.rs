//! Pipes, devices and endless files are reported, and never block `ztp`.

use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::scratch::Scratch;

/// The timeout of one run. No run reads a large file.
const LIMIT: Duration = Duration::from_secs(20);

/// Every kind of path that a command reads.
const PATHS: [&str; 14] = [
    "neighbordb",
    "ztpserver.conf",
    "README",
    "wrangler.toml",
    "bootstrap/bootstrap",
    "bootstrap/bootstrap.conf",
    "definitions/leaf",
    "config-handlers/git",
    "resources/mgmt",
    "actions/own",
    "files/image",
    "nodes/JPE1/.node",
    "nodes/JPE1/startup-config",
    "nodes/JPE1/attributes",
];

fn mkfifo(scratch: &Scratch, path: &str) {
    let path = scratch.path().join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let made = Command::new("mkfifo").arg(path).status().unwrap();
    assert!(made.success());
}

/// Runs `ztp`, which must end before the timeout.
fn ztp_in_time(scratch: &Scratch, args: &[&str]) -> (i32, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_ztp"))
        .args(args)
        .current_dir(scratch.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let began = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if began.elapsed() > LIMIT {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("{args:?} still waits after {LIMIT:?}");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let done = child.wait_with_output().unwrap();
    let text = String::from_utf8(done.stdout).unwrap() + &String::from_utf8(done.stderr).unwrap();
    (done.status.code().unwrap(), text)
}

#[test]
fn a_pipe_at_any_path_is_reported_and_not_opened() {
    for (index, place) in PATHS.into_iter().enumerate() {
        let scratch = Scratch::new(&format!("pipe-{index}"));
        scratch.write("root/definitions/spine", "actions: []\n");
        mkfifo(&scratch, &format!("root/{place}"));
        for format in ["text", "json"] {
            let (status, output) = ztp_in_time(&scratch, &["validate", "root", "--format", format]);
            assert!(output.contains(place), "{place}: {output}");
            assert!(
                output.contains("neither a file nor a folder"),
                "{place}: {output}"
            );
            let foreign = ["README", "wrangler.toml"].contains(&place);
            assert_eq!(status, if foreign { 0 } else { 1 }, "{place}: {output}");
        }
        let explain = ["explain", "root", "--id", "JPE1"];
        let (status, output) = ztp_in_time(&scratch, &explain);
        assert_ne!(status, 0, "{place}: {output}");
    }
}

#[test]
fn a_link_to_a_device_is_reported_and_not_read() {
    for (index, place) in PATHS.into_iter().enumerate() {
        let scratch = Scratch::new(&format!("device-{index}"));
        scratch.write("root/definitions/spine", "actions: []\n");
        let path = scratch.path().join("root").join(place);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink("/dev/zero", path).unwrap();
        let (_, output) = ztp_in_time(&scratch, &["validate", "root"]);
        assert!(output.contains(place), "{place}: {output}");
        assert!(
            output.contains("neither a file nor a folder"),
            "{place}: {output}"
        );
    }
}

#[test]
fn a_file_over_every_limit_is_reported() {
    for place in [
        "ztpserver.conf",
        "actions/own",
        "definitions/leaf",
        "neighbordb",
    ] {
        let scratch = Scratch::new(&format!("endless-{}", place.replace('/', "-")));
        scratch.write(&format!("root/{place}"), "");
        let path = scratch.path().join("root").join(place);
        let file = std::fs::File::options().write(true).open(path).unwrap();
        file.set_len(1 << 40).unwrap();
        let (status, output) = ztp_in_time(&scratch, &["validate", "root"]);
        assert_eq!(status, 1, "{place}: {output}");
        assert!(output.contains(place), "{place}: {output}");
    }
}

#[test]
fn an_action_over_the_limit_of_the_client_is_reported() {
    let scratch = Scratch::new("action-size");
    let mut text = "def main(attributes):\n    pass\n#".to_owned();
    text += &"x".repeat((8 << 20) - text.len());
    scratch.write("root/actions/own", &text);
    let (status, output) = ztp_in_time(&scratch, &["validate", "root"]);
    assert_eq!(status, 0, "{output}");
    scratch.write("root/actions/own", text + "x");
    let (status, output) = ztp_in_time(&scratch, &["validate", "root"]);
    assert_eq!(status, 1, "{output}");
    assert!(
        output.contains("error[too-large]") && output.contains("8388609 bytes"),
        "{output}"
    );
}

#[test]
fn a_ztpserver_conf_over_its_limit_is_reported() {
    let scratch = Scratch::new("conf-size");
    let mut text = "[default]\nidentifier = systemmac\n#".to_owned();
    text += &"x".repeat((1 << 20) - text.len());
    scratch.write("root/ztpserver.conf", &text);
    let (status, output) = ztp_in_time(&scratch, &["validate", "root"]);
    assert_eq!(status, 0, "{output}");
    assert!(output.contains("IDENTIFIER = \"systemmac\""), "{output}");
    scratch.write("root/ztpserver.conf", text + "x");
    let (status, output) = ztp_in_time(&scratch, &["validate", "root"]);
    assert_eq!(status, 1, "{output}");
    assert!(output.contains("more than 1048576 bytes"), "{output}");
}

#[test]
fn a_wrangler_toml_over_its_limit_is_an_error() {
    let scratch = Scratch::new("toml-size");
    scratch.write("root/nodes/001c.7301.0203/definition", "actions: []\n");
    let mut text = "[vars]\nIDENTIFIER = 'systemmac'\n#".to_owned();
    text += &"x".repeat((1 << 20) - text.len());
    scratch.write("root/wrangler.toml", &text);
    let (status, output) = ztp_in_time(&scratch, &["validate", "root"]);
    assert_eq!(status, 1, "{output}");
    assert!(output.contains("with IDENTIFIER systemmac"), "{output}");
    scratch.write("root/wrangler.toml", text + "x");
    let (status, output) = ztp_in_time(&scratch, &["validate", "root"]);
    assert_eq!(status, 2, "{output}");
    assert!(output.contains("more than 1048576 bytes"), "{output}");
}

#[test]
fn a_link_that_leads_out_of_the_folder_is_noted_and_followed() {
    let scratch = Scratch::new("special-outside");
    scratch.write("root/definitions/leaf", "actions: []\n");
    scratch.write("root/nodes/A/definition", "actions: []\n");
    scratch.write("elsewhere/images/EOS.swi", "image");
    scratch.write("elsewhere/note", "text");
    let link = |target: &str, path: &str| {
        std::fs::create_dir_all(scratch.path().join(path).parent().unwrap()).unwrap();
        symlink(scratch.path().join(target), scratch.path().join(path)).unwrap();
    };
    link("elsewhere/images", "root/files/images");
    link("elsewhere/note", "root/files/note");
    // Within the folder, and beside the content.
    link("root/definitions/leaf", "root/definitions/spine");
    link("elsewhere/note", "root/README");
    link("elsewhere", "root/plugins");
    let (status, output) = ztp_in_time(&scratch, &["validate", "root"]);
    assert_eq!(status, 0, "{output}");
    let real = scratch.path().canonicalize().unwrap();
    let note = format!(
        "these symbolic links lead out of DIR, and a push stores what they lead to:\n\n    \
         files/images  leads to {0}/elsewhere/images\n    files/note  leads to {0}/elsewhere/note\n",
        real.display()
    );
    assert!(output.contains(&note), "{output}");
    assert_eq!(output.matches("leads to").count(), 2, "{output}");
    assert!(output.contains("5 files checked"), "{output}");
}
