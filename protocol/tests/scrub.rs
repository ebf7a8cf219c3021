//! Nothing of 8 characters of a key gets through, whatever it is wrapped in and wherever it is cut.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail as tests do"
)]

use keyferry_protocol::Catalogue;
use keyferry_protocol::scrub::{MAX_HELD, REPLACEMENT, Scrubber, WINDOW};
use proptest::prelude::*;
use std::borrow::Cow;

const KEY: &str = "sk-proj-q7Zr2WtLx9Vb4NcMs8Kd_-FgHjPqYuTe6Ra1";
const SECRET: &str = "q7Zr2WtLx9Vb4NcMs8Kd_-FgHjPqYuTe6Ra1";

fn scrubber() -> Scrubber {
    Scrubber::for_key(&Catalogue::builtin(), KEY)
}

fn scrub(text: &str) -> String {
    String::from_utf8(scrubber().scrub(text.as_bytes()).into_owned()).unwrap()
}

fn in_chunks(text: &[u8], size: usize) -> Vec<u8> {
    let mut scrubber = scrubber();
    let mut out = Vec::new();
    for chunk in text.chunks(size) {
        out.extend_from_slice(&scrubber.feed(chunk));
    }
    out.extend_from_slice(&scrubber.finish());
    out
}

fn unicode(text: &str) -> String {
    text.bytes().map(|byte| format!("\\u{byte:04x}")).collect()
}

fn percent(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// Whether 8 characters of the secret stand in the text, in any wrapping a client would undo.
fn leaks(text: &[u8]) -> bool {
    let mut views = vec![String::from_utf8_lossy(text).into_owned()];
    for _ in 0..3 {
        let last = views.last().unwrap().clone();
        let mut json = String::new();
        let mut rest = last.as_str();
        while let Some(at) = rest.find('\\') {
            json.push_str(&rest[..at]);
            rest = &rest[at + 1..];
            if let Some(hex) = rest.strip_prefix('u').and_then(|rest| rest.get(..4))
                && let Some(char) = u32::from_str_radix(hex, 16).ok().and_then(char::from_u32)
            {
                json.push(char);
                rest = &rest[5..];
            }
        }
        json.push_str(rest);
        views.push(json.clone());
        let mut url = Vec::new();
        let mut bytes = json.bytes().peekable();
        let all = json.as_bytes();
        let mut at = 0;
        while let Some(byte) = bytes.next() {
            let hex = all
                .get(at + 1..at + 3)
                .and_then(|hex| std::str::from_utf8(hex).ok());
            match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
                Some(value) if byte == b'%' => {
                    url.push(value);
                    bytes.next();
                    bytes.next();
                    at += 3;
                }
                _ => {
                    url.push(byte);
                    at += 1;
                }
            }
        }
        views.push(String::from_utf8_lossy(&url).into_owned());
    }
    SECRET.as_bytes().windows(WINDOW).any(|window| {
        views
            .iter()
            .any(|view| view.contains(std::str::from_utf8(window).unwrap()))
    })
}

#[test]
fn the_key_goes_and_its_public_prefix_stays() {
    let text = format!("Incorrect API key provided: {KEY}. See your dashboard.");
    assert_eq!(
        scrub(&text),
        "Incorrect API key provided: sk-proj-*redacted*. See your dashboard."
    );
}

#[test]
fn eight_characters_go_and_seven_stay() {
    for start in 0..=SECRET.len() - WINDOW {
        let text = format!("<{}>", &SECRET[start..start + WINDOW]);
        assert_eq!(scrub(&text), "<*redacted*>");
        let text = format!("<{}>", &SECRET[start..start + WINDOW - 1]);
        assert_eq!(scrub(&text), text);
    }
}

#[test]
fn what_stands_in_a_keys_place_completes_no_run() {
    // The secret holds `d_-FgHjP`.
    let out = scrub("q7Zr2WtL_-FgHjP");
    assert!(!leaks(out.as_bytes()), "{out}");
}

#[test]
fn masked_echoes_lose_what_is_too_long() {
    // OpenAI's and DeepSeek's way of echoing.
    assert_eq!(scrub("sk-proj-**********6Ra1"), "sk-proj-**********6Ra1");
    assert_eq!(scrub("****PqYuTe6Ra1"), "*****redacted*");
}

#[test]
fn every_wrapping_is_seen_through() {
    let escaped: String = SECRET.replace('_', "\\u005f").replace('-', "\\u002D");
    let nested = unicode(SECRET).replace('\\', "\\\\");
    let twice = percent(SECRET).replace('%', "%25");
    let mixed: String = SECRET
        .char_indices()
        .map(|(at, char)| match at % 4 {
            0 => unicode(&char.to_string()),
            1 => percent(&char.to_string()),
            2 if !"bfnrtu".contains(char) => format!("\\{char}"),
            _ => char.to_string(),
        })
        .collect();
    for wrapped in [
        SECRET.to_owned(),
        escaped,
        unicode(SECRET),
        unicode(SECRET).to_uppercase().replace("\\U", "\\u"),
        nested,
        percent(SECRET),
        percent(SECRET).to_lowercase(),
        twice,
        SECRET.replace('-', "%2d"),
        format!("\\{SECRET}"),
        format!("100%{SECRET}"),
        format!("\\\\\\{SECRET}"),
        format!("{}{}", &SECRET[..4], unicode(&SECRET[4..])),
        mixed,
    ] {
        for text in [
            wrapped.clone(),
            format!("{{\"error\":\"key {wrapped} is bad\"}}"),
        ] {
            assert!(
                leaks(text.as_bytes()),
                "the test's own check must see it: {text}"
            );
            for size in 1..=text.len() {
                let out = in_chunks(text.as_bytes(), size);
                assert!(
                    !leaks(&out),
                    "{text} by {size}: {}",
                    String::from_utf8_lossy(&out)
                );
            }
        }
    }
}

