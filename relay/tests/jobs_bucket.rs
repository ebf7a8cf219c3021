//! Audio in a bucket: a relay that was told of one by AWS's variables, and a stand-in for S3 that
//! keeps what it is sent.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::response::Response;
use http::Request;
use serde_json::Value;

use crate::support::jobs::{FLAC, SAID, TRANSCRIBE, answer, eventually, form, is_final};
use crate::support::process::Program;
use crate::support::{
    CANARY, Reply, Seen, StandIn, free_address, json_response, providers_at, send,
};

type Objects = Arc<Mutex<BTreeMap<String, Bytes>>>;

/// The requests of the S3 API that the relay makes.
fn bucket(objects: &Objects, uploads: &Objects, seen: &Seen) -> Response {
    let authorization = seen.headers["authorization"].to_str().unwrap();
    assert!(
        authorization.starts_with("AWS4-HMAC-SHA256 Credential=AKIATEST/"),
        "{authorization}"
    );
    let path = seen.uri.path().to_owned();
    let query = seen.uri.query().unwrap_or_default().to_owned();
    let xml = |text: String| {
        Response::builder()
            .header("content-type", "application/xml")
            .body(Body::from(text))
            .unwrap()
    };
    let stored = || {
        Response::builder()
            .header("etag", "\"1\"")
            .body(Body::empty())
            .unwrap()
    };
    let mut objects = objects.lock().unwrap();
    let mut uploads = uploads.lock().unwrap();
    match (seen.method.as_str(), query.as_str()) {
        ("POST", "uploads=" | "uploads") => xml(
            "<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>"
                .to_owned(),
        ),
        ("PUT", query) if query.contains("partNumber=") => {
            let number = query.split('&').find_map(|pair| pair.strip_prefix("partNumber="));
            let number: u32 = number.unwrap().parse().unwrap();
            uploads.insert(format!("{number:05}"), seen.body.clone());
            stored()
        }
        ("POST", query) if query.contains("uploadId=") => {
            let whole: Vec<u8> = uploads.values().flatten().copied().collect();
            uploads.clear();
            objects.insert(path, whole.into());
            xml("<CompleteMultipartUploadResult><ETag>\"1\"</ETag></CompleteMultipartUploadResult>".to_owned())
        }
        ("DELETE", query) if query.contains("uploadId=") => {
            uploads.clear();
            Response::builder().status(204).body(Body::empty()).unwrap()
        }
        ("PUT", "") => {
            objects.insert(path, seen.body.clone());
            stored()
        }
        ("GET", "") => match objects.get(&path) {
            Some(body) => Response::builder()
                .header("etag", "\"1\"")
                .header("last-modified", "Fri, 20 Nov 2026 10:00:00 GMT")
                .body(Body::from(body.clone()))
                .unwrap(),
            None => Response::builder().status(404).body(Body::empty()).unwrap(),
        },
        ("DELETE", "") => {
            objects.remove(&path);
            Response::builder().status(204).body(Body::empty()).unwrap()
        }
        ("POST", "delete" | "delete=") => {
            let asked = String::from_utf8(seen.body.to_vec()).unwrap();
            for key in asked.split("<Key>").skip(1) {
                let key = key.split_once("</Key>").unwrap().0;
                objects.remove(&format!("{}/{key}", path.trim_end_matches('/')));
            }
            xml("<DeleteResult></DeleteResult>".to_owned())
        }
        other => panic!("not expected of a bucket: {other:?} {path}"),
    }
}

