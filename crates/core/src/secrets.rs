//! A startup-config without its secrets, for operators who may not see them.
//!
//! The words are those that EOS, its tools and scripts use; a secret after one of them ends with the line, because the
//! number of its words depends on the command, on its encryption and on the release of EOS. More than secrets may be
//! hidden, but no secret may be shown.

/// In place of a secret.
const HIDDEN: &str = "...";

/// Words after which the rest of a line is secret. A blank, `=` or `:` follows, also after a quotation mark.
const WORDS: [&str; 17] = [
    "secret",
    "password",
    "passwd",
    "passphrase",
    "community",
    "sshkey",
    "ssh-key",
    "key-string",
    "apikey",
    "api-key",
    "authentication-key",
    "message-digest-key",
    "authorization",
    "cookie",
    "bearer",
    "token",
    // Also of `shared-key`, `radius-server ... key` and `ntp authentication ... key`.
    "key",
];

/// Two words after which the rest of a line is secret: the second one begins with one of these.
const PAIRS: [(&str, &[&str]); 5] = [
    ("snmp-server", &["community", "host", "user"]),
    ("auth", &["md5", "sha"]),
    ("priv", &["des", "3des", "aes"]),
    ("authentication", &["text", "ietf-md5", "md5"]),
    ("peer", &["authentication"]),
];

/// Words before a value that ends with a blank, as in `-ingestauth=key,...`.
const OPTIONS: [&str; 2] = ["cvauth=", "ingestauth="];

/// The text without secrets: each is replaced by `...`.
pub fn without_secrets(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut in_key = false;
    for line in text.split_inclusive('\n') {
        if in_key {
            in_key = !line.contains("-----END");
            continue;
        }
        let (line, end) = match line.strip_suffix('\n') {
            Some(line) => (line, "\n"),
            None => (line, ""),
        };
        if line.contains("-----BEGIN") && line.contains("PRIVATE KEY") {
            in_key = !line.contains("-----END");
            out.push_str(HIDDEN);
        } else {
            // The positions of ASCII words are equal in both.
            let lower = line.to_ascii_lowercase();
            let shown = secret_at(&lower).unwrap_or(line.len());
            without_values(line.get(..shown).unwrap_or_default(), &mut out);
            if shown < line.len() {
                out.push_str(HIDDEN);
            }
        }
        out.push_str(end);
    }
    out
}

/// Where the secret begins that is the rest of a line.
fn secret_at(line: &str) -> Option<usize> {
    let words = WORDS.iter().filter_map(|word| after(line, word));
    let pairs = PAIRS.iter().filter_map(|(first, seconds)| {
        let mut from = 0;
        loop {
            let at = from + after(line.get(from..)?, first)?;
            let rest = line.get(at..)?;
            if let Some(second) = seconds.iter().find(|second| rest.starts_with(**second)) {
                // All of the second word is shown: `sha256`.
                let word = rest.find([' ', '\t'])?.max(second.len());
                return Some(at + word + blanks(rest.get(word..)?));
            }
            from = at;
        }
    });
    words.chain(pairs).filter(|at| *at < line.len()).min()
}

/// The position after a word of a line, and after the separators that must follow it.
fn after(line: &str, word: &str) -> Option<usize> {
    for (at, _) in line.match_indices(word) {
        let before = line.get(..at).and_then(|before| before.chars().next_back());
        if before.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_') {
            continue;
        }
        let end = at + word.len();
        let rest = line.get(end..)?;
        let unquoted = rest.trim_start_matches(['"', '\'']);
        let separators = blanks(unquoted);
        if separators > 0 {
            return Some(end + (rest.len() - unquoted.len()) + separators);
        }
    }
    None
}

/// The length of the separators at the beginning of a text.
fn blanks(text: &str) -> usize {
    text.len() - text.trim_start_matches([' ', '\t', '=', ':']).len()
}

