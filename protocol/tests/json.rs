//! The JSON scanner against a real parser: what it accepts, what it finds, what it refuses.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail as tests do"
)]

use keyferry_protocol::json::{JsonError, Kind, MAX_DEPTH, quote, top_level, unescape};
use keyferry_protocol::routing::{FieldError, find_model, splice_model};
use proptest::prelude::*;
use serde_json::{Value, json};

#[test]
fn fields_are_found_with_their_type_and_place() {
    let body = br#" { "a" : [1, {"model":"inner"}], "model" : "gpt-4o", "stream":true,
        "max_tokens": 256, "stop":null, "stream_options": {"include_usage":false}, "t":0.7 } "#;
    let names = [
        "model",
        "stream",
        "max_tokens",
        "stop",
        "stream_options",
        "a",
        "t",
        "absent",
    ];
    let found = top_level(body, names).unwrap();
    let kinds: Vec<Option<Kind>> = found
        .iter()
        .map(|value| value.as_ref().map(|value| value.kind))
        .collect();
    use Kind::*;
    let expected = [String, Bool, Number, Null, Object, Array, Number]
        .map(Some)
        .into_iter()
        .chain([None]);
    assert_eq!(kinds, expected.collect::<Vec<_>>());
    for value in found.iter().flatten() {
        assert_eq!(value.raw, &body[value.span.clone()]);
        serde_json::from_slice::<Value>(value.raw).unwrap();
    }
    let [Some(model), Some(stream), Some(max_tokens), Some(stop), ..] = found else {
        panic!("all four are there");
    };
    assert_eq!(model.as_str().unwrap(), "gpt-4o");
    assert_eq!(
        (stream.as_bool(), stream.as_str(), stream.as_u64()),
        (Some(true), None, None)
    );
    assert_eq!(
        (max_tokens.as_u64(), max_tokens.as_bool()),
        (Some(256), None)
    );
    assert!(stop.is_null());
}

