//! Who speaks in a room, and whose microphones go first where there are more of them than slots.
//!
//! Each packet tells its loudness (RFC 6464); a [`Voice`] smooths it, in a few additions a packet. Several times a second a
//! room's [`Speakers`] look at their voices and put them in order: the loudest few go out, the first of those who speak is
//! the dominant speaker. A pause between two sentences moves nobody, and a slot is not taken by one who is hardly louder.
//!
//! Invariant: whoever is silent never stands before one who speaks, once the one has been silent for some seconds.

use std::time::{Duration, Instant};
use tertulia_common::PeerId;

/// How often a room's voices are put in order. Lower hears a new speaker sooner, higher costs less.
pub(crate) const LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// The least time between two changes that are told. Lower shows a speaker sooner, higher spares the clients.
const TELL_INTERVAL: Duration = Duration::from_millis(300);
/// Speakers that are told. More would only be read by those who count them.
const TOLD_MAX: usize = 8;

/// One decibel. Loudness counts from silence: 0 is -127 dBov, 127 is the loudest there is.
const DB: u16 = 256;
/// From here on it is a voice: -55 dBov. Rooms hum below it, and people speak at -40 to -15.
const SPEECH: u16 = 72 * DB;
/// A sound of which nobody says how loud it is: quiet speech, so that those who say so go first.
const UNKNOWN: u16 = 77 * DB;
/// A packet without loudness that is no larger is silence: Opus codes it in so few bytes.
const SILENT_BYTES_MAX: usize = 8;
/// How much louder one has to be to go before another who speaks. Higher flaps less, and lets a soft voice wait.
const MARGIN: u16 = 6 * DB;
/// How fast the memory of someone's voice fades, a second: someone who paused this long is gone before by one who is this
/// much softer.
const FADES_PER_S: u64 = 15 * DB as u64;
/// Nothing heard for so long is silence: the microphone is muted, or sends nothing while nobody speaks (DTX sends every 400 ms).
const GONE_AFTER: Duration = Duration::from_millis(600);
/// Someone speaks on through a pause of this length.
const PAUSE_MAX: Duration = Duration::from_millis(600);
/// A microphone that has sent digital silence for so long is muted: its packets need not go on.
const MUTE_AFTER: Duration = Duration::from_secs(1);

/// How loud one microphone is.
#[derive(Debug, Default)]
pub(crate) struct Voice {
    /// Smoothed over a few packets.
    now: u16,
    /// What is left of how loud it was, at `heard`.
    lately: u16,
    heard: Option<Instant>,
    spoke: Option<Instant>,
    looked: Option<Instant>,
    /// Since when there has been nothing but digital silence.
    mute: Option<Instant>,
    /// Its packets do not go on now.
    pub(crate) hushed: bool,
}

/// What to do for a packet of a voice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// It speaks, and nobody has looked for a while.
    Speech,
    /// Nothing that would move anything.
    Sound,
    /// The microphone has been muted for a while.
    Mute,
}

impl Voice {
    /// Takes a packet's loudness, in dBov, and its size.
    pub(crate) fn hear(&mut self, level: Option<i8>, bytes: usize, at: Instant) -> Heard {
        let loudness = match level {
            Some(level) => (127 - u16::from(level.unsigned_abs().min(127))) * DB,
            None if bytes > SILENT_BYTES_MAX => UNKNOWN,
            None => 0,
        };
        let lately = self.rank(at);
        // Up within a syllable, down within a word.
        self.now = if loudness > self.now {
            self.now + (loudness - self.now).div_ceil(4)
        } else {
            self.now - (self.now - loudness).div_ceil(16)
        };
        self.lately = lately.max(self.now);
        self.heard = Some(at);
        if loudness > 0 {
            self.mute = None;
        } else if level.is_some() && at.saturating_duration_since(*self.mute.get_or_insert(at)) >= MUTE_AFTER {
            return Heard::Mute;
        }
        if self.now < SPEECH {
            return Heard::Sound;
        }
        self.spoke = Some(at);
        if self.looked.is_some_and(|looked| at.saturating_duration_since(looked) < LOOK_INTERVAL) {
            return Heard::Sound;
        }
        self.looked = Some(at);
        Heard::Speech
    }