/// Appends the rest of a line, without hashes of crypt(3), values of [`OPTIONS`], and the secrets of URLs.
fn without_values(line: &str, out: &mut String) {
    for word in line.split_inclusive([' ', '\t', '\'', '"']) {
        let lower = word.to_ascii_lowercase();
        let option = OPTIONS.iter().find_map(|option| {
            let at = lower.find(option)? + option.len();
            Some((at, word.len()))
        });
        let hash = word
            .find('$')
            .filter(|at| is_hash(word.get(*at..).unwrap_or_default()));
        let hash = hash.map(|at| (at, word.len()));
        let url = word.find("://").map(|at| at + "://".len());
        let user = url.and_then(|at| {
            let rest = word.get(at..)?;
            let host = rest.get(..rest.find('/').unwrap_or(rest.len()))?;
            Some((at, at + host.rfind('@')?))
        });
        // The credential of a switch or a site in this server's URLs.
        let token = url.and_then(|at| {
            let from = at + word.get(at..)?.find("/t/")? + "/t/".len();
            let rest = word.get(from..)?;
            Some((from, from + rest.find(['/', '?']).unwrap_or(rest.len())))
        });
        let query = url.and_then(|at| Some((at + word.get(at..)?.find('?')? + 1, word.len())));
        let mut shown = 0;
        let mut hide = |(from, to): (usize, usize)| {
            if from < shown {
                return;
            }
            // The character that ends the word is not secret.
            let to = to
                .min(word.trim_end_matches([' ', '\t', '\'', '"']).len())
                .max(from);
            out.push_str(word.get(shown..from).unwrap_or_default());
            out.push_str(HIDDEN);
            shown = to;
        };
        [option, hash, user, token, query]
            .into_iter()
            .flatten()
            .for_each(&mut hide);
        out.push_str(word.get(shown..).unwrap_or_default());
    }
}

