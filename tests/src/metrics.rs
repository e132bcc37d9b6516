//! The server's `/metrics`, so that a test can see a counter move.

use crate::Server;
use crate::wait::eventually;

/// The samples of one scrape: series (name and labels as written) and value.
#[derive(Clone, Debug, Default)]
pub struct Metrics(Vec<(String, f64)>);

impl Metrics {
    /// Reads the Prometheus text format.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let samples = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            Some((series.to_owned(), value.parse().ok()?))
        });
        Self(samples.collect())
    }

    /// The sum over every series whose name starts with `name` and whose text holds all of `labels`.
    #[must_use]
    pub fn sum(&self, name: &str, labels: &[&str]) -> f64 {
        self.matching(name, labels).map(|(_, value)| value).sum()
    }

    /// Whether there is such a series.
    #[must_use]
    pub fn has(&self, name: &str, labels: &[&str]) -> bool {
        self.matching(name, labels).next().is_some()
    }

    /// The names of all series.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        self.0.iter().map(|(series, _)| series.split('{').next().unwrap_or_default()).collect()
    }

    fn matching<'a>(&'a self, name: &'a str, labels: &'a [&'a str]) -> impl Iterator<Item = &'a (String, f64)> {
        self.0.iter().filter(move |(series, _)| {
            let series_name = series.split('{').next().unwrap_or_default();
            series_name.strip_suffix("_total").unwrap_or(series_name) == name.strip_suffix("_total").unwrap_or(name)
                && labels.iter().all(|label| series.contains(label))
        })
    }
}

/// Waits until the sum of these series is above `before`.
///
/// # Errors
/// If it does not rise in time.
pub async fn rises(server: &Server, name: &str, labels: &[&str], before: f64) -> anyhow::Result<()> {
    let what = format!("{name}{labels:?} rises above {before}");
    eventually(&what, || async {
        let metrics = server.metrics().await.ok()?;
        (metrics.sum(name, labels) > before).then_some(())
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_summed_by_name_and_label() {
        let text = "# HELP a\n# TYPE a counter\na_total{x=\"1\",y=\"2\"} 3\na_total{x=\"2\"} 4\nab_total 9\n# EOF\n";
        let metrics = Metrics::parse(text);
        assert_eq!(metrics.sum("a_total", &[]), 7.0);
        assert_eq!(metrics.sum("a", &["x=\"1\""]), 3.0);
        assert!(!metrics.has("a", &["x=\"3\""]));
    }
}
