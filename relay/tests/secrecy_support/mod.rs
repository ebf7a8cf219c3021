//! Where a secret could be found, and the search for it.

#![allow(dead_code, reason = "each test file uses its part")]
#![allow(unreachable_pub, reason = "shared by test crates that each see a part")]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::redis_support::RedisServer;

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The first run of 8 characters of `secret` found in `bytes`, in clear or encoded.
pub fn leaked(bytes: &[u8], secret: &[u8]) -> Option<String> {
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

/// The bulk strings of a reply.
pub fn strings(reply: &str) -> Vec<String> {
    reply
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with(['*', '$', '+']))
        .map(str::to_owned)
        .collect()
}

/// The names of all keys.
pub fn keys(redis: &RedisServer) -> Vec<String> {
    strings(&redis.command(&["KEYS", "*"]))
}

/// Every file below `folder`, one after the other.
pub fn contents(folder: &Path) -> Vec<u8> {
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
pub fn monitor(redis: &RedisServer) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", redis.port)).unwrap();
    stream.write_all(b"*1\r\n$7\r\nMONITOR\r\n").unwrap();
    let mut ok = [0; 5];
    stream.read_exact(&mut ok).unwrap();
    assert_eq!(&ok, b"+OK\r\n");
    stream
}
