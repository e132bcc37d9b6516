//! What a slot makes of its sources.

use super::testing::packet;
use super::*;
use str0m::format::CodecConfig;

fn slot() -> (Slot, CodecConfig) {
    let mut config = CodecConfig::empty();
    config.enable_vp8(true);
    (Slot::new("0".into(), MediaKind::Video, 1.into()), config)
}

fn point(slot: &mut Slot, place: usize, config: &CodecConfig) {
    let carried = Carried { place, track: 0, source: Source::Camera };
    slot.point_at(Some((carried, config, 1)), config, &[96.into()]);
}

/// The numbers that the slot gives to a packet.
fn numbers(slot: &mut Slot, packet: &Packet) -> Result<(u64, u32), Skip> {
    slot.forward(packet).map(|(write, _)| {
        // RtpWrite keeps its fields to itself: its Debug shows them.
        let text = format!("{write:?}");
        let field = |name: &str| {
            let rest = &text[text.find(name).unwrap() + name.len()..];
            rest.chars().skip_while(|c| !c.is_ascii_digit()).take_while(char::is_ascii_digit).collect::<String>()
        };
        (field("seq_no: ").parse().unwrap(), field("time: ").parse().unwrap())
    })
}

#[test]
fn a_slot_starts_at_a_key_frame_and_keeps_distances() {
    let (mut slot, config) = slot();
    point(&mut slot, 0, &config);
    assert_eq!(slot.awaits_keyframe(), Some(0));
    assert_eq!(numbers(&mut slot, &packet(70_000, 5, 0, false)), Err(Skip::Keyframe));
    assert_eq!(numbers(&mut slot, &packet(70_001, 10, 0, true)), Ok((1, 10)), "below the first roll-over");
    assert_eq!(slot.awaits_keyframe(), None);
    assert_eq!(numbers(&mut slot, &packet(70_004, 20, 0, false)), Ok((4, 20)), "a loss stays a gap");
    assert_eq!(numbers(&mut slot, &packet(70_002, 10, 0, false)), Ok((2, 10)), "and can be filled late");
    assert_eq!(numbers(&mut slot, &packet(70_000, 5, 0, false)), Err(Skip::Old));
}

#[test]
fn a_slot_continues_when_it_changes_its_source() {
    let (mut slot, config) = slot();
    point(&mut slot, 0, &config);
    numbers(&mut slot, &packet(100, 1_000, 0, true)).unwrap();
    numbers(&mut slot, &packet(105, 4_000, 33, false)).unwrap();
    point(&mut slot, 1, &config);
    assert_eq!(numbers(&mut slot, &packet(9, 77, 43, false)), Err(Skip::Keyframe));
    assert_eq!(numbers(&mut slot, &packet(10, 500_000, 133, true)), Ok((7, 4_000 + 9_000)), "100 ms are 9,000 ticks");
}

#[test]
fn c7_a_slot_changes_its_layer_at_a_key_frame_and_the_old_one_flows_until_then() {
    let (mut slot, config) = slot();
    let carried = Carried { place: 0, track: 0, source: Source::Camera };
    slot.point_at(Some((carried, &config, 3)), &config, &[96.into()]);
    let of = |layer, seq, time, at_ms, key| Packet { layer, ..packet(seq, time, at_ms, key) };
    assert_eq!(numbers(&mut slot, &of(0, 1, 0, 0, true)), Err(Skip::Layer), "nothing before it is aimed");
    assert!(slot.aim(Some(0)));
    assert_eq!(numbers(&mut slot, &of(2, 9, 0, 0, true)), Err(Skip::Layer));
    assert_eq!(numbers(&mut slot, &of(0, 100, 1_000, 0, true)), Ok((1, 1_000)));
    assert!(slot.aim(Some(2)));
    assert_eq!((slot.layers(), slot.awaits_keyframe()), ([Some(0), Some(2)], Some(2)));
    assert_eq!(numbers(&mut slot, &of(2, 40_000, 777, 33, false)), Err(Skip::Keyframe));
    assert_eq!(numbers(&mut slot, &of(0, 101, 4_000, 33, false)), Ok((2, 4_000)), "the old one flows");
    // Captured 33 ms after the last of the old layer, whatever its own clock says.
    assert_eq!(numbers(&mut slot, &of(2, 40_006, 5, 66, true)), Ok((3, 4_000 + 2_970)));
    assert_eq!(numbers(&mut slot, &of(0, 102, 7_000, 66, false)), Err(Skip::Layer), "and no longer");
    assert_eq!(numbers(&mut slot, &of(2, 40_007, 5, 66, false)), Ok((4, 4_000 + 2_970)));
    // A key frame of the same moment as the newest picture is still a picture of its own.
    assert!(slot.aim(Some(1)));
    assert_eq!(numbers(&mut slot, &of(1, 8, 0, 66, true)), Ok((5, 4_000 + 2_970 + 90)));
    assert!(slot.aim(None));
    assert_eq!(numbers(&mut slot, &of(1, 9, 9, 99, true)), Err(Skip::Layer), "paused");
    assert!(slot.aim(Some(1)));
    assert!(!slot.aim(Some(1)));
    assert_eq!(numbers(&mut slot, &of(1, 10, 9, 99, false)), Err(Skip::Keyframe), "after a pause too");
    assert_eq!(numbers(&mut slot, &of(1, 11, 9, 166, true)), Ok((6, 4_000 + 2_970 + 90 + 9_000)));
}

