//! How what a receiver can take is shared among the pictures that it shows.
//!
//! Sound has gone first. Then every picture gets its smallest size, before any gets a larger one; what is left raises them in
//! the order of their importance. Sizes go down at once when there is not enough, and up only with room to spare and some time
//! after they went down: longer each time that it did not last. Where not even the smallest sizes fit, they come at their slowest
//! rate, and if that does not help the last are paused; but only where there is congestion, since an estimate that never had to
//! carry more is low for want of something to carry.

use std::time::{Duration, Instant};

/// What sizes wait after they went down before they go up. Lower shows a sharp picture sooner, and flaps where the link does.
const RAISE_AFTER: Duration = Duration::from_secs(3);
/// The longest that they wait, where going up did not last.
const RAISE_AFTER_MAX: Duration = Duration::from_secs(30);
/// What has to fit for sizes to go up, as a part of what they take: 15 % more. Less flaps, more leaves bandwidth unused.
const SPARE: (u64, u64) = (23, 20);
/// Going up that is undone within this time did not last.
const LASTS: Duration = Duration::from_secs(10);
/// How often the next size is tried, at first and at most. A try sends a few packets at its rate: often costs thin links sound.
const TRY_AFTER: Duration = Duration::from_secs(1);
/// See [`TRY_AFTER`].
const TRY_AFTER_MAX: Duration = Duration::from_secs(8);
/// Where no picture flows nothing is learned of the link, and an estimate that ended with congestion stays so. Each time that this has
/// passed it begins anew: a few packets are sent to try. Lower costs thin links sound, higher leaves faces away for longer.
const ANEW_AFTER: Duration = Duration::from_secs(6);
/// An estimate that did not move for so long, while more is tried, was held down by what was lost once: the stack probes no more then. It
/// begins anew with what it is.
const STILL_AFTER: Duration = Duration::from_secs(10);
/// A way where more than this is lost for [`DROWNS_AFTER`] is full, whatever the estimate says: at a queue that is full all the time delays
/// no longer grow. Lower takes networks that lose by themselves for full ones, higher lets sound drown.
const MUCH_LOST: f32 = 0.15;
/// See [`MUCH_LOST`]. What is lost is known of the latest second: lower takes a short outage for a full way.
const DROWNS_AFTER: Duration = Duration::from_millis(1_250);
/// What is begun with then, of what arrives: as estimates fall when delays grow. Per cent.
const OF_ARRIVED_PERCENT: u64 = 85;
/// That is done again after this, and after twice as long each time that it did not help: such a network loses by itself.
const DROWNS_AGAIN: Duration = Duration::from_secs(3);
/// See [`DROWNS_AGAIN`].
const DROWNS_AGAIN_MAX: Duration = Duration::from_secs(60);
/// A fall of the estimate is congestion for so long.
const CONGESTED: Duration = Duration::from_secs(4);
/// How long the smallest sizes go on where they hardly fit, and where they don't by half: estimates of thin streams dip.
/// Longer costs sound where there is nothing to be had for pictures.
const PATIENCE: Duration = Duration::from_secs(3);
/// See [`PATIENCE`].
const PATIENCE_HALF: Duration = Duration::from_secs(1);
/// See [`PATIENCE`]: where all are at their slowest rate, nearly fit, and little is lost. When delays grow once, an estimate falls to
/// 85 % of what arrives, which is less than what fits.
const PATIENCE_NEARLY: Duration = Duration::from_secs(8);

/// A picture that is shown, and the sizes in which it may be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ask {
    /// What each size takes, the smallest first, bits a second.
    pub(crate) sizes_bps: Vec<u64>,
    /// The first of them is of the slowest rate: for want of anything better.
    pub(crate) slow: bool,
    /// The size that it had.
    pub(crate) before: Option<usize>,
    /// It had none, since there was not enough.
    pub(crate) paused: bool,
}

