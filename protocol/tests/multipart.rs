//! Form fields found while an upload streams by.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail as tests do"
)]

use keyferry_protocol::multipart::{FormError, FormField, FormScanner, MAX_FIELD, boundary};
use proptest::prelude::*;

const BOUNDARY: &str = "X-BOUNDARY";
const NAMES: &[&str] = &["model", "stream"];

/// One part, headers in full.
fn part(headers: &str, value: &[u8]) -> Vec<u8> {
    [
        b"--",
        BOUNDARY.as_bytes(),
        b"\r\n",
        headers.as_bytes(),
        b"\r\n\r\n",
        value,
        b"\r\n",
    ]
    .concat()
}

fn field(name: &str, value: &str) -> Vec<u8> {
    part(
        &format!("Content-Disposition: form-data; name=\"{name}\""),
        value.as_bytes(),
    )
}

fn file(bytes: &[u8]) -> Vec<u8> {
    part(
        "Content-Disposition: form-data; name=\"file\"; filename=\"a.mp3\"\r\nContent-Type: audio/mpeg",
        bytes,
    )
}

fn form(parts: &[Vec<u8>]) -> Vec<u8> {
    [parts.concat(), format!("--{BOUNDARY}--\r\n").into_bytes()].concat()
}

fn scan(body: &[u8], size: usize) -> Result<Vec<FormField>, FormError> {
    let mut scanner = FormScanner::new(BOUNDARY, NAMES);
    for chunk in body.chunks(size) {
        scanner.feed(chunk)?;
    }
    scanner.finish()?;
    Ok(scanner.fields().to_vec())
}

#[test]
fn fields_are_found_before_and_behind_the_file() {
    let sound = [
        &[0, 255, 13, 10, 45, 45][..],
        b"\r\n--X-BOUNDAR\r\n--\r",
        &[7; 3000],
    ]
    .concat();
    let model = field("model", "openai/whisper-1");
    for parts in [
        vec![model.clone(), file(&sound)],
        vec![file(&sound), model.clone()],
        vec![
            field("language", "en"),
            file(&sound),
            model.clone(),
            field("stream", "true"),
        ],
    ] {
        let body = form(&parts);
        for size in [1, 2, 3, 7, 64, body.len()] {
            let fields = scan(&body, size).unwrap();
            let found = fields.iter().find(|field| field.name == "model").unwrap();
            assert_eq!(found.value, "openai/whisper-1");
            assert_eq!(&body[found.span.clone()], b"openai/whisper-1");
            assert_eq!(fields.len(), 1 + usize::from(parts.len() == 4));
        }
    }
}

#[test]
fn a_field_is_known_before_the_body_ends() {
    let mut scanner = FormScanner::new(BOUNDARY, NAMES);
    scanner.feed(&field("model", "whisper-1")).unwrap();
    assert!(
        scanner.field("model").is_none(),
        "its delimiter has not been seen"
    );
    scanner.feed(&file(b"sound")[..20]).unwrap();
    assert_eq!(scanner.field("model").unwrap().value, "whisper-1");
    assert!(!scanner.is_done());
    assert_eq!(scanner.finish(), Err(FormError::Truncated));
}

#[test]
fn forms_that_parsers_disagree_on_are_refused() {
    use FormError::*;
    let disposition = |rest: &str| part(&format!("Content-Disposition: form-data; {rest}"), b"a");
    for (parts, error) in [
        (vec![field("model", "a"), field("model", "b")], Duplicate),
        (
            vec![field("model", "a"), file(b"x"), field("model", "a")],
            Duplicate,
        ),
        (vec![field("Model", "a")], Ambiguous),
        (vec![field("mod%65l", "a")], Ambiguous),
        (
            vec![disposition("name=\"model\"; filename=\"x\"")],
            Ambiguous,
        ),
        (
            vec![disposition("name=\"model\"; filename*=UTF-8''x")],
            Ambiguous,
        ),
        (
            vec![disposition("name=\"file\"; name=\"model\"")],
            Ambiguous,
        ),
        (
            vec![disposition("name=\"file\"; name*=UTF-8''model")],
            Ambiguous,
        ),
        (
            vec![part(
                "Content-Disposition: form-data; name=\"model\"\r\nContent-Transfer-Encoding: base64",
                b"YQ==",
            )],
            Ambiguous,
        ),
        (
            vec![part(
                "Content-Disposition: form-data;\r\n name=\"model\"",
                b"a",
            )],
            Syntax,
        ),
        (
            vec![part(
                "Content-Disposition: form-data; name=\"x\"\nX: y",
                b"a",
            )],
            Syntax,
        ),
        (vec![part("Content-Type: text/plain", b"a")], Syntax),
        (
            vec![part(
                "Content-Disposition: attachment; name=\"model\"",
                b"a",
            )],
            Syntax,
        ),
        (vec![disposition("filename=\"x\"")], Syntax),
        (vec![disposition("name=\"model")], Syntax),
        (
            vec![part(
                "Content-Disposition: form-data; name=\"a\"\r\nContent-Disposition: form-data; name=\"model\"",
                b"a",
            )],
            Syntax,
        ),
        (
            vec![part(
                "Content-Disposition : form-data; name=\"model\"",
                b"a",
            )],
            Syntax,
        ),
        (
            vec![part(&format!("X: {}", "y".repeat(9000)), b"a")],
            HeadersTooLong,
        ),
        (vec![field("model", &"a".repeat(MAX_FIELD + 1))], BadValue),
        (
            vec![part(
                "Content-Disposition: form-data; name=\"model\"",
                b"\xff",
            )],
            BadValue,
        ),
    ] {
        let body = form(&parts);
        for size in [1, 5, body.len()] {
            let found = scan(&body, size);
            assert_eq!(found, Err(error), "{}", String::from_utf8_lossy(&body));
        }
    }
    assert!(scan(&form(&[field("model", &"a".repeat(MAX_FIELD))]), 9).is_ok());
}

