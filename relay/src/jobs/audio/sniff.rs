//! What an upload is, told from its first bytes: names and content types are whatever the client
//! says.

/// Bytes that decide.
pub(in crate::jobs) const HEAD: usize = 12;

/// A form of audio that transcription takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::jobs) struct Format {
    /// File name extension: providers go by it.
    pub(in crate::jobs) extension: &'static str,
    /// Content type.
    pub(in crate::jobs) mime: &'static str,
}

impl Format {
    const fn new(extension: &'static str, mime: &'static str) -> Self {
        Self { extension, mime }
    }

    /// The one with this extension.
    pub(in crate::jobs) fn of_extension(extension: &str) -> Option<Self> {
        ALL.into_iter().find(|known| known.extension == extension)
    }
}

const FLAC: Format = Format::new("flac", "audio/flac");
const MP3: Format = Format::new("mp3", "audio/mpeg");
const AAC: Format = Format::new("aac", "audio/aac");
const M4A: Format = Format::new("m4a", "audio/mp4");
const MP4: Format = Format::new("mp4", "video/mp4");
const MPEG: Format = Format::new("mpeg", "video/mpeg");
const OGG: Format = Format::new("ogg", "audio/ogg");
const WAV: Format = Format::new("wav", "audio/wav");
const WEBM: Format = Format::new("webm", "audio/webm");
const ALL: [Format; 9] = [FLAC, MP3, AAC, M4A, MP4, MPEG, OGG, WAV, WEBM];

/// The form of a file that begins with `head`.
pub(in crate::jobs) fn sniff(head: &[u8]) -> Option<Format> {
    Some(match head {
        [b'f', b'L', b'a', b'C', ..] => FLAC,
        [b'I', b'D', b'3', ..] => MP3,
        // ADTS: frame sync, layer 0. MPEG audio: frame sync and a layer.
        [0xff, second, ..] if second & 0xf6 == 0xf0 => AAC,
        [0xff, second, ..] if second & 0xe0 == 0xe0 && second & 0x06 != 0 => MP3,
        [
            _,
            _,
            _,
            _,
            b'f',
            b't',
            b'y',
            b'p',
            b'M',
            b'4',
            b'A' | b'B',
            ..,
        ] => M4A,
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => MP4,
        [0, 0, 1, 0xba | 0xb3, ..] => MPEG,
        [b'O', b'g', b'g', b'S', ..] => OGG,
        [
            b'R',
            b'I',
            b'F' | b'X',
            b'F' | b'R',
            _,
            _,
            _,
            _,
            b'W',
            b'A',
            b'V',
            b'E',
            ..,
        ] => WAV,
        // EBML: Matroska and WebM.
        [0x1a, 0x45, 0xdf, 0xa3, ..] => WEBM,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_told_by_their_first_bytes() {
        let cases: [(&[u8], Option<&str>); 15] = [
            (b"fLaC\0\0\0\x22", Some("flac")),
            (b"ID3\x04\0\0\0\0\0\0", Some("mp3")),
            (&[0xff, 0xfb, 0x90, 0x64], Some("mp3")),
            (&[0xff, 0xf1, 0x50, 0x80], Some("aac")),
            (b"\0\0\0\x20ftypM4A ", Some("m4a")),
            (b"\0\0\0\x18ftypisom", Some("mp4")),
            (&[0, 0, 1, 0xba, 0x44], Some("mpeg")),
            (b"OggS\0\x02", Some("ogg")),
            (b"RIFF\x24\x08\0\0WAVEfmt ", Some("wav")),
            (&[0x1a, 0x45, 0xdf, 0xa3, 1], Some("webm")),
            (b"RIFF\x24\x08\0\0AVI LIST", None),
            (b"%PDF-1.7", None),
            (b"<!doctype html>", None),
            (&[0xff, 0xd8, 0xff, 0xe0], None),
            (b"", None),
        ];
        for (head, expected) in cases {
            assert_eq!(sniff(head).map(|form| form.extension), expected, "{head:?}");
        }
        for format in ALL {
            assert_eq!(Format::of_extension(format.extension), Some(format));
        }
    }
}
