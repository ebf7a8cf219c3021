//! A length-checked binary codec: big-endian integers, length-prefixed bytes, nothing implicit.

use zeroize::Zeroizing;

use super::FormatError;

/// Appends fields to a buffer that wipes itself.
#[derive(Default)]
pub struct Writer(Zeroizing<Vec<u8>>);

impl Writer {
    /// An empty buffer with room for a small record, so that growing leaves no copies behind.
    #[must_use]
    pub fn new() -> Self {
        Self(Zeroizing::new(Vec::with_capacity(512)))
    }

    /// One byte.
    pub fn u8(&mut self, value: u8) -> &mut Self {
        self.bytes(&[value])
    }

    /// Two bytes.
    pub fn u16(&mut self, value: u16) -> &mut Self {
        self.bytes(&value.to_be_bytes())
    }

    /// Four bytes.
    pub fn u32(&mut self, value: u32) -> &mut Self {
        self.bytes(&value.to_be_bytes())
    }

    /// Eight bytes.
    pub fn u64(&mut self, value: u64) -> &mut Self {
        self.bytes(&value.to_be_bytes())
    }

    /// Bytes of a length the reader knows.
    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        if self.0.capacity() - self.0.len() < bytes.len() {
            // `Vec` would move its content and leave the old allocation unwiped.
            let mut grown = Zeroizing::new(Vec::with_capacity((self.0.len() + bytes.len()) * 2));
            grown.extend_from_slice(&self.0);
            self.0 = grown;
        }
        self.0.extend_from_slice(bytes);
        self
    }

    /// A `u16` length, then the bytes.
    ///
    /// # Errors
    /// [`FormatError::Malformed`] for more than 65,535 bytes.
    pub fn short(&mut self, bytes: &[u8]) -> Result<&mut Self, FormatError> {
        let len = u16::try_from(bytes.len()).map_err(|_| FormatError::Malformed)?;
        Ok(self.u16(len).bytes(bytes))
    }

    /// A presence byte, then eight bytes (zero when absent): always nine bytes.
    pub fn optional_u64(&mut self, value: Option<u64>) -> &mut Self {
        self.u8(u8::from(value.is_some())).u64(value.unwrap_or(0))
    }

    /// What was written.
    #[must_use]
    pub fn finish(self) -> Zeroizing<Vec<u8>> {
        self.0
    }

    /// What was written, when it holds no secret.
    #[must_use]
    pub fn finish_public(mut self) -> Vec<u8> {
        std::mem::take(&mut *self.0)
    }
}

/// Reads fields; every read is bounds-checked.
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Starts at the first byte.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The next `len` bytes.
    ///
    /// # Errors
    /// [`FormatError::Malformed`] when fewer are left; so for all readers below.
    pub fn take(&mut self, len: usize) -> Result<&'a [u8], FormatError> {
        let (head, tail) = self.0.split_at_checked(len).ok_or(FormatError::Malformed)?;
        self.0 = tail;
        Ok(head)
    }

    /// The next `N` bytes.
    ///
    /// # Errors
    /// See [`Reader::take`].
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], FormatError> {
        self.take(N)?.try_into().map_err(|_| FormatError::Malformed)
    }

    /// One byte.
    ///
    /// # Errors
    /// See [`Reader::take`].
    pub fn u8(&mut self) -> Result<u8, FormatError> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// A byte that is 0 or 1.
    ///
    /// # Errors
    /// [`FormatError::Malformed`] for any other byte, or at the end.
    pub fn bool(&mut self) -> Result<bool, FormatError> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(FormatError::Malformed),
        }
    }

    /// Two bytes.
    ///
    /// # Errors
    /// See [`Reader::take`].
    pub fn u16(&mut self) -> Result<u16, FormatError> {
        self.array().map(u16::from_be_bytes)
    }

    /// Four bytes.
    ///
    /// # Errors
    /// See [`Reader::take`].
    pub fn u32(&mut self) -> Result<u32, FormatError> {
        self.array().map(u32::from_be_bytes)
    }

    /// Eight bytes.
    ///
    /// # Errors
    /// See [`Reader::take`].
    pub fn u64(&mut self) -> Result<u64, FormatError> {
        self.array().map(u64::from_be_bytes)
    }

    /// A `u16` length, then that many bytes.
    ///
    /// # Errors
    /// See [`Reader::take`].
    pub fn short(&mut self) -> Result<&'a [u8], FormatError> {
        let len = self.u16()?;
        self.take(usize::from(len))
    }

    /// A `u16` length, then UTF-8.
    ///
    /// # Errors
    /// [`FormatError::Malformed`] when it is not UTF-8, or at the end.
    pub fn text(&mut self) -> Result<String, FormatError> {
        let bytes = self.short()?;
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(text.to_owned()),
            Err(_) => Err(FormatError::Malformed),
        }
    }

    /// A presence byte, then eight bytes.
    ///
    /// # Errors
    /// [`FormatError::Malformed`] when an absent value is not zero, or at the end.
    pub fn optional_u64(&mut self) -> Result<Option<u64>, FormatError> {
        match (self.bool()?, self.u64()?) {
            (true, value) => Ok(Some(value)),
            (false, 0) => Ok(None),
            (false, _) => Err(FormatError::Malformed),
        }
    }

    /// What has not been read yet.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.0
    }

    /// Ends the reading; bytes left over are an error, so that nothing hides behind a record.
    ///
    /// # Errors
    /// [`FormatError::Malformed`] when bytes are left.
    pub fn finish(self) -> Result<(), FormatError> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(FormatError::Malformed)
        }
    }
}
