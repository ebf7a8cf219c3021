//! What Redis, its files, whoever listens to it, the audio folder and the logs see of a job: that
//! there is one.

use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

use keyferry_protocol::base64url;
use serde_json::json;

use crate::support::jobs::{FLAC, Job, SAID, TRANSCRIBE, answer, chat, ended, eventually, upload};
use crate::support::redis::RedisServer;
use crate::support::secrecy::{contents, keys, leaked, monitor, strings};
use crate::support::worker::Shop;
use crate::support::{CANARY, StandIn};

fn dump(redis: &RedisServer) -> Vec<u8> {
    keys(redis)
        .iter()
        .flat_map(|name| [name.clone().into_bytes(), redis.raw(&["DUMP", name])].concat())
        .collect()
}

/// What `MONITOR` prints, collected beside the test.
fn listen(redis: &RedisServer) -> std::thread::JoinHandle<Vec<u8>> {
    let mut stream = monitor(redis);
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
    let heard = listen(&redis);
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
