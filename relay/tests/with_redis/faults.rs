//! Redis frozen, killed, restarted, full, failed over: every operation ends in time, nothing is
//! half-written, and all comes back by itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use keyferry_relay::store::{
    CallerId, Decision, Health, LeaseAction, LeaseId, Outcome, Rate, RedisSettings, RedisStore,
    Settled, Store, StoreError, Time,
};

use crate::conformance::store::{account, ended, random, request, reserving};
use crate::support::redis::{RedisCluster, RedisServer};

/// No request may wait longer because of Redis.
const BOUND: Duration = Duration::from_secs(1);

async fn connect(url: &str) -> RedisStore {
    let settings = RedisSettings {
        urls: &[url],
        cluster: false,
    };
    let store = RedisStore::open(settings, Time::Server).unwrap();
    store.first_attempt().await;
    store
}

async fn recovered(store: &RedisStore) {
    let started = Instant::now();
    while store.health() != Health::Up {
        assert!(
            started.elapsed() < Duration::from_secs(10),
            "not back: {:?}",
            store.health()
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Asks for everything a request can ask for, and returns the slowest answer.
async fn slowest(store: &RedisStore, expect_failure: bool) -> Duration {
    let mut slowest = Duration::ZERO;
    for _ in 0..5 {
        let account = account();
        let (admission, held) = reserving(&account, 10, Some(1_000));
        let settlement = ended(&account, 20_454, Some(held), Default::default());
        let lease = random(LeaseId::new);
        let started = Instant::now();
        let results: Vec<Result<(), StoreError>> = vec![
            store.admit(&admission).await.map(drop),
            store.settle(&settlement).await.map(drop),
            store
                .take(account.caller, Rate::per_hour(5))
                .await
                .map(drop),
            store
                .remember(b"nonce", Duration::from_secs(1))
                .await
                .map(drop),
            store
                .put_lease(lease, &[0; 32], b"value", BOUND)
                .await
                .map(drop),
            store
                .lease(lease, &[0; 32], LeaseAction::Get)
                .await
                .map(drop),
            store.state(account.caller).await.map(drop),
            store.usage(account.caller, 20_454, 35).await.map(drop),
        ];
        // Eight in a row, together still within the bound: only the first may wait.
        slowest = slowest.max(started.elapsed());
        assert!(
            !expect_failure || results.iter().all(Result::is_err),
            "{results:?}"
        );
    }
    slowest
}

#[tokio::test]
async fn a_frozen_server_holds_nobody_up() {
    let server = RedisServer::start(&[]);
    let store = connect(&server.url()).await;
    assert_eq!(store.health(), Health::Up);
    server.freeze();
    let started = Instant::now();
    let error = store.admit(&request(&account())).await.err();
    // An admission without limits asks as well; it was sent, so nobody knows.
    assert_eq!(error.map(|error| error.outcome), Some(Outcome::Unknown));
    assert!(started.elapsed() < BOUND, "{:?}", started.elapsed());
    assert!(matches!(store.health(), Health::Down(_)));
    assert!(slowest(&store, true).await < BOUND);
    server.thaw();
    recovered(&store).await;
    assert!(store.admit(&request(&account())).await.is_ok());
}

#[tokio::test]
async fn many_requests_at_the_moment_it_freezes_all_end_in_time() {
    let server = RedisServer::start(&[]);
    let store = Arc::new(connect(&server.url()).await);
    server.freeze();
    let requests = (0..500).map(|_| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let started = Instant::now();
            let (admission, _) = reserving(&account(), 10, Some(1_000));
            assert!(store.admit(&admission).await.is_err());
            started.elapsed()
        })
    });
    for request in requests.collect::<Vec<_>>() {
        let took = request.await.unwrap();
        assert!(took < BOUND, "{took:?}");
    }
}

#[tokio::test]
async fn what_a_frozen_server_executes_later_can_be_withdrawn() {
    let server = RedisServer::start(&[]);
    let store = connect(&server.url()).await;
    let account = account();
    let (admission, held) = reserving(&account, 900, Some(1_000));
    server.freeze();
    assert!(store.admit(&admission).await.is_err());
    server.thaw();
    recovered(&store).await;
    let release = ended(&account, 20_454, Some(held), Default::default());
    // Whichever came first, the reservation or its withdrawal: nothing stays set aside.
    store.settle(&release).await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(store.state(account.caller).await.unwrap().spent, vec![]);
}

