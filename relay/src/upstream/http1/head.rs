//! An answer's head, read into the header map at once.

use std::mem::MaybeUninit;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version};

use super::Broken;
use super::framing::Framing;

/// Most fields of a head.
const MAX_FIELDS: usize = 100;

/// Fields that are added to a head on its way on: room for them is made at once.
const ROOM: usize = 12;

/// Decides which fields of an answer's head are worth a place in its header map.
pub trait Keep: Sync {
    /// The name to keep a field under, which was sent as `name` in letters of either case; `None`
    /// to leave it out. Fields that frame the message are heeded either way.
    fn keep(&self, name: &str, value: &[u8]) -> Option<HeaderName>;
}

/// Keeps every field.
#[derive(Clone, Copy, Debug)]
pub struct Everything;

impl Keep for Everything {
    fn keep(&self, name: &str, _: &[u8]) -> Option<HeaderName> {
        HeaderName::from_bytes(name.as_bytes()).ok()
    }
}

/// A head as far as it concerns anyone.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) status: StatusCode,
    pub(super) version: Version,
    pub(super) headers: HeaderMap,
    pub(super) framing: Framing,
    /// The connection can carry another request after this answer.
    pub(super) keep_alive: bool,
}

/// Reads a head from the start of `bytes`, with its length; `None` when it is not all there.
/// `method` is that of the request.
///
/// # Errors
/// [`Broken::Malformed`].
pub(super) fn read(
    bytes: &Bytes,
    method: &Method,
    keep: &dyn Keep,
) -> Result<Option<(Head, usize)>, Broken> {
    let mut fields = [const { MaybeUninit::uninit() }; MAX_FIELDS];
    let mut response = httparse::Response::new(&mut []);
    let parsed = httparse::ParserConfig::default()
        .parse_response_with_uninit_headers(&mut response, bytes, &mut fields)
        .map_err(|error| {
            Broken::Malformed(match error {
                httparse::Error::TooManyHeaders => "its head has too many fields",
                _ => "its head is not one",
            })
        })?;
    let httparse::Status::Complete(length) = parsed else {
        return Ok(None);
    };
    let status = response
        .code
        .and_then(|code| StatusCode::from_u16(code).ok())
        .ok_or(Broken::Malformed("its status is no status"))?;
    let version = match response.version {
        Some(0) => Version::HTTP_10,
        _ => Version::HTTP_11,
    };
    let mut hops = Hops::default();
    let mut headers = HeaderMap::with_capacity(response.headers.len() + ROOM);
    for field in response.headers.iter() {
        hops.see(field.name, field.value)?;
        if let Some(name) = keep.keep(field.name, field.value) {
            let value = HeaderValue::from_maybe_shared(bytes.slice_ref(field.value))
                .map_err(|_| Broken::Malformed("a field has a value that none may have"))?;
            headers.append(name, value);
        }
    }
    let head = Head {
        status,
        version,
        headers,
        framing: hops.framing(status, version, method)?,
        keep_alive: match version {
            Version::HTTP_10 => hops.keep_alive && !hops.close,
            _ => !hops.close,
        },
    };
    Ok(Some((head, length)))
}

/// What the fields say that concern this connection only.
#[derive(Default)]
struct Hops {
    length: Option<u64>,
    transfer_coding: bool,
    close: bool,
    keep_alive: bool,
}

