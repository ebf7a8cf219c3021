//! What is here whole is read as what comes in pieces, and both as a real parser reads it.

use super::top_level::{Fields, Slot};
use super::{Container, Event, JsonError, Reader, Sink, WholeTokens};
use proptest::prelude::*;

/// Gives a sink events alone, as if every token were cut.
pub(crate) struct EventsOnly<S>(pub(crate) S);

impl<S: Sink> Sink for EventsOnly<S> {
    fn event(&mut self, at: usize, event: Event<'_>) -> Result<(), JsonError> {
        self.0.event(at, event)
    }
}

impl<S: Sink> WholeTokens for EventsOnly<S> {
    const TAKEN: bool = false;
}

/// Text that is JSON, or was before a few of its bytes were changed.
pub(crate) fn almost_json() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        any::<u8>(),
        prop::sample::select(b"{}[]:,\"\\ \n\t0159-+.eEtfnul/\x01\x1f".to_vec()),
    ];
    let change = (any::<prop::sample::Index>(), 0..3_u8, byte);
    (json(), prop::collection::vec(change, 0..4)).prop_map(|(text, changes)| {
        let mut bytes = text.into_bytes();
        for (at, how, byte) in changes {
            let at = at.index(bytes.len() + 1);
            match how {
                0 => bytes.insert(at, byte),
                1 if at < bytes.len() => bytes[at] = byte,
                _ => bytes.truncate(at),
            }
        }
        bytes
    })
}

fn json() -> impl Strategy<Value = String> {
    let scalar = prop::sample::select(vec![
        "null", "true", "false", "0", "-0", "7", "-120", "3.25", "1e3", "-0.5E-10", "20e+1",
    ]);
    let text = prop_oneof![
        "[ -!#-\\[\\]-~\u{e9}]{0,40}",
        "([a-z]|\\\\[\"\\\\/bfnrt]|\\\\u00[0-9a-fA-F]{2}|\u{20ac}){0,10}",
    ]
    .prop_map(|inside| format!("\"{inside}\""));
    let key = prop_oneof![
        prop::sample::select(vec![
            "\"model\"",
            "\"Model\"",
            "\"\\u006dodel\"",
            "\"stream\"",
            "\"n\""
        ])
        .prop_map(str::to_owned),
        text.clone(),
    ];
    let leaf = prop_oneof![scalar.prop_map(str::to_owned), text];
    let value = leaf.prop_recursive(5, 40, 5, move |inner| {
        let space = prop::sample::select(vec!["", "", " ", "\n  ", "\t\r\n"]);
        let member = (key.clone(), space.clone(), inner.clone());
        prop_oneof![
            (prop::collection::vec(inner, 0..5), space.clone()).prop_map(|(items, space)| format!(
                "[{space}{}]",
                items.join(&format!(",{space}"))
            )),
            (prop::collection::vec(member, 0..5), space).prop_map(|(members, around)| {
                let members: Vec<String> = members
                    .into_iter()
                    .map(|(key, space, value)| format!("{key}{space}:{space}{value}{around}"))
                    .collect();
                format!("{{{around}{}}}", members.join(","))
            }),
        ]
    });
    (value, prop::sample::select(vec!["", " ", "\n"])).prop_map(|(value, space)| value + space)
}

/// A token with where it begins and ends; what broke off has no end.
#[derive(Debug, PartialEq)]
enum Token {
    Open(usize, Container),
    Close(usize, Container),
    Text(&'static str, usize, Vec<u8>, Option<usize>),
}

#[derive(Default)]
struct Recorder(Vec<Token>);

impl Recorder {
    fn begin(&mut self, what: &'static str, at: usize) {
        self.0.push(Token::Text(what, at, Vec::new(), None));
    }

    fn end(&mut self, what: &'static str, at: usize) {
        match self.0.last_mut() {
            Some(Token::Text(begun, _, _, end @ None)) if *begun == what => *end = Some(at),
            last => panic!("{what} ends at {at}, behind {last:?}"),
        }
    }

    fn part(&mut self, what: &'static str, at: usize, part: &[u8]) {
        match self.0.last_mut() {
            Some(Token::Text(begun, from, text, None)) if *begun == what => {
                let quote = usize::from(what != "scalar");
                assert_eq!(at, *from + quote + text.len(), "a part's offset");
                text.extend_from_slice(part);
            }
            last => panic!("a part of {what} at {at}, behind {last:?}"),
        }
    }
}

impl Sink for Recorder {
    fn event(&mut self, at: usize, event: Event<'_>) -> Result<(), JsonError> {
        match event {
            Event::Open(container) => self.0.push(Token::Open(at, container)),
            Event::Close(container) => self.0.push(Token::Close(at, container)),
            Event::KeyStart => self.begin("key", at),
            Event::KeyPart(part) => self.part("key", at, part),
            Event::KeyEnd => self.end("key", at),
            Event::StringStart => self.begin("string", at),
            Event::StringPart(part) => self.part("string", at, part),
            Event::StringEnd => self.end("string", at),
            Event::ScalarStart => self.begin("scalar", at),
            Event::ScalarPart(part) => self.part("scalar", at, part),
            Event::ScalarEnd => self.end("scalar", at),
        }
        Ok(())
    }
}

impl WholeTokens for Recorder {}

fn read<'a>(
    chunks: impl Iterator<Item = &'a [u8]>,
    sink: &mut impl WholeTokens,
) -> Result<(), JsonError> {
    let mut reader = Reader::new();
    for chunk in chunks {
        reader.feed(chunk, sink)?;
    }
    reader.finish(sink)
}

fn tokens<'a>(chunks: impl Iterator<Item = &'a [u8]>) -> (Result<(), JsonError>, Vec<Token>) {
    let mut recorder = Recorder::default();
    let end = read(chunks, &mut recorder);
    (end, recorder.0)
}

proptest! {
    #[test]
    fn whole_tokens_are_the_events_they_stand_for(text in almost_json(), size in 2..20_usize) {
        let single = tokens(text.chunks(1));
        prop_assert_eq!(&tokens([&*text].into_iter()), &single);
        prop_assert_eq!(&tokens(text.chunks(size)), &single);
        let mut events = EventsOnly(Recorder::default());
        let end = read([&*text].into_iter(), &mut events);
        prop_assert_eq!(&(end, events.0.0), &single);
    }

    #[test]
    fn what_is_json_is_judged_as_a_real_parser_does(text in almost_json()) {
        if let Ok(utf8) = str::from_utf8(&text) {
            // It also wants pairs of surrogates and numbers that fit, which the grammar does not.
            prop_assume!(!utf8.to_ascii_lowercase().contains("\\ud"));
            let theirs = serde_json::from_str::<serde_json::Value>(utf8);
            let fits = !theirs.as_ref().is_err_and(|error| error.to_string().contains("range"));
            prop_assume!(fits);
            let (ours, _) = tokens([&*text].into_iter());
            prop_assert_eq!(ours.is_ok(), theirs.is_ok(), "{:?} {:?}", ours, theirs);
        }
    }

    #[test]
    fn fields_are_found_alike_in_whole_tokens_and_in_events(text in almost_json()) {
        let names = ["model", "stream", "n"];
        let mut whole = [Slot::Absent; 3];
        let end = read([&*text].into_iter(), &mut Fields::new(&text, &names, &mut whole));
        let mut cut = [Slot::Absent; 3];
        let fields = Fields::new(&text, &names, &mut cut);
        prop_assert_eq!(read([&*text].into_iter(), &mut EventsOnly(fields)), end);
        prop_assert_eq!(cut, whole);
    }
}
