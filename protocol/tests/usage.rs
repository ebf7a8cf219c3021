//! Usage read from the providers' answers: golden files in the shapes they document, cut at every
//! and at arbitrary places.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail as tests do"
)]

use keyferry_protocol::usage::{Framing, Usage, UsageReader};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::borrow::Cow;
use std::path::PathBuf;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/usage")
}

fn golden() -> Vec<(String, Vec<u8>, Value)> {
    let expected = std::fs::read_to_string(folder().join("expected.json")).unwrap();
    let expected: serde_json::Map<String, Value> = serde_json::from_str(&expected).unwrap();
    let mut files: Vec<String> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "expected.json")
        .collect();
    files.sort();
    let mut names: Vec<&String> = expected.keys().collect();
    names.sort();
    assert_eq!(
        files.iter().collect::<Vec<_>>(),
        names,
        "every file has its expectation"
    );
    files
        .into_iter()
        .map(|name| {
            let bytes = std::fs::read(folder().join(&name)).unwrap();
            let expected = expected[&name].clone();
            (name, bytes, expected)
        })
        .collect()
}

fn framing(name: &str) -> Framing {
    if name.ends_with(".sse") {
        Framing::Sse
    } else {
        Framing::Json
    }
}

fn as_json(usage: Option<Usage>) -> Value {
    usage.map_or(Value::Null, |usage| {
        assert!(!usage.estimated);
        json!({
            "input": usage.input, "output": usage.output, "cached": usage.cached,
            "cache_write": usage.cache_write, "audio_input": usage.audio_input,
            "audio_output": usage.audio_output, "reasoning": usage.reasoning,
            "milliseconds": usage.milliseconds, "cost": usage.cost.map(|cost| cost.0),
        })
    })
}

/// Feeds the chunks; returns what was passed on, and the usage.
fn read(framing: Framing, remove: bool, chunks: &[&[u8]]) -> (Vec<u8>, UsageReader) {
    let mut reader = UsageReader::new(framing, remove);
    let mut out = Vec::new();
    for chunk in chunks {
        out.extend_from_slice(&reader.feed(chunk));
    }
    out.extend_from_slice(&reader.finish());
    (out, reader)
}

/// The stream without its events that hold usage and no choices, told by a real JSON parser.
fn without_usage_chunks(stream: &[u8]) -> Vec<u8> {
    let text = std::str::from_utf8(stream).unwrap();
    let separator = if text.contains("\r\n\r\n") {
        "\r\n\r\n"
    } else {
        "\n\n"
    };
    let kept: String = text
        .split_inclusive(separator)
        .filter(|event| {
            let data: String = event
                .lines()
                .filter_map(|line| line.strip_prefix("data:"))
                .collect();
            let data: Value = serde_json::from_str(&data).unwrap_or(Value::Null);
            !(data["choices"] == json!([]) && data["usage"].is_object())
        })
        .collect();
    kept.into_bytes()
}

#[test]
fn every_golden_answer_yields_its_usage_whole_and_byte_by_byte() {
    for (name, bytes, expected) in golden() {
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        for chunks in [vec![&bytes[..]], single] {
            let (out, reader) = read(framing(&name), false, &chunks);
            assert_eq!(as_json(reader.usage()), expected, "{name}");
            assert_eq!(out, bytes, "{name}: bytes changed");
        }
    }
}

#[test]
fn golden_answers_survive_a_cut_at_every_place() {
    for (name, bytes, expected) in golden() {
        let kept = without_usage_chunks(&bytes);
        for cut in 0..=bytes.len() {
            let chunks = [&bytes[..cut], &bytes[cut..]];
            let (out, reader) = read(framing(&name), true, &chunks);
            assert_eq!(as_json(reader.usage()), expected, "{name} cut at {cut}");
            let expected = if name.ends_with(".sse") {
                &kept
            } else {
                &bytes
            };
            assert_eq!(&out, expected, "{name} cut at {cut}");
        }
    }
}

#[test]
fn only_the_chunk_that_was_asked_for_is_taken_out() {
    let stream = std::fs::read(folder().join("openai-chat-stream.sse")).unwrap();
    let (out, reader) = read(Framing::Sse, true, &[&stream]);
    assert!(reader.usage().is_some());
    let text = String::from_utf8(out).unwrap();
    assert!(!text.contains("\"total_tokens\""));
    assert!(text.ends_with("data: [DONE]\n\n"));
    assert_eq!(text.matches("data: ").count(), 5);

    // Usage on a chunk with choices is the provider's own habit: it stays.
    let stream = std::fs::read(folder().join("mistral-chat-stream.sse")).unwrap();
    assert_eq!(read(Framing::Sse, true, &[&stream]).0, stream);
    // So does an empty chunk without usage (Azure's content filter).
    let stream = b"data: {\"choices\":[],\"prompt_filter_results\":[]}\n\ndata: [DONE]\n\n";
    assert_eq!(read(Framing::Sse, true, &[stream]).0, stream);
}