impl Ask {
    /// The smallest size at its whole rate.
    fn whole(&self) -> usize {
        usize::from(self.slow && self.sizes_bps.len() > 1)
    }

    /// The smallest that it has where nobody has to give way: who was given way to comes back with the others who rise.
    fn least(&self) -> usize {
        if self.before == Some(0) { 0 } else { self.whole() }
    }
}

/// Where one receiver stands.
#[derive(Debug, Default)]
pub(crate) struct Share {
    /// What was granted last, bits a second.
    pub(crate) granted_bps: u64,
    /// What the next larger size of the first picture that may have one would make of it, with room to spare; none where there
    /// is nothing more to be had.
    pub(crate) next_bps: Option<u64>,
    may_rise: bool,
    try_at: Option<Instant>,
    try_after: Duration,
    budget_bps: u64,
    lowered: Option<Instant>,
    raised: Option<Instant>,
    raise_after: Duration,
    congested: Option<Instant>,
    /// See [`Self::latest`]; and when it became another, or began anew since it did not.
    latest_bps: Option<u64>,
    moved: Option<Instant>,
    /// What was lost of the latest second, as a part of one, and since when that is much.
    lost: f32,
    much_lost: Option<Instant>,
    /// When it began anew for that, and for how long it does not again.
    drowned: Option<Instant>,
    drowns_again: Duration,
    /// Since when not even the smallest sizes fit.
    short: Option<Instant>,
    /// Since when nothing is granted of what is asked for, or the estimate began anew for that.
    nothing: Option<Instant>,
}

impl Share {
    /// The estimate has become another.
    pub(crate) fn estimated(&mut self, now: Instant, before_bps: Option<u64>, bps: u64) {
        if before_bps.is_some_and(|before| bps < before - before / 20) {
            self.congested = Some(now);
        }
    }

    /// What the stack's estimate is now, beside its mean: it always moves, unless it is held down.
    pub(crate) fn latest(&mut self, now: Instant, bps: u64) {
        if self.latest_bps.replace(bps) != Some(bps) {
            self.moved = Some(now);
        }
    }

    /// What is lost of what is sent, over the latest second: a part of one.
    pub(crate) fn lost(&mut self, now: Instant, part: f32) {
        self.lost = part.clamp(0.0, 1.0);
        self.much_lost = (part >= MUCH_LOST).then(|| self.much_lost.unwrap_or(now));
        if part < MUCH_LOST / 2.0 {
            self.drowns_again = Duration::ZERO;
        }
    }

    pub(crate) fn loses_much(&self) -> bool {
        self.lost >= MUCH_LOST
    }

    /// With what the estimate should begin anew, where so much is lost of what is granted that it can't be true: pictures that do not
    /// fit then go at once.
    pub(crate) fn drowns(&mut self, now: Instant) -> Option<u64> {
        let for_so_long = |moment: Option<Instant>| moment.map(|moment| now.saturating_duration_since(moment));
        let again = for_so_long(self.drowned).is_none_or(|since| since >= self.drowns_again);
        if self.granted_bps == 0 || !again || for_so_long(self.much_lost)? < DROWNS_AFTER {
            return None;
        }
        (self.drowned, self.much_lost) = (Some(now), None);
        self.drowns_again = (self.drowns_again * 2).clamp(DROWNS_AGAIN, DROWNS_AGAIN_MAX);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part of one")]
        let arrives_percent = 100 - (self.lost * 100.0) as u64;
        let start_bps = self.granted_bps * arrives_percent * OF_ARRIVED_PERCENT / 10_000;
        (start_bps < self.budget_bps).then_some(start_bps)
    }

