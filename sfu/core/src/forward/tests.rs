//! What a slot makes of its sources.

use super::testing::packet;
use super::*;
use crate::descriptor::Point;
use crate::descriptor::describe::Mode;
use proptest::prelude::*;
use std::collections::BTreeMap;
use str0m::format::{Codec, CodecConfig};

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
    assert!(slot.aim(Some(Step::Layer(0))));
    assert_eq!(numbers(&mut slot, &of(2, 9, 0, 0, true)), Err(Skip::Layer));
    assert_eq!(numbers(&mut slot, &of(0, 100, 1_000, 0, true)), Ok((1, 1_000)));
    assert!(slot.aim(Some(Step::Layer(2))));
    assert_eq!((slot.layers(), slot.awaits_keyframe()), ([Some(0), Some(2)], Some(2)));
    assert_eq!(numbers(&mut slot, &of(2, 40_000, 777, 33, false)), Err(Skip::Keyframe));
    assert_eq!(numbers(&mut slot, &of(0, 101, 4_000, 33, false)), Ok((2, 4_000)), "the old one flows");
    // Captured 33 ms after the last of the old layer, whatever its own clock says.
    assert_eq!(numbers(&mut slot, &of(2, 40_006, 5, 66, true)), Ok((3, 4_000 + 2_970)));
    assert_eq!(numbers(&mut slot, &of(0, 102, 7_000, 66, false)), Err(Skip::Layer), "and no longer");
    assert_eq!(numbers(&mut slot, &of(2, 40_007, 5, 66, false)), Ok((4, 4_000 + 2_970)));
    // A key frame of the same moment as the newest picture is still a picture of its own.
    assert!(slot.aim(Some(Step::Layer(1))));
    assert_eq!(numbers(&mut slot, &of(1, 8, 0, 66, true)), Ok((5, 4_000 + 2_970 + 90)));
    assert!(slot.aim(None));
    assert_eq!(numbers(&mut slot, &of(1, 9, 9, 99, true)), Err(Skip::Layer), "paused");
    assert!(slot.aim(Some(Step::Layer(1))));
    assert!(!slot.aim(Some(Step::Layer(1))));
    assert_eq!(numbers(&mut slot, &of(1, 10, 9, 99, false)), Err(Skip::Keyframe), "after a pause too");
    assert_eq!(numbers(&mut slot, &of(1, 11, 9, 166, true)), Ok((6, 4_000 + 2_970 + 90 + 9_000)));
}

/// Pictures of two packets in three rates, as VP8 has them: every fourth of the slowest, and after each a round that builds on it alone.
fn rates(pictures: std::ops::Range<u16>) -> Vec<Packet> {
    let of_picture = |id: u16| {
        let temporal = [0, 2, 1, 2][usize::from(id % 4)];
        let sync = temporal > 0 && id % 8 < 3;
        [true, false].map(|first| {
            let [high, low] = (id | 0x8000).to_be_bytes();
            let rate = temporal << 6 | u8::from(sync) << 5;
            let payload = [0x80 | u8::from(first) << 4, 0xe0, high, low, (id / 4) as u8, rate, u8::from(id != 0)];
            let seq = 1_000 + u64::from(id) * 2 + u64::from(!first);
            let of = packet(seq, u32::from(id) * 3_000, u64::from(id) * 33, id == 0 && first);
            let vp8 = Some(Vp8Descriptor::parse(&payload).unwrap());
            Packet { vp8, rate: rate_of(Codec::Vp8, &payload), marker: !first, payload: Arc::from(payload), ..of }
        })
    };
    pictures.flat_map(of_picture).collect()
}

/// The numbers and picture ids that go, by the picture.
fn went(slot: &mut Slot, packets: &[Packet]) -> Vec<(u64, u16)> {
    let one = |packet| {
        let (seq, _) = numbers(slot, packet).ok()?;
        Some((seq, slot.rewriter.picture_ids.map(packet.vp8.unwrap().picture_id().unwrap())))
    };
    packets.iter().filter_map(one).collect()
}

fn slowed(step: Step) -> Slot {
    let (mut slot, config) = slot();
    point(&mut slot, 0, &config);
    slot.aim(Some(step));
    slot
}