#[test]
fn json_stays_json() {
    for wrapped in [KEY.to_owned(), unicode(KEY), KEY.replace('-', "\\u002d")] {
        let text = format!("{{\"error\":{{\"message\":\"bad key \\\"{wrapped}\\\"\"}}}}");
        serde_json::from_str::<serde_json::Value>(&text).unwrap();
        serde_json::from_str::<serde_json::Value>(&scrub(&text)).unwrap();
    }
}

#[test]
fn a_stream_is_scrubbed_as_the_whole_is() {
    let text = format!("data: {{\"error\":\"{KEY}\"}}\n\ndata: {KEY}{KEY} {SECRET}\n\n");
    let whole = scrub(&text).into_bytes();
    assert_eq!(
        whole
            .windows(REPLACEMENT.len())
            .filter(|at| *at == REPLACEMENT)
            .count(),
        4
    );
    for size in 1..text.len() {
        assert_eq!(in_chunks(text.as_bytes(), size), whole, "by {size}");
    }
}

#[test]
fn clean_text_is_passed_on_uncopied_and_undelayed() {
    let mut scrubber = scrubber();
    let text = b"data: {\"choices\":[{\"delta\":{\"content\":\"Hello, world!\"}}]}\n\n";
    assert!(matches!(scrubber.feed(text), Cow::Borrowed(out) if out == text));
    // A beginning that could be the key waits, and no more than it.
    assert_eq!(&*scrubber.feed(b"x q7Zr2Wt"), b"x ");
    assert_eq!(&*scrubber.feed(b"!"), b"q7Zr2Wt!");
    // The key's last characters have nothing to wait for.
    assert_eq!(&*scrubber.feed(b"!e6Ra1"), b"!e6Ra1");
    assert!(scrubber.finish().is_empty());
    // Nor does a percent sign that begins nothing, once that is known.
    assert_eq!(&*scrubber.feed(b"100%"), b"100");
    assert_eq!(&*scrubber.feed(b"!"), b"%!");
}

#[test]
fn short_and_empty_secrets() {
    assert_eq!(
        &*Scrubber::new(b"abcd").scrub(b"xabcdx abc"),
        b"x*redacted*x abc"
    );
    assert_eq!(&*Scrubber::new(b"").scrub(b"anything"), b"anything");
    let long = "0123456789abcdef".repeat(64);
    assert_eq!(
        &*Scrubber::new(long.as_bytes()).scrub(long.as_bytes()),
        REPLACEMENT
    );
}

#[test]
fn debug_shows_nothing() {
    assert_eq!(format!("{:?}", scrubber()), "Scrubber([redacted])");
}

fn fragment() -> impl Strategy<Value = String> {
    prop_oneof![
        (0..SECRET.len(), 1..SECRET.len()).prop_map(|(from, length)| {
            SECRET[from..(from + length).min(SECRET.len())].to_owned()
        }),
        (0..SECRET.len(), 1..12usize).prop_map(|(from, length)| {
            unicode(&SECRET[from..(from + length).min(SECRET.len())])
        }),
        (0..SECRET.len(), 1..12usize).prop_map(|(from, length)| {
            percent(&SECRET[from..(from + length).min(SECRET.len())])
        }),
        "[\\\\%u0-9a-f\"{}: n]{0,6}",
        Just("sk-proj-".to_owned()),
    ]
}

proptest! {
    #[test]
    fn cuts_do_not_matter_and_little_is_held(
        pieces in prop::collection::vec(fragment(), 0..12),
        cuts in prop::collection::vec(1..9usize, 0..60),
    ) {
        let text = pieces.concat();
        let whole = scrubber().scrub(text.as_bytes()).into_owned();
        let mut scrubber = scrubber();
        let mut out = Vec::new();
        let mut rest = text.as_bytes();
        let mut redacted = false;
        for cut in cuts.into_iter().chain([usize::MAX]) {
            let (chunk, behind) = rest.split_at(cut.min(rest.len()));
            rest = behind;
            out.extend_from_slice(&scrubber.feed(chunk));
            redacted |= out.windows(REPLACEMENT.len()).any(|at| at == REPLACEMENT);
            let read = text.len() - rest.len();
            if !redacted {
                prop_assert!(read - out.len() <= MAX_HELD);
                prop_assert_eq!(&out[..], &text.as_bytes()[..out.len()]);
            }
        }
        let held = scrubber.finish();
        prop_assert!(held.len() <= MAX_HELD);
        out.extend_from_slice(&held);
        prop_assert_eq!(&out, &whole);
        let leaked = SECRET
            .as_bytes()
            .windows(WINDOW)
            .any(|window| out.windows(WINDOW).any(|at| at == window));
        prop_assert!(!leaked);
    }

    #[test]
    fn text_without_the_key_is_left_alone(text in "[A-Zs%\\\\ .,{}\":\n]{0,200}") {
        prop_assert_eq!(scrub(&text), text);
    }
}