    /// Grants each picture, the most important first, one of its sizes or none. Without a budget each gets its largest.
    pub(crate) fn grant(&mut self, now: Instant, budget_bps: Option<u64>, asks: &[Ask]) -> Vec<Option<usize>> {
        let since = |moment: Option<Instant>| moment.map(|moment| now.saturating_duration_since(moment));
        let Some(budget_bps) = budget_bps else {
            (self.granted_bps, self.next_bps) = (0, None);
            return asks.iter().map(|ask| ask.sizes_bps.len().checked_sub(1)).collect();
        };
        let may_rise = since(self.lowered).is_none_or(|since| since >= self.raise_after);
        let [congested, drowned] =
            [self.congested, self.drowned].map(|moment| since(moment).is_some_and(|since| since < CONGESTED));
        let shown = asks.iter().filter(|ask| !ask.paused);
        let smallest: u64 = shown.filter_map(|ask| ask.sizes_bps.get(ask.least())).sum();
        self.short = (smallest > budget_bps).then(|| self.short.unwrap_or(now));
        let patience = self.patience(asks, smallest, budget_bps);
        let may_pause = drowned || congested && since(self.short).is_some_and(|since| since >= patience);
        let (granted, bps) = share(asks, budget_bps, may_rise, may_pause);
        (self.granted_bps, self.may_rise) = (bps, may_rise);
        let slowed = |(ask, granted): (&Ask, &Option<usize>)| granted.is_some_and(|size| size < ask.least());
        if asks.iter().zip(&granted).any(slowed) {
            self.short = None; // which has to show before any is paused
        }
        let is_asked = asks.iter().any(|ask| ask.sizes_bps.first().is_some_and(|bps| *bps > 0));
        self.nothing = (is_asked && bps == 0).then(|| self.nothing.unwrap_or(now));
        self.next_bps = next(asks, &granted).map(|more| (bps + more) * SPARE.0 / SPARE.1);
        let before = |ask: &Ask| ask.before.map(|before| before.min(ask.sizes_bps.len().saturating_sub(1)));
        let both = || asks.iter().zip(&granted).filter(|(ask, _)| !ask.sizes_bps.is_empty());
        // Not where others have come, or show more: then there is as much as before, for more.
        let less = budget_bps < std::mem::replace(&mut self.budget_bps, budget_bps);
        if less && both().any(|(ask, granted)| before(ask) > *granted) {
            let lasted = since(self.raised.take()).is_none_or(|since| since >= LASTS);
            self.raise_after =
                if lasted { RAISE_AFTER } else { (self.raise_after * 2).clamp(RAISE_AFTER, RAISE_AFTER_MAX) };
            self.lowered = Some(now);
        }
        if both().any(|(ask, granted)| (ask.paused || ask.before.is_some()) && *granted > before(ask)) {
            (self.raised, self.try_after, self.try_at) = (Some(now), TRY_AFTER, None);
        }
        granted
    }

    /// How long what is shown goes on in its smallest sizes, which do not fit.
    fn patience(&self, asks: &[Ask], smallest_bps: u64, budget_bps: u64) -> Duration {
        let slowest = asks.iter().filter(|ask| !ask.paused).all(|ask| ask.slow && ask.before == Some(0));
        if smallest_bps > budget_bps * 3 / 2 {
            PATIENCE_HALF
        } else if slowest && smallest_bps <= budget_bps * 4 / 3 && self.lost <= MUCH_LOST / 2.0 {
            PATIENCE_NEARLY
        } else {
            PATIENCE
        }
    }

    /// With what the estimate should begin anew, if it should, and how far it should be tried then: where nothing flows nothing is
    /// learned otherwise.
    pub(crate) fn begins_anew(&mut self, now: Instant) -> Option<(u64, u64)> {
        let next = self.next_bps.filter(|_| self.may_rise)?;
        if self.granted_bps > 0 && now.saturating_duration_since(self.moved?) >= STILL_AFTER {
            self.moved = Some(now);
            return Some((self.budget_bps, next));
        }
        if now.saturating_duration_since(self.nothing?) < ANEW_AFTER {
            return None;
        }
        self.nothing = Some(now);
        Some((next / 2, next))
    }

