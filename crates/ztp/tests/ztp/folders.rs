//! Folders without content, and paths of another kind than expected.

use crate::scratch::Scratch;

const TOKEN: (&str, &str) = ("ZTP_TOKEN", "a-secret-token-0123");
/// A server that does not exist: a command that asks it says so.
const NOWHERE: &str = "http://127.0.0.1:1";

#[test]
fn a_folder_without_content_is_an_error_before_the_server_is_asked() {
    let scratch = Scratch::new("folders-empty");
    std::fs::create_dir(scratch.path().join("empty")).unwrap();
    scratch.write("other/README", "a folder of something else\n");
    scratch.write("other/src/main.c", "int main;\n");
    for folder in ["empty", "other"] {
        for args in [
            &["validate", folder][..],
            &["validate", folder, "--format", "json"],
            &["diff", folder, "--url", NOWHERE],
            &["push", folder, "--url", NOWHERE],
            // With an empty folder, it would delete everything that a push has stored.
            &["push", folder, "--prune", "--url", NOWHERE],
        ] {
            let (status, text) = scratch.ztp_with(args, &[TOKEN], "");
            assert_eq!(status, 2, "{args:?}: {text}");
            let sentence = format!(
                "{folder} has no file of a data_root; give the folder that contains neighbordb"
            );
            assert!(text.contains(&sentence), "{args:?}: {text}");
        }
    }
}

#[test]
fn a_folder_in_place_of_a_file_is_named_so() {
    let scratch = Scratch::new("folders-file");
    scratch.write("root/neighbordb", "patterns: []\n");
    for args in [
        &["check-list", "root", "--url", NOWHERE][..],
        &["takeover", "root", "--conf", "root", "--url", NOWHERE],
        &["takeover", "root", "--database", "root", "--url", NOWHERE],
    ] {
        let (status, text) = scratch.ztp_with(args, &[TOKEN], "");
        assert_eq!(status, 2, "{args:?}: {text}");
        assert!(
            text.contains("root: this is a folder, not a file"),
            "{args:?}: {text}"
        );
    }
}

#[test]
fn a_file_in_place_of_a_folder_and_a_folder_in_place_of_a_file_are_misplaced() {
    let scratch = Scratch::new("folders-swapped");
    scratch.write("root/neighbordb/leaf", "patterns: []\n");
    scratch.write("root/definitions", "actions: []\n");
    scratch.write("root/files/a", "a\n");
    let (status, text) = scratch.ztp(&["validate", "root"]);
    assert_eq!(status, 1, "{text}");
    for place in ["root/definitions\n", "root/neighbordb/leaf\n"] {
        let (_, found) = text.split_once(place).unwrap_or_else(|| panic!("{text}"));
        let (help, _) = found.split_once("left alone").unwrap();
        assert!(help.contains("is a f"), "{help}");
    }
}
