//! Model names compared as the operator means them, not as they are spelt.

/// One key of `[tiers]`: a name, or the beginning of names when it ends with `*`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    text: String,
    open: bool,
}

impl Pattern {
    pub(super) fn new(text: &str) -> Self {
        let folded = fold(text);
        match folded.strip_suffix('*') {
            Some(beginning) => Self {
                text: beginning.to_owned(),
                open: true,
            },
            None => Self {
                text: folded,
                open: false,
            },
        }
    }

    /// Names before beginnings, longer before shorter.
    pub(super) fn rank(&self) -> (bool, usize) {
        (!self.open, self.text.len())
    }

    /// Whether it is this very name.
    pub(super) fn is(&self, name: &str) -> bool {
        !self.open && self.text == name
    }

    /// Whether it covers `name`, which [`spellings`] folded.
    pub(super) fn matches(&self, name: &str) -> bool {
        match name.strip_prefix(self.text.as_str()) {
            Some(rest) => self.open || is_edition(rest),
            None => false,
        }
    }
}

/// Whether what follows a model's name selects an edition of the same model: nothing, a date or
/// serial number (`-2024-08-06`, `-20241022`, `-0613`, `-001`), `-latest`, `-preview…`, `-exp…`,
/// or a variant (`:online`, `@001`).
fn is_edition(rest: &str) -> bool {
    if rest.is_empty() || rest.starts_with([':', '@']) {
        return true;
    }
    let Some(rest) = rest.strip_prefix('-') else {
        return false;
    };
    let word_ends = |rest: &str| rest.is_empty() || rest.starts_with(['-', ':', '@']);
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    // One or two digits are a version: `claude-sonnet-4` is not `claude-sonnet-4-5`.
    if digits >= 3 && rest.get(digits..).is_some_and(word_ends) {
        return true;
    }
    ["latest", "preview", "exp", "experimental"]
        .iter()
        .any(|word| rest.strip_prefix(word).is_some_and(word_ends))
}

/// Letter case, surrounding space, and the point or hyphen of a version number do not tell models
/// apart: OpenRouter writes `claude-3.5-sonnet` for Anthropic's `claude-3-5-sonnet`.
fn fold(name: &str) -> String {
    name.trim().to_lowercase().replace('.', "-")
}

/// Every name under which a rule may list the model: as given, without each leading vendor or
/// collection, and the base of a fine-tuned model.
pub(super) fn spellings(model: &str) -> Vec<String> {
    let whole = fold(model);
    let mut names = vec![whole.clone()];
    let mut rest = whole.as_str();
    while let Some((_, behind)) = rest.split_once('/') {
        names.push(behind.to_owned());
        rest = behind;
    }
    let bases: Vec<String> = names
        .iter()
        .filter_map(|name| Some(name.strip_prefix("ft:")?.split(':').next()?.to_owned()))
        .collect();
    names.extend(bases);
    names
}

/// Whether the name leaves the choice of the model to someone else: OpenRouter's router and its
/// stored presets.
pub(super) fn is_indirect(model: &str) -> bool {
    let folded = fold(model);
    folded.contains("@preset/")
        || folded
            .rsplit('/')
            .next()
            .is_some_and(|last| last == "auto" || last.starts_with("auto:"))
}
