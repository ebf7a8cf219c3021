//! Which plans may use which models, whoever pays.
//!
//! ```text
//! plan ─► Gate (the tiers it includes)      request ─► Named (the models it would run)
//!              └──────────── admit ◄───────────┘
//! ```
//!
//! A request is judged by every model it could make a provider run. What cannot be told counts as
//! every tier, so hiding the model never widens a plan.

mod named;
mod pattern;

use std::collections::{BTreeMap, BTreeSet};

use keyferry_protocol::ErrorCode;

pub(crate) use named::model_in_path;
pub use named::{Named, RequestFacts, named};
use pattern::Pattern;

use crate::config::Config;
use crate::error::ApiError;

/// Tiers are small numbers the operator chooses.
pub type Tier = u32;

/// Name of the plan of callers whose token names none, or one that is not configured.
pub(crate) const DEFAULT_PLAN: &str = "default";

/// The operator's table, ready for lookups.
#[derive(Debug, Default)]
pub struct Tiers {
    /// Most specific first.
    rules: Vec<(Pattern, Tier)>,
    /// Tier of models that no rule names.
    otherwise: Tier,
    plans: BTreeMap<String, BTreeSet<Tier>>,
    /// Every tier that some model has.
    all: BTreeSet<Tier>,
}

impl Tiers {
    /// From `[tiers]` (model to tier, `*` for all others) and `[plans.<name>]` (tiers it includes).
    #[must_use]
    pub fn new<'a>(
        models: impl IntoIterator<Item = (&'a str, Tier)>,
        plans: impl IntoIterator<Item = (&'a str, Option<Vec<Tier>>)>,
    ) -> Self {
        let mut tiers = Self::default();
        for (model, tier) in models {
            if model == "*" {
                tiers.otherwise = tier;
            } else {
                tiers.rules.push((Pattern::new(model), tier));
            }
            tiers.all.insert(tier);
        }
        tiers.all.insert(tiers.otherwise);
        // Of rules that are equally specific the higher tier counts.
        tiers.rules.sort_by(|(a, tier_a), (b, tier_b)| {
            b.rank().cmp(&a.rank()).then_with(|| tier_b.cmp(tier_a))
        });
        tiers.plans = plans
            .into_iter()
            .map(|(name, included)| {
                let included = included.map_or_else(|| tiers.all.clone(), BTreeSet::from_iter);
                (name.to_owned(), included)
            })
            .collect();
        tiers
    }

    /// [`Tiers::new`] from the configuration.
    #[must_use]
    pub fn from_config(config: &Config) -> Self {
        if config.tiers.is_empty() {
            // Plans then differ in their limits only.
            return Self::default();
        }
        Self::new(
            config
                .tiers
                .iter()
                .map(|(model, tier)| (model.as_str(), *tier)),
            config
                .plans
                .iter()
                .map(|(name, plan)| (name.as_str(), plan.tiers.clone())),
        )
    }

    /// What holds for a caller with this plan. `None` when nothing has to be looked at: there are
    /// no plans, or this one includes every tier.
    #[must_use]
    pub fn gate(&self, plan: Option<&str>) -> Option<Gate<'_>> {
        if self.plans.is_empty() {
            return None;
        }
        let included = plan
            .and_then(|plan| self.plans.get(plan))
            .or_else(|| self.plans.get(DEFAULT_PLAN));
        match included {
            Some(included) if self.all.is_subset(included) => None,
            included => Some(Gate {
                tiers: self,
                included,
            }),
        }
    }

    /// The tier of a model, by whatever name a request gives it.
    fn tier_of(&self, model: &str) -> Tier {
        let names = pattern::spellings(model);
        self.rules
            .iter()
            .find(|(pattern, _)| names.iter().any(|name| pattern.matches(name)))
            .map_or(self.otherwise, |(_, tier)| *tier)
    }
}

/// A caller's limits.
#[derive(Clone, Copy, Debug)]
pub struct Gate<'t> {
    tiers: &'t Tiers,
    /// `None` for a caller without any plan: nothing is included.
    included: Option<&'t BTreeSet<Tier>>,
}

