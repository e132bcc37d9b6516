//! What the vault keeps and what it forgets, and what crashes do to both, by seed.
//!
//! The property: a body that was sealed can be opened after any crash; one that was forgotten cannot, by anybody who reads every byte that is
//! anywhere on the disk and has the key-encryption keys. Then each guard is left out, to see that the property notices.

use std::{ops::Range, sync::Arc};

use zeroize::Zeroizing;

use super::{Guards, Kek, Vault, VaultError, crypt};
use crate::disk::sim::{Faults, Rng, SimDisk};

const AAD: &[u8] = b"conversation";

fn keks(of: &[u8]) -> Vec<Kek> {
    of.iter().map(|&byte| Kek::new(Zeroizing::new([byte; 32]))).collect()
}

fn open(disk: &SimDisk) -> Vault {
    Vault::open_alone(Arc::new(disk.clone()), keks(&[1])).expect("it opens")
}

fn sealed(vault: &Vault, bucket: u64, number: u64) -> Vec<u8> {
    let mut body = format!("message {number}").into_bytes();
    vault.seal(bucket, number, AAD, &mut body).expect("sealed");
    body
}

fn unsealed(vault: &Vault, bucket: u64, number: u64, body: &[u8]) -> Result<Vec<u8>, VaultError> {
    let mut body = body.to_vec();
    vault.unseal(bucket, number, AAD, &mut body).map(|()| body)
}

#[test]
fn a_sealed_body_opens_for_its_own_bucket_number_and_aad_only() {
    let disk = SimDisk::new(1);
    let vault = open(&disk);
    let body = sealed(&vault, 5, 100);
    assert_eq!(body.len(), "message 100".len() + super::OVERHEAD);
    assert_eq!(unsealed(&vault, 5, 100, &body).expect("it opens"), b"message 100");
    assert!(matches!(unsealed(&vault, 5, 101, &body), Err(VaultError::Tampered)));
    assert!(matches!(unsealed(&vault, 6, 100, &body), Err(VaultError::Forgotten)));
    sealed(&vault, 6, 1);
    assert!(matches!(unsealed(&vault, 6, 100, &body), Err(VaultError::Tampered)));
    assert!(matches!(vault.unseal(5, 100, b"another", &mut body.clone()), Err(VaultError::Tampered)));
    for at in 0..body.len() {
        let mut changed = body.clone();
        changed[at] ^= 1;
        assert!(matches!(unsealed(&vault, 5, 100, &changed), Err(VaultError::Tampered)), "byte {at}");
    }
    assert!(matches!(unsealed(&vault, 5, 100, &body[..10]), Err(VaultError::Tampered)));
    assert_ne!(sealed(&vault, 5, 100), body, "a number that is used again gets another nonce");
    drop(vault);
    disk.power_cut();
    assert_eq!(unsealed(&open(&disk), 5, 100, &body).expect("it opens"), b"message 100");
}

#[test]
fn what_is_forgotten_opens_no_more_and_what_lives_does() {
    let disk = SimDisk::new(2);
    let vault = open(&disk);
    let bodies: Vec<Vec<u8>> = (0..10).map(|number| sealed(&vault, 7, number)).collect();
    vault.forget(7, &[9, 3, 5, 3]).expect("forgotten");
    vault.forget(7, &[3, 9, 4]).expect("forgotten");
    let check = |vault: &Vault| {
        for (number, body) in (0..).zip(&bodies) {
            assert_eq!(unsealed(vault, 7, number, body).is_ok(), [3, 9].contains(&number), "{number}");
        }
    };
    check(&vault);
    drop(vault);
    disk.power_cut();
    let vault = open(&disk);
    check(&vault);
    assert!(!vault.is_open(7), "a closed bucket stays closed");
    // The clock went back: what is sealed now opens, what was forgotten does not.
    let late = sealed(&vault, 7, 20);
    let again = sealed(&vault, 7, 4);
    check(&vault);
    drop(vault);
    disk.power_cut();
    let vault = open(&disk);
    check(&vault);
    assert_eq!(unsealed(&vault, 7, 20, &late).expect("it opens"), b"message 20");
    assert_eq!(unsealed(&vault, 7, 4, &again).expect("it opens"), b"message 4");
    vault.forget(7, &[3, 9]).expect("forgotten");
    check(&vault);
    assert!(unsealed(&vault, 7, 20, &late).is_err());
    vault.forget(7, &[]).expect("forgotten");
    assert_eq!(vault.buckets(), Vec::<u64>::new());
    assert!(attack(&disk, 7, &[1]).is_empty(), "nothing is left on the disk");
}

