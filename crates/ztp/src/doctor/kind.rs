//! The kinds of findings of `ztp doctor`, each with the reason and the remedy.

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Some switches, or some of their requests, may fail.
    Warning,
    /// A switch cannot boot, or cannot store its backup.
    Problem,
}

impl Level {
    pub fn name(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Problem => "problem",
        }
    }
}

/// Declares the kinds: variant, stable name, level, the reason why it matters, the remedy.
macro_rules! kinds {
    ($($variant:ident $id:literal $level:ident $why:literal $remedy:literal,)*) => {
        /// A kind of finding. Its name is stable: scripts may rely on it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Kind {
            $($variant,)*
        }

        impl Kind {
            /// Every kind, in the order of the documentation.
            #[cfg(test)]
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The stable name.
            pub fn id(self) -> &'static str {
                match self {
                    $(Self::$variant => $id,)*
                }
            }

            pub fn level(self) -> Level {
                match self {
                    $(Self::$variant => Level::$level,)*
                }
            }

            /// The reason why it matters.
            pub fn why(self) -> &'static str {
                match self {
                    $(Self::$variant => $why,)*
                }
            }

            /// The remedy.
            pub fn remedy(self) -> &'static str {
                match self {
                    $(Self::$variant => $remedy,)*
                }
            }
        }
    };
}

