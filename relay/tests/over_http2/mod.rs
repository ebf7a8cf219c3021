//! HTTP/2 connections, which callers share: what one of them does or does not take, and what a
//! provider refuses, is no other's loss.

mod cancellation;
mod peer;
mod refusals;
mod windows;

use std::time::Duration;

/// Far above what an answer needs on a busy machine: what is held up here is so for ever.
const PATIENCE: Duration = Duration::from_secs(20);
const CHAT: &str = "/providers/openai/v1/chat/completions";
const QUESTION: &str = r#"{"model":"my-model","messages":[]}"#;