    /// How much the link should be tried with now: the next size where it is time for that, else what was granted.
    pub(crate) fn try_bps(&mut self, now: Instant) -> u64 {
        let granted = self.granted_bps;
        let Some(next) = self.next_bps.filter(|_| self.may_rise) else { return granted };
        if self.try_at.is_some_and(|at| now < at) {
            return granted;
        }
        self.try_after = self.try_after.max(TRY_AFTER);
        self.try_at = Some(now + self.try_after);
        self.try_after = (self.try_after * 2).min(TRY_AFTER_MAX);
        next
    }
}

/// What the next size would take more: of the first that has none, else of the first that is slow, else of the first that may have
/// a larger one.
fn next(asks: &[Ask], granted: &[Option<usize>]) -> Option<u64> {
    let both = || asks.iter().zip(granted);
    let first = both().filter(|(_, granted)| granted.is_none()).find_map(|(ask, _)| ask.sizes_bps.first().copied());
    let larger = |(ask, granted): (&Ask, &Option<usize>)| {
        let size = (*granted)?;
        Some(ask.sizes_bps.get(size + 1)?.saturating_sub(*ask.sizes_bps.get(size)?))
    };
    let is_slow = |(ask, granted): &(&Ask, &Option<usize>)| granted.is_some_and(|size| size < ask.whole());
    first.or_else(|| both().filter(is_slow).find_map(larger)).or_else(|| both().find_map(larger))
}

