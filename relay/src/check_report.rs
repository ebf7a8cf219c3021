//! What a provider's answer to the cheap check tells beyond its status.

use keyferry_protocol::Verdict;
use keyferry_protocol::catalogue::CheckBody;
use serde::Serialize;
use serde_json::Value;

/// Most models named in one answer; a person picks from them, no list is longer than this.
const MAX_MODELS: usize = 1000;

/// Longest model name that is repeated.
const MAX_NAME: usize = 128;

/// Facts from an answer. Everything in it is a number or a name of a model.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Report {
    /// Models the key may use.
    pub(crate) models: Option<Vec<String>>,
    /// What is left on the account.
    pub(crate) credit: Option<Credit>,
    /// A verdict that the body holds although the status was good.
    pub(crate) verdict: Option<Verdict>,
}

/// Money as the provider reports it.
#[derive(Debug, Default, PartialEq, Serialize)]
pub(crate) struct Credit {
    /// What is left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) remaining: Option<f64>,
    /// What was used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) used: Option<f64>,
    /// What may be used at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) limit: Option<f64>,
    /// ISO 4217.
    pub(crate) currency: &'static str,
}

/// Reads the body of a 200; any other status, and any body of another form, tells nothing.
pub(crate) fn read_report(form: CheckBody, status: u16, body: &[u8]) -> Report {
    if status != 200 {
        return Report::default();
    }
    let Ok(body) = serde_json::from_slice::<Value>(body) else {
        return Report::default();
    };
    match form {
        CheckBody::ModelList => models(body.get("data"), "id", ""),
        CheckBody::GoogleModelList => models(body.get("models"), "name", "models/"),
        CheckBody::OpenRouterKey => openrouter(&body),
        CheckBody::DeepSeekBalance => deepseek(&body),
        CheckBody::XaiKey => xai(&body),
        CheckBody::Opaque => Report::default(),
    }
}

fn models(list: Option<&Value>, field: &str, prefix: &str) -> Report {
    let models = list.and_then(Value::as_array).map(|list| {
        list.iter()
            .filter_map(|model| model.get(field)?.as_str())
            .map(|name| name.strip_prefix(prefix).unwrap_or(name))
            .filter(|name| name.len() <= MAX_NAME && !name.chars().any(char::is_control))
            .take(MAX_MODELS)
            .map(str::to_owned)
            .collect()
    });
    Report {
        models,
        ..Report::default()
    }
}

fn openrouter(body: &Value) -> Report {
    let number = |field: &str| body.get("data").and_then(|data| data.get(field)?.as_f64());
    let credit = Credit {
        remaining: number("limit_remaining"),
        used: number("usage"),
        limit: number("limit"),
        currency: "USD",
    };
    let spent = credit.remaining.is_some_and(|left| left <= 0.0);
    Report {
        credit: body.get("data").is_some().then_some(credit),
        verdict: spent.then_some(Verdict::NoCredit),
        ..Report::default()
    }
}

fn deepseek(body: &Value) -> Report {
    let balance = body
        .get("balance_infos")
        .and_then(Value::as_array)
        .and_then(|all| all.first());
    let credit = balance.map(|balance| Credit {
        // Written as text: "12.34".
        remaining: balance
            .get("total_balance")
            .and_then(Value::as_str)
            .and_then(|t| t.parse().ok()),
        currency: match balance.get("currency").and_then(Value::as_str) {
            Some("CNY") => "CNY",
            _ => "USD",
        },
        ..Credit::default()
    });
    let empty = body.get("is_available") == Some(&Value::Bool(false));
    Report {
        credit,
        verdict: empty.then_some(Verdict::NoCredit),
        ..Report::default()
    }
}

fn xai(body: &Value) -> Report {
    let set = |field: &str| body.get(field) == Some(&Value::Bool(true));
    let verdict = if set("api_key_blocked") || set("api_key_disabled") {
        Some(Verdict::Invalid)
    } else if set("team_blocked") {
        Some(Verdict::WrongScope)
    } else {
        None
    };
    Report {
        verdict,
        ..Report::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn report(form: CheckBody, body: &Value) -> Report {
        read_report(form, 200, body.to_string().as_bytes())
    }

    #[test]
    fn model_lists() {
        let openai = json!({ "object": "list", "data": [{ "id": "gpt-4o" }, { "id": 3 }, {}] });
        assert_eq!(
            report(CheckBody::ModelList, &openai).models,
            Some(vec!["gpt-4o".to_owned()])
        );
        let google = json!({ "models": [{ "name": "models/gemini-2.5-pro" }] });
        assert_eq!(
            report(CheckBody::GoogleModelList, &google).models,
            Some(vec!["gemini-2.5-pro".to_owned()])
        );
        assert_eq!(
            report(CheckBody::ModelList, &json!({ "data": 1 })).models,
            None
        );
    }

    #[test]
    fn credit() {
        let openrouter = json!({ "data": { "limit": 10.0, "limit_remaining": 2.5, "usage": 7.5 } });
        let found = report(CheckBody::OpenRouterKey, &openrouter);
        assert_eq!(found.credit.unwrap().remaining, Some(2.5));
        assert_eq!(found.verdict, None);
        let spent = json!({ "data": { "limit": 10, "limit_remaining": 0, "usage": 10 } });
        assert_eq!(
            report(CheckBody::OpenRouterKey, &spent).verdict,
            Some(Verdict::NoCredit)
        );
        let unlimited = json!({ "data": { "limit": null, "limit_remaining": null, "usage": 1 } });
        assert_eq!(report(CheckBody::OpenRouterKey, &unlimited).verdict, None);

        let deepseek = json!({ "is_available": false,
            "balance_infos": [{ "currency": "CNY", "total_balance": "0.10" }] });
        let found = report(CheckBody::DeepSeekBalance, &deepseek);
        assert_eq!(found.verdict, Some(Verdict::NoCredit));
        assert_eq!(found.credit.unwrap().currency, "CNY");
    }

    #[test]
    fn blocked_keys_with_a_good_status() {
        let ok = json!({ "api_key_blocked": false, "api_key_disabled": false });
        assert_eq!(report(CheckBody::XaiKey, &ok).verdict, None);
        let blocked = json!({ "api_key_blocked": true });
        assert_eq!(
            report(CheckBody::XaiKey, &blocked).verdict,
            Some(Verdict::Invalid)
        );
        let team = json!({ "team_blocked": true });
        assert_eq!(
            report(CheckBody::XaiKey, &team).verdict,
            Some(Verdict::WrongScope)
        );
    }

    #[test]
    fn other_statuses_and_forms_tell_nothing() {
        assert_eq!(
            read_report(CheckBody::ModelList, 401, b"{\"data\":[]}"),
            Report::default()
        );
        assert_eq!(
            read_report(CheckBody::ModelList, 200, b"<html>"),
            Report::default()
        );
    }
}
