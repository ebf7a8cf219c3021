//! Whole exchanges over a connection that does as it is told.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use proptest::prelude::*;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::incoming::Incoming;
use super::{Broken, Everything, Failed, Keep, exchange};

/// The other end.
#[derive(Default)]
struct Script {
    /// What it sends, in so many pieces, with a wait before each.
    sends: VecDeque<Vec<u8>>,
    waited: bool,
    /// Keeps silent at the end instead of closing.
    stays: bool,
    /// Bytes it takes before it takes no more.
    takes: Option<usize>,
    /// What it was sent, one entry for each write.
    sent: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Script {
    fn sending(pieces: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Self {
        Self {
            sends: pieces
                .into_iter()
                .map(|piece| piece.as_ref().to_vec())
                .collect(),
            ..Self::default()
        }
    }

    fn staying(mut self) -> Self {
        self.stays = true;
        self
    }
}

impl AsyncRead for Script {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !std::mem::replace(&mut self.waited, true) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.waited = false;
        let stays = self.stays;
        match self.sends.front_mut() {
            Some(piece) => {
                let taken = piece.len().min(buffer.remaining());
                buffer.put_slice(&piece[..taken]);
                piece.drain(..taken);
                if piece.is_empty() {
                    self.sends.pop_front();
                }
                Poll::Ready(Ok(()))
            }
            None if stays => Poll::Pending,
            None => Poll::Ready(Ok(())),
        }
    }
}

impl AsyncWrite for Script {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let left = self.takes.unwrap_or(usize::MAX);
        if left == 0 {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let taken = bytes.len().min(left);
        self.takes = self.takes.map(|left| left - taken);
        self.sent.lock().unwrap().push(bytes[..taken].to_vec());
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn request(method: Method, body: impl Into<Body>) -> Request<Body> {
    Request::builder()
        .method(method)
        .uri("https://api.example/v1/chat?a=b")
        .header("x-first", "1")
        .body(body.into())
        .unwrap()
}

async fn send(
    script: Script,
    request: Request<Body>,
) -> Result<Response<Incoming<Script>>, Failed> {
    exchange(
        script,
        Box::new(request),
        &HeaderValue::from_static("api.example"),
        &Everything,
    )
    .await
}

async fn get(script: Script) -> Response<Incoming<Script>> {
    send(script, request(Method::GET, Body::empty()))
        .await
        .unwrap()
}

/// The body, or why there is no end to it, and whether the connection can be used again.
async fn finish(response: Response<Incoming<Script>>) -> (Vec<u8>, Option<Broken>, bool) {
    let mut incoming = response.into_body();
    let mut body = Vec::new();
    loop {
        match std::future::poll_fn(|cx| incoming.poll_data(cx)).await {
            Some(Ok(data)) => {
                assert!(!data.is_empty());
                body.extend_from_slice(&data);
            }
            Some(Err(error)) => {
                assert!(incoming.take_stream().is_none() && !incoming.is_end());
                return (body, Some(error), false);
            }
            None => return (body, None, incoming.take_stream().is_some()),
        }
    }
}

/// A streamed body whose length nobody knows.
fn stream(pieces: Vec<Result<&'static [u8], io::Error>>) -> Body {
    let frames = pieces
        .into_iter()
        .map(|piece| piece.map(|bytes| Frame::data(Bytes::from_static(bytes))));
    Body::new(StreamBody::new(futures_util::stream::iter(frames)))
}

const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-A: b\r\n\r\n\
    5;x=y\r\nhello\r\n7\r\n, world\r\n0\r\nX-Trailer: 1\r\n\r\n";
const SIZED: &str = "HTTP/1.1 200 OK\r\ncontent-length: 12\r\nx-a: b\r\n\r\nhello, world";
const PROVISIONAL: &str = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </>\r\n\r\n\
    HTTP/1.1 200 OK\r\ncontent-length: 12\r\nx-a: b\r\n\r\nhello, world";

#[tokio::test]
async fn an_answer_is_the_same_however_it_was_cut() {
    for text in [CHUNKED, SIZED, PROVISIONAL] {
        let bytes = text.as_bytes();
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        let mut cuts: Vec<Vec<&[u8]>> = (1..bytes.len())
            .map(|at| vec![&bytes[..at], &bytes[at..]])
            .collect();
        cuts.push(single);
        for pieces in cuts {
            let response = get(Script::sending(pieces).staying()).await;
            assert_eq!(response.status(), 200);
            assert_eq!(response.headers()["x-a"], "b");
            assert!(!response.headers().contains_key("link"));
            let (body, error, reusable) = finish(response).await;
            assert_eq!(body, b"hello, world");
            assert!(error.is_none() && reusable);
        }
    }
}

#[tokio::test]
async fn an_answer_cut_short_never_ends_well() {
    for text in [CHUNKED, SIZED] {
        let head = text.find("\r\n\r\n").unwrap() + 4;
        for at in 0..text.len() {
            let script = Script::sending([&text[..at]]);
            let sent = send(script, request(Method::GET, Body::empty())).await;
            if at < head {
                assert!(matches!(sent, Err(Failed::Lost)), "{at}");
            } else {
                let (_, error, _) = finish(sent.unwrap()).await;
                assert!(matches!(error, Some(Broken::Early)), "{at}: {error:?}");
            }
        }
    }
    // Only the close tells the end of this one.
    let response = get(Script::sending(["HTTP/1.1 200 OK\r\n\r\nhello", ", world"])).await;
    let (body, error, reusable) = finish(response).await;
    assert_eq!(body, b"hello, world");
    assert!(error.is_none() && !reusable);
}

#[tokio::test]
async fn bytes_after_an_answer_cost_the_connection() {
    for text in [CHUNKED, SIZED, "HTTP/1.1 204 No Content\r\n\r\n"] {
        for extra in ["x", "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"] {
            let together = Script::sending([[text, extra].concat()]).staying();
            let (_, error, reusable) = finish(get(together).await).await;
            assert!(error.is_none() && !reusable, "{text}");
        }
        let (head, body) = text.split_at(text.find("\r\n\r\n").unwrap() + 4);
        if !body.is_empty() {
            let apart = Script::sending([head, &[body, "x"].concat()]).staying();
            let (body, error, reusable) = finish(get(apart).await).await;
            assert_eq!(body, b"hello, world");
            assert!(error.is_none() && !reusable);
        }
    }
}

#[tokio::test]
async fn answers_without_a_body_end_with_their_head() {
    for (method, text) in [
        (
            Method::HEAD,
            "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n",
        ),
        (
            Method::HEAD,
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
        ),
        (Method::GET, "HTTP/1.1 204 No Content\r\n\r\n"),
        (
            Method::GET,
            "HTTP/1.1 304 Not Modified\r\ncontent-length: 10\r\n\r\n",
        ),
        (Method::GET, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
    ] {
        let script = Script::sending([text]).staying();
        let response = send(script, request(method, Body::empty())).await.unwrap();
        assert!(response.body().is_end());
        let (body, error, reusable) = finish(response).await;
        assert!(body.is_empty() && error.is_none() && reusable, "{text}");
    }
    let switched =
        get(Script::sending(["HTTP/1.1 101 Switching Protocols\r\n\r\n"]).staying()).await;
    assert_eq!(switched.status(), 101);
    assert!(!finish(switched).await.2);
}

#[tokio::test]
async fn a_head_without_end_is_given_up() {
    let endless = (0..).map(|_| "x-filling: 0123456789\r\n".repeat(40));
    let fields = std::iter::once("HTTP/1.1 200 OK\r\n".to_owned()).chain(endless);
    let provisional = (0..).map(|_| "HTTP/1.1 103 Early Hints\r\nlink: </>\r\n\r\n".repeat(40));
    for pieces in [
        fields.take(400).collect::<Vec<_>>(),
        provisional.take(400).collect(),
    ] {
        let script = Script::sending(pieces).staying();
        let sent = send(script, request(Method::GET, Body::empty())).await;
        assert!(matches!(sent, Err(Failed::Lost)));
    }
}

#[tokio::test]
async fn large_answers_arrive_whole() {
    let body: Vec<u8> = (0..1_000_000_u32).flat_map(u32::to_le_bytes).collect();
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
    let sized = Script::sending([head.into_bytes(), body.clone()]).staying();
    let chunk = format!(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n",
        body.len()
    );
    let chunked = [chunk.as_bytes(), &body, b"\r\n0\r\n\r\n"].concat();
    for script in [sized, Script::sending([chunked]).staying()] {
        let (read, error, reusable) = finish(get(script).await).await;
        assert!(read == body && error.is_none() && reusable);
    }
}

#[tokio::test]
async fn only_kept_fields_are_in_the_answer() {
    struct OnlyA;
    impl Keep for OnlyA {
        fn keep(&self, name: &str, _: &[u8]) -> Option<HeaderName> {
            let kept = name.eq_ignore_ascii_case("x-a");
            kept.then(|| HeaderName::from_static("x-a"))
        }
    }
    let host = HeaderValue::from_static("api.example");
    let script = Script::sending([CHUNKED]).staying();
    let response = exchange(
        script,
        Box::new(request(Method::GET, Body::empty())),
        &host,
        &OnlyA,
    )
    .await
    .unwrap();
    assert_eq!(response.headers().len(), 1);
    assert_eq!(finish(response).await.0, b"hello, world");
}

/// What is written for a request, and how often.
async fn written(request: Request<Body>) -> (String, usize) {
    let script = Script::sending([SIZED]).staying();
    let sent = Arc::clone(&script.sent);
    finish(send(script, request).await.unwrap()).await;
    let sent = sent.lock().unwrap();
    (String::from_utf8(sent.concat()).unwrap(), sent.len())
}

#[tokio::test]
async fn head_and_body_leave_in_one_write() {
    let head = "/v1/chat?a=b HTTP/1.1\r\nhost: api.example\r\nx-first: 1\r\n";
    for (request, expected) in [
        (
            request(Method::GET, Body::empty()),
            format!("GET {head}\r\n"),
        ),
        (
            request(Method::POST, Body::empty()),
            format!("POST {head}content-length: 0\r\n\r\n"),
        ),
        (
            request(Method::POST, "{\"a\":1}"),
            format!("POST {head}content-length: 7\r\n\r\n{{\"a\":1}}"),
        ),
        (
            request(Method::POST, stream(vec![])),
            format!("POST {head}transfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
        ),
    ] {
        assert_eq!(written(request).await, (expected, 1));
    }
    let streamed = stream(vec![Ok(b"hello"), Ok(b""), Ok(b", world")]);
    let (text, _) = written(request(Method::PUT, streamed)).await;
    let expected = format!(
        "PUT {head}transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n7\r\n, world\r\n0\r\n\r\n"
    );
    assert_eq!(text, expected);
}

#[tokio::test]
async fn large_bodies_are_not_changed() {
    let body = "0123456789abcdef".repeat(100_000);
    let (text, _) = written(request(Method::POST, body.clone())).await;
    assert!(text.ends_with(&format!("content-length: 1600000\r\n\r\n{body}")));
    let leaked: &'static [u8] = body.leak().as_bytes();
    let (text, _) = written(request(Method::POST, stream(vec![Ok(leaked), Ok(b"x")]))).await;
    let piece = str::from_utf8(leaked).unwrap();
    assert!(text.ends_with(&format!("\r\n\r\n186a00\r\n{piece}\r\n1\r\nx\r\n0\r\n\r\n")));
}

#[tokio::test]
async fn fields_that_frame_the_request_are_written_once() {
    let mut request = request(Method::POST, "hello");
    for (name, value) in [
        ("host", "evil.example"),
        ("content-length", "50"),
        ("transfer-encoding", "chunked"),
    ] {
        request
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    let (text, _) = written(request).await;
    let fields: Vec<&str> = text.split("\r\n").collect();
    assert_eq!(
        fields[1..],
        [
            "host: api.example",
            "x-first: 1",
            "content-length: 5",
            "",
            "hello"
        ]
    );
}

#[tokio::test]
async fn what_was_not_sent_is_given_back_whole() {
    for body in [
        Body::from("hello, world"),
        stream(vec![Ok(b"hello, "), Ok(b"world")]),
    ] {
        let mut script = Script::sending([SIZED]);
        script.takes = Some(0);
        let Err(Failed::Unsent(again)) = send(script, request(Method::POST, body)).await else {
            panic!("it was given up");
        };
        assert_eq!(again.method(), Method::POST);
        assert_eq!(again.uri(), "https://api.example/v1/chat?a=b");
        assert_eq!(
            again.into_body().collect().await.unwrap().to_bytes(),
            "hello, world"
        );
    }
    // A connection that had been closed, seen before anything was written to it.
    let mut script = Script::sending([SIZED]);
    script.takes = Some(10);
    script.sends.clear();
    let sent = send(script, request(Method::POST, "hello")).await;
    assert!(matches!(sent, Err(Failed::Lost)));
}

#[tokio::test]
async fn a_body_that_fails_or_lies_is_not_sent_again() {
    let broken = stream(vec![Ok(b"hello"), Err(io::ErrorKind::Other.into())]);
    let broken_at_once = stream(vec![Err(io::ErrorKind::Other.into())]);
    let sized = |body: Body| {
        let mut request = request(Method::POST, body);
        request
            .headers_mut()
            .insert("content-length", HeaderValue::from_static("6"));
        request
    };
    for request in [
        request(Method::POST, broken),
        request(Method::POST, broken_at_once),
        sized(stream(vec![Ok(b"hello")])),
        sized(stream(vec![Ok(b"hello"), Ok(b"you")])),
    ] {
        let script = Script::default().staying();
        let sent = Arc::clone(&script.sent);
        assert!(matches!(send(script, request).await, Err(Failed::Lost)));
        let sent = sent.lock().unwrap().concat();
        assert!(!sent.ends_with(b"0\r\n\r\n") && !sent.ends_with(b"helloyou"));
    }
}

#[tokio::test]
async fn a_request_answered_early_is_sent_on_while_the_answer_is_read() {
    let (feed, pieces) = tokio::sync::mpsc::unbounded_channel::<&'static [u8]>();
    let frames = futures_util::stream::unfold(pieces, |mut pieces| async {
        let piece = pieces.recv().await?;
        let frame = Frame::data(Bytes::from_static(piece));
        Some((Ok::<_, io::Error>(frame), pieces))
    });
    let body = Body::new(StreamBody::new(frames));
    let script = Script::sending([SIZED]).staying();
    let sent = Arc::clone(&script.sent);
    feed.send(b"first").unwrap();
    let mut incoming = send(script, request(Method::POST, body))
        .await
        .unwrap()
        .into_body();
    feed.send(b"second").unwrap();
    let data = std::future::poll_fn(|cx| incoming.poll_data(cx)).await;
    assert_eq!(data.unwrap().unwrap(), "hello, world");
    assert!(
        sent.lock()
            .unwrap()
            .concat()
            .ends_with(b"5\r\nfirst\r\n6\r\nsecond\r\n")
    );
    // The rest of the request can never be told from the next one.
    assert!(incoming.is_end() && incoming.take_stream().is_none());
}

#[tokio::test]
async fn who_refuses_a_request_early_is_heard() {
    let mut script =
        Script::sending(["HTTP/1.1 413 Content Too Large\r\ncontent-length: 5\r\n\r\nno, n"]);
    script.takes = Some(100);
    let response = send(script, request(Method::POST, "x".repeat(100_000)))
        .await
        .unwrap();
    assert_eq!(response.status(), 413);
    let (body, error, reusable) = finish(response).await;
    assert_eq!(body, b"no, n");
    assert!(error.is_none() && !reusable);
}

fn chunked(pieces: &[Vec<u8>]) -> Vec<u8> {
    let mut text = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    for piece in pieces {
        text.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        text.extend_from_slice(piece);
        text.extend_from_slice(b"\r\n");
    }
    text.extend_from_slice(b"0\r\n\r\n");
    text
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}

proptest! {
    #[test]
    fn chunks_and_reads_are_cut_independently(
        pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..60), 0..8),
        cuts in prop::collection::vec(1..80_usize, 1..20),
    ) {
        let text = chunked(&pieces);
        let mut sends = Vec::new();
        let (mut at, mut cuts) = (0, cuts.into_iter().cycle());
        while at < text.len() {
            let end = (at + cuts.next().unwrap()).min(text.len());
            sends.push(&text[at..end]);
            at = end;
        }
        let (body, error, reusable) = run(async {
            finish(get(Script::sending(sends).staying()).await).await
        });
        prop_assert_eq!(body, pieces.concat());
        prop_assert!(error.is_none() && reusable);
    }

    #[test]
    fn nothing_that_arrives_is_read_in_two_ways(
        mut text in prop_oneof![
            Just(CHUNKED.as_bytes().to_vec()),
            Just(SIZED.as_bytes().to_vec()),
            Just(PROVISIONAL.as_bytes().to_vec()),
        ],
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        piece in 1..40_usize,
    ) {
        for (at, byte) in changes {
            let at = at.index(text.len());
            text[at] = byte;
        }
        let whole = super::read_answer(&text, text.len());
        prop_assert_eq!(&super::read_answer(&text, piece), &whole);
        let sent = run(send(
            Script::sending(text.chunks(piece)),
            request(Method::GET, Body::empty()),
        ));
        match (sent, whole) {
            (Ok(response), Some((status, body, _))) => {
                prop_assert_eq!(response.status().as_u16(), status);
                let (read, error, _) = run(finish(response));
                prop_assert!(error.is_none());
                prop_assert_eq!(read, body);
            }
            (Ok(response), None) => prop_assert!(run(finish(response)).1.is_some()),
            (Err(_), whole) => prop_assert!(whole.is_none()),
        }
    }
}

#[tokio::test]
async fn nothing_that_is_sent_or_read_can_be_printed() {
    const KEY: &str = "sk-proj-CANARYcanaryCANARY";
    let mut request = request(Method::POST, vec![b'K'; 100_000]);
    let mut value = HeaderValue::from_static(KEY);
    value.set_sensitive(true);
    request.headers_mut().insert("authorization", value);
    // Takes the beginning of the request and no more, and answers with the key.
    let answer = format!("HTTP/1.1 401 Unauthorized\r\ncontent-length: 1000\r\n\r\n{KEY}");
    let (near, _far) = tokio::io::duplex(8);
    let stream = tokio::io::join(Script::sending([answer]).staying(), near);
    let host = HeaderValue::from_static("api.example");
    let response = exchange(stream, Box::new(request), &host, &Everything)
        .await
        .unwrap();
    let printed = format!("{:?} {:#?}", response.body(), response.body());
    assert!(printed.contains("upload: Some"), "{printed}");
    let numbers: Vec<String> = KEY.bytes().map(|byte| byte.to_string()).collect();
    for (what, hidden) in [
        ("text", KEY[8..].to_owned()),
        ("numbers", numbers.join(", ")),
        ("lines", numbers[..4].join(",\n")),
        ("body", "75, 75, 75".to_owned()),
        ("body's text", "KKK".to_owned()),
    ] {
        let printed: String = match what {
            "lines" => printed.split(' ').collect(),
            _ => printed.clone(),
        };
        assert!(!printed.contains(&hidden), "{what}: {printed}");
    }
}
