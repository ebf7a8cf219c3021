//! What a lease keeps from whom: Redis alone opens nothing, the server's secret alone opens
//! nothing, and rotating that secret fails no lease.

use std::io::Read as _;
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use keyferry_protocol::base64url;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::support::leases::{
    DIME, ask, call, chat, lease, native, peek, secrets, shared, start, store,
};
use crate::support::redis::RedisServer;
use crate::support::seal::{FIRST, SECOND};
use crate::support::secrecy::{contents, hex, keys, leaked, monitor, strings};
use crate::support::{CANARY, StandIn, parse_config, providers_at, refused};

/// The secret part of the canary key.
fn key() -> &'static [u8] {
    CANARY.strip_prefix("sk-proj-").unwrap().as_bytes()
}

fn drain(mut stream: TcpStream) -> Vec<u8> {
    stream
        .set_read_timeout(Some(Duration::from_millis(300)))
        .unwrap();
    let mut seen = Vec::new();
    let mut part = [0; 4096];
    while let Ok(read) = stream.read(&mut part) {
        if read == 0 {
            break;
        }
        seen.extend_from_slice(&part[..read]);
    }
    seen
}

#[tokio::test]
async fn redis_never_holds_or_hears_a_key_or_a_handle() {
    // Uncompressed, or a key could be there without its characters in a row.
    let redis = RedisServer::start(&["--rdbcompression", "no", "--appendonly", "yes"]);
    let provider = StandIn::ok().await;
    let heard = monitor(&redis);
    let relay = shared(&provider, &redis, DIME).await;
    let terms = json!({ "maxUsd": 1.0, "models": ["my-model"] });
    let kept = lease(&relay, &terms).await;
    let cleared = lease(&relay, &json!({})).await;
    assert_eq!(
        chat(&relay, &kept.handle, "openai/my-model").await.status,
        200
    );
    assert_eq!(native(&relay, &kept.handle, "my-model").await.status, 200);
    assert_eq!(peek(&relay, &kept).await.status, 200);
    let with = [("x-byok-lease", cleared.handle.as_str())];
    call(&relay, "DELETE", &cleared.path(), &with, None).await;

    let names = keys(&redis);
    let leases: Vec<&String> = names
        .iter()
        .filter(|name| name.contains("{lease}"))
        .collect();
    assert_eq!(leases, [&format!("keyferry:{{lease}}:{}", kept.id)]);
    let left: i64 = strings(&redis.command(&["PTTL", leases[0]]).replace(':', ""))[0]
        .parse()
        .unwrap();
    assert!((1..=300_000).contains(&left), "{left}");

    let mut dumped = Vec::new();
    for name in &names {
        dumped.extend(redis.raw(&["DUMP", name]));
    }
    assert!(redis.command(&["SAVE"]).starts_with("+OK"));
    let reply = redis.command(&["CONFIG", "GET", "dir"]);
    let folder = strings(&reply)[1].clone();
    assert!(Path::new(&folder).join("dump.rdb").exists());
    assert!(Path::new(&folder).join("appendonlydir").exists());
    for (what, bytes) in [
        ("DUMP", dumped),
        ("RDB and AOF", contents(Path::new(&folder))),
        ("MONITOR", drain(heard)),
    ] {
        assert!(
            leaked(&bytes, kept.id.as_bytes()).is_some() || what == "DUMP",
            "{what} holds the lease"
        );
        assert!(bytes.len() > 200, "{what}");
        assert_eq!(leaked(&bytes, key()), None, "{what}");
        for made in [&kept, &cleared] {
            let (_, secret) = made.handle.split_once('.').unwrap();
            assert_eq!(leaked(&bytes, secret.as_bytes()), None, "{what}");
            let secret = base64url::decode(secret).unwrap();
            assert_eq!(leaked(&bytes, &secret), None, "{what}");
        }
    }
}

#[tokio::test]
async fn whoever_writes_to_redis_cannot_open_move_or_prolong_a_lease() {
    const GRAFT: &str = "local v = redis.call('GET', KEYS[1]) \
        local own = ARGV[1]:gsub('..', function(h) return string.char(tonumber(h, 16)) end) \
        return redis.call('SET', KEYS[2], own .. v:sub(33))";
    let redis = RedisServer::start(&[]);
    let provider = StandIn::ok().await;
    let relay = shared(&provider, &redis, "").await;
    let made = lease(&relay, &json!({})).await;
    let name = format!("keyferry:{{lease}}:{}", made.id);
    let (_, secret) = made.handle.split_once('.').unwrap();

    // A handle of the thief's own over the value that is there, and over a copy.
    let (own, other) = ([7; 32], "0".repeat(32));
    let proof = hex(&Sha256::digest(own));
    let copy = format!("keyferry:{{lease}}:{other}");
    let done = redis.command(&["EVAL", GRAFT, "2", &name, &copy, &proof]);
    assert!(done.starts_with("+OK"), "{done}");
    let thief = format!("kfl_{other}.{}", base64url::encode(&own));
    refused(
        &chat(&relay, &thief, "gpt-4o").await,
        404,
        "lease_not_found",
    );
    redis.command(&["COPY", &name, "keyferry:{lease}:aside"]);
    redis.command(&["EVAL", GRAFT, "2", &name, &name, &proof]);
    let thief = format!("kfl_{}.{}", made.id, base64url::encode(&own));
    refused(
        &chat(&relay, &thief, "gpt-4o").await,
        404,
        "lease_not_found",
    );
    redis.command(&["COPY", "keyferry:{lease}:aside", &name, "REPLACE"]);
    assert_eq!(chat(&relay, &made.handle, "gpt-4o").await.status, 200);

    // The lease under another id, with its own secret.
    redis.command(&["COPY", &name, &copy, "REPLACE"]);
    let moved = format!("kfl_{other}.{secret}");
    refused(
        &chat(&relay, &moved, "gpt-4o").await,
        404,
        "lease_not_found",
    );

    // A lease that Redis no longer forgets.
    let short = lease(&relay, &json!({ "ttlSeconds": 1 })).await;
    redis.command(&["PERSIST", &format!("keyferry:{{lease}}:{}", short.id)]);
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    refused(
        &chat(&relay, &short.handle, "gpt-4o").await,
        401,
        "lease_expired",
    );
    assert_eq!(provider.count(), 1);
}

