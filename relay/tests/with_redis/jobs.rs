//! Jobs through Redis: relays that take them, workers in processes of their own, and what happens
//! when one of them, or Redis, goes away.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::Semaphore;

use crate::support::jobs::{
    CHAT_ANSWER, Events, FLAC, Job, SAID, TRANSCRIBE, answer, ask, cancel, chat, chat_request,
    ended, eventually, order, order_with, status, until, upload,
};
use crate::support::process::Program;
use crate::support::redis::RedisServer;
use crate::support::worker::Shop;
use crate::support::{
    CANARY, StandIn, free_address, json_response, raw_provider, read_head, refused,
};

/// A worker that gives no sign of life loses its job soon.
const QUICK: &str = "backoff_ms = 50\nhold_ms = 2000\n";

/// A provider that counts its calls and answers each when it is given a permit.
struct Gate {
    address: std::net::SocketAddr,
    calls: Arc<AtomicUsize>,
    closed: Arc<AtomicUsize>,
    open: Arc<Semaphore>,
}

impl Gate {
    async fn start() -> Self {
        let (calls, closed) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let open = Arc::new(Semaphore::new(0));
        let (counted, gone, gate) = (calls.clone(), closed.clone(), open.clone());
        let address = raw_provider(move |mut stream| {
            let (counted, gone, gate) = (counted.clone(), gone.clone(), gate.clone());
            async move {
                if read_head(&mut stream).await.is_empty() {
                    return;
                }
                counted.fetch_add(1, Ordering::SeqCst);
                let mut rest = [0; 4096];
                loop {
                    tokio::select! {
                        biased;
                        read = stream.read(&mut rest) => if read.unwrap_or(0) == 0 {
                            gone.fetch_add(1, Ordering::SeqCst);
                            return;
                        },
                        permit = gate.acquire() => {
                            permit.unwrap().forget();
                            break;
                        }
                    }
                }
                let answer = format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{CHAT_ANSWER}",
                    CHAT_ANSWER.len()
                );
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.read(&mut rest).await;
            }
        })
        .await;
        Self {
            address,
            calls,
            closed,
            open,
        }
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    async fn called(&self, times: usize) {
        eventually("the provider is called", || self.calls() >= times).await;
    }

