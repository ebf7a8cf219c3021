//! The chunked transfer coding (RFC 9112 §7.1), decoded as it arrives.
//!
//! Stricter than a head's lines: each ends in CR and LF. Extensions and trailers mean nothing here
//! and are read past, up to a bound.

use super::Broken;

/// Longest line that says a chunk's size, extensions included, in bytes.
const MAX_SIZE_LINE: u16 = 1024;

/// Longest trailer section, in bytes.
const MAX_TRAILERS: u16 = 16 * 1024;

/// A chunked body being read.
#[derive(Debug)]
pub(super) struct Chunked {
    state: State,
    /// The chunk's size as far as it was read, then what is left of the chunk, in bytes.
    size: u64,
    /// Bytes of the size line or of the trailer section so far.
    line: u16,
}

/// What the next byte is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The first digit of a size.
    SizeStart,
    /// Another digit, or the end of the size.
    Size,
    /// A part of the size's line that means nothing.
    Extension,
    /// The LF of that line.
    SizeLf,
    /// The chunk's own bytes.
    Data,
    /// The CR after them.
    DataCr,
    /// The LF after that.
    DataLf,
    /// The first byte of a trailer's line, or the CR of the empty one.
    TrailerStart,
    /// The rest of such a line.
    Trailer,
    /// Its LF.
    TrailerLf,
    /// The LF of the empty line.
    EndLf,
    /// Nothing: the body is over.
    Done,
}

impl Default for Chunked {
    fn default() -> Self {
        Self {
            state: State::SizeStart,
            size: 0,
            line: 0,
        }
    }
}

impl Chunked {
    /// The last chunk and the trailers have been read.
    pub(super) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Puts what `bytes` hold of the body into `body`; how many of them belong to the message.
    pub(super) fn decode(&mut self, bytes: &[u8], body: &mut Vec<u8>) -> Result<usize, Broken> {
        let mut rest = bytes;
        while self.state != State::Done {
            if self.state == State::Data {
                let available = usize::try_from(self.size).unwrap_or(usize::MAX);
                let (data, after) = rest.split_at(available.min(rest.len()));
                body.extend_from_slice(data);
                rest = after;
                self.size = self.size.saturating_sub(data.len() as u64);
                if self.size > 0 {
                    break;
                }
                self.state = State::DataCr;
            }
            let Some((&byte, after)) = rest.split_first() else {
                break;
            };
            rest = after;
            self.state = self.next(byte)?;
        }
        Ok(bytes.len() - rest.len())
    }

    /// One byte of what surrounds the chunks.
    fn next(&mut self, byte: u8) -> Result<State, Broken> {
        let state = match (self.state, byte) {
            (State::SizeStart | State::Size, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                self.digit(byte)?;
                State::Size
            }
            (State::SizeStart, _) => return Err(Broken::Malformed("a chunk has no size")),
            (State::Size | State::Extension, b'\r') => State::SizeLf,
            (State::Size, b';' | b' ' | b'\t') => State::Extension,
            (State::Size, _) => return Err(Broken::Malformed("a chunk's size is no number")),
            (State::Extension, _) if is_text(byte) => State::Extension,
            (State::SizeLf, b'\n') if self.size == 0 => {
                self.line = 0;
                return Ok(State::TrailerStart);
            }
            (State::SizeLf, b'\n') => return Ok(State::Data),
            (State::DataCr, b'\r') => return Ok(State::DataLf),
            (State::DataLf, b'\n') => {
                self.line = 0;
                return Ok(State::SizeStart);
            }
            (State::DataCr | State::DataLf, _) => {
                return Err(Broken::Malformed("a chunk is longer than its size"));
            }
            (State::TrailerStart, b'\r') => State::EndLf,
            (State::Trailer, b'\r') => State::TrailerLf,
            (State::TrailerStart | State::Trailer, _) if is_text(byte) => State::Trailer,
            (State::TrailerLf, b'\n') => State::TrailerStart,
            (State::EndLf, b'\n') => return Ok(State::Done),
            _ => {
                return Err(Broken::Malformed(
                    "a line around chunks is not text in CR LF",
                ));
            }
        };
        self.line += 1;
        let (longest, what) = match state {
            State::TrailerStart | State::Trailer | State::TrailerLf | State::EndLf => {
                (MAX_TRAILERS, "the trailers are too long")
            }
            _ => (MAX_SIZE_LINE, "a chunk's size line is too long"),
        };
        if self.line > longest {
            return Err(Broken::Malformed(what));
        }
        Ok(state)
    }