#[tokio::test]
async fn a_killed_server_is_refused_at_once_and_found_again() {
    let mut server = RedisServer::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    let store = connect(&server.url()).await;
    let account = account();
    let (admission, held) = reserving(&account, 900, Some(1_000));
    let Decision::Admitted(admitted) = store.admit(&admission).await.unwrap() else {
        panic!("refused")
    };
    server.kill();
    assert!(slowest(&store, true).await < BOUND);
    server.start_again();
    recovered(&store).await;
    // The scripts were forgotten, the money was not.
    let settlement = ended(&account, admitted.day, Some(held), Default::default());
    assert_eq!(store.settle(&settlement).await.unwrap(), Settled::Done);
}

#[tokio::test]
async fn a_server_that_was_never_there_can_come_later() {
    let mut server = RedisServer::start(&[]);
    server.kill();
    let started = Instant::now();
    let store = connect(&server.url()).await;
    assert!(started.elapsed() < Duration::from_secs(2));
    assert!(matches!(store.health(), Health::Down(_)));
    assert!(slowest(&store, true).await < BOUND);
    server.start_again();
    recovered(&store).await;
    assert!(slowest(&store, false).await < BOUND);
}

#[tokio::test]
async fn a_failure_nobody_meets_is_noticed_too() {
    let mut server = RedisServer::start(&[]);
    let store = connect(&server.url()).await;
    server.kill();
    let started = Instant::now();
    while store.health() == Health::Up {
        assert!(
            started.elapsed() < Duration::from_secs(3),
            "still said to be up"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn full_memory_refuses_money_and_leaves_nothing_half_written() {
    let server = RedisServer::start(&["--maxmemory-policy", "noeviction"]);
    let store = connect(&server.url()).await;
    let account = account();
    let (admission, held) = reserving(&account, 400, Some(1_000));
    let Decision::Admitted(admitted) = store.admit(&admission).await.unwrap() else {
        panic!("refused")
    };
    server.command(&["CONFIG", "SET", "maxmemory", "1"]);
    let (second, _) = reserving(&account, 400, Some(1_000));
    let error = store.admit(&second).await.unwrap_err();
    assert_eq!(
        error,
        StoreError {
            outcome: Outcome::NotDone,
            reason: "refused"
        }
    );
    let settlement = ended(&account, admitted.day, Some(held), Default::default());
    assert_eq!(
        store.settle(&settlement).await.unwrap_err().outcome,
        Outcome::NotDone
    );
    let lease = random(LeaseId::new);
    assert!(
        store
            .put_lease(lease, &[0; 32], b"value", BOUND)
            .await
            .is_err()
    );
    assert!(matches!(store.health(), Health::Down("refused")));
    let spent: u64 = store
        .state(account.caller)
        .await
        .unwrap()
        .spent
        .iter()
        .map(|spend| spend.spent)
        .sum();
    assert_eq!(spent, 400, "exactly the reservation made before");
    server.command(&["CONFIG", "SET", "maxmemory", "0"]);
    recovered(&store).await;
    assert_eq!(store.settle(&settlement).await.unwrap(), Settled::Done);
    assert_eq!(store.state(account.caller).await.unwrap().spent, vec![]);
}

#[tokio::test]
async fn a_slow_server_is_waited_for_within_the_bound() {
    let server = RedisServer::start(&[]);
    let store = connect(&server.url()).await;
    let (caller, rate) = (random(CallerId::new), Rate::per_hour(1_000));
    for pause in [50_u64, 150, 900] {
        server.send(&["CLIENT", "PAUSE", &pause.to_string()]);
        let started = Instant::now();
        let taken = store.take(caller, rate).await;
        assert!(
            started.elapsed() < BOUND,
            "{pause} ms: {:?}",
            started.elapsed()
        );
        assert_eq!(taken.is_ok(), pause < 300, "{pause} ms");
        if taken.is_err() {
            recovered(&store).await;
        }
    }
}

#[tokio::test]
async fn a_failover_loses_no_money_that_was_replicated() {
    let mut primary = RedisServer::start(&[]);
    let replica = RedisServer::start(&[]);
    replica.command(&["REPLICAOF", "127.0.0.1", &primary.port.to_string()]);
    let started = Instant::now();
    while !replica
        .command(&["INFO", "replication"])
        .contains("master_link_status:up")
    {
        assert!(started.elapsed() < Duration::from_secs(20));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // What operators put in front: one address that leads to the primary of the hour.
    let target = Arc::new(AtomicU16::new(primary.port));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    let behind = Arc::clone(&target);
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let port = behind.load(Ordering::Relaxed);
            tokio::spawn(async move {
                let Ok(mut server) = tokio::net::TcpStream::connect(("127.0.0.1", port)).await
                else {
                    return;
                };
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    let store = connect(&url).await;
    let account = account();
    let (admission, held) = reserving(&account, 900, Some(1_000));
    let Decision::Admitted(admitted) = store.admit(&admission).await.unwrap() else {
        panic!("refused")
    };
    primary.command(&["WAIT", "1", "1000"]);
    tokio::time::sleep(Duration::from_millis(200)).await;

    // The address moves before the replica is promoted: it refuses writes, and nothing hangs.
    primary.kill();
    target.store(replica.port, Ordering::Relaxed);
    assert!(slowest(&store, false).await < BOUND);
    replica.command(&["REPLICAOF", "NO", "ONE"]);
    recovered(&store).await;
    assert!(matches!(
        store
            .admit(&reserving(&account, 200, Some(1_000)).0)
            .await
            .unwrap(),
        Decision::Refused(_)
    ));
    let settlement = ended(&account, admitted.day, Some(held), Default::default());
    assert_eq!(store.settle(&settlement).await.unwrap(), Settled::Done);
}

#[tokio::test]
async fn one_frozen_node_of_a_cluster_leaves_the_others_working() {
    let cluster = RedisCluster::start();
    let urls = cluster.urls();
    let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
    let settings = RedisSettings {
        urls: &urls,
        cluster: true,
    };
    let store = RedisStore::open(settings, Time::Server).unwrap();
    store.first_attempt().await;
    recovered(&store).await;
    // The cluster's own verdict on the node comes much later; what happens before matters.
    cluster.nodes[0].freeze();
    let (mut worked, mut failed) = (0, 0);
    let frozen = Instant::now();
    while frozen.elapsed() < Duration::from_millis(1_500) {
        let started = Instant::now();
        match store.take(random(CallerId::new), Rate::per_hour(5)).await {
            Ok(_) => worked += 1,
            Err(_) => failed += 1,
        }
        assert!(started.elapsed() < BOUND, "{:?}", started.elapsed());
    }
    assert!(worked > 0, "callers of other nodes must not notice");
    assert!(failed > 0, "a third of the callers live on the frozen node");
    cluster.nodes[0].thaw();
    recovered(&store).await;
    // Recovered means for everybody: no part is still being left alone.
    for _ in 0..200 {
        let taken = store.take(random(CallerId::new), Rate::per_hour(5)).await;
        assert!(taken.is_ok(), "{taken:?}");
    }
}

#[tokio::test]
async fn a_call_costs_one_round_trip_before_and_one_after() {
    let server = RedisServer::start(&[]);
    let store = connect(&server.url()).await;
    let account = account();
    let (admission, held) = reserving(&account, 10, Some(1_000_000));
    // The first call sends the scripts.
    store.admit(&admission).await.unwrap();
    store
        .settle(&ended(&account, 20_454, Some(held), Default::default()))
        .await
        .unwrap();
    let before = (
        server.calls("evalsha"),
        server.calls("eval") - server.calls("evalsha"),
    );
    for _ in 0..100 {
        let (mut admission, held) = reserving(&account, 10, Some(1_000_000));
        admission.requests = Some(Rate::per_hour(1_000));
        admission.tokens = Some(Rate::per_hour(1_000));
        store.admit(&admission).await.unwrap();
        store
            .settle(&ended(&account, 20_454, Some(held), Default::default()))
            .await
            .unwrap();
    }
    let after = (
        server.calls("evalsha"),
        server.calls("eval") - server.calls("evalsha"),
    );
    assert_eq!((after.0 - before.0, after.1 - before.1), (200, 0));
}