#[test]
fn keys_rotate_and_the_old_one_is_needed_no_more() {
    let disk = SimDisk::new(3);
    let open = |of: &[u8]| Vault::open_alone(Arc::new(disk.clone()), keks(of));
    let vault = open(&[1]).expect("it opens");
    let bodies: Vec<Vec<u8>> = (0..5).map(|bucket| sealed(&vault, bucket, 1)).collect();
    vault.forget(3, &[1]).expect("closed");
    drop(vault);
    assert!(matches!(open(&[2]), Err(VaultError::UnknownKey { bucket: 0 })));
    let vault = open(&[2, 1]).expect("it opens");
    assert_eq!(vault.metrics().to_rewrap, 5);
    vault.forget(4, &[]).expect("forgotten");
    assert_eq!((vault.metrics().to_rewrap, vault.rewrap().expect("wrapped anew")), (4, 4));
    assert_eq!((vault.metrics().to_rewrap, vault.metrics().rewrapped), (0, 4));
    drop(vault);
    disk.power_cut();
    let vault = open(&[2]).expect("the old key is needed no more");
    for (bucket, body) in (0..4).zip(&bodies) {
        assert_eq!(unsealed(&vault, bucket, 1, body).expect("it opens"), b"message 1");
    }
    assert!(attack(&disk, 0, &[1]).is_empty(), "and opens nothing");
}

#[test]
fn a_file_that_was_changed_is_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    let open = || {
        let disk = crate::disk::RealDisk::open(dir.path()).expect("a folder");
        Vault::open(Arc::new(disk), keks(&[1]))
    };
    let vault = open().expect("it opens");
    sealed(&vault, 1, 1);
    assert!(matches!(open(), Err(VaultError::Locked)));
    drop(vault);
    let path = dir.path().join("0000000000000001");
    let good = std::fs::read(&path).expect("a file");
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0x80;
        std::fs::write(&path, bad).expect("written");
        assert!(matches!(open(), Err(VaultError::Damaged { .. } | VaultError::UnknownKey { .. })), "byte {at}");
    }
    std::fs::write(&path, &good).expect("written");
    open().expect("and whole again it opens");
}

#[test]
fn the_next_buckets_secret_is_made_ahead_and_nobody_waits_for_it() {
    let vault = Vault::open(Arc::new(SimDisk::new(4)), keks(&[1])).expect("it opens");
    sealed(&vault, 10, 1);
    while !vault.buckets().contains(&11) {
        std::thread::yield_now();
    }
    sealed(&vault, 11, 2);
    assert_eq!(vault.metrics().waits, 1, "the first one only");
}

#[test]
fn the_helper_wraps_anew_what_another_key_has_wrapped() {
    let disk = SimDisk::new(5);
    let vault = open(&disk);
    sealed(&vault, 1, 1);
    drop(vault);
    let vault = Vault::open(Arc::new(disk), keks(&[2, 1])).expect("it opens");
    while vault.metrics().to_rewrap > 0 {
        std::thread::yield_now();
    }
    assert_eq!(vault.metrics().rewrapped, 1);
}

