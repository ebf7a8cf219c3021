//! The shipped samples are accepted by the relay they are for.

use std::path::Path;

use keyferry_relay::Config;

const COMPOSE: &str = include_str!("../../deploy/compose/relay.toml");
const KUBERNETES: &str = include_str!("../../deploy/kubernetes/keyferry.yaml");
const NGINX: &str = include_str!("../../deploy/nginx/keyferry.conf");
const DOCUMENT: &str = include_str!("../../docs/operating.md");

fn parse(name: &str, text: &str) -> Config {
    Config::parse(text, Path::new(name), std::iter::empty())
        .unwrap_or_else(|error| panic!("{name}: {error}\n{text}"))
}

/// Lines behind `begin` that are indented by `indent`, without it.
fn indented(text: &str, begin: &str, indent: &str) -> String {
    text.split_once(begin)
        .expect(begin)
        .1
        .lines()
        .skip(1)
        .take_while(|line| line.starts_with(indent) || line.trim().is_empty())
        .map(|line| format!("{}\n", line.strip_prefix(indent).unwrap_or("")))
        .collect()
}

#[test]
fn configurations_in_the_samples_are_valid() {
    parse("compose", COMPOSE);
    let config = parse("kubernetes", &indented(KUBERNETES, "relay.toml: |", "    "));
    assert!(config.server.allow_plain_http);
    let config = parse(
        "nginx",
        &indented(NGINX, "The relay itself needs:\n#", "#   "),
    );
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:8787");
    assert_eq!(
        config.vault.origin.unwrap().as_str(),
        "https://vault.example"
    );
}

#[test]
fn examples_in_the_document_are_valid() {
    let blocks: Vec<&str> = DOCUMENT
        .split("```toml\n")
        .skip(1)
        .map(|rest| rest.split_once("```").unwrap().0)
        .collect();
    assert!(blocks.len() >= 2);
    for block in blocks {
        parse("operating.md", block);
    }
}

#[test]
fn every_field_of_the_configuration_is_documented() {
    let text = Config::default().to_redacted_toml().unwrap();
    let table: toml::Table = text.parse().unwrap();
    for (section, fields) in &table {
        let Some(fields) = fields.as_table() else {
            continue;
        };
        for field in fields.keys() {
            let short = field.trim_end_matches("_ms");
            let whole_section = format!("`{section}.*");
            assert!(
                DOCUMENT.contains(&format!("{section}.{field}"))
                    || DOCUMENT.contains(&format!("`{field}`"))
                    || DOCUMENT.contains(&format!("`{short}`"))
                    || (DOCUMENT.contains(&whole_section) && section != "timeouts"),
                "{section}.{field} is not in docs/operating.md"
            );
        }
    }
}

#[test]
fn timeouts_of_the_samples_outlast_the_relays() {
    let config = Config::default();
    let seconds = |name: &str| -> u64 {
        let line = NGINX
            .lines()
            .find(|line| line.trim().starts_with(name))
            .unwrap();
        let number: String = line.chars().filter(char::is_ascii_digit).collect();
        number.parse().unwrap()
    };
    assert!(seconds("proxy_read_timeout") > config.timeouts.first_byte.as_secs());
    assert!(seconds("proxy_send_timeout") > config.timeouts.first_byte.as_secs());
    assert!(seconds("send_timeout") > config.timeouts.write_idle.as_secs());
    assert!(seconds("keepalive_timeout") < config.timeouts.header.as_secs());
    let megabytes = seconds("client_max_body_size");
    assert!(megabytes * 1024 * 1024 > config.server.max_body_bytes);
}