#[test]
fn line_endings_comments_and_many_lines_of_data_are_understood() {
    let usage = r#"{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}"#;
    let first = r#"{"choices":[{"delta":{"content":"x"}}]}"#;
    for end in ["\n", "\r\n", "\r"] {
        let before = format!(": hi{end}{end}data: {first}{end}{end}");
        let (head, tail) = usage.split_at(12);
        for chunk in [
            format!("data: {usage}{end}{end}"),
            format!("data:{usage}{end}{end}"),
            format!("event: chunk{end}id: 7{end}data: {head}{end}data: {tail}{end}{end}"),
        ] {
            let after = format!("data: [DONE]{end}{end}{end}");
            let stream = format!("{before}{chunk}{after}");
            let expected = format!("{before}{after}");
            for cut in 0..=stream.len() {
                let (head, tail) = stream.as_bytes().split_at(cut);
                let (out, reader) = read(Framing::Sse, true, &[head, tail]);
                let usage = reader.usage().unwrap();
                assert_eq!(
                    (usage.input, usage.output),
                    (1, 2),
                    "{stream:?} cut at {cut}"
                );
                assert_eq!(out, expected.as_bytes(), "{stream:?} cut at {cut}");
            }
        }
    }
}

#[test]
fn an_event_with_choices_is_passed_on_before_it_ends() {
    let mut reader = UsageReader::new(Framing::Sse, true);
    let head = b"data: {\"id\":\"x\",\"choices\":[{\"delta\":{\"content\":\"Hel";
    assert_eq!(&*reader.feed(head), head);
    assert!(matches!(
        reader.feed(b"lo\"}}]}\n\n"),
        Cow::Borrowed(b"lo\"}}]}\n\n")
    ));
}

#[test]
fn whole_events_are_passed_on_without_copying() {
    let stream = std::fs::read(folder().join("anthropic-messages-stream.sse")).unwrap();
    let mut reader = UsageReader::new(Framing::Sse, true);
    assert!(matches!(reader.feed(&stream), Cow::Borrowed(out) if out.len() == stream.len()));
}

#[test]
fn what_is_held_back_is_bounded_and_comes_out_whole() {
    let mut reader = UsageReader::new(Framing::Sse, true);
    let head = b"data: {\"id\":\"";
    let mut out = reader.feed(head).into_owned();
    assert!(out.is_empty());
    let filler = vec![b'a'; 1000];
    for _ in 0..30 {
        out.extend_from_slice(&reader.feed(&filler));
    }
    assert!(out.len() > 13_000, "an endless event must not pile up");
    // Even if it turns out to be the usage chunk: half of it is gone already.
    let tail = b"\",\"choices\":[],\"usage\":{\"prompt_tokens\":1}}\n\ndata: [DONE]\n\n";
    out.extend_from_slice(&reader.feed(tail));
    out.extend_from_slice(&reader.finish());
    assert_eq!(out, [&head[..], &vec![b'a'; 30_000], &tail[..]].concat());

    let mut reader = UsageReader::new(Framing::Sse, true);
    assert!(reader.feed(b"data: {\"choices\":[").is_empty());
    assert_eq!(reader.finish(), b"data: {\"choices\":[");
}

#[test]
fn output_is_counted_for_estimates() {
    for (name, bytes) in [
        ("openai-chat-stream-no-usage.sse", "Hello{}".len()),
        ("openai-responses-stream.sse", "Hi there".len()),
        ("anthropic-messages-stream.sse", "Hello!".len()),
        ("gemini-stream.sse", "Hello world".len()),
        ("gemini-stream-array.json", "Hello world".len()),
    ] {
        let stream = std::fs::read(folder().join(name)).unwrap();
        let (_, reader) = read(framing(name), false, &[&stream]);
        assert_eq!(reader.output_bytes(), bytes as u64, "{name}");
    }
}

#[test]
fn interrupted_streams_are_estimated() {
    let stream = std::fs::read(folder().join("anthropic-messages-stream.sse")).unwrap();
    let whole = read(Framing::Sse, false, &[&stream]).1;
    assert_eq!(whole.settle(false, 1000), whole.usage().unwrap());

    // Up to the first piece of text: the input is known, the output is one token and two more.
    let text = String::from_utf8(stream).unwrap();
    let cut = text.find("event: content_block_delta").unwrap();
    let end = cut + text[cut..].find("\n\n").unwrap();
    let (_, reader) = read(Framing::Sse, false, &[&text.as_bytes()[..end]]);
    let settled = reader.settle(true, 1000);
    assert_eq!(
        (settled.input, settled.output, settled.estimated),
        (40, 2, true)
    );

    let (_, reader) = read(Framing::Sse, false, &[b""]);
    assert_eq!(reader.settle(true, 1000), Usage::estimate(1000, 0));
}

