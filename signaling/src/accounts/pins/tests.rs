//! PINs in time that the tests make.

use super::*;

fn at(seconds: u64) -> Timestamp {
    Timestamp(1_000_000_000 + seconds * 1_000)
}

fn phone(last: u32) -> PhoneNumber {
    PhoneNumber::parse(&format!("+34 612 34 {last:04}"), None).unwrap()
}

fn address(last: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, last])
}

fn pins() -> Pins {
    Pins::new(&AccountLimits::default(), at(0))
}

fn other_than(pin: &str) -> String {
    format!("{:06}", (pin.parse::<u32>().unwrap() + 1) % 1_000_000)
}

#[test]
fn a1_a_right_pin_counts_once() {
    let pins = pins();
    let begun = pins.begin(&phone(1), address(1), at(0)).unwrap_or_else(|refused| panic!("{refused:?}"));
    assert!(begun.pin.len() == PIN_DIGITS as usize && begun.pin.bytes().all(|byte| byte.is_ascii_digit()));
    let verified = pins.verify(begun.registration, &begun.pin, address(1), at(1)).ok().unwrap();
    assert_eq!(verified.phone(), &phone(1));
    assert!(matches!(pins.verify(begun.registration, &begun.pin, address(1), at(2)), Err(NotVerified::Over)));
    pins.keep(verified);
    assert!(pins.verify(begun.registration, &begun.pin, address(1), at(3)).is_ok(), "kept, it counts again");
}

#[test]
fn a1_a_pin_of_another_registration_is_wrong() {
    let pins = pins();
    let one = pins.begin(&phone(1), address(1), at(0)).ok().unwrap();
    let other = pins.begin(&phone(2), address(1), at(0)).ok().unwrap();
    if one.pin != other.pin {
        assert!(matches!(pins.verify(one.registration, &other.pin, address(1), at(1)), Err(NotVerified::Wrong)));
    }
    assert!(matches!(pins.verify(7, &one.pin, address(1), at(1)), Err(NotVerified::Over)));
}

#[test]
fn a1_a_pin_expires_after_ten_minutes() {
    let pins = pins();
    let late = pins.begin(&phone(1), address(1), at(0)).ok().unwrap();
    let in_time = pins.begin(&phone(2), address(1), at(0)).ok().unwrap();
    assert!(pins.verify(in_time.registration, &in_time.pin, address(1), at(599)).is_ok());
    assert!(matches!(pins.verify(late.registration, &late.pin, address(1), at(600)), Err(NotVerified::Over)));
    assert!(pins.inner.lock().pending.is_empty() && pins.inner.lock().oldest.is_empty(), "nothing is kept of it");
}

#[test]
fn a1_the_fifth_wrong_try_is_the_last() {
    let pins = pins();
    let begun = pins.begin(&phone(1), address(1), at(0)).ok().unwrap();
    let wrong = other_than(&begun.pin);
    for _ in 0..4 {
        assert!(matches!(pins.verify(begun.registration, &wrong, address(1), at(1)), Err(NotVerified::Wrong)));
    }
    assert!(matches!(pins.verify(begun.registration, &wrong, address(1), at(1)), Err(NotVerified::Over)));
    assert!(matches!(pins.verify(begun.registration, &begun.pin, address(1), at(1)), Err(NotVerified::Over)));
}

#[test]
fn a1_a_number_waits_longer_each_time_and_has_so_many_a_day() {
    let pins = pins();
    let (mut now, mut waits) = (0, Vec::new());
    for sent in 0..10u8 {
        // Other addresses do not help.
        let begun =
            pins.begin(&phone(1), address(sent), at(now)).unwrap_or_else(|refused| panic!("{sent} {refused:?}"));
        let wait = begun.again_in.as_secs();
        let early = pins.begin(&phone(1), address(100 + sent), at(now + wait - 1));
        assert_eq!(early.err(), Some(NotBegun(Hit::PinsPerNumber, Duration::from_secs(1))));
        now += wait;
        waits.push(wait);
    }
    assert_eq!(waits[..8], [60, 120, 240, 480, 960, 1_920, 3_600, 3_600]);
    assert_eq!(now, 24 * 3600, "the tenth was the day's last");
    let next_day = pins.begin(&phone(1), address(1), at(now)).ok().unwrap();
    assert_eq!(next_day.again_in.as_secs(), 60);
}

#[test]
fn a1_an_address_asks_for_so_many_and_tries_so_many_whatever_the_numbers() {
    let pins = pins();
    let asked = (0..50).filter(|number| pins.begin(&phone(*number), address(1), at(0)).is_ok()).count();
    assert_eq!(asked, 10);
    let Err(NotBegun(hit, wait)) = pins.begin(&phone(60), address(1), at(0)) else { panic!("the eleventh") };
    assert_eq!((hit, wait.as_secs()), (Hit::PinsPerAddress, 180));
    assert!(pins.begin(&phone(60), address(2), at(0)).is_ok(), "another address is not stopped");

    let tried = (0..100).filter(|id| matches!(pins.verify(*id, "000000", address(3), at(0)), Err(NotVerified::Over)));
    assert_eq!(tried.count(), 30);
    assert!(matches!(pins.verify(1, "000000", address(3), at(0)), Err(NotVerified::Wait(_))));
}

#[test]
fn a1_the_server_sends_so_many_a_minute_whoever_asks() {
    let pins = pins();
    let sent = (0..200u8).filter(|n| pins.begin(&phone((*n).into()), address(*n), at(0)).is_ok()).count();
    assert_eq!(sent, 60);
    let Err(NotBegun(hit, wait)) = pins.begin(&phone(500), address(250), at(0)) else { panic!("the sixty-first") };
    assert_eq!((hit, wait.as_secs()), (Hit::Pins, 1));
    assert!(pins.begin(&phone(500), address(250), at(1)).is_ok());
}

#[test]
fn a1_what_was_not_sent_does_not_count_against_the_number() {
    let pins = pins();
    let begun = pins.begin(&phone(1), address(1), at(0)).ok().unwrap();
    pins.undo(begun.registration, at(1));
    assert!(matches!(pins.verify(begun.registration, &begun.pin, address(1), at(1)), Err(NotVerified::Over)));
    let again = pins.begin(&phone(1), address(1), at(1)).ok().unwrap();
    assert_eq!(again.again_in.as_secs(), 60, "as if it were the first");
}