kinds! {
    // The URL.
    UrlOver255 "url-over-255" Problem
        "a DHCP option has at most 255 bytes (RFC 2132)"
        "give the Worker a shorter address, or the site a shorter token",
    UrlOver127 "url-over-127" Warning
        "some DHCP servers and clients use the boot file field of BOOTP, which has 127 bytes and a zero (RFC 2131)"
        "if a switch requests a URL that is cut off, give the Worker a shorter address, or the site a shorter token",
    NodeUrl "node-url" Problem
        "other switches that boot from the URL of one switch are refused; the requests of this command would be events \
         of that switch, so none was sent"
        "announce the URL of a site: https://HOST/t/TOKEN/bootstrap",
    PlainHttp "plain-http" Warning
        "anyone on the way can read tokens and configurations, and change scripts"
        "announce the https URL, and turn on Always Use HTTPS for the zone",

    // The way to the server.
    NoDns "no-dns" Problem
        "a switch cannot find the server"
        "check the spelling, and look the name up with the DNS server that DHCP announces; a custom domain of the Worker \
         creates the DNS record",
    NoIpv4 "no-ipv4" Warning
        "many management networks have IPv4 only"
        "add an A record, or check that the switches have IPv6",
    ConnectionRefused "connection-refused" Problem
        "no server listens at this address and port, or a firewall rejects the connection"
        "check host and port, and allow the connection in the firewall of the management network",
    Timeout "timeout" Problem
        "a firewall may drop the packets, or the server hangs"
        "allow TCP to host and port in the firewall of the management network; --timeout waits for longer",
    Unreachable "unreachable" Problem
        "this machine has no way to the server, or the connection ended early"
        "check the network and the firewall, and run the command in the network of the switches",
    NoTls "no-tls" Problem
        "the port is not one of https, or the server and this program have no TLS in common"
        "check the scheme and the port of the URL, and the TLS settings of the server",
    Tls13Only "tls-1.3-only" Warning
        "the OpenSSL of an older EOS has no TLS 1.3"
        "set Minimum TLS Version of the zone to 1.2",
    CertificateName "certificate-name" Problem
        "the certificate is for another name, so a client that checks it refuses the server"
        "check the host in the URL; a custom domain of the Worker has a certificate of its own",
    CertificateExpired "certificate-expired" Problem
        "a client that checks the certificate refuses the server"
        "renew the certificate; if it is valid, set the clock of this machine",
    CertificateIssuer "certificate-issuer" Problem
        "no public authority has issued the certificate, so clients do not trust it; a proxy that decrypts TLS may have \
         made it"
        "exempt the host from the proxy, or install a public certificate; --ca FILE trusts an authority of your own",
    CertificateInvalid "certificate-invalid" Problem
        "a client that checks the certificate refuses the server"
        "install a valid certificate",

    // Who answers.
    BrowserIntegrityCheck "browser-integrity-check" Problem
        "the zone's Browser Integrity Check refuses requests without a browser's headers, such as the first request of EOS, \
         which has no User-Agent, before the Worker receives them"
        "turn Browser Integrity Check off for this host, with a configuration rule of the zone; docs/deploy.md has the \
         steps",
    Challenge "challenge" Problem
        "Cloudflare sends a page that only a browser can solve, before the Worker receives the request"
        "turn off Bot Fight Mode and Under Attack mode, or exempt this host with a rule; Security > Events of the zone \
         names the service",
    CloudflareBlocks "cloudflare-blocks" Problem
        "a rule of the zone blocks the request before the Worker receives it"
        "look for the request in Security > Events of the zone, and exempt this host from the rule",
    CloudflareRateLimit "cloudflare-rate-limit" Problem
        "a rate limit of the zone counts the requests, and a whole site may have one address"
        "raise the limit, or exempt this host from the rule",
    DailyLimit "daily-limit" Problem
        "the free plan has 100,000 requests of all Workers of the account in a day"
        "wait until 00:00 UTC, or change to the paid plan",
    CpuLimit "cpu-limit" Problem
        "the request took more CPU time than the plan allows (10 ms on the free plan)"
        "change to the paid plan; store large files with `ztp push`, which stores their SHA-1, too",
    WorkerFailed "worker-failed" Problem
        "the Worker failed before it could respond"
        "look at the log of the Worker in the dashboard, and deploy again",
    CloudflareError "cloudflare-error" Problem
        "Cloudflare itself sent the response, not the Worker"
        "look the number up in Cloudflare's documentation, and check that the host belongs to the Worker",
    CloudflareAccess "cloudflare-access" Problem
        "Cloudflare Access asks for a sign-in, which no switch can do"
        "limit the Access application to the path /admin",
    RedirectToHttps "redirect-to-https" Problem
        "the client follows no redirect of its server, because a redirected POST loses its body"
        "announce the https URL",
    Redirect "redirect" Problem
        "the client follows no redirect of its server, because a redirected POST loses its body"
        "announce the URL that the server redirects to, if it is that of ztp-edge; else remove the rule that redirects",
    NoTokens "no-tokens" Problem
        "without the secret ZTP_TOKENS every response is 503"
        "run `npm run deploy`, which makes the secret, or store it with `npx wrangler secret put ZTP_TOKENS`",
    MissingToken "missing-token" Problem
        "the server has tokens of sites, and responds 404 to every URL without one"
        "announce https://HOST/t/TOKEN/bootstrap with the token of the site",
    WrongToken "wrong-token" Problem
        "the server does not know this token, or it has no such path"
        "compare the URL with the token of the site in ZTP_TOKENS; it may have been replaced",
    Forbidden "forbidden" Problem
        "ztp-edge refuses the request"
        "do what the response says",
    RateLimited "rate-limited" Problem
        "the binding ZTP_RATE_LIMIT counts too many requests of this address"
        "wait a minute, and run the command again; if switches receive this, raise the limit in wrangler.toml",
    Misconfigured "misconfigured" Problem
        "a setting or a binding of the Worker is invalid"
        "do what the response says, and deploy again",
    StorageFailed "storage-failed" Problem
        "KV, R2 or an object did not answer the Worker"
        "run the command again; if it stays, look at Cloudflare's status page and the bindings of the Worker",
    BrokenContent "broken-content" Problem
        "stored content is invalid, so no switch receives it"
        "fix the content that the response names; `ztp validate` finds such errors before a push",
    Unexpected "unexpected" Problem
        "ztp-edge does not respond so to this request; something on the way may have changed it"
        "compare with a request from another network, and look at the log of the Worker",
    Ztpserver "ztpserver" Problem
        "a ZTPServer answers, not ztp-edge: DNS or the URL leads to the old server"
        "change DNS or the URL, or boot from the ZTPServer",
    OtherServer "other-server" Problem
        "the response is neither one of ztp-edge nor a known one of Cloudflare"
        "check host and path; a Worker answers after its deployment, at the address of a route, a custom domain or \
         workers.dev",
    NoResponse "no-response" Problem
        "the connection ended without a complete response"
        "run the command again; a proxy or a firewall may end the connections",

    // The server's responses to some requests.
    AnyoneHasAccess "anyone-has-access" Warning
        "any client that reaches the URL can read and write the records of every node"
        "store tokens of sites with `npx wrangler secret put ZTP_TOKENS`, and set ALLOW_ANYONE to False",
    ServerUrl "server-url" Warning
        "after the first request, switches send everything to the URL in the script"
        "set SERVER_URL under [vars] in wrangler.toml to this address or to auto, and deploy again",
    NoHead "no-head" Warning
        "download tools and monitors ask with HEAD; ztp-edge answers it, so something on the way does not let it through"
        "allow the method HEAD in the proxy or the rules of the zone",
    NoRange "no-range" Warning
        "a download that breaks off begins again with its first byte"
        "let the header Range through in the proxy, and store no copies of files there",
    Compressed "compressed" Problem
        "the client asks for the bytes as they are; it cannot read others"
        "turn compression off in the proxy, or with a compression rule of the zone",
    Compresses "compresses" Warning
        "for clients that accept gzip, such as ZTPServer's, size and ranges of files do not fit the stored ones"
        "turn compression off in the proxy, or with a compression rule of the zone",
    BodyRefused "body-refused" Problem
        "a proxy does not let 2 MB through, so backups of startup-configs fail"
        "raise the largest body of the proxy to 8 MiB (nginx: client_max_body_size)",

    // The limits of the plan.
    KvWrites "kv-writes" Warning
        "the free plan has 1,000 KV writes in a day; the records of later switches wait until the next day"
        "change to the paid plan before you power them on, or power them on over several days",
    FirstHash "first-hash" Warning
        "the first request for the SHA-1 of such an object, unless there was one before, reads all of it, and the free plan \
         has 10 ms of CPU time"
        "delete the object and store it with `ztp push`, which stores the SHA-1, too; or change to the paid plan",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_of_deployment_lists_every_kind_with_its_level_in_this_order() {
        let page = include_str!("../../../../docs/deploy.md");
        let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
        let listed: Vec<_> = rows.filter_map(|row| row.split_once("` | ")).collect();
        let listed = listed.iter().filter_map(|(id, rest)| {
            let level = rest.split(" | ").next()?;
            matches!(level, "warning" | "problem").then_some((*id, level))
        });
        let kinds = Kind::ALL
            .iter()
            .map(|kind| (kind.id(), kind.level().name()));
        assert_eq!(listed.collect::<Vec<_>>(), kinds.collect::<Vec<_>>());
    }
}
