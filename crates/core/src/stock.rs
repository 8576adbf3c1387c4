//! The client scripts of ZTPServer's releases. Those that are stored unchanged are worse than the one that ships here.

/// The SHA-1 of each, as `scripts/stock_files.py` found them.
const CLIENTS: [&str; 10] = [
    "00ce0a2dac1e5ff71aed8b2e0f0ee4a8ff8268a7",
    "298c7df3324f41c46be7c89e8631a75b7dc69dc9",
    "45aabd10c3ea94f2d08f1cc367bf9c209854908f",
    "737dd7f68329c31255edbbdefd44b0f97df31534",
    "7eebe5262399ede008bd473a83d267f286659377",
    "8b926ecafe9aaac8cc6c289e54c4800323b6d66c",
    "98a7b65c9356c3e08000561502f454db4d7de8d7",
    "d05e8297b78e933881f6c70d622311699c55f43e",
    "db094634a2b6afe1433f266709f475c9146e7199",
    "e36e37e50aa384065ff33ee8c55216a10b3cba1c",
];

/// Whether a SHA-1, in hexadecimal, is that of a client of ZTPServer.
pub fn is_client(sha1: &str) -> bool {
    CLIENTS.contains(&sha1)
}

/// The SHA-1 of each client of ZTPServer, in hexadecimal.
pub fn clients() -> impl Iterator<Item = &'static str> {
    CLIENTS.into_iter()
}