impl Hops {
    fn see(&mut self, name: &str, value: &[u8]) -> Result<(), Broken> {
        if name.eq_ignore_ascii_case("content-length") {
            self.length = Some(length(self.length, value)?);
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            // Others are sent only to those who ask for them with `TE` (RFC 9110 §10.1.4).
            if self.transfer_coding || !value.eq_ignore_ascii_case(b"chunked") {
                return Err(Broken::Malformed(
                    "it has a transfer coding nobody asked for",
                ));
            }
            self.transfer_coding = true;
        } else if name.eq_ignore_ascii_case("connection") {
            for option in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
                self.close |= option.eq_ignore_ascii_case(b"close");
                self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
            }
        }
        Ok(())
    }

    /// In the order of RFC 9112 §6.3. What it lets a recipient repair is refused: two ends of one
    /// connection that see different messages on it is how answers get to the wrong request.
    fn framing(
        &self,
        status: StatusCode,
        version: Version,
        method: &Method,
    ) -> Result<Framing, Broken> {
        let empty = matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        if self.transfer_coding && self.length.is_some() {
            return Err(Broken::Malformed("it has both a length and chunks"));
        }
        if self.transfer_coding && version == Version::HTTP_10 {
            return Err(Broken::Malformed("HTTP/1.0 has no chunks"));
        }
        Ok(match self.length {
            _ if empty || status.is_informational() || method == Method::HEAD => Framing::Empty,
            _ if self.transfer_coding => Framing::Chunked,
            Some(0) => Framing::Empty,
            Some(length) => Framing::Length(length),
            None => Framing::UntilClose,
        })
    }
}