#[test]
fn a_second_model_is_refused_in_every_spelling() {
    for second in [
        r#""model""#,
        r#""\u006dodel""#,
        r#""\u006Dodel""#,
        r#""mode\u006c""#,
        r#""\u006d\u006f\u0064\u0065\u006c""#,
    ] {
        for body in [
            format!(r#"{{"model":"a",{second}:"b"}}"#),
            format!(r#"{{{second}:"b","model":"a"}}"#),
        ] {
            let error = find_model(body.as_bytes()).unwrap_err();
            assert!(
                matches!(error, FieldError::Json(JsonError::DuplicateKey(_))),
                "{body}: {error:?}"
            );
        }
    }
    for second in [r#""Model""#, r#""MODEL""#, r#""\u004dodel""#] {
        for body in [
            format!(r#"{{"model":"a",{second}:"b"}}"#),
            format!(r#"{{{second}:"b"}}"#),
        ] {
            let error = find_model(body.as_bytes()).unwrap_err();
            assert!(
                matches!(error, FieldError::Json(JsonError::AmbiguousKey(_))),
                "{body}: {error:?}"
            );
        }
    }
    // Go folds these two to `s` and `k` as well.
    for (body, name) in [
        ("{\"\u{17f}tore\":1}", "store"),
        ("{\"max_to\u{212a}ens\":1}", "max_tokens"),
    ] {
        assert!(matches!(
            top_level(body.as_bytes(), [name]),
            Err(JsonError::AmbiguousKey(_))
        ));
    }
    // Elsewhere the name is nobody's business.
    let body = br#"{"messages":[{"model":"x","Model":"y"}],"model":"a","models":1,"mode":2}"#;
    assert_eq!(find_model(body).unwrap().name, "a");
}

#[test]
fn one_escaped_spelling_alone_is_the_field() {
    let body = br#"{"\u006dodel":"gp\u0074-4o"}"#;
    let found = find_model(body).unwrap();
    assert_eq!(found.name, "gpt-4o");
    assert_eq!(&body[found.span], br#""gp\u0074-4o""#);
}

#[test]
fn models_that_are_no_names_are_refused() {
    for value in [
        "7",
        "null",
        "true",
        "[]",
        "{}",
        "\"\"",
        "[\"a\"]",
        r#""a\nb""#,
        r#""\ud800""#,
        r#""\u0000""#,
    ] {
        let body = format!("{{\"model\":{value}}}");
        assert_eq!(
            find_model(body.as_bytes()).unwrap_err(),
            FieldError::BadModel,
            "{value}"
        );
    }
    let long = format!("{{\"model\":\"{}\"}}", "a".repeat(257));
    assert_eq!(
        find_model(long.as_bytes()).unwrap_err(),
        FieldError::BadModel
    );
    assert_eq!(find_model(b"{}").unwrap_err(), FieldError::Missing);
    assert_eq!(
        find_model(b"{\"models\":\"a\"}").unwrap_err(),
        FieldError::Missing
    );
}

#[test]
fn what_is_not_json_is_refused() {
    for text in [
        "",
        " ",
        "{",
        "}",
        "{]",
        "[}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{,}",
        "{\"a\":1 \"b\":2}",
        "{a:1}",
        "{'a':1}",
        "{\"a\":01}",
        "{\"a\":1.}",
        "{\"a\":.5}",
        "{\"a\":+1}",
        "{\"a\":1e}",
        "{\"a\":-}",
        "{\"a\":0x1}",
        "{\"a\":nul}",
        "{\"a\":nulL}",
        "{\"a\":True}",
        "{\"a\":NaN}",
        "{\"a\":\"\\x\"}",
        "{\"a\":\"\\u12g4\"}",
        "{\"a\":\"\n\"}",
        "{\"a\":\"\u{1}\"}",
        "{\"a\":1}}",
        "{\"a\":1}{}",
        "{\"a\":1} x",
        "{\"a\":1}//",
        "\u{feff}{}",
        "{\"a\":[1,]}",
        "{\"a\":\"b}",
        "{\"a\":tru",
        "{1:2}",
        "{\"a\"::1}",
        "{\"a\":1,,\"b\":2}",
    ] {
        assert!(top_level(text.as_bytes(), ["model"]).is_err(), "{text:?}");
        assert!(
            serde_json::from_str::<Value>(text).is_err(),
            "{text:?}: the test is wrong"
        );
    }
    for text in [
        "[]",
        "\"model\"",
        "1",
        "true",
        "null",
        "[{\"model\":\"a\"}]",
    ] {
        assert_eq!(
            top_level(text.as_bytes(), ["model"]).unwrap_err(),
            JsonError::NotAnObject,
            "{text}"
        );
    }
    assert_eq!(
        top_level(b"{\"a\":\"\xff\"}", ["a"]).unwrap_err(),
        JsonError::NotUtf8
    );
    assert_eq!(
        top_level(b"{\"a\":1", ["a"]).unwrap_err(),
        JsonError::Truncated
    );
}

#[test]
fn nesting_is_bounded_without_recursion() {
    let nested = |depth: usize| {
        format!(
            "{{\"a\":{}1{},\"model\":\"x\"}}",
            "[".repeat(depth),
            "]".repeat(depth)
        )
    };
    assert!(find_model(nested(MAX_DEPTH - 1).as_bytes()).is_ok());
    assert_eq!(
        find_model(nested(MAX_DEPTH).as_bytes()).unwrap_err(),
        FieldError::Json(JsonError::TooDeep)
    );
    let endless = "{\"a\":".to_owned() + &"[".repeat(5_000_000);
    assert_eq!(
        find_model(endless.as_bytes()).unwrap_err(),
        FieldError::Json(JsonError::TooDeep)
    );
    let mixed = "{\"a\":".repeat(64) + &"[".repeat(64) + &"]".repeat(64) + &"}".repeat(64);
    assert!(top_level(mixed.as_bytes(), ["a"]).is_ok());
}

#[test]
fn a_body_of_25_megabytes_is_read_in_one_pass() {
    let image = "iVBORw0KGgoAAAANSUhEUgAA\\/+".repeat(1_000_000);
    let body = format!(
        r#"{{"messages":[{{"content":"{image}"}}],"model":"openai/gpt-4o","stream":true}}"#
    );
    assert!(body.len() > 25_000_000);
    let found = find_model(body.as_bytes()).unwrap();
    assert_eq!(found.name, "openai/gpt-4o");
    let spliced = splice_model(body.as_bytes(), found.span, "gpt-4o");
    assert_eq!(spliced.len(), body.len() - "openai/".len());
    assert!(spliced.ends_with(br#""model":"gpt-4o","stream":true}"#));
}

#[test]
fn strings_are_unescaped_as_json_says() {
    for (raw, text) in [
        ("", ""),
        ("plain \u{e9}", "plain \u{e9}"),
        (r#"\"\\\/\b\f\n\r\t"#, "\"\\/\u{8}\u{c}\n\r\t"),
        (r"\u0041\u00e9\u20AC", "A\u{e9}\u{20ac}"),
        (r"\ud83d\ude00", "\u{1f600}"),
    ] {
        assert_eq!(unescape(raw.as_bytes()).as_deref(), Some(text), "{raw}");
    }
    for raw in [
        r"\",
        r"\x",
        r"\u",
        r"\u12",
        r"\ud800",
        r"\ud800x",
        r"\ud800\u0041",
        r"\udc00",
    ] {
        assert_eq!(unescape(raw.as_bytes()), None, "{raw}");
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<i32>().prop_map(|number| json!(f64::from(number) / 8.0)),
        ".*".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map("(model|stream|[a-z\"\\\\\u{e9}]{0,6})", inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let ours = top_level(&bytes, ["model", "stream"]);
        if serde_json::from_slice::<Value>(&bytes).is_err() {
            prop_assert!(ours.is_err());
        }
    }

    #[test]
    fn almost_json_is_judged_as_a_real_parser_does(
        text in "\\{(\"(a|model|b)\" ?: ?(1|-0\\.5e3|true|null|\"x\\\\n\"|\\[1,2\\]|\\{\\}|[\\[\\]{}:,\"0-9etf.+-]{0,4}),? ?){0,4}\\}?"
    ) {
        let ours = top_level(text.as_bytes(), ["zzz"]);
        prop_assert_eq!(ours.is_ok(), serde_json::from_str::<Value>(&text).is_ok());
    }

    #[test]
    fn what_a_real_parser_writes_is_read_alike(mut value in any_json(), pretty in any::<bool>()) {
        if !value.is_object() {
            value = json!({"model": value});
        }
        let text = if pretty {
            serde_json::to_string_pretty(&value).unwrap()
        } else {
            serde_json::to_string(&value).unwrap()
        };
        let [model, stream] = top_level(text.as_bytes(), ["model", "stream"]).unwrap();
        for (found, name) in [(model, "model"), (stream, "stream")] {
            let read = found.map(|found| serde_json::from_slice::<Value>(found.raw).unwrap());
            prop_assert_eq!(read.as_ref(), value.get(name));
        }
    }

    #[test]
    fn splicing_changes_the_model_and_nothing_else(
        mut value in any_json(), old in "[ -~\u{e9}]{1,40}", new in "[ -~\u{e9}\n\u{1}]{1,40}", pretty in any::<bool>()
    ) {
        if !value.is_object() {
            value = json!({"other": value});
        }
        value["model"] = json!(old);
        let text = if pretty {
            serde_json::to_string_pretty(&value).unwrap()
        } else {
            serde_json::to_string(&value).unwrap()
        };
        let found = find_model(text.as_bytes()).unwrap();
        prop_assert_eq!(&*found.name, &old);
        let spliced = splice_model(text.as_bytes(), found.span, &new);
        value["model"] = json!(new);
        prop_assert_eq!(serde_json::from_slice::<Value>(&spliced).unwrap(), value);
    }

    #[test]
    fn quoting_is_undone_by_any_parser(text in any::<String>()) {
        let quoted = quote(&text);
        prop_assert_eq!(serde_json::from_str::<String>(&quoted).unwrap(), text.clone());
        let inside = &quoted.as_bytes()[1..quoted.len() - 1];
        prop_assert_eq!(&*unescape(inside).unwrap(), &text);
    }
}