/// What each gets, and what that takes.
fn share(asks: &[Ask], budget_bps: u64, may_rise: bool, may_pause: bool) -> (Vec<Option<usize>>, u64) {
    let mut spent = 0;
    let fits = |bps: u64, more: bool| if more { bps * SPARE.0 / SPARE.1 <= budget_bps } else { bps <= budget_bps };
    let mut granted: Vec<Option<usize>> = Vec::with_capacity(asks.len());
    for ask in asks {
        let goes_on = !ask.paused && !may_pause;
        let size = if goes_on { ask.least() } else { 0 };
        let may = |bps: &&u64| goes_on || (!ask.paused || may_rise) && fits(spent + **bps, ask.paused);
        let smallest = ask.sizes_bps.get(size).filter(may);
        spent += smallest.copied().unwrap_or(0);
        granted.push(smallest.map(|_| size));
    }
    // All at their whole rate, before any gets a larger size.
    let rises = asks.iter().enumerate().map(|(at, ask)| (at, ask.whole()));
    for (at, up_to) in rises.chain((0..asks.len()).map(|at| (at, usize::MAX))) {
        let (ask, granted) = (&asks[at], &mut granted[at]);
        while let Some(size) = granted.filter(|size| *size < up_to) {
            let Some(bps) = ask.sizes_bps.get(size + 1) else { break };
            let total = (spent - ask.sizes_bps[size]).saturating_add(*bps);
            let more = ask.before.is_none_or(|before| size + 1 > before);
            let may = !more || may_rise || ask.before.is_none() && !ask.paused;
            if !may || !fits(total, more) {
                break;
            }
            spent = total;
            *granted = Some(size + 1);
        }
    }
    (granted, spent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shard::tests::epoch;

    const SIZES: [u64; 3] = [100_000, 400_000, 1_500_000];

    fn asks(before: &[Option<usize>]) -> Vec<Ask> {
        before
            .iter()
            .map(|before| Ask { sizes_bps: SIZES.to_vec(), slow: false, before: *before, paused: false })
            .collect()
    }

    fn at(ms: u64) -> Instant {
        epoch() + Duration::from_millis(ms)
    }

    #[test]
    fn c7_everyone_small_before_anyone_large_and_then_by_importance() {
        let new = asks(&[None; 4]);
        for (budget, expected) in [
            (400_000, [0, 0, 0, 0]),
            (700_000, [0, 0, 0, 0]), // 15 % to spare
            (805_000, [1, 0, 0, 0]),
            (1_200_000, [1, 1, 0, 0]),
            (2_100_000, [2, 0, 0, 0]),
            (2_500_000, [2, 1, 0, 0]),
            (9_000_000, [2, 2, 2, 2]),
        ] {
            let granted = Share::default().grant(at(0), Some(budget), &new);
            assert_eq!(granted, expected.map(Some), "{budget}");
        }
        assert_eq!(Share::default().grant(at(0), None, &new), [Some(2); 4], "nobody knows what fits");
    }

    #[test]
    fn c7_what_fits_stays_without_room_to_spare_and_goes_down_at_once() {
        let mut share = Share::default();
        let had = asks(&[Some(2), Some(1)]);
        assert_eq!(share.grant(at(0), Some(1_900_000), &had), [Some(2), Some(1)]);
        assert_eq!(share.granted_bps, 1_900_000);
        assert_eq!(share.grant(at(0), Some(1_899_999), &had), [Some(2), Some(0)]);
    }

    #[test]
    fn c7_sizes_go_up_after_a_time_that_grows_where_it_does_not_last() {
        let mut share = Share::default();
        let (low, high) = (asks(&[Some(0)]), asks(&[Some(1)]));
        let mut waited = Vec::new();
        let mut ms = 0;
        for _ in 0..5 {
            share.grant(at(ms), Some(600_000), &high);
            assert_eq!(share.grant(at(ms), Some(300_000), &high), [Some(0)]);
            let lowered = ms;
            while share.grant(at(ms), Some(600_000), &low) == [Some(0)] {
                ms += 500;
            }
            waited.push((ms - lowered) / 1_000);
            ms += 1_000;
        }
        assert_eq!(waited, [3, 6, 12, 24, 30]);
        ms += 20_000;
        share.grant(at(ms), Some(600_000), &high);
        share.grant(at(ms), Some(300_000), &high);
        assert_eq!(share.grant(at(ms + 3_000), Some(600_000), &low), [Some(1)], "it had lasted");
    }

    #[test]
    fn c7_the_last_are_paused_where_there_is_congestion_only() {
        let mut share = Share::default();
        let had = asks(&[Some(0); 3]);
        for ms in [0, 5_000] {
            assert_eq!(share.grant(at(ms), Some(250_000), &had), [Some(0); 3], "it never had to carry more");
        }
        share.estimated(at(6_000), Some(1_000_000), 960_000);
        assert_eq!(share.grant(at(6_000), Some(250_000), &had), [Some(0); 3], "hardly a fall");
        share.estimated(at(6_000), Some(1_000_000), 250_000);
        assert_eq!(share.grant(at(6_000), Some(250_000), &had), [Some(0), Some(0), None]);
        assert_eq!(share.grant(at(6_020), Some(40_000), &had), [None; 3], "sound alone");
        share.grant(at(6_500), Some(900_000), &had);
        assert_eq!(share.grant(at(7_000), Some(40_000), &had), [Some(0); 3], "a dip");
        assert_eq!(share.grant(at(8_000), Some(40_000), &had), [None; 3], "that lasts");
        let mut paused = asks(&[Some(0), None]);
        paused[1].paused = true;
        assert_eq!(share.grant(at(19_000), Some(220_000), &paused), [Some(0), None], "not without room to spare");
        assert_eq!(share.grant(at(19_000), Some(240_000), &paused), [Some(0); 2]);
    }

    #[test]
    fn c7_where_the_smallest_do_not_fit_they_come_slowly_before_any_is_paused() {
        let slow = |before: [Option<usize>; 3]| {
            let ask = |before| Ask { sizes_bps: vec![40_000, 100_000, 400_000], slow: true, before, paused: false };
            before.map(ask)
        };
        let mut share = Share::default();
        let had = slow([Some(1); 3]);
        assert_eq!(share.grant(at(0), Some(90_000), &slow([None; 3])), [Some(1); 3], "whole at first");
        assert_eq!(share.grant(at(5_000), Some(250_000), &had), [Some(1); 3], "no congestion");
        share.estimated(at(6_000), Some(1_000_000), 250_000);
        assert_eq!(share.grant(at(6_000), Some(250_000), &had), [Some(1), Some(1), Some(0)], "the last gives way");
        assert_eq!(share.granted_bps, 240_000);
        assert_eq!(share.next_bps, Some(300_000 * 23 / 20), "the slow one, and not a larger first");
        let now = slow([Some(1), Some(1), Some(0)]);
        assert_eq!(share.grant(at(6_100), Some(130_000), &now), [Some(1), Some(1), Some(0)], "a dip");
        assert_eq!(share.grant(at(7_100), Some(130_000), &now), [Some(0); 3], "that lasts");
        assert_eq!(share.grant(at(7_500), Some(90_000), &slow([Some(0); 3])), [Some(0); 3], "with patience");
        share.estimated(at(11_000), Some(250_000), 90_000);
        assert_eq!(share.grant(at(11_000), Some(90_000), &slow([Some(0); 3])), [Some(0); 3], "they nearly fit");
        share.estimated(at(15_500), Some(250_000), 90_000);
        assert_eq!(share.grant(at(15_500), Some(90_000), &slow([Some(0); 3])), [Some(0), Some(0), None]);
        assert_eq!(share.grant(at(20_000), Some(345_000), &slow([Some(0), Some(1), Some(0)])), [Some(1); 3]);
        assert_eq!(share.grant(at(20_000), Some(650_000), &slow([Some(0); 3])), [Some(1); 3], "nobody larger before");
        assert_eq!(share.grant(at(20_000), Some(690_000), &slow([Some(0); 3])), [Some(2), Some(1), Some(1)]);
    }

    #[test]
    fn c7_at_their_slowest_rate_they_go_on_where_they_nearly_fit_and_little_is_lost() {
        let ask = Ask { sizes_bps: vec![40_000, 100_000], slow: true, before: Some(0), paused: false };
        let goes_on_for = |budget_bps, lost| {
            let mut share = Share::default();
            let goes_on = |second: &u64| {
                share.lost(at(second * 1_000), lost);
                share.estimated(at(second * 1_000), Some(100_000), budget_bps);
                share.grant(at(second * 1_000), Some(budget_bps), std::slice::from_ref(&ask)) == [Some(0)]
            };
            (0..60).take_while(goes_on).count()
        };
        let budgets = [40_000, 39_000, 30_000, 29_000, 27_000, 26_000];
        assert_eq!(budgets.map(|bps| goes_on_for(bps, 0.05)), [60, 8, 8, 3, 3, 1]);
        assert_eq!(budgets.map(|bps| goes_on_for(bps, 0.1)), [60, 3, 3, 3, 3, 1]);
    }

    /// So much is lost in each second from `from_s`, looked at four times in it: when and with what the estimate begins anew.
    fn drowning(share: &mut Share, from_s: u64, to_s: u64, lost: impl Fn(u64) -> f32) -> Vec<(u64, u64)> {
        let looks = (from_s * 4..to_s * 4).map(|look| look * 250);
        let anew = looks.filter_map(|ms| {
            share.lost(at(ms), lost(ms / 1_000));
            share.drowns(at(ms)).map(|start_bps| (ms, start_bps))
        });
        anew.collect()
    }

    fn shown_two() -> Share {
        let mut share = Share::default();
        share.grant(at(0), Some(200_000), &asks(&[Some(0); 2]));
        share
    }

    #[test]
    fn c7_where_much_is_lost_for_a_while_the_estimate_begins_anew() {
        assert_eq!(drowning(&mut shown_two(), 0, 60, |_| 0.14), [], "not much");
        assert_eq!(drowning(&mut shown_two(), 0, 3, |_| 0.5), [(1_250, 85_000)], "85 % of what arrives");
        let outage = |s| if s % 4 == 0 { 0.4 } else { 0.0 };
        assert_eq!(drowning(&mut shown_two(), 0, 60, outage), [], "short outages");
        let when = |anew: Vec<(u64, u64)>| anew.into_iter().map(|(ms, _)| ms / 1_000).collect::<Vec<_>>();
        assert_eq!(when(drowning(&mut shown_two(), 0, 100, |_| 0.2)), [1, 4, 10, 22, 46, 94], "it loses by itself");
        let helps = |s| if (10..14).contains(&s) { 0.0 } else { 0.2 };
        assert_eq!(when(drowning(&mut shown_two(), 0, 20, helps)), [1, 4, 15, 18], "it had helped");
        let mut nothing = shown_two();
        nothing.grant(at(0), Some(200_000), &[]);
        assert_eq!(drowning(&mut nothing, 0, 60, |_| 0.5), [], "there is nothing to show less of");
    }

    #[test]
    fn c7_an_estimate_that_stands_still_below_what_is_wanted_begins_anew_with_what_it_is() {
        let mut share = Share::default();
        let mut anew = Vec::new();
        for s in 0..40 {
            let bps = 300_000 + s.min(5) * 10_000;
            share.latest(at(s * 1_000), bps);
            share.grant(at(s * 1_000), Some(bps), &asks(&[Some(0)]));
            anew.extend(share.begins_anew(at(s * 1_000)).map(|start| (s, start)));
        }
        assert_eq!(anew.iter().map(|(s, _)| *s).collect::<Vec<_>>(), [15, 25, 35]);
        assert_eq!(anew[0].1, (350_000, 460_000));
        share.grant(
            at(50_000),
            Some(350_000),
            &[Ask { sizes_bps: vec![100_000], slow: false, before: Some(0), paused: false }],
        );
        assert_eq!(share.begins_anew(at(60_000)), None, "there is nothing more to be had");
    }

    #[test]
    fn c7_who_drowns_is_shown_less_at_once() {
        let mut share = shown_two();
        assert!(!drowning(&mut share, 0, 3, |_| 0.4).is_empty());
        assert_eq!(share.grant(at(3_000), Some(102_000), &asks(&[Some(0); 2])), [Some(0), None]);
    }

    #[test]
    fn c7_what_is_tried_is_one_step_and_not_before_its_time() {
        let mut share = Share::default();
        share.grant(at(0), Some(600_000), &asks(&[Some(1), Some(0)]));
        let next = 1_600_000 * 23 / 20;
        let tried: Vec<u64> = (0..20).filter(|s| share.try_bps(at(s * 1_000)) == next).collect();
        assert_eq!(tried, [0, 1, 3, 7, 15]);
        assert_eq!(share.try_bps(at(20_000)), 500_000, "else what there is");
        share.grant(at(20_000), Some(300_000), &asks(&[Some(1), Some(0)]));
        assert_eq!(share.try_bps(at(60_000)), 500_000 * 23 / 20);
        share.grant(at(60_000), Some(250_000), &asks(&[Some(1), Some(0)]));
        share.grant(at(60_100), Some(250_000), &asks(&[Some(0), Some(0)]));
        assert_eq!(share.try_bps(at(60_100)), 200_000, "it has just gone down");
        let mut paused = asks(&[Some(0), None]);
        paused[1].paused = true;
        share.grant(at(90_000), Some(110_000), &paused);
        assert_eq!(share.try_bps(at(90_000)), 200_000 * 23 / 20, "the one that has nothing");
        share.grant(at(99_000), Some(9_000_000), &asks(&[Some(1), Some(0)]));
        assert_eq!(share.try_bps(at(99_000)), 3_000_000, "all that is wanted");
    }

    #[test]
    fn c7_a_smaller_window_is_no_congestion() {
        let mut share = Share::default();
        let mut small = asks(&[Some(2)]);
        small[0].sizes_bps.truncate(1);
        assert_eq!(share.grant(at(0), Some(5_000_000), &small), [Some(0)]);
        assert_eq!(share.grant(at(100), Some(5_000_000), &asks(&[Some(0)])), [Some(2)], "up again at once");
    }
}