/// `keyferry-relay serve` with AWS's variables; killed when dropped.
struct Relay {
    _program: Program,
    address: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Relay {
    async fn start(provider: SocketAddr, bucket: SocketAddr) -> Self {
        let address = free_address();
        let config = format!(
            "[server]\nlisten = \"{address}\"\n[jobs]\naudio = \"s3://recordings/of/jobs\"\nbackoff_ms = 50\n"
        );
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("relay.toml");
        std::fs::write(&file, providers_at(provider, &config)).unwrap();
        let environment = [
            ("AWS_ACCESS_KEY_ID", "AKIATEST"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
            ("AWS_REGION", "eu-test-1"),
            ("AWS_ENDPOINT", &format!("http://{bucket}")),
            ("AWS_ALLOW_HTTP", "true"),
        ];
        let program = Program::start_with("serve", &file, &environment);
        let deadline = Instant::now() + Duration::from_secs(20);
        while tokio::net::TcpStream::connect(address).await.is_err() {
            assert!(Instant::now() < deadline, "not there: {}", program.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Self {
            _program: program,
            address,
            _folder: folder,
        }
    }

    async fn upload(&self, file: &[u8]) -> Value {
        let (content_type, body) = form(&TRANSCRIBE, Some(file));
        let request = Request::post("/v1/jobs")
            .header("host", format!("localhost:{}", self.address.port()))
            .header("x-byok-key", CANARY)
            .header("content-type", content_type)
            .body(Body::from(body))
            .unwrap();
        let reply = Reply::read(send(self.address, request).await).await;
        assert_eq!(reply.status, 202, "{}", reply.text());
        reply.json()
    }

    async fn ended(&self, job: &Value) -> Value {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let request = Request::get(format!("/v1/jobs/{}", job["id"].as_str().unwrap()))
                .header("host", format!("localhost:{}", self.address.port()))
                .header("x-byok-job", job["handle"].as_str().unwrap())
                .body(Body::empty())
                .unwrap();
            let now = Reply::read(send(self.address, request).await).await.json();
            if is_final(&now) {
                return now;
            }
            assert!(Instant::now() < deadline, "{now}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

#[tokio::test]
async fn audio_waits_in_a_bucket_encrypted_and_goes_with_its_job() {
    let (objects, uploads) = (Objects::default(), Objects::default());
    let (kept, parts) = (Arc::clone(&objects), Arc::clone(&uploads));
    let s3 = StandIn::start(move |seen| bucket(&kept, &parts, seen)).await;
    let open = Arc::new(AtomicBool::new(false));
    let gate = Arc::clone(&open);
    let provider = StandIn::start(move |seen| {
        if gate.load(Ordering::SeqCst) {
            answer(seen)
        } else {
            json_response(503, "{}")
        }
    })
    .await;
    let relay = Relay::start(provider.address, s3.address).await;
    let mut handles = Vec::new();
    // One that fits into a part, and one that does not.
    for length in [FLAC.len(), 12_000_000] {
        open.store(false, Ordering::SeqCst);
        let mut file = FLAC.to_vec();
        file.resize(length, 7);
        let job = relay.upload(&file).await;
        handles.push(job["handle"].as_str().unwrap().to_owned());
        {
            let objects = objects.lock().unwrap();
            let (path, stored) = objects.iter().next().expect("an object");
            let id = job["id"].as_str().unwrap();
            assert_eq!(path, &format!("/recordings/of/jobs/{id}.kfaudio"));
            assert!(stored.len() > length && stored.len() < length + 8_000);
            assert!(!stored.windows(12).any(|part| part == &FLAC[8..20]));
        }
        open.store(true, Ordering::SeqCst);
        let done = relay.ended(&job).await;
        assert_eq!(done["result"]["transcription"]["text"], SAID, "{done}");
        let sent = provider.seen().pop().unwrap().body;
        assert!(
            sent.windows(file.len()).any(|part| part == file),
            "{length}"
        );
        eventually("the object is gone", || objects.lock().unwrap().is_empty()).await;
    }
    assert!(uploads.lock().unwrap().is_empty());
    assert!(
        s3.seen()
            .iter()
            .any(|seen| seen.uri.query() == Some("uploads="))
    );
    // The bucket never sees the key or a handle. Of what is encrypted, some four bytes in a row are
    // bound to be a handle's mark, so there it is looked for with what follows.
    for seen in s3.seen() {
        let head = format!("{} {} {:?}", seen.method, seen.uri, seen.headers);
        assert!(!head.contains("CANARY") && !head.contains("kfj_"), "{head}");
        for part in handles.iter().map(|handle| &handle[..8]).chain(["CANARY"]) {
            let mut places = seen.body.windows(part.len());
            assert!(
                !places.any(|place| place == part.as_bytes()),
                "{part}: {head}"
            );
        }
    }
}