    fn digit(&mut self, byte: u8) -> Result<(), Broken> {
        let digit = char::from(byte).to_digit(16).unwrap_or_default();
        self.size = self
            .size
            .checked_mul(16)
            .and_then(|size| size.checked_add(u64::from(digit)))
            .ok_or(Broken::Malformed("a chunk's size is beyond all numbers"))?;
        Ok(())
    }
}

/// What may stand in a field's line (RFC 9110 §5.5).
fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(bytes: &[u8]) -> Result<(Vec<u8>, usize, bool), Broken> {
        let (mut chunked, mut body) = (Chunked::default(), Vec::new());
        let used = chunked.decode(bytes, &mut body)?;
        Ok((body, used, chunked.is_done()))
    }

    #[test]
    fn chunks_are_joined_and_what_follows_is_left() {
        let text = b"4\r\nWiki\r\n00A;name=\"va lue\"\r\npedia in\r\n\r\n1 \r\nx\r\n0\r\nA: b\r\nC: d\r\n\r\nHTTP/1.1";
        let (body, used, done) = decode(text).unwrap();
        assert_eq!(body, b"Wikipedia in\r\nx");
        assert_eq!(&text[used..], b"HTTP/1.1");
        assert!(done);
    }

    #[test]
    fn every_cut_gives_the_same() {
        let text = b"3;a=b\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\nX-T: 1\r\n\r\n";
        for cut in 0..=text.len() {
            let (first, second) = text.split_at(cut);
            let (mut chunked, mut body) = (Chunked::default(), Vec::new());
            assert_eq!(chunked.decode(first, &mut body).unwrap(), first.len());
            assert_eq!(chunked.is_done(), cut == text.len());
            assert_eq!(chunked.decode(second, &mut body).unwrap(), second.len());
            assert!(chunked.is_done());
            assert_eq!(body, b"abc0123456789abcdef");
        }
    }

    #[test]
    fn what_is_no_chunk_is_refused() {
        let long_extension = format!("1;{}\r\nx\r\n0\r\n\r\n", "e".repeat(2000));
        let long_trailer = format!("0\r\na: {}\r\n\r\n", "t".repeat(20_000));
        let zeros = format!("{}\r\n\r\n", "0".repeat(2000));
        for text in [
            "\r\n",
            "g\r\n",
            "-1\r\nx\r\n",
            "+1\r\nx\r\n",
            " 1\r\nx\r\n",
            "0x1\r\nx\r\n",
            "1\nx\r\n",
            "1\rx",
            "1\r\nxy\r\n",
            "1\r\nx\n",
            "1\r\nx\ry",
            "1;a\nb\r\nx\r\n",
            "1;a\0b\r\nx\r\n",
            "10000000000000000\r\n",
            "fffffffffffffffff\r\n",
            "0\r\na: b\n\r\n",
            "0\r\na: \0\r\n\r\n",
            "0\r\na: b\rc\r\n\r\n",
            "0\r\n\n",
            "0\r\n\rx",
            &long_extension,
            &long_trailer,
            &zeros,
        ] {
            assert!(decode(text.as_bytes()).is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_largest_size_is_a_size() {
        let (body, _, done) = decode(b"ffffffffffffffff\r\nabc").unwrap();
        assert_eq!(body, b"abc");
        assert!(!done);
    }
}
