//! What a check has found: how it stands, a sentence, and what to do.

use serde::Serialize;
use std::fmt::Write as _;

/// How a thing stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Level {
    /// As it should be.
    Ok,
    /// It works, for some or for now.
    Warning,
    /// It does not work, or will soon not.
    Problem,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    /// What was looked at.
    pub(super) check: &'static str,
    pub(super) level: Level,
    /// What was seen.
    pub(super) says: String,
    /// What to do about it; there if it is not ok.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) todo: Option<String>,
}

impl Finding {
    pub(super) fn ok(check: &'static str, says: impl Into<String>) -> Self {
        Self { check, level: Level::Ok, says: says.into(), todo: None }
    }

    pub(super) fn warning(check: &'static str, says: impl Into<String>, todo: impl Into<String>) -> Self {
        Self { check, level: Level::Warning, says: says.into(), todo: Some(todo.into()) }
    }

    pub(super) fn problem(check: &'static str, says: impl Into<String>, todo: impl Into<String>) -> Self {
        Self { check, level: Level::Problem, says: says.into(), todo: Some(todo.into()) }
    }
}

/// For people to read, in the order of the checks, and the sum at the end.
pub(super) fn text(findings: &[Finding]) -> String {
    let mut text = String::new();
    for Finding { check, level, says, todo } in findings {
        let level = match level {
            Level::Ok => "ok",
            Level::Warning => "WARNING",
            Level::Problem => "PROBLEM",
        };
        writeln!(text, "{level:<8} {check:<14} {says}").ok();
        if let Some(todo) = todo {
            writeln!(text, "{:<8} {:<14} → {todo}", "", "").ok();
        }
    }
    let count = |level| findings.iter().filter(|finding| finding.level == level).count();
    let plural = |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    let (problems, warnings) = (count(Level::Problem), count(Level::Warning));
    writeln!(text, "\n{}, {}", plural(problems, "problem"), plural(warnings, "warning")).ok();
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s8_a_finding_that_is_not_ok_says_what_to_do() {
        let findings = [
            Finding::ok("disk", "10 GB are free"),
            Finding::warning("clock", "it is off", "set it"),
            Finding::problem("ports", "taken", "free it"),
        ];
        let text = text(&findings);
        assert!(text.contains("ok       disk           10 GB are free\n"), "{text}");
        assert!(text.contains("WARNING  clock          it is off\n") && text.contains("→ set it"), "{text}");
        assert!(text.ends_with("\n1 problem, 1 warning\n"), "{text}");
        let json = serde_json::to_value(&findings[2]).unwrap();
        assert_eq!(json["level"], "problem");
        assert_eq!(json["todo"], "free it");
    }
}