#[test]
fn picture_ids_continue_when_the_source_changes() {
    let mut ids = Rewriter::default();
    assert_eq!(ids.picture_ids.map(0x7ffe), 0x7ffe, "the first source's ids are its own");
    assert_eq!(ids.picture_ids.map(0x7fff), 0x7fff);
    assert_eq!(ids.picture_ids.map(0x7ffe), 0x7ffe, "a late packet");
    ids.switch_source();
    assert_eq!(ids.picture_ids.map(500), 0, "one after the newest, wrapped");
    assert_eq!(ids.picture_ids.map(501), 1);
    assert_eq!(ids.tl0_pic_indices.map(255), 255);
    ids.switch_source();
    assert_eq!(ids.tl0_pic_indices.map(3), 0);
}

#[test]
fn a_codec_that_the_subscriber_lacks_is_not_forwarded() {
    let (mut slot, config) = slot();
    let carried = Carried { place: 0, track: 0, source: Source::Camera };
    slot.point_at(Some((carried, &config, 1)), &CodecConfig::empty(), &[]);
    assert_eq!(numbers(&mut slot, &packet(1, 1, 0, true)), Err(Skip::Codec));
}

#[test]
fn red_stays_red_for_those_who_take_it_and_is_unwrapped_for_the_others() {
    use str0m::rtp::{RedEncoder, RedundantBlock};
    let (mut with_red, mut without) = (CodecConfig::empty(), CodecConfig::empty());
    with_red.enable_opus(true, true);
    without.enable_opus(true, false);
    let params = with_red.params()[0];
    let (opus, red) = (params.pt(), params.red().unwrap());
    let earlier = RedundantBlock { pt: *opus, timestamp_offset: 960, payload: vec![1; 30] };
    let wrapped: Arc<[u8]> = RedEncoder::encode(*opus, &[2; 40], &[earlier]).into();
    let packet = Packet { pt: red, clock_hz: 48_000, payload: Arc::clone(&wrapped), ..packet(9, 960, 0, false) };

    let carried = Carried { place: 0, track: 0, source: Source::Mic };
    let sent = |ours: &CodecConfig| {
        let mut slot = Slot::new("0".into(), MediaKind::Audio, 1.into());
        slot.point_at(Some((carried, &with_red, 1)), ours, &[opus]);
        format!("{:?}", slot.forward(&packet).unwrap().0)
    };
    let (as_it_was, primary) = (sent(&with_red), sent(&without));
    assert!(
        as_it_was.contains(&format!("payload: {wrapped:?}")) && as_it_was.contains(&format!("pt: Pt({})", *red)),
        "{as_it_was}"
    );
    let block: Arc<[u8]> = Arc::from([2; 40]);
    assert!(
        primary.contains(&format!("payload: {block:?}")) && primary.contains(&format!("pt: Pt({})", *opus)),
        "{primary}"
    );
}
