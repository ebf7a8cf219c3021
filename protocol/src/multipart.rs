//! Fields of a `multipart/form-data` body (RFC 7578), found as it streams by.
//!
//! Only small text fields are kept; files pass without being stored. The fields of an upload may
//! come in any order.

mod error;
mod parameters;

pub use error::FormError;
pub use parameters::boundary;

use crate::text;
use parameters::Parameters;
use std::ops::Range;

/// Longest value of a watched field in bytes.
pub const MAX_FIELD: usize = 1024;
/// Longest header section of one part in bytes.
const MAX_PART_HEADERS: usize = 8 * 1024;

/// A watched field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormField {
    /// Its name, as watched.
    pub name: &'static str,
    /// Its value.
    pub value: String,
    /// Where the value stands in the body.
    pub span: Range<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Text before the first boundary.
    Preamble,
    /// Directly behind a boundary: `--` ends the form, a line break begins a part.
    Behind,
    /// Behind `--boundary--`: white space only.
    Epilogue,
    Headers,
    Body,
}

/// Reads a form in chunks of any size.
#[derive(Debug)]
pub struct FormScanner {
    names: &'static [&'static str],
    /// `\r\n--` and the boundary.
    delimiter: Vec<u8>,
    /// How many bytes of the delimiter the input has just matched.
    matched: usize,
    state: State,
    /// Header section, or the few bytes behind a boundary.
    pending: Vec<u8>,
    /// Value of the watched field being read.
    value: Vec<u8>,
    current: Option<&'static str>,
    start: usize,
    offset: usize,
    fields: Vec<FormField>,
}

