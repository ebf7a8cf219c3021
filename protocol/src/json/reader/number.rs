//! The grammar of numbers (RFC 8259, section 6).

/// How far a number has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Digits {
    Start,
    /// After `-`.
    Sign,
    /// A leading `0`.
    Zero,
    Integer,
    /// After `.`: a digit must follow.
    Point,
    Fraction,
    /// After `e`.
    Marker,
    /// After the exponent's sign: a digit must follow.
    Signed,
    /// In the exponent's digits.
    Power,
}

impl Digits {
    const fn next(self, byte: u8) -> Option<Self> {
        match (self, byte) {
            (Self::Start, b'-') => Some(Self::Sign),
            (Self::Start | Self::Sign, b'0') => Some(Self::Zero),
            (Self::Start | Self::Sign, b'1'..=b'9') | (Self::Integer, b'0'..=b'9') => {
                Some(Self::Integer)
            }
            (Self::Zero | Self::Integer, b'.') => Some(Self::Point),
            (Self::Zero | Self::Integer | Self::Fraction, b'e' | b'E') => Some(Self::Marker),
            (Self::Point | Self::Fraction, b'0'..=b'9') => Some(Self::Fraction),
            (Self::Marker, b'+' | b'-') => Some(Self::Signed),
            (Self::Marker | Self::Signed | Self::Power, b'0'..=b'9') => Some(Self::Power),
            _ => None,
        }
    }

    /// Reads on in `text`: how many bytes of it belong to the number.
    pub(super) fn advance(&mut self, text: &[u8]) -> usize {
        let mut digits = *self;
        let mut taken = 0;
        while let Some(next) = text.get(taken).and_then(|&byte| digits.next(byte)) {
            digits = next;
            taken += 1;
        }
        *self = digits;
        taken
    }

    /// Whether the number may end here.
    pub(super) const fn complete(self) -> bool {
        matches!(
            self,
            Self::Zero | Self::Integer | Self::Fraction | Self::Power
        )
    }
}
