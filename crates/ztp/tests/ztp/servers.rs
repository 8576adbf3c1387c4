//! Servers and their tokens: `ztp login`, the environment, and errors of the API.

use std::os::unix::fs::PermissionsExt;

use crate::scratch::Scratch;
use crate::server::{JSON, serve};

const TOKEN: &str = "a-secret-token-0123";
const FILE: &str = ".config/ztp/servers.json";

fn session() -> (&'static str, &'static str, String) {
    let body = r#"{"name": "ann", "role": "admin", "sites": null, "secrets": true}"#;
    ("200 OK", JSON, body.to_owned())
}

fn nodes() -> (&'static str, &'static str, String) {
    (
        "200 OK",
        JSON,
        r#"{"nodes": [], "cursor": null}"#.to_owned(),
    )
}

#[test]
fn login_verifies_and_stores_a_token_that_only_the_owner_reads() {
    let scratch = Scratch::new("login");
    let (url, server) = serve(vec![session(), nodes()]);
    let (status, text) = scratch.ztp_with(&["login", "--url", &url], &[], TOKEN);
    assert_eq!(status, 0, "{text}");
    assert!(text.contains("ann with the role admin"), "{text}");
    assert!(!text.contains(TOKEN), "{text}");
    let file = scratch.path().join(FILE);
    let mode =
        |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700));

    let (status, text) = scratch.ztp(&["nodes"]);
    assert_eq!((status, text.as_str()), (0, "0 nodes\n"));
    let requests = server.join().unwrap();
    assert!(
        requests[0].starts_with("GET /admin/session HTTP/1.1\r\n"),
        "{requests:?}"
    );
    for request in requests {
        assert!(
            request
                .to_lowercase()
                .contains(&format!("authorization: bearer {TOKEN}\r\n")),
            "{request}"
        );
    }

    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o640)).unwrap();
    let (status, text) = scratch.ztp(&["nodes"]);
    assert_eq!(status, 2, "{text}");
    assert!(
        text.contains("its mode 640 lets other users read it; run `chmod 600 "),
        "{text}"
    );
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();

    assert_eq!(scratch.ztp(&["logout"]).0, 0);
    let (status, text) = scratch.ztp(&["nodes"]);
    assert_eq!(status, 2);
    assert!(
        text.contains("no server is given; run `ztp login --url https://HOST`"),
        "{text}"
    );
}

#[test]
fn a_token_that_the_server_does_not_know_is_not_stored() {
    let scratch = Scratch::new("login-wrong");
    let (url, server) = serve(vec![(
        "404 Not Found",
        "Content-Type: text/html\r\n",
        "<p>no".to_owned(),
    )]);
    let (status, text) = scratch.ztp_with(&["login", "--url", &url], &[], TOKEN);
    assert_eq!(status, 2, "{text}");
    assert!(text.contains("does not accept this token"), "{text}");
    assert!(!scratch.path().join(FILE).exists());
    server.join().unwrap();
    for (input, problem) in [
        ("", "must have the token"),
        ("a\nb\n", "must have the token"),
    ] {
        let (status, text) = scratch.ztp_with(&["login", "--url", &url], &[], input);
        assert_eq!(status, 2);
        assert!(text.contains(problem), "{text}");
    }
    let (_, text) = scratch.ztp_with(&["login", "--url", "http://ztp.example.net"], &[], TOKEN);
    assert!(
        text.contains("write it as https://HOST; without TLS"),
        "{text}"
    );
    let (_, text) = scratch.ztp_with(&["login", "--url", "https://me:secret@x"], &[], TOKEN);
    assert!(!text.contains("secret"), "{text}");
}

#[test]
fn an_error_page_of_the_worker_is_told_from_those_of_other_servers() {
    const OURS: &str = "Content-Type: text/html; charset=UTF-8\r\nX-Content-Type-Options: nosniff\r\n\
                        Content-Security-Policy: default-src 'none'\r\n";
    const THEIRS: &str = "Content-Type: text/html; charset=UTF-8\r\n";
    let scratch = Scratch::new("login-error-page");
    let login = |status: &'static str, headers, body: &str| {
        // The first request and its retries.
        let (url, server) = serve(vec![(status, headers, body.to_owned()); 5]);
        let variables = [("ZTP_WAIT_SCALE", "0")];
        let (code, text) = scratch.ztp_with(&["login", "--url", &url], &variables, TOKEN);
        server.join().unwrap();
        assert_eq!(code, 2, "{text}");
        text
    };
    let sentence = "the setting A &lt; B is &quot;x&amp;lt;&quot;; set it";
    let text = login("500 Internal Server Error", OURS, sentence);
    let shown = "the server responded 500: the setting A < B is \"x&lt;\"; set it";
    assert!(text.contains(shown), "{text}");
    assert!(!text.contains("not a response of ztp-edge"), "{text}");
    let text = login("502 Bad Gateway", THEIRS, "<h1>Bad gateway</h1>");
    assert!(
        text.contains("this is not a response of ztp-edge: check the URL"),
        "{text}"
    );
}

