//! What pushes came to, for the metrics.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Way {
    WebPush,
    Webhook,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Outcome {
    /// It was taken.
    Sent,
    /// The browser has no such subscription any longer.
    Gone,
    /// It was refused.
    Refused,
    /// Its time was over.
    Late,
    /// Too much was on its way.
    Dropped,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Labels {
    way: &'static str,
    outcome: &'static str,
}

impl Labels {
    fn new(way: Way, outcome: Outcome) -> Self {
        let way = match way {
            Way::WebPush => "web_push",
            Way::Webhook => "webhook",
        };
        let outcome = match outcome {
            Outcome::Sent => "sent",
            Outcome::Gone => "gone",
            Outcome::Refused => "refused",
            Outcome::Late => "late",
            Outcome::Dropped => "dropped",
        };
        Self { way, outcome }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Figures {
    pub(crate) pushes: Family<Labels, Counter>,
    pub(crate) retries: Counter,
    pub(crate) waiting: Gauge,
}

impl Figures {
    pub(crate) fn count(&self, way: Way, outcome: Outcome) {
        self.pushes.get_or_create(&Labels::new(way, outcome)).inc();
    }

    pub(crate) fn register(&self, registry: &mut Registry) {
        // From the start, so that an alert sees the first one rise.
        for way in [Way::WebPush, Way::Webhook] {
            for outcome in [Outcome::Sent, Outcome::Gone, Outcome::Refused, Outcome::Late, Outcome::Dropped] {
                drop(self.pushes.get_or_create(&Labels::new(way, outcome)));
            }
        }
        registry.register(
            "tertulia_pushes",
            "Pushes to devices that are away, by what came of them",
            self.pushes.clone(),
        );
        registry.register("tertulia_push_retries", "Pushes tried again", self.retries.clone());
        registry.register("tertulia_push_waiting", "Pushes that are on their way", self.waiting.clone());
    }
}