/// The length in a `Content-Length`, which may be said several times if each says the same.
fn length(mut known: Option<u64>, value: &[u8]) -> Result<u64, Broken> {
    const NO_LENGTH: Broken = Broken::Malformed("its length is no number");
    for part in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
        if part.is_empty() || !part.iter().all(u8::is_ascii_digit) {
            return Err(NO_LENGTH);
        }
        let length = std::str::from_utf8(part)
            .ok()
            .and_then(|digits| digits.parse().ok())
            .ok_or(NO_LENGTH)?;
        if known.is_some_and(|known| known != length) {
            return Err(Broken::Malformed("it has two lengths"));
        }
        known = Some(length);
    }
    known.ok_or(NO_LENGTH)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(text: &str, method: Method) -> Result<Head, Broken> {
        let bytes = Bytes::copy_from_slice(text.as_bytes());
        let read = read(&bytes, &method, &Everything)?;
        let (head, length) = read.ok_or(Broken::Early)?;
        assert_eq!(length, text.len());
        Ok(head)
    }

    fn framing(status: &str, fields: &str) -> Result<Framing, Broken> {
        head(&format!("HTTP/1.1 {status}\r\n{fields}\r\n"), Method::POST).map(|head| head.framing)
    }

    #[test]
    fn the_body_is_delimited_as_the_standard_says() {
        for (status, fields, expected) in [
            ("200 OK", "content-length: 5\r\n", Framing::Length(5)),
            (
                "200",
                "Content-Length: 5, 5\r\ncontent-length:5\r\n",
                Framing::Length(5),
            ),
            ("200 OK", "content-length: 0\r\n", Framing::Empty),
            ("200 OK", "transfer-encoding: Chunked\r\n", Framing::Chunked),
            ("200 OK", "", Framing::UntilClose),
            ("204 No Content", "content-length: 5\r\n", Framing::Empty),
            (
                "304 Not Modified",
                "transfer-encoding: chunked\r\n",
                Framing::Empty,
            ),
            ("103 Early Hints", "", Framing::Empty),
        ] {
            assert_eq!(
                framing(status, fields).unwrap(),
                expected,
                "{status} {fields}"
            );
        }
        let to_head = head("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", Method::HEAD).unwrap();
        assert_eq!(to_head.framing, Framing::Empty);
        assert_eq!(to_head.headers["content-length"], "5");
    }

    #[test]
    fn conflicting_or_unreadable_framing_is_refused() {
        for fields in [
            "content-length: 5\r\ntransfer-encoding: chunked\r\n",
            "transfer-encoding: chunked\r\ncontent-length: 5\r\n",
            "content-length: 5\r\ncontent-length: 6\r\n",
            "content-length: 5, 6\r\n",
            "content-length: 5,\r\n",
            "content-length:\r\n",
            "content-length: +5\r\n",
            "content-length: -5\r\n",
            "content-length: 0x5\r\n",
            "content-length: 5 5\r\n",
            "content-length: 18446744073709551616\r\n",
            "transfer-encoding: gzip, chunked\r\n",
            "transfer-encoding: chunked, identity\r\n",
            "transfer-encoding: identity\r\n",
            "transfer-encoding: xchunked\r\n",
            "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
        ] {
            assert!(framing("200 OK", fields).is_err(), "{fields}");
        }
        let old = "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        assert!(head(old, Method::GET).is_err());
    }

    #[test]
    fn lines_that_are_no_fields_are_refused() {
        for fields in [
            "a: b\r\n c\r\n",
            "a: b\r\n\tc\r\n",
            " a: b\r\n",
            "a : b\r\n",
            "a\r\n",
            ": b\r\n",
            "a: b\0c\r\n",
            "a: b\rc\r\n",
            "a: b\x7fc\r\n",
            "a\0: b\r\n",
            "a b: c\r\n",
        ] {
            assert!(framing("200 OK", fields).is_err(), "{fields:?}");
        }
        for start in [
            "HTTP/2 200 OK",
            "HTTP/1.2 200 OK",
            "HTTP/1.1 20 OK",
            "HTTP/1.1 2000 OK",
            "HTTP/1.1 099 OK",
            "HTTP/1.1  200 OK",
            "ICY 200 OK",
            "http/1.1 200 OK",
        ] {
            assert!(
                !matches!(
                    head(&format!("{start}\r\n\r\n"), Method::GET),
                    Ok(_) | Err(Broken::Early)
                ),
                "{start}"
            );
        }
        // A line may end in LF alone (RFC 9112 §2.2).
        assert_eq!(
            head("HTTP/1.1 200 OK\ncontent-length: 5\n\n", Method::GET)
                .unwrap()
                .framing,
            Framing::Length(5)
        );
        let many = "a: b\r\n".repeat(MAX_FIELDS + 1);
        assert!(framing("200 OK", &many).is_err());
        assert!(framing("200 OK", &"a: b\r\n".repeat(MAX_FIELDS)).is_ok());
    }

    #[test]
    fn connections_are_kept_as_agreed() {
        for (text, expected) in [
            ("HTTP/1.1 200 OK\r\n\r\n", true),
            ("HTTP/1.1 200 OK\r\nconnection: keep-alive\r\n\r\n", true),
            ("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n", false),
            ("HTTP/1.1 200 OK\r\nconnection: foo , Close\r\n\r\n", false),
            (
                "HTTP/1.1 200 OK\r\nconnection: keep-alive\r\nconnection: close\r\n\r\n",
                false,
            ),
            ("HTTP/1.0 200 OK\r\n\r\n", false),
            ("HTTP/1.0 200 OK\r\nconnection: Keep-Alive\r\n\r\n", true),
        ] {
            assert_eq!(
                head(text, Method::GET).unwrap().keep_alive,
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn only_what_is_kept_is_made_into_values() {
        struct Some;
        impl Keep for Some {
            fn keep(&self, name: &str, value: &[u8]) -> Option<HeaderName> {
                let kept = name.eq_ignore_ascii_case("b") && value != b"2";
                kept.then(|| HeaderName::from_static("b"))
            }
        }
        let text = Bytes::from_static(
            b"HTTP/1.1 200 OK\r\nA: 1\r\nB: 2\r\nb: 3\r\nContent-Length: 7\r\nB:  4 \r\n\r\n1234567",
        );
        let (head, length) = read(&text, &Method::GET, &Some).unwrap().unwrap();
        assert_eq!(&text[length..], b"1234567");
        assert_eq!(head.framing, Framing::Length(7));
        let kept: Vec<_> = head.headers.get_all("b").iter().collect();
        assert_eq!(kept, ["3", "4"]);
        assert_eq!(head.headers.len(), 2);
    }
}
