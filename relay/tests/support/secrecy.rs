//! Where a secret could be found, and the search for it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::support::CANARY;
use crate::support::redis::RedisServer;

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The first run of 8 characters of `secret` found in `bytes`, in clear or encoded.
pub(crate) fn leaked(bytes: &[u8], secret: &[u8]) -> Option<String> {
    let found = |needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
    secret
        .windows(8)
        .find(|run| found(run) || found(hex(run).as_bytes()))
        .map(|run| String::from_utf8_lossy(run).into_owned())
        // Base64 of it, at each of the three places it can begin at.
        .or_else(|| {
            (0..3)
                .map(|skip| STANDARD.encode(&secret[skip..skip + 9]))
                .find(|text| found(text.as_bytes()))
        })
}

/// The line of `text` that holds a run of 8 characters of `secret`.
pub(crate) fn line_with<'a>(text: &'a str, secret: &str) -> Option<&'a str> {
    let run = secret
        .as_bytes()
        .windows(8)
        .map(|run| std::str::from_utf8(run).unwrap())
        .find(|run| text.contains(run))?;
    text.lines().find(|line| line.contains(run))
}

/// The bulk strings of a reply.
pub(crate) fn strings(reply: &str) -> Vec<String> {
    reply
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with(['*', '$', '+']))
        .map(str::to_owned)
        .collect()
}

/// The names of all keys.
pub(crate) fn keys(redis: &RedisServer) -> Vec<String> {
    strings(&redis.command(&["KEYS", "*"]))
}

/// Every file below `folder`, one after the other.
pub(crate) fn contents(folder: &Path) -> Vec<u8> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(contents(&path));
        } else {
            all.extend(std::fs::read(path).unwrap());
        }
    }
    all
}

/// What `MONITOR` prints from now on.
pub(crate) fn monitor(redis: &RedisServer) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", redis.port)).unwrap();
    stream.write_all(b"*1\r\n$7\r\nMONITOR\r\n").unwrap();
    let mut ok = [0; 5];
    stream.read_exact(&mut ok).unwrap();
    assert_eq!(&ok, b"+OK\r\n");
    stream
}

#[test]
fn the_search_finds_what_it_looks_for() {
    let key = CANARY.strip_prefix("sk-proj-").unwrap().as_bytes();
    for text in [
        format!("x{CANARY}x"),
        hex(CANARY.as_bytes()),
        STANDARD.encode(CANARY),
        STANDARD.encode(format!("x{CANARY}")),
        STANDARD.encode(format!("xx{CANARY}")),
    ] {
        assert!(leaked(text.as_bytes(), key).is_some(), "{text}");
    }
}