#[test]
fn broken_bodies_are_refused() {
    let good = form(&[field("model", "a")]);
    assert_eq!(scan(&good[..good.len() - 5], 3), Err(FormError::Truncated));
    assert_eq!(scan(b"", 1), Err(FormError::Truncated));
    assert_eq!(scan(b"{\"model\":\"a\"}", 4), Err(FormError::Truncated));
    let joined = [b"--X-BOUNDARY", &field("model", "a")[..]].concat();
    assert_eq!(scan(&joined, 4), Err(FormError::Syntax));
}

#[test]
fn preamble_and_padding_are_passed_over_and_nothing_follows_the_end() {
    let whole = form(&[field("model", "a")]);
    let body = [b"preamble\r\n", &whole[..], b" \r\n"].concat();
    assert_eq!(scan(&body, 3).unwrap()[0].value, "a");
    for epilogue in [&b"x"[..], &whole[..]] {
        let body = [&whole[..], epilogue].concat();
        assert_eq!(scan(&body, 3), Err(FormError::Syntax));
    }
    let padded = String::from_utf8(form(&[field("model", "")])).unwrap();
    let padded = padded.replace("--X-BOUNDARY\r\n", "--X-BOUNDARY \t\r\n");
    assert_eq!(scan(padded.as_bytes(), 2).unwrap()[0].value, "");
}

#[test]
fn boundaries_are_read_from_the_content_type() {
    for (kind, expected) in [
        ("multipart/form-data; boundary=abc", Some("abc")),
        ("Multipart/Form-Data;boundary=\"a b\"", Some("a b")),
        (
            "multipart/form-data; charset=utf-8; Boundary=----x",
            Some("----x"),
        ),
        ("multipart/form-data; boundary=\"a\\\"b\"", None),
        ("multipart/form-data", None),
        ("multipart/form-data; boundary=", None),
        ("multipart/form-data; boundary=\"a", None),
        ("multipart/form-data; boundary=a; boundary=b", None),
        ("multipart/form-data; boundary=\"a \"", None),
        ("multipart/form-data; boundary=a\r\nb", None),
        ("multipart/mixed; boundary=abc", None),
        ("application/json", None),
    ] {
        assert_eq!(boundary(kind).as_deref(), expected, "{kind}");
    }
    let long = format!("multipart/form-data; boundary={}", "a".repeat(71));
    assert_eq!(boundary(&long), None);
}

proptest! {
    #[test]
    fn any_file_and_any_cut_leave_the_model_findable(
        bytes in prop::collection::vec(
            prop_oneof![3 => any::<u8>(), 1 => prop::sample::select(b"\r\n--X-BOUNDARY".to_vec())],
            0..400,
        ),
        first in any::<bool>(),
        size in 1..50usize,
    ) {
        let delimiter = format!("\r\n--{BOUNDARY}").into_bytes();
        let clean = [b"\r\n", &bytes[..]].concat();
        prop_assume!(!clean.windows(delimiter.len()).any(|at| at == delimiter));
        let model = field("model", "whisper-1");
        let parts = if first { vec![model, file(&bytes)] } else { vec![file(&bytes), model] };
        let body = form(&parts);
        let fields = scan(&body, size).unwrap();
        prop_assert_eq!(fields.len(), 1);
        prop_assert_eq!(&body[fields[0].span.clone()], b"whisper-1");
    }

    #[test]
    fn arbitrary_bytes_never_panic(
        pieces in prop::collection::vec(
            prop::sample::select(vec![
                "--X-BOUNDARY", "\r\n", "--", "Content-Disposition: form-data; name=", "\"model\"",
                ";", "x", "\r", "\n", ":", "=", "\"", "\\",
            ]),
            0..40,
        ),
        size in 1..20usize,
    ) {
        let body = pieces.concat().into_bytes();
        let whole = scan(&body, body.len().max(1));
        prop_assert_eq!(scan(&body, size), whole);
    }
}
