//! Parameters of `Content-Type` and `Content-Disposition`, the boundary among them.

/// RFC 2046 §5.1.1.
const MAX_BOUNDARY: usize = 70;

/// The boundary of a `multipart/form-data` content type.
#[must_use]
pub fn boundary(content_type: &str) -> Option<String> {
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let mut found = None;
    for (name, value) in Parameters(parameters) {
        if name.eq_ignore_ascii_case("boundary") {
            if found.is_some() {
                return None;
            }
            found = Some(value?);
        }
    }
    let boundary = found?;
    let usable = !boundary.is_empty()
        && boundary.len() <= MAX_BOUNDARY
        && !boundary.ends_with(' ')
        && boundary
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&byte));
    usable.then_some(boundary)
}

/// `name=value` pairs behind a `;`. A value that cannot be read is `None`.
pub(super) struct Parameters<'a>(pub(super) &'a str);

impl<'a> Iterator for Parameters<'a> {
    type Item = (&'a str, Option<String>);

    fn next(&mut self) -> Option<Self::Item> {
        let text = self.0.trim_start_matches([' ', '\t', ';']);
        if text.is_empty() {
            return None;
        }
        let end = text.find(['=', ';']).unwrap_or(text.len());
        let name = text.get(..end).unwrap_or_default().trim();
        let rest = text.get(end..).unwrap_or_default();
        let Some(rest) = rest.strip_prefix('=') else {
            self.0 = rest;
            return Some((name, None));
        };
        let rest = rest.trim_start_matches([' ', '\t']);
        let Some(quoted) = rest.strip_prefix('"') else {
            let end = rest.find(';').unwrap_or(rest.len());
            let value = rest.get(..end).unwrap_or_default().trim_end();
            self.0 = rest.get(end..).unwrap_or_default();
            return Some((name, (!value.contains('"')).then(|| value.into())));
        };
        let mut value = String::new();
        let mut chars = quoted.char_indices();
        while let Some((at, char)) = chars.next() {
            match char {
                '"' => {
                    let rest = quoted.get(at + 1..).unwrap_or_default();
                    let rest = rest.trim_start_matches([' ', '\t']);
                    self.0 = rest;
                    let clean = rest.is_empty() || rest.starts_with(';');
                    return Some((name, clean.then_some(value)));
                }
                '\\' => match chars.next() {
                    Some((_, escaped)) => value.push(escaped),
                    None => break,
                },
                _ => value.push(char),
            }
        }
        self.0 = "";
        Some((name, None))
    }
}