    /// What it counts where voices are put in order: how loud it was lately, and nothing once it is silent.
    fn rank(&self, at: Instant) -> u16 {
        let Some(heard) = self.heard else { return 0 };
        let ms = u64::try_from(at.saturating_duration_since(heard).as_millis()).unwrap_or(u64::MAX);
        let faded = u16::try_from(ms.saturating_mul(FADES_PER_S) / 1_000).unwrap_or(u16::MAX);
        self.lately.saturating_sub(faded)
    }

    fn counts(&self, at: Instant) -> u16 {
        let rank = self.rank(at);
        if rank < SPEECH { 0 } else { rank }
    }

    fn speaks(&self, at: Instant) -> bool {
        let within = |moment: Option<Instant>, most| moment.is_some_and(|m| at.saturating_duration_since(m) < most);
        within(self.heard, GONE_AFTER) && within(self.spoke, PAUSE_MAX)
    }
}

/// A microphone: a peer's place, and the track.
pub(crate) type Mic = (usize, usize);

/// A room's microphones, in the order in which they go out.
#[derive(Debug, Default)]
pub(crate) struct Speakers {
    /// Loudest first, those who never spoke in the order of their coming.
    ranked: Vec<Mic>,
    told: Vec<PeerId>,
    told_at: Option<Instant>,
    /// The room is on the shard's list of those that are looked at.
    pub(crate) watched: bool,
}

impl Speakers {
    pub(crate) fn add(&mut self, mic: Mic) {
        self.ranked.push(mic);
    }

    /// Forgets those of a peer.
    pub(crate) fn remove(&mut self, place: usize) {
        self.ranked.retain(|(of, _)| *of != place);
    }

