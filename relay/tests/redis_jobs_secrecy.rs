//! What Redis, its files, whoever listens to it, the audio folder and the logs see of a job: that
//! there is one.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod jobs_support;
#[path = "jobs_support/worker.rs"]
mod jobs_worker;
mod process_support;
mod redis_support;
mod support;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jobs_support::{FLAC, Job, SAID, TRANSCRIBE, answer, chat, ended, eventually, upload};
use jobs_worker::Shop;
use keyferry_protocol::base64url;
use redis_support::RedisServer;
use serde_json::json;
use support::{CANARY, StandIn};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The first run of 8 characters of `secret` found in `bytes`, in clear or encoded.
fn leaked(bytes: &[u8], secret: &[u8]) -> Option<String> {
    let found = |needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
    secret
        .windows(8)
        .find(|run| found(run) || found(hex(run).as_bytes()))
        .map(|run| String::from_utf8_lossy(run).into_owned())
        .or_else(|| {
            (0..3)
                .map(|skip| STANDARD.encode(&secret[skip..skip + 9]))
                .find(|text| found(text.as_bytes()))
        })
}

/// The reply to one command, byte for byte.
fn raw(redis: &RedisServer, parts: &[&str]) -> Vec<u8> {
    let mut request = format!("*{}\r\n", parts.len());
    for part in parts {
        request.push_str(&format!("${}\r\n{part}\r\n", part.len()));
    }
    request.push_str("*1\r\n$4\r\nQUIT\r\n");
    let mut stream = TcpStream::connect(("127.0.0.1", redis.port)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).unwrap();
    reply
}

fn strings(reply: &str) -> Vec<String> {
    reply
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with(['*', '$', '+']))
        .map(str::to_owned)
        .collect()
}

fn keys(redis: &RedisServer) -> Vec<String> {
    strings(&redis.command(&["KEYS", "*"]))
}

fn dump(redis: &RedisServer) -> Vec<u8> {
    keys(redis)
        .iter()
        .flat_map(|name| [name.clone().into_bytes(), raw(redis, &["DUMP", name])].concat())
        .collect()
}

fn contents(folder: &Path) -> Vec<u8> {
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

/// What `MONITOR` prints, collected beside the test.
fn monitor(redis: &RedisServer) -> std::thread::JoinHandle<Vec<u8>> {
    let mut stream = TcpStream::connect(("127.0.0.1", redis.port)).unwrap();
    stream.write_all(b"*1\r\n$7\r\nMONITOR\r\n").unwrap();
    let mut ok = [0; 5];
    stream.read_exact(&mut ok).unwrap();
    assert_eq!(&ok, b"+OK\r\n");
    std::thread::spawn(move || {
        let mut heard = Vec::new();
        // Until Redis is gone.
        let _ = stream.read_to_end(&mut heard);
        heard
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_job_is_readable_anywhere() {
    // Uncompressed, or a text could be there without its characters in a row.
    let redis = RedisServer::start(&["--rdbcompression", "no", "--appendonly", "yes"]);
    let heard = monitor(&redis);
    let provider = StandIn::start(answer).await;
    let mut shop = Shop::new(redis, provider.address, "backoff_ms = 50\n");
    let relay = shop.relay().await;

    let then = json!({ "model": "gpt-4o", "messages": [{ "role": "user", "content": "QUESTION-canary" }] });
    let then = then.to_string();
    let fields = [
        &TRANSCRIBE[..],
        &[("then", then.as_str()), ("prompt", "PROMPTcanary")],
    ]
    .concat();
    let spoken = Job::read(&upload(&relay, &fields, Some(FLAC)).await);
    let written = chat(&relay).await;
    let tickets = || {
        keys(&shop.redis)
            .into_iter()
            .filter(|name| name.starts_with("keyferry:{jobs}:") && name.ends_with(":t"))
            .count()
    };
    assert_eq!(tickets(), 2);
    let waiting = dump(&shop.redis);
    let audio = contents(shop.audio.path());
    assert!(!audio.is_empty());

    let worker = shop.worker().ready().await;
    for job in [&spoken, &written] {
        let done = ended(&relay, job).await;
        assert_eq!(done["status"], "completed", "{done}");
    }
    eventually("the queue is empty", || shop.entries() == 0).await;
    // From now on the server's secret opens nothing without the handles.
    assert_eq!(tickets(), 0);
    let leases = shop.redis.command(&["KEYS", "keyferry:{lease}:*"]);
    assert!(leases.starts_with("*0"), "{leases}");
    let finished = dump(&shop.redis);
    for name in keys(&shop.redis) {
        let left = shop.redis.command(&["PTTL", &name]);
        let eternal = left.trim() == ":-1";
        // What BullMQ keeps of the queue itself holds no job.
        assert!(
            !eternal || name.starts_with("{keyferry}:jobs:"),
            "{name}: {left}"
        );
    }
    assert!(shop.redis.command(&["SAVE"]).starts_with("+OK"));
    let folder = strings(&shop.redis.command(&["CONFIG", "GET", "dir"]))[1].clone();
    let files = contents(Path::new(&folder));
    shop.redis.kill();
    let heard = tokio::time::timeout(
        Duration::from_secs(10),
        tokio::task::spawn_blocking(move || heard.join().unwrap()),
    )
    .await
    .unwrap()
    .unwrap();
    let log = worker.log();

    let places = [
        ("DUMP while it waits", waiting),
        ("DUMP when it is done", finished),
        ("RDB and AOF", files),
        ("MONITOR", heard),
        ("the audio folder", audio),
        ("the worker's log", log.into_bytes()),
    ];
    for (what, bytes) in &places {
        assert!(bytes.len() > 40, "{what}");
        let key = CANARY.strip_prefix("sk-proj-").unwrap();
        for text in [
            key,
            SAID,
            "QUESTION-canary",
            "ANSWER-canary",
            "PROMPTcanary",
        ] {
            assert_eq!(leaked(bytes, text.as_bytes()), None, "{what}");
        }
        assert_eq!(leaked(bytes, &FLAC[8..]), None, "{what}");
        for mark in ["kfj_", "kfl_"] {
            let marked = bytes.windows(4).any(|window| window == mark.as_bytes());
            assert!(!marked, "{what} holds a handle");
        }
        for job in [&spoken, &written] {
            let (_, secret) = job.handle.split_once('.').unwrap();
            assert_eq!(leaked(bytes, secret.as_bytes()), None, "{what}");
            let secret = base64url::decode(secret).unwrap();
            assert_eq!(leaked(bytes, &secret), None, "{what}");
        }
    }
    // They were the right places.
    for (what, bytes) in places
        .iter()
        .filter(|(what, _)| *what != "the audio folder")
    {
        assert!(leaked(bytes, written.id.as_bytes()).is_some(), "{what}");
    }
}