    fn shop(&self, jobs: &str) -> Shop {
        Shop::new(RedisServer::start(&[]), self.address, jobs)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn relays_take_jobs_and_workers_do_them() {
    let provider = StandIn::start(answer).await;
    let shop = Shop::open(&provider, QUICK);
    let (one, other) = (shop.relay().await, shop.relay().await);
    let then = json!({ "model": "gpt-4o", "messages": [] }).to_string();
    let fields = [&TRANSCRIBE[..], &[("then", then.as_str())]].concat();
    let file = [FLAC, &vec![7; 200_000]].concat();
    let job = Job::read(&upload(&one, &fields, Some(&file)).await);
    assert_eq!(status(&other, &job).await["status"], "queued");
    assert_eq!((shop.entries(), shop.files()), (1, 1));
    // Without a worker nothing happens.
    assert_eq!(provider.count(), 0);
    let events = Events::open(&other, &job).await;
    let _workers = (shop.worker().ready().await, shop.worker().ready().await);
    let all = events.all().await;
    let last = all.last().unwrap();
    assert_eq!(last["status"], "completed", "{last}");
    assert_eq!(last["result"]["transcription"]["text"], SAID);
    assert_eq!(last["usage"].as_array().unwrap().len(), 2);
    assert_eq!(last, &status(&one, &job).await);
    assert!(
        provider.seen()[0]
            .body
            .windows(file.len())
            .any(|part| part == file)
    );
    eventually("nothing is left", || shop.entries() + shop.files() == 0).await;

    // The same rules as within one process.
    let other_job = chat(&one).await;
    assert_eq!(ended(&other, &other_job).await["status"], "completed");
    let path = job.path();
    refused(
        &ask(&other, "GET", &path, &other_job.handle).await,
        404,
        "job_not_found",
    );
    assert_eq!(cancel(&other, &job).await, 204);
    refused(
        &ask(&one, "GET", &path, &job.handle).await,
        404,
        "job_not_found",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn rushes_are_waited_out_in_the_queue() {
    let calls = Arc::new(AtomicUsize::new(0));
    let provider = StandIn::start(move |seen| match calls.fetch_add(1, Ordering::SeqCst) {
        0 => json_response(429, "{}"),
        1 => json_response(500, "{}"),
        _ => answer(seen),
    })
    .await;
    let shop = Shop::open(&provider, QUICK);
    let relay = shop.relay().await;
    let _worker = shop.worker().ready().await;
    let job = chat(&relay).await;
    let done = ended(&relay, &job).await;
    assert_eq!(
        (&done["status"], &done["attempts"]),
        (&json!("completed"), &json!(3)),
        "{done}"
    );
    eventually("the queue is empty", || shop.entries() == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_killed_is_replaced_once() {
    let gate = Gate::start().await;
    let shop = gate.shop(QUICK);
    let relay = shop.relay().await;
    let mut first = shop.worker().ready().await;
    let job = chat(&relay).await;
    gate.called(1).await;
    first.kill();
    let second = shop.worker().ready().await;
    gate.called(2).await;
    gate.open.add_permits(1);
    let done = ended(&relay, &job).await;
    assert_eq!(
        (&done["status"], &done["attempts"]),
        (&json!("completed"), &json!(2)),
        "{done}"
    );
    assert_eq!(gate.calls(), 2);
    eventually("the queue is empty", || shop.entries() == 0).await;
    drop(second);

    // Twice is too often.
    let mut worker = shop.worker().ready().await;
    let job = chat(&relay).await;
    for calls in [3, 4] {
        gate.called(calls).await;
        worker.kill();
        worker = shop.worker().ready().await;
    }
    let done = ended(&relay, &job).await;
    assert_eq!(done["error"]["code"], "job_interrupted", "{done}");
    assert_eq!(gate.calls(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_many_workers_does_a_job() {
    let provider = StandIn::start(answer).await;
    let shop = Shop::open(&provider, QUICK);
    let relay = shop.relay().await;
    let mut workers = Vec::new();
    for _ in 0..3 {
        workers.push(shop.worker().ready().await);
    }
    let mut jobs = Vec::new();
    for _ in 0..20 {
        jobs.push(chat(&relay).await);
    }
    for job in &jobs {
        let done = ended(&relay, job).await;
        assert_eq!(
            (&done["status"], &done["attempts"]),
            (&json!("completed"), &json!(1))
        );
    }
    assert_eq!(provider.count(), 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_reaches_the_worker() {
    let gate = Gate::start().await;
    let shop = gate.shop(QUICK);
    let relay = shop.relay().await;
    let queued = chat(&relay).await;
    assert_eq!(cancel(&relay, &queued).await, 204);
    assert_eq!(shop.entries(), 0);
    let _worker = shop.worker().ready().await;
    let job = chat(&relay).await;
    gate.called(1).await;
    assert_eq!(cancel(&relay, &job).await, 204);
    let closed = || gate.closed.load(Ordering::SeqCst) == 1;
    eventually("the provider's connection is closed", closed).await;
    assert_eq!(status(&relay, &job).await["status"], "cancelled");
    eventually("the queue is empty", || shop.entries() == 0).await;
    assert_eq!(gate.calls(), 1);
    // The lease that was made for it is gone with it.
    let leases = shop.redis.command(&["KEYS", "keyferry:{lease}:*"]);
    assert!(leases.starts_with("*0"), "{leases}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_ends_what_it_has_before_it_stops() {
    let gate = Gate::start().await;
    let shop = gate.shop(QUICK);
    let relay = shop.relay().await;
    let mut worker = shop.worker().ready().await;
    let job = chat(&relay).await;
    gate.called(1).await;
    worker.signal("TERM");
    until(&relay, &job, |_| worker.log().contains("draining")).await;
    let later = chat(&relay).await;
    gate.open.add_permits(1);
    assert_eq!(ended(&relay, &job).await["status"], "completed");
    assert_eq!(worker.exit_code(Duration::from_secs(40)).await, Some(0));
    assert_eq!(status(&relay, &later).await["status"], "queued");
    assert_eq!(gate.calls(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_ends_in_the_queue_ends_the_job() {
    let provider = StandIn::start(answer).await;
    let shop = Shop::open(&provider, QUICK);
    let relay = shop.relay().await;
    let lease = async || {
        let terms = json!({ "provider": "openai", "ttlSeconds": 1 }).to_string();
        let made = relay.post("/v1/leases", &terms).await.json();
        made["handle"].as_str().unwrap().to_owned()
    };
    let make = async || {
        let lease = lease().await;
        let with = [("x-byok-lease", lease.as_str())];
        Job::read(&order_with(&relay, &with, &chat_request("gpt-4o")).await)
    };
    let (read, worked) = (make().await, make().await);
    // Nobody works: its maker is told all the same, by the event stream that waits.
    let done = ended(&relay, &read).await;
    assert_eq!(done["error"]["code"], "lease_expired", "{done}");
    let worker = shop.worker().ready().await;
    eventually("the worker finds it", || worker.log().contains(&worked.id)).await;
    assert_eq!(
        ended(&relay, &worked).await["error"]["code"],
        "lease_expired"
    );
    eventually("the queue is empty", || shop.entries() == 0).await;
    assert_eq!(provider.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn audio_that_is_gone_fails_the_job() {
    let provider = StandIn::start(answer).await;
    let shop = Shop::open(&provider, QUICK);
    let relay = shop.relay().await;
    let job = Job::read(&upload(&relay, &TRANSCRIBE, Some(FLAC)).await);
    for file in std::fs::read_dir(shop.audio.path()).unwrap() {
        std::fs::remove_file(file.unwrap().path()).unwrap();
    }
    let _worker = shop.worker().ready().await;
    let done = ended(&relay, &job).await;
    assert_eq!(done["error"]["code"], "audio_missing", "{done}");
    assert_eq!(provider.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_jobs_are_refused_at_once_and_come_back_with_it() {
    let gate = Gate::start().await;
    let redis = RedisServer::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    let mut shop = Shop::new(redis, gate.address, QUICK);
    let relay = shop.relay().await;
    let _worker = shop.worker().ready().await;
    let running = chat(&relay).await;
    gate.called(1).await;
    shop.redis.kill();
    for _ in 0..3 {
        let begun = Instant::now();
        refused(
            &order(&relay, &chat_request("gpt-4o")).await,
            503,
            "store_unavailable",
        );
        refused(
            &upload(&relay, &TRANSCRIBE, Some(FLAC)).await,
            503,
            "store_unavailable",
        );
        let reply = ask(&relay, "GET", &running.path(), &running.handle).await;
        refused(&reply, 503, "store_unavailable");
        assert!(begun.elapsed() < Duration::from_secs(3));
    }
    assert_eq!(shop.files(), 0);
    // The worker goes on, and says what came of it when Redis is back.
    gate.open.add_permits(1);
    shop.redis.start_again();
    let relay = shop.relay().await;
    let done = ended(&relay, &running).await;
    assert_eq!(done["status"], "completed", "{done}");
    gate.open.add_permits(10);
    let job = {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let reply = order(&relay, &chat_request("gpt-4o")).await;
            if reply.status == 202 || Instant::now() > deadline {
                break Job::read(&reply);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    assert_eq!(ended(&relay, &job).await["status"], "completed");
    eventually("the queue is empty", || shop.entries() == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_hangs_costs_a_second_and_leaves_nothing() {
    let provider = StandIn::start(answer).await;
    let shop = Shop::open(&provider, QUICK);
    let relay = shop.relay().await;
    shop.redis.freeze();
    let begun = Instant::now();
    refused(
        &order(&relay, &chat_request("gpt-4o")).await,
        503,
        "store_unavailable",
    );
    assert!(
        begun.elapsed() < Duration::from_millis(1_200),
        "{:?}",
        begun.elapsed()
    );
    shop.redis.thaw();
    let gone = || {
        let left = shop.redis.command(&["KEYS", "keyferry:{jobs}:*"]);
        left.starts_with("*0") && shop.entries() == 0
    };
    eventually("nothing is half written", gone).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_is_killed_before_it_answers_leaves_one_job_at_most() {
    let provider = StandIn::start(answer).await;
    let shop = Shop::open(&provider, QUICK);
    let address = free_address();
    let config = shop.config(&format!("[server]\nlisten = \"{address}\"\n"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("relay.toml");
    std::fs::write(&file, config).unwrap();
    let mut relay = Program::start("serve", &file);
    let deadline = Instant::now() + Duration::from_secs(20);
    let body = chat_request("gpt-4o").to_string();
    let request = format!(
        "POST /v1/jobs HTTP/1.1\r\nhost: localhost:{}\r\nx-byok-key: {CANARY}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        address.port(),
        body.len()
    );
    // Its connection to the queue comes up with it: asked until the job is there.
    while shop.entries() == 0 {
        assert!(Instant::now() < deadline, "no job came to be");
        if let Ok(mut stream) = tokio::net::TcpStream::connect(address).await {
            let _ = stream.write_all(request.as_bytes()).await;
            let queued = Instant::now() + Duration::from_millis(300);
            while shop.entries() == 0 && Instant::now() < queued {}
        }
    }
    relay.kill();
    let _worker = shop.worker().ready().await;
    eventually("it is done", || shop.entries() == 0).await;
    assert_eq!(provider.count(), 1);
    // Nobody has its handle; it is forgotten by itself.
    let names = shop.redis.command(&["KEYS", "keyferry:{jobs}:*"]);
    let name = names
        .lines()
        .find(|line| line.starts_with("keyferry:{jobs}:") && !line.contains(":q:"))
        .unwrap();
    let left = shop.redis.command(&["TTL", name]);
    let left: u64 = left.trim().trim_start_matches(':').parse().unwrap();
    assert!((1..=3_600).contains(&left), "{left}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_without_a_record_is_nothing() {
    let provider = StandIn::start(answer).await;
    let shop = Shop::open(&provider, QUICK);
    let relay = shop.relay().await;
    let job = chat(&relay).await;
    let record = format!("keyferry:{{jobs}}:{}", job.id);
    shop.redis.command(&["DEL", &record]);
    let _worker = shop.worker().ready().await;
    eventually("the entry is gone", || shop.entries() == 0).await;
    assert_eq!(provider.count(), 0);
}