    /// The first `count` that are not `listener`'s own.
    pub(crate) fn loudest(&self, count: usize, listener: usize) -> impl Iterator<Item = Mic> + '_ {
        self.ranked.iter().copied().filter(move |(place, _)| *place != listener).take(count)
    }

    /// Puts the voices in order. Whether the first `count` are others, or stand otherwise.
    pub(crate) fn rank<'a>(&mut self, count: usize, at: Instant, voice: impl Fn(Mic) -> Option<&'a Voice>) -> bool {
        let mut changed = false;
        let counts = |mic| voice(mic).map_or(0, |voice| voice.counts(at));
        for index in 1..self.ranked.len() {
            let mic = self.ranked[index];
            let mine = counts(mic);
            if mine == 0 {
                continue;
            }
            let mut to = index;
            while to > 0 {
                let before = counts(self.ranked[to - 1]);
                if before > 0 && mine < before.saturating_add(MARGIN) {
                    break;
                }
                to -= 1;
            }
            if to < index {
                self.ranked[to..=index].rotate_right(1);
                changed |= to < count;
            }
        }
        changed
    }

    /// Whether anyone speaks.
    pub(crate) fn anyone<'a>(&self, at: Instant, voice: impl Fn(Mic) -> Option<&'a Voice>) -> bool {
        self.ranked.iter().any(|mic| voice(*mic).is_some_and(|voice| voice.speaks(at)))
    }

    /// Those who speak, the dominant one first, if that is news and it is time for it.
    pub(crate) fn news<'a>(
        &mut self,
        at: Instant,
        voice: impl Fn(Mic) -> Option<&'a Voice>,
        id_of: impl Fn(usize) -> Option<PeerId>,
    ) -> Option<Vec<PeerId>> {
        if self.told_at.is_some_and(|told| at.saturating_duration_since(told) < TELL_INTERVAL) {
            return None;
        }
        let speaking = self.ranked.iter().filter(|mic| voice(**mic).is_some_and(|voice| voice.speaks(at)));
        let speaking: Vec<PeerId> = speaking.filter_map(|(place, _)| id_of(*place)).take(TOLD_MAX).collect();
        if speaking == self.told {
            return None;
        }
        self.told.clone_from(&speaking);
        self.told_at = Some(at);
        Some(speaking)
    }

    /// Whether what was told last is that somebody speaks.
    pub(crate) fn told_someone(&self) -> bool {
        !self.told.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shard::tests::epoch;

    /// Voices by their place, each at a steady level since the last call, and the order that comes of it.
    struct Table {
        voices: Vec<Voice>,
        speakers: Speakers,
        ms: u64,
        changes: usize,
    }

    impl Table {
        fn new(voices: usize) -> Self {
            let mut speakers = Speakers::default();
            (0..voices).for_each(|place| speakers.add((place, 0)));
            Self { voices: (0..voices).map(|_| Voice::default()).collect(), speakers, ms: 0, changes: 0 }
        }

        fn at(&self) -> Instant {
            epoch() + Duration::from_millis(self.ms)
        }

        /// Lets them speak for `ms`, those without a level send nothing.
        fn speak(&mut self, ms: u64, levels: &[Option<i8>]) {
            for _ in 0..ms / 20 {
                self.ms += 20;
                let at = self.at();
                for (voice, level) in self.voices.iter_mut().zip(levels) {
                    if level.is_some() {
                        voice.hear(*level, 80, at);
                    }
                }
                if self.ms.is_multiple_of(100) {
                    let voices = &self.voices;
                    self.changes += usize::from(self.speakers.rank(3, at, |(place, _)| voices.get(place)));
                }
            }
        }

        fn first(&self, count: usize, listener: usize) -> Vec<usize> {
            self.speakers.loudest(count, listener).map(|(place, _)| place).collect()
        }

        fn news(&mut self) -> Option<Vec<PeerId>> {
            let (at, voices) = (self.at(), &self.voices);
            self.speakers.news(at, |(place, _)| voices.get(place), |place| Some(PeerId(place as u64)))
        }
    }

    #[test]
    fn c4_the_loudest_come_first_and_nobody_gets_their_own() {
        let mut table = Table::new(5);
        table.speak(300, &[Some(-127), Some(-127), Some(-50), Some(-20), Some(-35)]);
        assert_eq!(table.first(3, 9), [3, 4, 2], "those who are silent come after");
        assert_eq!(table.first(3, 3), [4, 2, 0], "without one's own, one more of the others");
    }

    #[test]
    fn c4_one_who_begins_to_speak_is_heard_within_a_fifth_of_a_second() {
        let mut table = Table::new(500);
        let mut levels = vec![Some(-127); 500];
        table.speak(1_000, &levels);
        levels[499] = Some(-30);
        table.speak(200, &levels);
        assert_eq!(table.first(1, 0), [499]);
    }

    #[test]
    fn c4_voices_of_about_one_loudness_do_not_take_turns() {
        let mut table = Table::new(6);
        for round in 0..50 {
            let level = |place: i8| Some(-30 - (round + place * 3) % 5);
            table.speak(100, &[level(0), level(1), level(2), level(3), level(4), level(5)]);
        }
        assert!(table.changes <= 1, "{} changes in five seconds", table.changes);
    }

    #[test]
    fn c4_a_pause_keeps_its_place_and_silence_loses_it() {
        let mut table = Table::new(2);
        table.speak(1_000, &[Some(-25), Some(-127)]);
        table.speak(600, &[Some(-127), Some(-48)]);
        assert_eq!(table.first(1, 9), [0], "a pause");
        table.speak(3_000, &[Some(-127), Some(-48)]);
        assert_eq!(table.first(1, 9), [1], "one who hums goes before one who is silent");
        table.speak(3_000, &[None, Some(-127)]);
        assert_eq!(table.first(1, 9), [1], "and keeps the place while nobody else wants it");
    }

    #[test]
    fn c4_who_speaks_is_told_when_it_changes_and_not_too_often() {
        let mut table = Table::new(3);
        assert_eq!(table.news(), None);
        table.speak(200, &[Some(-127), Some(-20), Some(-127)]);
        assert_eq!(table.news(), Some(vec![PeerId(1)]));
        table.speak(200, &[Some(-30), Some(-20), Some(-127)]);
        assert_eq!(table.news(), None, "not yet");
        table.speak(200, &[Some(-30), Some(-20), Some(-127)]);
        assert_eq!(table.news(), Some(vec![PeerId(1), PeerId(0)]), "the dominant speaker first");
        table.speak(400, &[Some(-30), Some(-20), Some(-127)]);
        assert_eq!(table.news(), None, "no news");
        table.speak(2_000, &[None, None, None]);
        assert_eq!(table.news(), Some(vec![]), "nobody speaks, though nothing said so");
    }

    #[test]
    fn c4_a_muted_microphone_is_told_from_a_quiet_one() {
        let mut voice = Voice::default();
        let mut hear = |ms, level| voice.hear(Some(level), 80, epoch() + Duration::from_millis(ms));
        assert_eq!(hear(0, -127), Heard::Sound);
        assert_eq!(hear(500, -90), Heard::Sound, "quiet");
        assert_eq!(hear(600, -127), Heard::Sound);
        assert_eq!(hear(1_600, -127), Heard::Mute);
        assert_eq!(hear(1_620, -20), Heard::Sound);
    }
}
