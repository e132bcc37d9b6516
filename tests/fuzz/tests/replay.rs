//! The short fuzz test: every kept seed, and mutations of them that are the same each time.
#![expect(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, reason = "these are tests")]

use std::path::{Path, PathBuf};
use tertulia_fuzz::mutate::{Random, mutate};
use tertulia_fuzz::{TARGETS, Target, target};

/// From which the mutations are made.
const NUMBER: u64 = 20_261_121;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(name)
}

/// The seeds in the order of their names.
fn seeds(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder(name)).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let seeds: Vec<_> = paths.into_iter().map(|path| (path.clone(), std::fs::read(path).unwrap())).collect();
    assert!(seeds.len() >= 3, "{name} has {} seeds", seeds.len());
    seeds
}

/// Keeps the input that broke an invariant where it can be looked at, and says so.
struct OnTrial<'a> {
    target: Target,
    data: &'a [u8],
}

impl Drop for OnTrial<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let file = std::env::temp_dir().join(format!("tertulia-fuzz-{}", self.target.name));
            std::fs::write(&file, self.data).ok();
            eprintln!(
                "{} broke; its input is in {}: keep it in {:?}",
                self.target.name,
                file.display(),
                folder(self.target.name)
            );
        }
    }
}

fn replay(name: &str) {
    let target = target(name).unwrap();
    let seeds = seeds(name);
    for (path, data) in &seeds {
        println!("{}", path.display());
        let _on_trial = OnTrial { target, data };
        (target.run)(data);
    }
    let seeds: Vec<Vec<u8>> = seeds.into_iter().map(|(_, data)| data).collect();
    let mut random = Random(NUMBER);
    for _ in 0..target.mutations {
        let data = mutate(&mut random, &seeds);
        let _on_trial = OnTrial { target, data: &data };
        (target.run)(&data);
    }
}

macro_rules! replays {
    ($($test:ident: $name:literal,)*) => {
        $(#[test]
        fn $test() {
            replay($name);
        })*

        #[test]
        fn every_target_and_every_folder_of_seeds_is_replayed() {
            let mut replayed = vec![$($name),*];
            replayed.sort_unstable();
            let targets: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
            assert_eq!(replayed, targets);
            let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds");
            let mut folders: Vec<String> =
                std::fs::read_dir(root).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
            folders.sort();
            assert_eq!(folders, targets);
        }
    };
}

replays! {
    what_a_participant_sends_harms_nobody_else: "authentic",
    bodies_of_requests_are_taken_or_refused: "bodies",
    d3_a_film_is_the_same_however_it_is_cut: "boxes",
    configurations_are_taken_or_refused: "config",
    datagrams_harm_no_shard: "datagrams",
    c7_descriptors_name_only_what_their_structure_has: "descriptor",
    d1_a_form_is_the_same_however_it_is_cut: "form",
    packets_keep_their_distance_in_a_slot: "forward",
    frames_are_the_same_in_both_codecs: "frames",
    d1_headers_of_uploads_are_taken_or_refused: "headers",
    c6_forged_media_ends_nobodys_call: "media",
    offers_are_answered_or_refused: "offer",
    a1_phone_numbers_are_the_same_wherever_they_are_read: "phone",
    d2_files_are_what_they_begin_as: "sniff",
    c6_frames_by_tcp_are_the_same_wherever_they_are_cut: "tcp",
    a2_tokens_speak_for_nobody_unless_signed: "tokens",
    frames_of_a_websocket_are_the_same_however_they_come: "websocket",
    d3_what_a_worker_says_is_a_frame_or_an_error_and_not_believed: "worker",
}