#[tokio::test]
async fn the_handle_opens_nothing_without_the_servers_secret_or_without_redis() {
    let (redis, empty) = (RedisServer::start(&[]), RedisServer::start(&[]));
    let provider = StandIn::ok().await;
    let relay = shared(&provider, &redis, "").await;
    let made = lease(&relay, &json!({})).await;
    let same_name = FIRST.replace("AQEB", "AgIC");
    for config in [
        // The same Redis under other secrets, one of the same name; the same secret without Redis.
        format!("{}{}", store(&redis), secrets(SECOND, &[])),
        format!("{}{}", store(&redis), secrets(&same_name, &[])),
        format!("{}{}", store(&empty), secrets(FIRST, &[])),
        secrets(FIRST, &[]),
    ] {
        let other = start(&provider, &config).await;
        refused(
            &chat(&other, &made.handle, "gpt-4o").await,
            404,
            "lease_not_found",
        );
    }
    assert_eq!(provider.count(), 0);
    assert_eq!(chat(&relay, &made.handle, "gpt-4o").await.status, 200);
}

#[tokio::test]
async fn rotating_the_secret_fails_no_lease() {
    let redis = RedisServer::start(&[]);
    let provider = StandIn::ok().await;
    let relays = [
        shared(&provider, &redis, DIME).await,
        shared(&provider, &redis, DIME).await,
    ];
    let config = |ring: String| {
        let text = format!("{}{ring}{DIME}", store(&redis));
        parse_config(&providers_at(provider.address, &text))
    };
    let mut leases = Vec::new();
    let mut spent = 0;
    // As docs/leases.md says: first told of the next secret, then switched, one after the other.
    for ring in [(FIRST, vec![SECOND]), (SECOND, vec![FIRST])] {
        for relay in &relays {
            relay
                .relay
                .reload(config(secrets(ring.0, &ring.1)))
                .unwrap();
            for maker in &relays {
                leases.push(lease(maker, &json!({ "maxUsd": 1.0 })).await);
            }
            for made in &leases {
                for user in &relays {
                    let reply = chat(user, &made.handle, "openai/my-model").await;
                    assert_eq!(reply.status, 200, "{}", reply.text());
                    spent += 1;
                }
            }
        }
    }
    assert_eq!(spent, 2 * (2 + 4 + 6 + 8));
    // Budgets went on being counted under one name: the first lease has two dimes left of ten.
    let mut left = 0;
    while chat(&relays[left % 2], &leases[0].handle, "openai/my-model")
        .await
        .status
        == 200
    {
        left += 1;
    }
    assert_eq!(left, 2);
    // Only once the old secret is dropped its leases are gone.
    relays[0]
        .relay
        .reload(config(secrets(SECOND, &[])))
        .unwrap();
    refused(&peek(&relays[0], &leases[1]).await, 404, "lease_not_found");
    assert_eq!(peek(&relays[0], leases.last().unwrap()).await.status, 200);
}

#[tokio::test]
async fn without_redis_leases_are_refused_at_once_and_come_back() {
    let redis = RedisServer::start(&[]);
    let provider = StandIn::ok().await;
    let relay = shared(&provider, &redis, "").await;
    let made = lease(&relay, &json!({})).await;
    redis.freeze();
    let with = [("x-byok-lease", made.handle.as_str())];
    for round in 0..2 {
        let started = Instant::now();
        refused(
            &ask(&relay, &[], &json!({ "provider": "openai" })).await,
            503,
            "store_unavailable",
        );
        refused(
            &chat(&relay, &made.handle, "gpt-4o").await,
            503,
            "store_unavailable",
        );
        refused(&peek(&relay, &made).await, 503, "store_unavailable");
        let cleared = call(&relay, "DELETE", &made.path(), &with, None).await;
        refused(&cleared, 503, "store_unavailable");
        assert!(cleared.header("retry-after").is_some());
        assert!(
            started.elapsed() < Duration::from_secs(2),
            "round {round}: {:?}",
            started.elapsed()
        );
    }
    assert_eq!(provider.count(), 0);
    redis.thaw();
    let started = Instant::now();
    while chat(&relay, &made.handle, "gpt-4o").await.status != 200 {
        assert!(started.elapsed() < Duration::from_secs(10));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