#[test]
fn broken_and_foreign_answers_report_nothing_and_pass_unchanged() {
    for bytes in [
        &b""[..],
        b"<html>",
        b"{\"usage\":7}",
        b"{\"usage\":null}",
        b"{\"usage\":{\"prompt_tokens\":5",
        b"{\"usage\":[{\"prompt_tokens\":5}]}",
        b"{\"message\":\"usage\",\"choices\":[{\"usage\":{\"prompt_tokens\":5}}]}",
        b"{\"usage\" {\"prompt_tokens\":5}}",
        b"data: {\"usage\":",
        b"\xff\xfe\x00",
    ] {
        for framing in [Framing::Json, Framing::Sse] {
            let (out, reader) = read(framing, true, &[bytes]);
            assert_eq!(reader.usage(), None, "{bytes:?}");
            assert_eq!(out, bytes);
        }
    }
}

#[test]
fn nonsense_figures_do_not_replace_good_ones() {
    let body = br#"{"usage":{"prompt_tokens":5,"completion_tokens":-3,"cost":"free","total_tokens":99999999999999999999999}}"#;
    let (_, reader) = read(Framing::Json, false, &[body]);
    let usage = reader.usage().unwrap();
    assert_eq!((usage.input, usage.output, usage.cost), (5, 0, None));
}

#[test]
fn framings_are_told_by_content_type() {
    for (kind, framing) in [
        ("text/event-stream", Some(Framing::Sse)),
        ("text/event-stream; charset=utf-8", Some(Framing::Sse)),
        ("Application/JSON;charset=utf-8", Some(Framing::Json)),
        ("audio/mpeg", None),
        ("text/plain", None),
        ("", None),
    ] {
        assert_eq!(Framing::of(kind), framing, "{kind}");
    }
}

fn cut(bytes: &[u8], cuts: &[usize]) -> Vec<Vec<u8>> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    cuts.extend([0, bytes.len()]);
    cuts.sort_unstable();
    cuts.windows(2)
        .map(|pair| bytes[pair[0]..pair[1]].to_vec())
        .collect()
}

proptest! {
    #[test]
    fn cuts_do_not_matter(which in any::<prop::sample::Index>(), cuts in prop::collection::vec(any::<usize>(), 0..20)) {
        let files = golden();
        let (name, bytes, expected) = which.get(&files);
        let chunks = cut(bytes, &cuts);
        let chunks: Vec<&[u8]> = chunks.iter().map(Vec::as_slice).collect();
        let (out, reader) = read(framing(name), true, &chunks);
        prop_assert_eq!(as_json(reader.usage()), expected.clone());
        if name.ends_with(".sse") {
            prop_assert_eq!(out, without_usage_chunks(bytes));
        } else {
            prop_assert_eq!(&out, bytes);
        }
    }

    #[test]
    fn cuts_do_not_matter_to_what_is_broken_either(
        which in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>(), any::<u8>()), 1..6),
        cuts in prop::collection::vec(any::<usize>(), 0..20),
        remove in any::<bool>(),
    ) {
        let files = golden();
        let (name, bytes, _) = which.get(&files);
        let mut bytes = bytes.clone();
        for (at, insert, byte) in changes {
            let at = at.index(bytes.len());
            // Digits and punctuation more often than what ends the reading at once.
            let byte = if byte < 0xc0 { b"0123456789-.e\"{}[],: \n"[usize::from(byte) % 22] } else { byte };
            if insert {
                bytes.insert(at, byte);
            } else {
                bytes[at] = byte;
            }
        }
        let (whole, reader) = read(framing(name), remove, &[&bytes]);
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        let chunks = cut(&bytes, &cuts);
        let chunks: Vec<&[u8]> = chunks.iter().map(Vec::as_slice).collect();
        for chunks in [single, chunks] {
            let (out, other) = read(framing(name), remove, &chunks);
            prop_assert_eq!(other.usage(), reader.usage());
            prop_assert_eq!(other.output_bytes(), reader.output_bytes());
            prop_assert_eq!(&out, &whole);
        }
    }

    #[test]
    fn arbitrary_bytes_pass_or_are_whole_events(
        pieces in prop::collection::vec(
            prop::sample::select(vec![
                "data:", "data: ", "\n", "\r", "\r\n", ":", "{", "}", "\"choices\"", ":[]", ",",
                "\"usage\":{}", "{\"choices\":[],\"usage\":{}}", "[DONE]", "x", "event: y",
            ]),
            0..40,
        ),
        cuts in prop::collection::vec(any::<usize>(), 0..10),
    ) {
        let bytes = pieces.concat().into_bytes();
        let whole = read(Framing::Sse, true, &[&bytes]).0;
        let chunks = cut(&bytes, &cuts);
        let chunks: Vec<&[u8]> = chunks.iter().map(Vec::as_slice).collect();
        prop_assert_eq!(&read(Framing::Sse, true, &chunks).0, &whole);
        prop_assert_eq!(&read(Framing::Sse, false, &chunks).0, &bytes);
        prop_assert!(whole.len() <= bytes.len());
    }
}
