//! Environment variables over the file: `TERTULIA_CALLS__RING_TIMEOUT_MS=1500` is `ring_timeout_ms` of `[calls]`.
//!
//! A value is read as its option's type: text as it stands, all else as TOML (`TERTULIA_MEDIA__ADVERTISE='["10.0.0.1"]'`).

use super::Config;
use anyhow::{Context as _, bail};
use toml::{Table, Value};

const PREFIX: &str = "TERTULIA_";

/// Variables of this prefix that are no options: the command line reads the first, the repository's tests and benchmarks
/// the others, and a server that they start inherits them.
const NOT_OPTIONS: [&str; 5] =
    ["TERTULIA_CONFIG", "TERTULIA_BIN", "TERTULIA_TARGET", "TERTULIA_TESTS_INSIDE", "TERTULIA_AIORTC_PYTHON"];

/// Our variables.
pub(super) fn variables() -> Vec<(String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.to_string_lossy().into_owned())))
        .filter(|(name, _)| name.starts_with(PREFIX) && !NOT_OPTIONS.contains(&name.as_str()))
        .collect()
}

/// Lays them over the file's table.
pub(super) fn apply(table: &mut Table, variables: impl IntoIterator<Item = (String, String)>) -> anyhow::Result<()> {
    let defaults = Table::try_from(Config::default())?;
    for (name, text) in variables {
        let path = name.strip_prefix(PREFIX).unwrap_or(&name).to_lowercase();
        let path: Vec<&str> = path.split("__").collect();
        let value = value(&defaults, &path, &text);
        // Alone first: its error must name the variable, not a line of the file.
        let mut alone = Table::new();
        insert(&mut alone, &path, value.clone());
        alone.try_into::<Config>().with_context(|| format!("environment variable {name}"))?;
        if !insert(table, &path, value) {
            bail!("environment variable {name}: the file has something else than a section there");
        }
    }
    Ok(())
}

fn value(defaults: &Table, path: &[&str], text: &str) -> Value {
    let is_text = match path {
        [section, key] => defaults.get(*section).and_then(|section| section.get(key)).is_some_and(Value::is_str),
        _ => false,
    };
    if is_text {
        return Value::String(text.to_owned());
    }
    // Options without a default may be text too (an address): what is no TOML value is taken as it stands.
    let parsed = toml::from_str::<Table>(&format!("value = {text}")).ok().and_then(|mut table| table.remove("value"));
    parsed.unwrap_or_else(|| Value::String(text.to_owned()))
}

/// Puts the value at the path; false if something on the way is no section.
fn insert(table: &mut Table, path: &[&str], value: Value) -> bool {
    match path {
        [] => false,
        [key] => {
            table.insert((*key).to_owned(), value);
            true
        }
        [section, rest @ ..] => {
            let section = table.entry((*section).to_owned()).or_insert_with(|| Value::Table(Table::new()));
            section.as_table_mut().is_some_and(|section| insert(section, rest, value))
        }
    }
}
