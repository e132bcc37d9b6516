//! Links in time that the tests make.

use super::*;

fn at(seconds: u64) -> Timestamp {
    Timestamp(1_000_000_000 + seconds * 1_000)
}

fn address(last: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, last])
}

fn user(name: &str) -> UserId {
    name.parse().unwrap()
}

fn links() -> Links {
    Links::new(&AccountLimits::default())
}

fn begin(links: &Links, now: u64) -> Begun {
    links.begin("tablet".to_owned(), address(1), address(1), at(now)).unwrap()
}

fn access() -> DeviceAccess {
    DeviceAccess { user_id: user("alice"), device_id: "d1".parse().unwrap(), token: "tdt_x".to_owned() }
}

fn poll(links: &Links, begun: &Begun, now: u64) -> Option<LinkState> {
    match links.poll(begun.link, &begun.secret, at(now)) {
        Ok(Polled::News(state)) => Some(state),
        Ok(Polled::Wait(_)) => None,
        Err(error) => panic!("{error:?}"),
    }
}

#[test]
fn a3_a_device_waits_is_seen_and_gets_its_access_once() {
    let links = links();
    let begun = begin(&links, 0);
    assert!(poll(&links, &begun, 1).is_none());
    let found = links.inspect(&begun.code, &user("alice"), address(2), at(2)).unwrap();
    assert_eq!(found, Found { device_name: "tablet".to_owned(), address: address(1), asked_at: at(0) });
    assert!(matches!(poll(&links, &begun, 3), Some(LinkState::Seen)));
    assert!(poll(&links, &begun, 3).is_none(), "that is told once");
    let (link, _) = links.take(&begun.code, &user("alice"), address(2), at(4)).unwrap();
    links.approved(link, Some(access()));
    assert!(matches!(poll(&links, &begun, 5), Some(LinkState::Approved(_))));
    assert!(matches!(links.poll(begun.link, &begun.secret, at(6)), Err(NotFound::Over)));
    assert!(links.inner.lock().links.is_empty() && links.inner.lock().by_code.is_empty());
}

#[test]
fn a3_only_who_has_looked_may_approve_and_a_code_is_used_once() {
    let links = links();
    let begun = begin(&links, 0);
    let take = |who| links.take(&begun.code, &user(who), address(2), at(1)).map(|_| ());
    assert_eq!(take("alice"), Err(NotFound::NotSeen));
    links.inspect(&begun.code, &user("bob"), address(2), at(1)).unwrap();
    assert_eq!(take("alice"), Err(NotFound::NotSeen), "somebody else's look does not count");
    assert_eq!(take("bob"), Ok(()));
    assert_eq!(take("bob"), Err(NotFound::Over));
    assert_eq!(links.inspect(&begun.code, &user("bob"), address(2), at(1)), Err(NotFound::Over));
}

#[test]
fn a3_a_code_expires_and_who_waits_is_woken() {
    let links = links();
    let begun = begin(&links, 0);
    links.inspect(&begun.code, &user("alice"), address(2), at(179)).unwrap();
    assert_eq!(links.inspect(&begun.code, &user("alice"), address(2), at(180)), Err(NotFound::Over));
    assert!(matches!(links.poll(begun.link, &begun.secret, at(180)), Err(NotFound::Over)));
}

#[test]
fn a3_without_the_secret_nothing_is_told() {
    let links = links();
    let begun = begin(&links, 0);
    for secret in [&[0; 32][..], &begun.secret[..31], &[]] {
        assert!(matches!(links.poll(begun.link, secret, at(1)), Err(NotFound::Over)));
    }
    assert!(matches!(links.poll(begun.link ^ 1, &begun.secret, at(1)), Err(NotFound::Over)));
}

#[test]
fn a3_a_code_is_forgiven_its_form_and_has_no_letters_that_look_alike() {
    let links = links();
    let begun = begin(&links, 0);
    assert!(begun.code.len() == 8 && !begun.code.contains(['I', 'O', '0', '1']));
    let typed = format!(" {} ", shown(&begun.code).to_lowercase());
    assert!(links.inspect(&typed, &user("alice"), address(2), at(1)).is_ok());
    assert_eq!(links.inspect(&format!("{}X", begun.code), &user("alice"), address(2), at(1)), Err(NotFound::Over));
}

#[test]
fn a3_an_address_asks_for_so_many_links_and_tries_so_many_codes() {
    let links = links();
    let asked = (0..50).filter(|_| links.begin("x".to_owned(), address(1), address(1), at(0)).is_ok()).count();
    assert_eq!(asked, 20);
    let tries: Vec<_> =
        (0..40).map(|_| links.inspect("AAAA-AAAA", &user("mallory"), address(3), at(0)).unwrap_err()).collect();
    assert_eq!(tries.iter().filter(|tried| **tried == NotFound::Over).count(), 30);
    assert!(matches!(tries[39], NotFound::Wait(_)));
}