#[test]
fn c7_the_slowest_rate_alone_closes_up_its_numbers_and_picture_ids() {
    let mut slot = slowed(Step::Slow(0));
    assert_eq!(slot.aimed(), Some(Step::Slow(0)));
    let given = went(&mut slot, &rates(0..9));
    assert_eq!(given, [(1, 0), (2, 0), (3, 1), (4, 1), (5, 2), (6, 2)], "pictures 0, 4 and 8");
    // A packet of the twelfth is late, as is one that nobody needs.
    let mut later = rates(9..17);
    let (late, unneeded) = (later.remove(6), later.remove(1));
    assert_eq!(went(&mut slot, &later), [(9, 3), (10, 4), (11, 4)]);
    assert_eq!(went(&mut slot, &[late]), [(8, 3)]);
    let (empty, _) = slot.forward(&unneeded).unwrap();
    assert!(format!("{empty:?}").contains("payload: []"), "{empty:?}");
}

#[test]
fn c7_faster_rates_come_back_one_at_a_time_where_they_build_on_the_slowest_alone() {
    let mut slot = slowed(Step::Layer(0));
    let pictures = |slot: &mut Slot, of| {
        let packets: Vec<Packet> = rates(of).into_iter().filter(|packet| slot.forward(packet).is_ok()).collect();
        assert!(packets.chunks(2).all(|pair| pair[0].rtp_time == pair[1].rtp_time), "each goes whole");
        packets.chunks(2).map(|pair| pair[0].rtp_time / 3_000).collect::<Vec<_>>()
    };
    assert_eq!(pictures(&mut slot, 0..6), [0, 1, 2, 3, 4, 5]);
    slot.aim(Some(Step::Slow(0)));
    assert_eq!(pictures(&mut slot, 6..12), [8], "at once");
    slot.aim(Some(Step::Layer(0)));
    assert_eq!(slot.aimed(), Some(Step::Layer(0)));
    assert_eq!(pictures(&mut slot, 12..20), [12, 16, 18], "the second rate with the eighteenth");
    assert_eq!(pictures(&mut slot, 20..28), [20, 22, 24, 25, 26, 27], "the third with the twenty-fifth");
    assert_eq!(slot.awaits_keyframe(), None, "and no key frame is needed");
    // A picture whose first packet is late brings nothing back.
    slot.aim(Some(Step::Slow(0)));
    assert_eq!(pictures(&mut slot, 28..33), [28, 32]);
    slot.aim(Some(Step::Layer(0)));
    let without_first: Vec<Packet> = rates(33..36).into_iter().filter(|packet| packet.seq != 1_000 + 34 * 2).collect();
    assert_eq!(went(&mut slot, &without_first), []);
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
    // Around the end of a source's numbers two are left out, and later one of which a newer has gone.
    ids.switch_source();
    let first = ids.picture_ids.map(0x7ffe);
    let after = |id: u16| id.wrapping_sub(first);
    [0x7fff, 0x7fff, 0].into_iter().for_each(|id| ids.picture_ids.leave_out(id));
    assert_eq!([1, 3, 0x7ffe].map(|id| after(ids.picture_ids.map(id))), [1, 3, 0], "and what is late has its own");
    ids.picture_ids.leave_out(2);
    assert_eq!([3, 4].map(|id| after(ids.picture_ids.map(id))), [3, 4], "the gap stays");
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

/// A stream of three sizes and three rates, of two packets a frame, as it would come over a network that loses nothing.
fn stream(pictures: usize) -> Vec<Packet> {
    let mode = Mode::new(3, 3, false);
    let (mut packets, mut structure) = (Vec::new(), None);
    for picture in 0..pictures {
        for (at, frame) in mode.picture(picture % 32).iter().enumerate() {
            for (first, last) in [(true, false), (false, true)] {
                let opens = frame.key && first && at == 0;
                let number = (picture * 3 + at) as u16;
                let said = mode.descriptor(frame, number, (first, last), opens, None);
                let descriptor = Descriptor::read(&said, structure.as_deref()).unwrap();
                structure = descriptor.attached.clone().or(structure);
                let (seq, time) = (1_000 + packets.len() as u64, picture as u32 * 3_000);
                let marker = last && at == 2;
                let of = packet(seq, time, picture as u64 * 33, opens);
                packets.push(Packet { marker, descriptor: Some(descriptor), ..of });
            }
        }
    }
    packets
}

/// A slot that is aimed at a point of such a stream.
fn aimed(spatial: u8, temporal: u8) -> Slot {
    let (mut slot, config) = slot();
    point(&mut slot, 0, &config);
    slot.aim(Some(Step::Point(Point { spatial, temporal })));
    slot
}

#[test]
fn c7_what_is_left_out_of_a_stream_of_layers_closes_up() {
    let mut slot = aimed(0, 2);
    let given: Vec<_> = stream(4).iter().filter_map(|packet| numbers(&mut slot, packet).ok()).collect();
    assert_eq!(given.iter().map(|(seq, _)| *seq).collect::<Vec<_>>(), (1..=8).collect::<Vec<_>>());
    // Of the fifth picture a packet that goes is lost, and one that does not; both come when the sixth has begun.
    let packets = stream(6);
    for at in [25, 27, 28, 29, 30] {
        numbers(&mut slot, &packets[at]).ok();
    }
    assert_eq!(numbers(&mut slot, &packets[31]).unwrap().0, 13, "two numbers are open");
    let empty = slot.forward(&packets[26]).unwrap().0;
    assert!(format!("{empty:?}").contains("payload: []"), "{empty:?}");
    assert_eq!(numbers(&mut slot, &packets[24]).unwrap().0, 9, "and what was lost finds its place");
}

#[test]
fn c7_a_picture_that_has_begun_goes_whole() {
    let mut slot = aimed(2, 2);
    let packets = stream(3);
    let goes =
        |slot: &mut Slot, packets: &[Packet]| packets.iter().filter(|packet| slot.forward(packet).is_ok()).count();
    assert_eq!(goes(&mut slot, &packets[..8]), 8, "a picture, and the smallest size of the next");
    slot.aim(Some(Step::Point(Point { spatial: 0, temporal: 2 })));
    assert_eq!(goes(&mut slot, &packets[8..12]), 4, "its marker is yet to come");
    assert_eq!(goes(&mut slot, &packets[12..]), 2);
}

#[test]
fn c7_the_last_packet_of_the_largest_size_that_goes_has_the_marker() {
    for spatial in 0..3 {
        let mut slot = aimed(spatial, 2);
        let went = stream(5).into_iter().filter_map(|packet| Some((slot.forward(&packet).ok()?.0, packet)));
        for (write, packet) in went {
            let descriptor = packet.descriptor.unwrap();
            let ends = descriptor.last && descriptor.layer.spatial == spatial;
            assert!(format!("{write:?}").contains(&format!("marker: {ends}")), "{write:?}");
        }
    }
}

proptest! {
    #[test]
    fn c7_numbers_of_a_stream_of_layers_are_given_once_and_in_order_whatever_comes_late(
        late in prop::collection::vec((0..400usize, 1..60usize), 0..80),
        lost in prop::collection::vec(0..400usize, 0..40),
        aims in prop::collection::vec((0..400usize, 0..3u8, 0..3u8), 0..12),
    ) {
        let packets = stream(66);
        let mut order: Vec<(usize, usize)> = (0..packets.len()).map(|at| (at * 10, at)).collect();
        late.iter().for_each(|(at, by)| order[*at % packets.len()].0 += by * 10);
        order.sort_unstable();
        let mut slot = aimed(1, 2);
        let mut given: BTreeMap<u64, u64> = BTreeMap::new();
        for (step, (_, at)) in order.into_iter().enumerate() {
            for (_, spatial, temporal) in aims.iter().filter(|(when, ..)| *when == step) {
                slot.aim(Some(Step::Point(Point { spatial: *spatial, temporal: *temporal })));
            }
            if !lost.contains(&at) && let Ok((seq, _)) = numbers(&mut slot, &packets[at]) {
                prop_assert!(given.insert(packets[at].seq, seq).is_none());
            }
        }
        let ours: Vec<u64> = given.into_values().collect();
        prop_assert!(ours.windows(2).all(|pair| pair[0] < pair[1]), "{ours:?}");
    }
}