impl FormScanner {
    /// Watches for fields of these names in a body with this [`boundary`].
    #[must_use]
    pub fn new(boundary: &str, names: &'static [&'static str]) -> Self {
        let delimiter = [b"\r\n--", boundary.as_bytes()].concat();
        Self {
            names,
            delimiter,
            // The body may begin with the boundary: the line break before it is implied.
            matched: 2,
            state: State::Preamble,
            pending: Vec::new(),
            value: Vec::new(),
            current: None,
            start: 0,
            offset: 0,
            fields: Vec::new(),
        }
    }

    /// A watched field, once it has been read whole.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&FormField> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// All watched fields read so far, in order.
    #[must_use]
    pub fn fields(&self) -> &[FormField] {
        &self.fields
    }

    /// Whether the closing boundary has been read.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.state == State::Epilogue
    }

    /// Reads a chunk.
    ///
    /// # Errors
    /// [`FormError`]; the scanner must not be used after one.
    pub fn feed(&mut self, chunk: &[u8]) -> Result<(), FormError> {
        let mut rest = chunk;
        while let Some((&byte, behind)) = rest.split_first() {
            match self.state {
                State::Preamble | State::Body => {
                    if self.matched == 0 {
                        // A file is mostly bytes that begin no delimiter: skip them at once.
                        let run = rest
                            .iter()
                            .position(|&byte| byte == b'\r')
                            .unwrap_or(rest.len());
                        if run > 0 {
                            self.keep(rest.get(..run).unwrap_or_default())?;
                            self.offset += run;
                            rest = rest.get(run..).unwrap_or_default();
                            continue;
                        }
                    }
                    self.data_byte(byte)?;
                }
                State::Behind => self.behind_byte(byte)?,
                State::Headers => self.header_byte(byte)?,
                // Some parsers read on behind the end; nobody sends anything there.
                State::Epilogue if matches!(byte, b'\r' | b'\n' | b' ' | b'\t') => {}
                State::Epilogue => return Err(FormError::Syntax),
            }
            self.offset += 1;
            rest = behind;
        }
        Ok(())
    }

    /// Ends the body.
    ///
    /// # Errors
    /// [`FormError::Truncated`] when the closing boundary has not been read.
    pub fn finish(&self) -> Result<(), FormError> {
        if self.is_done() {
            Ok(())
        } else {
            Err(FormError::Truncated)
        }
    }

    fn keep(&mut self, bytes: &[u8]) -> Result<(), FormError> {
        if self.current.is_some() {
            if self.value.len() + bytes.len() > MAX_FIELD {
                return Err(FormError::BadValue);
            }
            self.value.extend_from_slice(bytes);
        }
        Ok(())
    }

    /// One byte of a part's body. The delimiter begins with the only CR it holds, so a mismatch
    /// can only begin anew at that byte.
    fn data_byte(&mut self, byte: u8) -> Result<(), FormError> {
        if self.delimiter.get(self.matched) == Some(&byte) {
            self.matched += 1;
            if self.matched == self.delimiter.len() {
                self.matched = 0;
                self.part_end()?;
                self.pending.clear();
                self.state = State::Behind;
            }
            return Ok(());
        }
        let matched = core::mem::take(&mut self.matched);
        // What looked like a delimiter was data. (In the preamble nothing is kept, so the
        // implied line break does not show.)
        if self.current.is_some() && matched > 0 {
            let data: Vec<u8> = self.delimiter.iter().take(matched).copied().collect();
            self.keep(&data)?;
        }
        if byte == b'\r' {
            self.matched = 1;
            return Ok(());
        }
        self.keep(&[byte])
    }

    fn behind_byte(&mut self, byte: u8) -> Result<(), FormError> {
        self.pending.push(byte);
        match self.pending.as_slice() {
            b"--" => self.state = State::Epilogue,
            [padding @ .., b'\r', b'\n'] if padding.iter().all(|&b| b == b' ' || b == b'\t') => {
                self.pending.clear();
                self.state = State::Headers;
            }
            b"-" => {}
            [padding @ .., b'\r'] | padding
                if padding.len() <= 64 && padding.iter().all(|&b| b == b' ' || b == b'\t') => {}
            _ => return Err(FormError::Syntax),
        }
        Ok(())
    }

    fn header_byte(&mut self, byte: u8) -> Result<(), FormError> {
        self.pending.push(byte);
        if self.pending.len() > MAX_PART_HEADERS {
            return Err(FormError::HeadersTooLong);
        }
        if self.pending == b"\r\n" || self.pending.ends_with(b"\r\n\r\n") {
            let headers = core::mem::take(&mut self.pending);
            self.current = self.watched(&headers)?;
            self.value.clear();
            self.start = self.offset + 1;
            self.state = State::Body;
            // An empty part's delimiter follows directly.
            self.matched = 0;
        }
        Ok(())
    }

    /// Which watched field a part's headers name.
    fn watched(&self, headers: &[u8]) -> Result<Option<&'static str>, FormError> {
        let headers = core::str::from_utf8(headers).map_err(|_| FormError::Syntax)?;
        let mut name: Option<String> = None;
        let mut plain = true;
        let mut rest = headers;
        while !rest.is_empty() {
            let (line, behind) = text::split_once(rest, "\r\n").unwrap_or((rest, ""));
            rest = behind;
            if line.is_empty() {
                continue;
            }
            if line.starts_with([' ', '\t']) || line.contains(['\r', '\n', '\0']) {
                // Folded headers and bare line breaks are read differently by different parsers.
                return Err(FormError::Syntax);
            }
            let (key, value) = line.split_once(':').ok_or(FormError::Syntax)?;
            if key.eq_ignore_ascii_case("content-transfer-encoding") {
                plain = false;
            }
            if !key.eq_ignore_ascii_case("content-disposition") {
                continue;
            }
            let (kind, parameters) = value.split_once(';').ok_or(FormError::Syntax)?;
            if !kind.trim().eq_ignore_ascii_case("form-data") || name.is_some() {
                return Err(FormError::Syntax);
            }
            for (key, value) in Parameters(parameters) {
                if key.eq_ignore_ascii_case("name") {
                    if name.is_some() {
                        return Err(FormError::Ambiguous);
                    }
                    name = Some(value.ok_or(FormError::Syntax)?);
                } else if key.eq_ignore_ascii_case("name*") {
                    return Err(FormError::Ambiguous);
                } else if key.eq_ignore_ascii_case("filename")
                    || key.eq_ignore_ascii_case("filename*")
                {
                    plain = false;
                }
            }
        }
        let name = name.ok_or(FormError::Syntax)?;
        // Some parsers percent-decode names, as browsers percent-encode quotes in them.
        let decoded = crate::path::decode(&name).unwrap_or_default();
        let Some(watched) = self
            .names
            .iter()
            .find(|known| known.eq_ignore_ascii_case(decoded.trim()))
            .copied()
        else {
            return Ok(None);
        };
        if watched != name || !plain {
            return Err(FormError::Ambiguous);
        }
        if self.field(watched).is_some() {
            return Err(FormError::Duplicate);
        }
        Ok(Some(watched))
    }

    fn part_end(&mut self) -> Result<(), FormError> {
        if let Some(name) = self.current.take() {
            let value = core::mem::take(&mut self.value);
            let span = self.start..self.start + value.len();
            let value = String::from_utf8(value).map_err(|_| FormError::BadValue)?;
            self.fields.push(FormField { name, value, span });
        }
        Ok(())
    }
}