impl Gate<'_> {
    /// Admits a request by the models it names.
    ///
    /// # Errors
    /// `model_not_in_plan`.
    pub fn admit(&self, named: &Named) -> Result<(), ApiError> {
        match named {
            Named::Nothing => Ok(()),
            Named::Models(models) => models.iter().try_for_each(|model| self.admit_model(model)),
            Named::Unknown => Err(ApiError::new(
                ErrorCode::ModelNotInPlan,
                "the request does not say plainly which model it runs, and the caller's plan does not include them all",
            )),
        }
    }

    /// Admits one model.
    ///
    /// # Errors
    /// `model_not_in_plan`.
    pub fn admit_model(&self, model: &str) -> Result<(), ApiError> {
        // A name behind which another one is chosen, by the provider or by a stored preset.
        if pattern::is_indirect(model) && !self.is_listed(model) {
            return self.admit(&Named::Unknown);
        }
        let tier = self.tiers.tier_of(model);
        if self
            .included
            .is_some_and(|included| included.contains(&tier))
        {
            return Ok(());
        }
        Err(ApiError::new(
            ErrorCode::ModelNotInPlan,
            "the caller's plan does not include this model",
        ))
    }

    fn is_listed(&self, model: &str) -> bool {
        let names = pattern::spellings(model);
        self.tiers
            .rules
            .iter()
            .any(|(pattern, _)| names.iter().any(|name| pattern.is(name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tiers() -> Tiers {
        Tiers::new(
            [
                ("gpt-4o", 2),
                ("gpt-4o-mini", 1),
                ("claude-opus-*", 3),
                ("claude-3-5-sonnet", 2),
            ],
            [
                ("free", Some(vec![0, 1])),
                ("pro", Some(vec![0, 1, 2])),
                ("all", Some(vec![0, 1, 2, 3])),
            ],
        )
    }

    fn admitted(plan: &str, model: &str) -> bool {
        tiers()
            .gate(Some(plan))
            .is_none_or(|gate| gate.admit_model(model).is_ok())
    }

    #[test]
    fn a_plan_includes_its_tiers_only() {
        for (model, free, pro) in [
            ("gpt-4o", false, true),
            ("gpt-4o-mini", true, true),
            ("gpt-3.5-turbo", true, true),
            ("claude-opus-4-1", false, false),
        ] {
            assert_eq!(admitted("free", model), free, "free {model}");
            assert_eq!(admitted("pro", model), pro, "pro {model}");
            assert!(admitted("all", model), "all {model}");
        }
    }

    #[test]
    fn other_spellings_of_a_model_have_its_tier() {
        for model in [
            "GPT-4o",
            " gpt-4o ",
            "openai/gpt-4o",
            "openrouter/openai/gpt-4o",
            "openai/gpt-4o:online",
            "gpt-4o-2024-08-06",
            "openai/GPT-4O-2024-11-20",
            "gpt-4o-latest",
            "ft:gpt-4o-2024-08-06:org::id",
            "models/gpt-4o",
            "anthropic/claude-3.5-sonnet",
            "claude-3-5-sonnet-20241022",
            "claude-3-5-sonnet@20241022",
            "anthropic/claude-3.5-sonnet:beta",
        ] {
            assert!(!admitted("free", model), "{model}");
            assert!(admitted("pro", model), "{model}");
        }
    }

    #[test]
    fn neighbours_in_name_are_other_models() {
        for model in ["gpt-4o-mini-2024-07-18", "gpt-4", "gpt-4.1", "my-gpt-4o"] {
            assert!(admitted("free", model), "{model}");
        }
    }

    #[test]
    fn indirect_names_count_as_every_tier_unless_listed() {
        for model in [
            "openrouter/auto",
            "@preset/mine",
            "openai/gpt-4o-mini@preset/mine",
        ] {
            assert!(!admitted("pro", model), "{model}");
            assert!(admitted("all", model), "{model}");
        }
        let tiers = Tiers::new(
            [("openrouter/auto", 1), ("x", 2)],
            [("free", Some(vec![0, 1]))],
        );
        assert!(
            tiers
                .gate(Some("free"))
                .unwrap()
                .admit_model("openrouter/auto")
                .is_ok()
        );
    }

    #[test]
    fn unknown_plans_are_the_default_plan_or_nothing() {
        let gate = tiers();
        for plan in [None, Some("gold"), Some("")] {
            assert!(
                gate.gate(plan)
                    .unwrap()
                    .admit_model("gpt-3.5-turbo")
                    .is_err(),
                "{plan:?}"
            );
        }
        let with_default = Tiers::new([("a", 1)], [("default", Some(vec![0]))]);
        assert!(with_default.gate(None).unwrap().admit_model("b").is_ok());
        assert!(
            with_default
                .gate(Some("gold"))
                .unwrap()
                .admit_model("a")
                .is_err()
        );
    }

    #[test]
    fn without_plans_nothing_is_looked_at() {
        assert!(Tiers::new([("gpt-4o", 2)], Vec::new()).gate(None).is_none());
        assert!(tiers().gate(Some("all")).is_none());
    }

    #[test]
    fn a_plan_without_tiers_includes_all() {
        let tiers = Tiers::new([("gpt-4o", 2)], [("free", Some(vec![0])), ("team", None)]);
        assert!(tiers.gate(Some("team")).is_none());
        assert!(tiers.gate(Some("free")).is_some());
    }

    #[test]
    fn a_star_rule_sets_the_tier_of_all_others() {
        let tiers = Tiers::new([("*", 5), ("gpt-4o-mini", 0)], [("free", Some(vec![0]))]);
        let gate = tiers.gate(Some("free")).unwrap();
        assert!(gate.admit_model("gpt-4o-mini").is_ok());
        assert!(gate.admit_model("anything-else").is_err());
    }

    #[test]
    fn every_model_of_a_request_must_be_included() {
        let tiers = tiers();
        let gate = tiers.gate(Some("free")).unwrap();
        let models = |names: &[&str]| Named::Models(names.iter().map(|n| (*n).into()).collect());
        assert!(
            gate.admit(&models(&["gpt-4o-mini", "gpt-3.5-turbo"]))
                .is_ok()
        );
        assert!(gate.admit(&models(&["gpt-4o-mini", "gpt-4o"])).is_err());
        assert!(gate.admit(&Named::Unknown).is_err());
        assert!(gate.admit(&Named::Nothing).is_ok());
    }
}
