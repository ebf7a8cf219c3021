//! The catalogue as this operator runs it: other base URLs, own providers, server keys.

use std::collections::{BTreeMap, HashMap};

use http::Uri;
use http::uri::{Authority, PathAndQuery, Scheme};
use keyferry_protocol::catalogue::{Auth, Endpoint, Methods, RowError, is_provider_id};
use keyferry_protocol::{Catalogue, ErrorCode, Provider};

use crate::config::{ConfigError, ProviderSettings};
use crate::error::ApiError;
use crate::secret::Secret;

/// Every provider that can be called.
#[derive(Debug)]
pub struct Providers {
    catalogue: Catalogue,
    extras: HashMap<String, Extra>,
}

/// What the relay adds to a row.
#[derive(Debug)]
struct Extra {
    scheme: Scheme,
    authority: Authority,
    server_key: Option<Secret>,
}

impl Providers {
    /// The catalogue with the `[providers.*]` sections applied.
    ///
    /// # Errors
    /// A section names no known provider and lacks what a new one needs, or a field has no usable
    /// form.
    pub fn new(settings: &BTreeMap<String, ProviderSettings>) -> Result<Self, ConfigError> {
        let mut catalogue = Catalogue::builtin();
        for (id, section) in settings {
            let row = match catalogue.get(id) {
                Some(row) => override_row(row.clone(), section),
                None => new_row(id, section)?,
            };
            let row = extend_allow_list(row, id, section)?;
            catalogue.insert(row).map_err(|error| {
                let field = match error {
                    RowError::BadId => format!("providers.{id}"),
                    RowError::BadOrigin => format!("providers.{id}.base_url"),
                    RowError::BadPath => format!("providers.{id}.openai_prefix"),
                };
                ConfigError::field(field, error.to_string())
            })?;
        }
        let mut extras = HashMap::new();
        for row in catalogue.iter() {
            let section = settings.get(&*row.id);
            extras.insert(row.id.to_string(), Extra::new(row, section)?);
        }
        Ok(Self { catalogue, extras })
    }

    /// The rows.
    #[must_use]
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// The provider with this id.
    ///
    /// # Errors
    /// `unknown_provider`.
    pub fn get(&self, id: &str) -> Result<&Provider, ApiError> {
        self.catalogue.get(id).ok_or_else(|| {
            ApiError::new(
                ErrorCode::UnknownProvider,
                "the catalogue has no such provider",
            )
        })
    }

    /// The operator's own key for a provider.
    #[must_use]
    pub fn server_key(&self, id: &str) -> Option<&Secret> {
        self.extras.get(id)?.server_key.as_ref()
    }

    /// The address of `path_and_query` at `provider`. The host is always the configured one.
    #[must_use]
    pub fn uri(&self, provider: &Provider, path_and_query: PathAndQuery) -> Option<Uri> {
        let extra = self.extras.get(&*provider.id)?;
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(extra.scheme.clone());
        parts.authority = Some(extra.authority.clone());
        parts.path_and_query = Some(path_and_query);
        Uri::from_parts(parts).ok()
    }
}

impl Extra {
    fn new(row: &Provider, section: Option<&ProviderSettings>) -> Result<Self, ConfigError> {
        let unusable = || {
            ConfigError::field(
                format!("providers.{}.base_url", row.id),
                "is not a usable origin",
            )
        };
        let parts = row
            .origin
            .parse::<Uri>()
            .map_err(|_| unusable())?
            .into_parts();
        Ok(Self {
            scheme: parts.scheme.ok_or_else(unusable)?,
            authority: parts.authority.ok_or_else(unusable)?,
            server_key: section
                .and_then(|section| section.server_key.as_ref())
                // Exposed to give the running relay its own copy; the file's is dropped on reload.
                .map(|key| Secret::new(key.expose().to_vec())),
        })
    }
}

fn override_row(mut row: Provider, section: &ProviderSettings) -> Provider {
    if let Some(origin) = &section.base_url {
        row.origin = origin.to_string().into();
    }
    if let Some(name) = &section.name {
        row.name = name.clone().into();
    }
    if let Some(auth) = &section.auth {
        row.auth = auth_form(auth);
        row.openai_auth = None;
    }
    if let Some(prefix) = &section.openai_prefix {
        row.openai_prefix = prefix.clone().into();
    }
    if let Some(path) = &section.check_path {
        row.check.path = path.clone().into();
    }
    if let Some(model) = &section.deep_model {
        row.deep_model = Some(model.clone().into());
    }
    if !section.models.is_empty() {
        row.models = section
            .models
            .iter()
            .map(|model| model.clone().into())
            .collect();
    }
    row
}

/// An operator's provider: OpenAI-compatible at `/v1` with a bearer key unless its section says
/// otherwise.
fn new_row(id: &str, section: &ProviderSettings) -> Result<Provider, ConfigError> {
    if !is_provider_id(id) {
        return Err(ConfigError::field(
            format!("providers.{id}"),
            "ids match ^[a-z][a-z0-9-]{0,31}$",
        ));
    }
    let Some(origin) = &section.base_url else {
        return Err(ConfigError::field(
            format!("providers.{id}.base_url"),
            "needed: the catalogue does not know this provider",
        ));
    };
    let mut row = Provider::openai_compatible(id.to_owned(), origin.to_string());
    if let Some(prefix) = &section.openai_prefix {
        row.allow = row
            .allow
            .iter()
            .map(|endpoint| {
                let below = endpoint
                    .path
                    .strip_prefix(&*row.openai_prefix)
                    .unwrap_or_default();
                Endpoint {
                    methods: endpoint.methods,
                    path: format!("{prefix}{below}").into(),
                }
            })
            .collect();
        row.native_prefix = prefix.clone().into();
        row.check.path = format!("{prefix}/models").into();
    }
    Ok(override_row(row, section))
}

fn auth_form(word: &str) -> Auth {
    if word == "bearer" {
        Auth::Bearer
    } else {
        Auth::Header(word.to_owned().into())
    }
}

/// Adds `allow = ["POST /v1/rerank", "GET /v1/jobs/*"]`.
fn extend_allow_list(
    mut row: Provider,
    id: &str,
    section: &ProviderSettings,
) -> Result<Provider, ConfigError> {
    let mut allow = row.allow.into_owned();
    for line in &section.allow {
        let parsed = line.split_once(' ').and_then(|(method, path)| {
            let methods = match method {
                "GET" => Methods::Get,
                "POST" => Methods::Post,
                "DELETE" => Methods::Delete,
                "ANY" => Methods::Any,
                _ => return None,
            };
            path.starts_with('/').then(|| Endpoint {
                methods,
                path: path.to_owned().into(),
            })
        });
        let Some(endpoint) = parsed else {
            return Err(ConfigError::field(
                format!("providers.{id}.allow"),
                "expected entries such as \"POST /v1/rerank\"; methods GET, POST, DELETE or ANY, `*` for one segment, a last `**` for the rest",
            ));
        };
        allow.push(endpoint);
    }
    row.allow = allow.into();
    Ok(row)
}