#[test]
fn several_servers_have_tokens_and_the_last_login_is_the_default() {
    let scratch = Scratch::new("login-several");
    let (one, first) = serve(vec![session(), nodes()]);
    let (two, second) = serve(vec![session(), nodes()]);
    for (url, token) in [(&one, "first-token"), (&two, "second-token")] {
        assert_eq!(scratch.ztp_with(&["login", "--url", url], &[], token).0, 0);
    }
    assert_eq!(scratch.ztp(&["nodes"]).0, 0);
    assert_eq!(scratch.ztp(&["nodes", "--url", &one]).0, 0);
    assert!(first.join().unwrap()[1].contains("Bearer first-token\r\n"));
    assert!(second.join().unwrap()[1].contains("Bearer second-token\r\n"));
    let (status, text) = scratch.ztp(&["logout"]);
    assert_eq!(status, 0);
    assert!(
        text.contains(&format!("the default is {one} now")),
        "{text}"
    );
}

#[test]
fn a_service_token_of_access_is_sent_as_headers() {
    let scratch = Scratch::new("login-access");
    let (url, server) = serve(vec![session(), nodes(), nodes()]);
    let (status, text) = scratch.ztp_with(
        &["login", "--access", "--url", &url],
        &[],
        "id.access\nsecret\n",
    );
    assert_eq!(status, 0, "{text}");
    assert_eq!(scratch.ztp(&["nodes"]).0, 0);
    let variables = [
        ("ZTP_URL", url.as_str()),
        ("CF_ACCESS_CLIENT_ID", "id.access"),
        ("CF_ACCESS_CLIENT_SECRET", "secret"),
    ];
    assert_eq!(scratch.ztp_with(&["nodes"], &variables, "").0, 0);
    for request in server.join().unwrap() {
        let request = request.to_lowercase();
        assert!(
            request
                .contains("cf-access-client-id: id.access\r\ncf-access-client-secret: secret\r\n"),
            "{request}"
        );
        assert!(!request.contains("authorization"), "{request}");
    }
    let (status, text) = scratch.ztp_with(&["nodes"], &[("CF_ACCESS_CLIENT_ID", "x")], "");
    assert_eq!(status, 2);
    assert!(text.contains("set both, or none"), "{text}");
}

#[test]
fn a_request_is_repeated_after_503_and_a_lost_response() {
    let scratch = Scratch::new("api-retry");
    let (url, server) = serve(vec![
        (
            "503 Service Unavailable",
            "Retry-After: 20\r\n",
            String::new(),
        ),
        ("200 OK", JSON, "{\"nodes\":".to_owned()),
        (
            "429 Too Many Requests",
            JSON,
            r#"{"error": "too many"}"#.to_owned(),
        ),
        nodes(),
    ]);
    let variables = [
        ("ZTP_URL", url.as_str()),
        ("ZTP_TOKEN", TOKEN),
        ("ZTP_WAIT_SCALE", "0.001"),
    ];
    let (status, text) = scratch.ztp_with(&["nodes"], &variables, "");
    assert_eq!(status, 0, "{text}");
    assert!(
        text.contains("waiting 20 seconds: the server responded 503"),
        "{text}"
    );
    assert_eq!(server.join().unwrap().len(), 4);
}

#[test]
fn an_undo_is_not_sent_again_after_its_response_was_lost() {
    let scratch = Scratch::new("api-undo");
    let (url, server) = serve(vec![("200 OK", JSON, "{".to_owned())]);
    let variables = [("ZTP_URL", url.as_str()), ("ZTP_TOKEN", TOKEN)];
    let (status, text) = scratch.ztp_with(&["undo", "7"], &variables, "");
    assert_eq!(status, 2, "{text}");
    assert!(text.contains("see `ztp log` whether it was done"), "{text}");
    server.join().unwrap();
}

#[test]
fn a_refusal_has_the_sentence_of_the_server_and_the_exit_status_1() {
    let scratch = Scratch::new("api-refusal");
    let refusal = |fields: &str| format!(r#"{{"error": "neighbordb has changed since"{fields}}}"#);
    let (url, server) = serve(vec![
        ("409 Conflict", JSON, refusal(r#", "changed_by": [8, 9]"#)),
        ("403 Forbidden", JSON, refusal("")),
        (
            "302 Found",
            "Location: https://other.example.net/\r\n",
            String::new(),
        ),
    ]);
    let variables = [("ZTP_URL", url.as_str()), ("ZTP_TOKEN", TOKEN)];
    for (expected, part) in [
        (
            1,
            "undoing 7 failed: neighbordb has changed since; the changes since: 8, 9",
        ),
        (2, "undoing 7 failed: neighbordb has changed since"),
        (2, "CF_ACCESS_CLIENT_ID"),
    ] {
        let (status, text) = scratch.ztp_with(&["undo", "7"], &variables, "");
        assert_eq!(status, expected, "{text}");
        assert!(text.contains(part), "{text}");
    }
    server.join().unwrap();
}

#[test]
fn manual_pages_are_written_for_every_command() {
    let scratch = Scratch::new("man");
    assert_eq!(scratch.ztp(&["man", "man1"]).0, 0);
    for page in ["ztp.1", "ztp-push.1", "ztp-check-list.1"] {
        let text = std::fs::read_to_string(scratch.path().join("man1").join(page)).unwrap();
        assert!(text.contains(".SH SYNOPSIS"), "{page}");
    }
    let (status, text) = scratch.ztp(&["completions", "bash"]);
    assert!(status == 0 && text.contains("check-list"));
}
