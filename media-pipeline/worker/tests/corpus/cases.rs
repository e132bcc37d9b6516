//! A case: a film of the pattern in some container and coding, and what must come of it.

use crate::breakage;
use crate::look::{Look, assert_playable, probe};
use crate::pattern::{GREY, GREY_OF_HIGH_RANGE, ONSETS, Picture, SECONDS, SMALL, Shape};
use crate::room::{Desk, table};
use std::path::PathBuf;
use tertulia_media_core::Class;

/// Which program makes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Maker {
    /// The distribution's FFmpeg.
    Ours,
    /// A newer one.
    Newer,
}

/// What becomes of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Its packets are the input's.
    Copied,
    /// It is coded anew.
    Coded,
    /// There is none.
    Absent,
}

/// One film.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) coded: &'static str,
    /// What is done then to what was made: arguments to the newer FFmpeg.
    pub(crate) then: &'static str,
    pub(crate) maker: Maker,
    pub(crate) shape: Shape,
    pub(crate) pictures: Fate,
    pub(crate) sound: Fate,
    /// Its upright size, if another than what was filmed.
    pub(crate) size: Option<(u32, u32)>,
    /// How many pictures come out, if others than were filmed.
    pub(crate) count: Option<usize>,
    /// The quarters, if others than were filmed.
    pub(crate) quarters: &'static str,
    /// How much later the sound is than the pictures: the file says so, or its maker forgot to say otherwise.
    pub(crate) apart: f64,
}

/// A case that goes in as filmed.
pub(crate) fn case(name: &'static str, coded: &'static str) -> Case {
    Case {
        name,
        coded,
        then: "",
        maker: Maker::Ours,
        shape: SMALL,
        pictures: Fate::Coded,
        sound: Fate::Coded,
        size: None,
        count: None,
        quarters: "rgbw",
        apart: 0.0,
    }
}

impl Case {
    pub(crate) fn newer(self) -> Self {
        Self { maker: Maker::Newer, ..self }
    }

    pub(crate) fn fates(self, pictures: Fate, sound: Fate) -> Self {
        Self { pictures, sound, ..self }
    }

    pub(crate) fn copied(self) -> Self {
        self.fates(Fate::Copied, Fate::Copied)
    }

    pub(crate) fn shape(self, width: usize, height: usize, rate: u32) -> Self {
        Self { shape: Shape { width, height, rate }, ..self }
    }

    pub(crate) fn size(self, width: u32, height: u32) -> Self {
        Self { size: Some((width, height)), ..self }
    }

    pub(crate) fn count(self, count: usize) -> Self {
        Self { count: Some(count), ..self }
    }

    pub(crate) fn quarters(self, quarters: &'static str) -> Self {
        Self { quarters, ..self }
    }

    /// Changed without being coded anew.
    pub(crate) fn then(self, then: &'static str) -> Self {
        Self { then, ..self }
    }

    pub(crate) fn apart(self, apart: f64) -> Self {
        Self { apart, ..self }
    }

    /// What it is called where it fails.
    fn title(&self) -> String {
        format!("{} {} {}", self.name, self.coded, self.then)
    }

    /// Makes it, has it done, and looks at everything that must be so; then breaks it.
    pub(crate) fn prove(&self, desk: &Desk<'_>) {
        let input = self.make(desk);
        let made = desk.run(Class::Video, &input).unwrap_or_else(|refusal| panic!("{self:?}: {refusal:?}"));
        let look = Look::at(desk, &made.main);
        assert_playable(&look, &made);
        self.look(&look);
        assert!(!made.outcome.is_salvaged);
        assert_eq!(made.outcome.has_sound, self.sound != Fate::Absent);
        let is_copied = [self.pictures, self.sound].iter().all(|fate| *fate != Fate::Coded);
        assert_eq!(made.outcome.is_remuxed, is_copied);
        let fates = [("video", self.pictures), ("audio", self.sound)];
        if fates.iter().any(|(_, fate)| *fate == Fate::Copied) {
            let told = probe(&input);
            for (kind, fate) in fates {
                assert_eq!(look.has_packets_of(&told, kind), fate != Fate::Coded, "{kind}");
            }
        }
        breakage::break_all(desk, Class::Video, &std::fs::read(&input).unwrap(), &self.title());
    }

    fn make(&self, desk: &Desk<'_>) -> PathBuf {
        let film = desk.film(self.shape);
        let maps = if self.sound == Fate::Absent { "-map 0:v" } else { "-map 0:v -map 1:a" };
        let maps = if self.coded.contains("-map ") { "" } else { maps };
        let wide = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus/wide.amr");
        let arguments = format!("{film} {maps} -strict -2 {}", self.coded).replace("{wide}", wide);
        let name = if self.then.is_empty() { self.name.to_owned() } else { format!("first-{}", self.name) };
        let made = match self.maker {
            Maker::Ours => desk.make(&name, &arguments),
            Maker::Newer => desk.make_by_newer(&name, &arguments),
        };
        if self.then.is_empty() {
            return made;
        }
        desk.make_by_newer(self.name, &self.then.replace("{first}", &made.display().to_string()))
    }

    fn look(&self, look: &Look) {
        let Shape { width, height, .. } = self.shape;
        let (width, height) = self.size.unwrap_or((width as u32, height as u32));
        let size = [look.field("video", "width"), look.field("video", "height")];
        assert_eq!(size, [width.to_string(), height.to_string()]);
        let pictures = look.pictures();
        assert_eq!(pictures.len(), self.count.unwrap_or_else(|| self.shape.pictures()));
        assert!(pictures.iter().all(|picture| picture.quarters() == self.quarters), "{:?}", quarters(&pictures));
        let is_high = ["smpte2084", "arib-std-b67"].iter().any(|transfer| self.coded.contains(transfer));
        let grey = if is_high { GREY_OF_HIGH_RANGE } else { GREY };
        let greys: Vec<u8> = pictures.iter().map(Picture::grey).collect();
        let is_as_filmed = self.quarters == "rgbw";
        assert!(!is_as_filmed || greys.iter().all(|found| found.abs_diff(grey) <= 10), "{greys:?}");
        if self.coded.contains("bt2020") {
            let told = ["color_transfer", "color_primaries", "color_space"].map(|field| look.field("video", field));
            assert_eq!(told, ["bt709"; 3]);
        }
        let length = look.field("video", "duration").parse::<f64>().unwrap();
        assert!((length - SECONDS).abs() < if self.count.is_some() { 0.2 } else { 0.1 }, "{length} s of pictures");
        if self.sound == Fate::Coded {
            let told = [look.field("audio", "sample_rate"), look.field("audio", "channels")];
            assert_eq!(told, ["48000", "2"]);
        }
        let flashes = if self.sound == Fate::Absent { look.flashes() } else { look.in_sync(self.apart) };
        let is_on_time = |(flash, onset): (&f64, &f64)| (flash - onset).abs() < 0.1;
        assert!(flashes.len() == ONSETS.len() && flashes.iter().zip(&ONSETS).all(is_on_time), "{flashes:?}");
        if is_as_filmed && self.count.is_none() {
            let numbers: Vec<usize> = pictures.iter().map(Picture::number).collect();
            assert!(numbers.iter().enumerate().all(|(at, number)| at % 256 == *number), "each, in order: {numbers:?}");
        }
    }
}

fn quarters(pictures: &[Picture<'_>]) -> Vec<String> {
    pictures.iter().map(Picture::quarters).collect()
}

/// Proves all of them.
pub(crate) fn prove_all(cases: &[Case]) {
    table(cases, Case::title, |desk, case| case.prove(desk));
}