/// Whether a text begins as a hash of crypt(3): `$6$salt$...`, `$y$...`.
fn is_hash(text: &str) -> bool {
    let mut parts = text.split('$').skip(1);
    let kind = parts.next().unwrap_or_default();
    (1..=4).contains(&kind.len())
        && kind.chars().all(|c| c.is_ascii_alphanumeric())
        && parts.next().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_of_a_startup_config_is_shown() {
        for (line, expected) in [
            (
                "username admin secret sha512 $6$hidden$hidden.",
                "username admin secret ...",
            ),
            (
                "username admin privilege 15 secret 0 hidden words",
                "username admin privilege 15 secret ...",
            ),
            (
                "username ansible sshkey ssh-rsa AAAAhidden ansible@hidden",
                "username ansible sshkey ...",
            ),
            (
                "username ansible ssh-key ssh-ed25519 AAAAhidden",
                "username ansible ssh-key ...",
            ),
            ("enable password hidden", "enable password ..."),
            (
                "enable password sha512 $6$hidden$hidden",
                "enable password ...",
            ),
            ("aaa root secret 5 $1$hidden$hidden", "aaa root secret ..."),
            ("radius-server key 7 0832hidden", "radius-server key ..."),
            (
                "radius-server host 192.0.2.1 vrf m key hidden",
                "radius-server host 192.0.2.1 vrf m key ...",
            ),
            ("tacacs-server key hidden", "tacacs-server key ..."),
            (
                "tacacs-server host 192.0.2.1 key 8a $hidden",
                "tacacs-server host 192.0.2.1 key ...",
            ),
            (
                "snmp-server community hidden ro",
                "snmp-server community ...",
            ),
            (
                "snmp-server host 192.0.2.1 version 2c hidden",
                "snmp-server host ...",
            ),
            (
                "snmp-server user nms group v3 auth sha hidden priv aes hidden",
                "snmp-server user ...",
            ),
            (
                "  nms v3 localized 80:00 auth sha256 0x1hidden priv aes128 hidden",
                "  nms v3 localized 80:00 auth sha256 ...",
            ),
            (
                "ntp authentication-key 1 md5 7 hidden",
                "ntp authentication-key ...",
            ),
            (
                "ip ospf authentication-key 7 hidden",
                "ip ospf authentication-key ...",
            ),
            (
                "ip ospf message-digest-key 1 md5 7 hidden",
                "ip ospf message-digest-key ...",
            ),
            (
                "ipv6 ospf authentication ipsec spi 3 sha1 passphrase 7 hidden",
                "ipv6 ospf authentication ipsec spi 3 sha1 passphrase ...",
            ),
            (
                "neighbor SPINES password 7 hidden==",
                "neighbor SPINES password ...",
            ),
            (
                "isis authentication key 7 hidden level-1",
                "isis authentication key ...",
            ),
            (
                "authentication key-id 1 algorithm sha-1 key 7 hidden",
                "authentication key-id 1 algorithm sha-1 key ...",
            ),
            (
                "vrrp 1 peer authentication hidden",
                "vrrp 1 peer authentication ...",
            ),
            (
                "vrrp 1 authentication text hidden",
                "vrrp 1 authentication text ...",
            ),
            (
                "vrrp 1 peer authentication ietf-md5 key-string 7 hidden",
                "vrrp 1 peer authentication ...",
            ),
            ("key 0a 7 06070Dhidden", "key ..."),
            ("   key hidden", "   key ..."),
            ("shared-key 7 hidden", "shared-key ..."),
            ("pre-shared-key hidden", "pre-shared-key ..."),
            ("shared-secret 7 hidden", "shared-secret ..."),
            (
                "exec /usr/bin/TerminAttr -ingestauth=key,hidden -taillogs",
                "exec /usr/bin/TerminAttr -ingestauth=... -taillogs",
            ),
            ("SNMP-SERVER COMMUNITY hidden", "SNMP-SERVER COMMUNITY ..."),
            (
                "{\"user\": \"a\", \"password\": \"hidden\", \"x\": 1}",
                "{\"user\": \"a\", \"password\": ...",
            ),
            ("passwd=hidden", "passwd=..."),
            ("Password: hidden", "Password: ..."),
            ("Authorization: Bearer hidden.hidden", "Authorization: ..."),
            ("curl -H 'X: bearer hidden'", "curl -H 'X: bearer ..."),
            ("root:$6$hidden$hidden:19000:0:99999", "root:..."),
            (
                "useradd -p '$y$j9T$hidden$hidden' -G eosadmin a",
                "useradd -p '...' -G eosadmin a",
            ),
            (
                "copy https://user:hidden@files.example.com/a?sig=hidden&x=1 flash:",
                "copy https://...@files.example.com/a?... flash:",
            ),
            (
                "   action bash curl -T a \"https://ztp.example.com/t/hidden.hidden.hidden/nodes/A/startup-config\"",
                "   action bash curl -T a \"https://ztp.example.com/t/.../nodes/A/startup-config\"",
            ),
            (
                "copy https://hidden@ztp.example.com/t/hidden?hidden flash:",
                "copy https://...@ztp.example.com/t/...?... flash:",
            ),
            (
                "-----BEGIN RSA PRIVATE KEY-----\nMIIhidden\nhidden\n-----END RSA PRIVATE KEY-----\nend",
                "...\nend",
            ),
        ] {
            let shown = without_secrets(line);
            assert_eq!(shown, expected, "{line}");
            assert!(!shown.contains("hidden"), "{shown}");
        }
    }

    #[test]
    fn everything_else_is_shown_as_it_is() {
        let config = "! device: leaf1 (DCS-7050TX-64, EOS-4.28.0F)\r\nhostname leaf1\naaa authentication login default group tacacs+ local\n\
            ip name-server vrf default 192.0.2.1\n\ninterface Ethernet1\n   description monkey:5 — costs $5 and $6\n   no switchport\n\
            key\nip route 0.0.0.0/0 192.0.2.254\nlogging host logs.example.com\nsecret\ncopy https://files.example.com/a flash:\nend";
        assert_eq!(without_secrets(config), config);
    }
}