/// Every set of keys that somebody who has the disk and the key-encryption keys gets for a bucket, be it of a file that was removed.
fn attack(disk: &SimDisk, bucket: u64, of: &[u8]) -> Vec<crypt::Keys> {
    let keks = keks(of);
    let everything = disk.everything();
    everything.iter().filter_map(|file| Some(crypt::unwrap(&keks, bucket, file).ok()?.0.keys())).collect()
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Fate {
    Lives,
    /// Forgetting it was begun and not confirmed.
    Dying,
    Forgotten,
}

struct Message {
    bucket: u64,
    number: u64,
    body: Vec<u8>,
    fate: Fate,
}

struct Run {
    rng: Rng,
    disk: SimDisk,
    guards: Guards,
    always: Faults,
    messages: Vec<Message>,
    bucket: u64,
}

impl Run {
    fn go(&mut self) -> Result<(), String> {
        for _ in 0..5 {
            let mut faults = self.always;
            let at = Some(self.disk.operations() + 1 + self.rng.below(50) as u64);
            match self.rng.below(5) {
                0 => {}
                1 => faults.fail_sync_at = at,
                _ => faults.cut_at = at,
            }
            if self.rng.one_in(4) {
                faults.capacity = Some(500 + self.rng.below(1500));
            }
            self.disk.set_faults(faults);
            match self.open() {
                Ok(vault) => self.work(&vault)?,
                Err(VaultError::Io { .. } | VaultError::Full) => {}
                Err(error) => return Err(format!("it opens no more: {error}")),
            }
            if self.rng.one_in(3) {
                self.disk.kill()
            } else {
                self.disk.power_cut()
            }
            self.disk.set_faults(self.always);
            // Sealed bodies are checked in the state that the next run finds.
            if self.rng.one_in(2) {
                let vault = self.open().map_err(|error| format!("it opens no more: {error}"))?;
                self.check(&vault)?;
                drop(vault);
                self.disk.power_cut();
            }
        }
        self.disk.power_cut();
        let vault = self.open().map_err(|error| format!("it opens no more: {error}"))?;
        self.check(&vault)?;
        self.check_disk()
    }

    fn open(&self) -> Result<Vault, VaultError> {
        // The keys rotate as well: the newest of a run wraps.
        let first = u8::try_from(self.bucket % 3).expect("small");
        let of = [first, (first + 1) % 3, (first + 2) % 3];
        Vault::open_guarded(Arc::new(self.disk.clone()), keks(&of), self.guards)
    }

    fn work(&mut self, vault: &Vault) -> Result<(), String> {
        for _ in 0..20 {
            let done = match self.rng.below(8) {
                0..4 => self.seal(vault),
                4 => {
                    self.bucket += 1;
                    Ok(())
                }
                5 => vault.rewrap().map(drop),
                _ => self.forget(vault),
            };
            match done {
                Ok(()) => {}
                Err(VaultError::Full) => self.disk.set_faults(self.always),
                Err(VaultError::Io { .. }) => {
                    let again = vault.seal(self.bucket + 1, 1, AAD, &mut vec![1]);
                    return match again {
                        Err(VaultError::Poisoned) => Ok(()),
                        other => Err(format!("a failed vault goes on: {other:?}")),
                    };
                }
                Err(error) => return Err(format!("not the disk's fault: {error}")),
            }
            self.check(vault)?;
        }
        self.check_disk()
    }

    fn seal(&mut self, vault: &Vault) -> Result<(), VaultError> {
        let number = self.messages.len() as u64;
        let mut body = number.to_le_bytes().to_vec();
        // Clocks go back, too.
        let bucket = self.bucket.saturating_sub(if self.rng.one_in(8) { self.rng.below(3) as u64 } else { 0 });
        vault.seal(bucket, number, AAD, &mut body)?;
        self.messages.push(Message { bucket, number, body, fate: Fate::Lives });
        Ok(())
    }

    fn forget(&mut self, vault: &Vault) -> Result<(), VaultError> {
        if self.bucket == 0 {
            return Ok(());
        }
        let newest = self.bucket - 1 - self.rng.below(3.min(usize::try_from(self.bucket).expect("small"))) as u64;
        let oldest = newest - self.rng.below(3.min(usize::try_from(newest).expect("small") + 1)) as u64;
        let mut live: Vec<(u64, Vec<u64>)> = (oldest..=newest).map(|bucket| (bucket, Vec::new())).collect();
        let one_in = 1 + self.rng.below(4);
        let closing = oldest..=newest;
        for message in self.messages.iter_mut().filter(|message| closing.contains(&message.bucket)) {
            match message.fate {
                Fate::Lives if self.rng.one_in(one_in) => message.fate = Fate::Dying,
                Fate::Lives => live[usize::try_from(message.bucket - oldest).expect("small")].1.push(message.number),
                Fate::Dying | Fate::Forgotten => {}
            }
        }
        let live: Vec<(u64, &[u64])> = live.iter().map(|(bucket, live)| (*bucket, live.as_slice())).collect();
        vault.forget_all(&live)?;
        for message in self.messages.iter_mut().filter(|message| closing.contains(&message.bucket)) {
            if message.fate == Fate::Dying {
                message.fate = Fate::Forgotten;
            }
        }
        Ok(())
    }

    fn check(&self, vault: &Vault) -> Result<(), String> {
        for message in &self.messages {
            let opened = unsealed(vault, message.bucket, message.number, &message.body);
            let right = match (message.fate, &opened) {
                (Fate::Lives, Ok(body)) => body[..] == message.number.to_le_bytes(),
                (Fate::Forgotten, Err(VaultError::Forgotten | VaultError::Tampered)) | (Fate::Dying, _) => true,
                _ => false,
            };
            if !right {
                return Err(format!("{} of bucket {} {:?}: {opened:?}", message.number, message.bucket, message.fate));
            }
        }
        Ok(())
    }

    /// Tries everything that is on the disk on what was forgotten.
    fn check_disk(&self) -> Result<(), String> {
        for message in self.messages.iter().filter(|message| message.fate == Fate::Forgotten) {
            for keys in attack(&self.disk, message.bucket, &[0, 1, 2]) {
                let Some(key) = keys.of(message.number) else { continue };
                if crypt::open(&key, AAD, &mut message.body.clone()) {
                    return Err(format!("{} of bucket {} can still be opened", message.number, message.bucket));
                }
            }
        }
        Ok(())
    }
}

fn first_failure(seeds: Range<u64>, guards: Guards, always: Faults) -> Option<(u64, String)> {
    seeds.into_iter().find_map(|seed| {
        let mut rng = Rng::new(seed);
        let disk = SimDisk::new(rng.next_u64());
        let mut run = Run { rng, disk, guards, always, messages: Vec::new(), bucket: 0 };
        run.go().err().map(|error| (seed, error))
    })
}

#[test]
fn what_is_sealed_opens_and_what_is_forgotten_does_not_after_any_crash() {
    let seeds = std::env::var("TERTULIA_CRASH_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(300);
    assert_eq!(first_failure(0..seeds, Guards::ALL, Faults::default()), None);
}

fn is_noticed(guards: Guards, always: Faults) {
    let failure = first_failure(0..3000, guards, always);
    println!("noticed: {failure:?}");
    assert!(failure.is_some(), "left out, and nobody noticed");
}

#[test]
fn without_the_sync_of_a_key_its_messages_are_lost() {
    is_noticed(Guards { sync_files: false, ..Guards::ALL }, Faults::default());
    is_noticed(Guards::ALL, Faults { ignore_sync: true, ..Faults::default() });
}

#[test]
fn without_the_sync_of_names_keys_are_lost_or_come_back() {
    is_noticed(Guards { sync_names: false, ..Guards::ALL }, Faults::default());
    is_noticed(Guards::ALL, Faults { ignore_sync_dir: true, ..Faults::default() });
}

#[test]
fn without_the_overwriting_the_dead_can_be_opened() {
    is_noticed(Guards { shred: false, ..Guards::ALL }, Faults::default());
}
