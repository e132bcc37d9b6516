//! The configuration: a file's text, and after a zero byte variables, one a line. Invariant: any text is taken or refused
//! with a message; what is taken can be written, as `tertulia check-config` does.

/// Reads `data` as a configuration.
pub fn target(data: &[u8]) {
    let mut parts = data.splitn(2, |byte| *byte == 0);
    let file = String::from_utf8_lossy(parts.next().unwrap_or_default());
    let variables = String::from_utf8_lossy(parts.next().unwrap_or_default());
    let variables = variables.lines().filter_map(|line| line.split_once('='));
    let variables = variables.map(|(name, value)| (format!("TERTULIA_{name}"), value.to_owned()));
    tertulia::fuzzing::config(&file, variables);
}
