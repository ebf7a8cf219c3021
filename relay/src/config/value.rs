//! Configuration text before it is typed: a TOML tree with environment values laid over it.
//!
//! A TOML value knows its type; an environment value is text whose type is decided by the field
//! that reads it. Implementing `Deserializer` for both in one tree lets the same typed structs
//! read either, and lets an error name the field whichever way it was set.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::value::{MapDeserializer, SeqDeserializer, StringDeserializer};
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error as _, Expected, IntoDeserializer, Unexpected,
    Visitor,
};
use serde::{Deserialize, forward_to_deserialize_any};

/// What deserialising a [`Node`] fails with: names and expectations, never a value, because the
/// value may be a secret written into the wrong field.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Error(String);

impl serde::de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }

    fn invalid_type(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self(format!("expected {expected}"))
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self(format!("expected {expected}"))
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self(format!("expected one of {}", expected.join(", ")))
    }
}

/// One value of the tree.
pub(super) enum Node {
    Table(BTreeMap<String, Node>),
    List(Vec<Node>),
    Scalar(toml::Value),
    /// Text from the environment.
    Text(String),
}

impl Node {
    pub(super) fn from_toml(value: toml::Value) -> Self {
        match value {
            toml::Value::Table(table) => Self::Table(
                table
                    .into_iter()
                    .map(|(key, value)| (key, Self::from_toml(value)))
                    .collect(),
            ),
            toml::Value::Array(list) => Self::List(list.into_iter().map(Self::from_toml).collect()),
            scalar => Self::Scalar(scalar),
        }
    }

    pub(super) fn empty_table() -> Self {
        Self::Table(BTreeMap::new())
    }

    /// Puts `text` at `path`, making the tables on the way. False when something on the way is
    /// not a table.
    pub(super) fn set(&mut self, path: &[String], text: String) -> bool {
        let Self::Table(table) = self else {
            return false;
        };
        match path {
            [] => false,
            [last] => {
                table.insert(last.clone(), Self::Text(text));
                true
            }
            [first, rest @ ..] => table
                .entry(first.clone())
                .or_insert_with(Self::empty_table)
                .set(rest, text),
        }
    }
}

impl<'de> IntoDeserializer<'de, Error> for Node {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// Numbers and flags from the environment: parsed as what the field wants.
macro_rules! parse_text {
    ($($method:ident => $visit:ident: $kind:ty),+ $(,)?) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            match self {
                Self::Text(text) => match text.trim().parse::<$kind>() {
                    Ok(value) => visitor.$visit(value),
                    // The text may be a secret put into the wrong variable: it is not repeated.
                    Err(_) => Err(Error::custom(concat!("expected a value of type ", stringify!($kind)))),
                },
                other => other.deserialize_any(visitor),
            }
        }
    )+};
}

impl<'de> Deserializer<'de> for Node {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Self::Table(table) => visitor.visit_map(MapDeserializer::new(table.into_iter())),
            Self::List(list) => visitor.visit_seq(SeqDeserializer::new(list.into_iter())),
            Self::Text(text) => visitor.visit_string(text),
            Self::Scalar(toml::Value::String(text)) => visitor.visit_string(text),
            Self::Scalar(toml::Value::Integer(number)) => visitor.visit_i64(number),
            Self::Scalar(toml::Value::Float(number)) => visitor.visit_f64(number),
            Self::Scalar(toml::Value::Boolean(flag)) => visitor.visit_bool(flag),
            Self::Scalar(_) => Err(Error::custom("dates are not used in this configuration")),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    /// A list from the environment is separated by commas; an empty text is an empty list.
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Self::Text(text) => {
                let parts: Vec<Self> = text
                    .split(',')
                    .map(str::trim)
                    .filter(|part| !part.is_empty())
                    .map(|part| Self::Text(part.to_owned()))
                    .collect();
                visitor.visit_seq(SeqDeserializer::new(parts.into_iter()))
            }
            other => other.deserialize_any(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self {
            Self::Text(text) | Self::Scalar(toml::Value::String(text)) => {
                visitor.visit_enum(UnitVariant(text))
            }
            _ => Err(Error::custom("expected one of the fixed words")),
        }
    }

    parse_text! {
        deserialize_bool => visit_bool: bool,
        deserialize_i8 => visit_i8: i8,
        deserialize_i16 => visit_i16: i16,
        deserialize_i32 => visit_i32: i32,
        deserialize_i64 => visit_i64: i64,
        deserialize_u8 => visit_u8: u8,
        deserialize_u16 => visit_u16: u16,
        deserialize_u32 => visit_u32: u32,
        deserialize_u64 => visit_u64: u64,
        deserialize_f32 => visit_f32: f32,
        deserialize_f64 => visit_f64: f64,
    }

    forward_to_deserialize_any! {
        char str string bytes byte_buf unit unit_struct tuple tuple_struct map struct identifier
        ignored_any
    }
}

/// A fixed word naming a variant that holds nothing.
struct UnitVariant(String);

impl<'de> EnumAccess<'de> for UnitVariant {
    type Error = Error;
    type Variant = UnitOnly;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, UnitOnly), Error> {
        let word: StringDeserializer<Error> = self.0.into_deserializer();
        let value = seed.deserialize(word)?;
        Ok((value, UnitOnly))
    }
}

struct UnitOnly;

impl<'de> serde::de::VariantAccess<'de> for UnitOnly {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        Ok(())
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, _: S) -> Result<S::Value, Error> {
        Err(Error::custom("expected a plain word"))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, Error> {
        Err(Error::custom("expected a plain word"))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Error> {
        Err(Error::custom("expected a plain word"))
    }
}

/// Reads `node` as `T`; the error is the field's path and what is wrong with it.
pub(super) fn typed<'de, T: Deserialize<'de>>(node: Node) -> Result<T, (String, String)> {
    serde_path_to_error::deserialize(node)
        .map_err(|error| (error.path().to_string(), error.inner().to_string()))
}
