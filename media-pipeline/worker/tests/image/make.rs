//! Inputs, made byte by byte where libraries refuse to make something wrong.

use turbojpeg::{Compressor, Image, PixelFormat, Subsamp};

pub(crate) const RED: [u8; 3] = [220, 20, 20];
pub(crate) const GREEN: [u8; 3] = [20, 200, 30];
pub(crate) const BLUE: [u8; 3] = [20, 30, 210];
pub(crate) const WHITE: [u8; 3] = [250, 250, 250];

/// Where the person stood who took the picture; must not be found in anything that comes out.
pub(crate) const PLACE: &str = "Glasshouse Lane 17";

/// Four quarters: red and green above, blue and white below.
pub(crate) fn quarters(width: usize, height: usize) -> Vec<u8> {
    let mut pixels = Vec::new();
    for y in 0..height {
        for x in 0..width {
            pixels.extend(match (x * 2 < width, y * 2 < height) {
                (true, true) => RED,
                (false, true) => GREEN,
                (true, false) => BLUE,
                (false, false) => WHITE,
            });
        }
    }
    pixels
}

/// Something that does not compress: each byte follows from the one before, none looks it.
pub(crate) fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_u32;
    (0..bytes)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state.to_le_bytes()[1]
        })
        .collect()
}

pub(crate) fn jpeg(width: usize, height: usize, pixels: &[u8], is_progressive: bool) -> Vec<u8> {
    jpeg_in(PixelFormat::RGB, width, height, pixels, is_progressive)
}

pub(crate) fn jpeg_in(
    format: PixelFormat,
    width: usize,
    height: usize,
    pixels: &[u8],
    is_progressive: bool,
) -> Vec<u8> {
    let mut compressor = Compressor::new().unwrap();
    compressor.set_quality(95).unwrap();
    compressor.set_subsamp(if format == PixelFormat::GRAY { Subsamp::Gray } else { Subsamp::Sub2x2 }).unwrap();
    compressor.set_progressive(is_progressive).unwrap();
    if format == PixelFormat::CMYK {
        compressor.set_subsamp(Subsamp::None).unwrap();
        compressor.set_colorspace(turbojpeg::Colorspace::CMYK).unwrap();
    }
    compressor.compress_to_vec(Image { pixels, width, pitch: width * format.size(), height, format }).unwrap()
}

/// The JPEG with another segment right after its first two bytes.
pub(crate) fn with_segment(jpeg: &[u8], kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len() + 2).unwrap().to_be_bytes();
    [&jpeg[..2], &[0xff, kind], &length, body, &jpeg[2..]].concat()
}

/// The JPEG as a phone writes it: orientation, place, and a note.
pub(crate) fn with_exif(jpeg: &[u8], orientation: u16) -> Vec<u8> {
    with_segment(jpeg, 0xe1, &[b"Exif\0\0", exif(orientation).as_slice()].concat())
}

/// A block of EXIF: an orientation, a note that names a place, and a position.
pub(crate) fn exif(orientation: u16) -> Vec<u8> {
    let note = [PLACE.as_bytes(), &[0]].concat();
    let note_at = 8 + 2 + 3 * 12 + 4;
    let gps_at = note_at + note.len();
    let latitude_at = gps_at + 2 + 2 * 12 + 4;
    let mut block = b"II*\0\x08\0\0\0".to_vec();
    let entry = |tag: u16, kind: u16, count: usize, value: usize| {
        let (count, value) = (u32::try_from(count).unwrap(), u32::try_from(value).unwrap());
        [&tag.to_le_bytes()[..], &kind.to_le_bytes(), &count.to_le_bytes(), &value.to_le_bytes()].concat()
    };
    block.extend(3_u16.to_le_bytes());
    block.extend(entry(0x010e, 2, note.len(), note_at));
    block.extend(entry(0x0112, 3, 1, usize::from(orientation)));
    block.extend(entry(0x8825, 4, 1, gps_at));
    block.extend([0; 4]);
    block.extend(&note);
    block.extend(2_u16.to_le_bytes());
    block.extend(entry(1, 2, 2, usize::from(b'N')));
    block.extend(entry(2, 5, 3, latitude_at));
    block.extend([0; 4]);
    for (number, divisor) in [(52_u32, 1_u32), (31, 1), (0x5ec2_e75e, 0x4000_0000)] {
        block.extend(number.to_le_bytes());
        block.extend(divisor.to_le_bytes());
    }
    block
}

/// A PNG of 8 or 16 bits, or as the colour type says.
pub(crate) fn png(width: u32, height: u32, colour: png::ColorType, depth: png::BitDepth, data: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(colour);
    encoder.set_depth(depth);
    if colour == png::ColorType::Indexed {
        encoder.set_palette([RED, GREEN, BLUE, WHITE].concat());
    }
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(data).unwrap();
    writer.finish().unwrap();
    bytes
}

/// A PNG with a chunk more after its header. The checksum is right.
pub(crate) fn with_chunk(png: &[u8], kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let header_end = 8 + 12 + 13;
    [&png[..header_end], &chunk(kind, body), &png[header_end..]].concat()
}

/// A chunk of PNG.
pub(crate) fn chunk(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let named = [kind, body].concat();
    [&u32::try_from(body.len()).unwrap().to_be_bytes()[..], &named, &crc(&named).to_be_bytes()].concat()
}

/// The checksum of PNG's chunks.
fn crc(bytes: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { 0xedb8_8320 ^ (crc >> 1) } else { crc >> 1 };
    !bytes.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc)))
}

/// A GIF of these pictures, each of red, green, blue and opacity, each with the milliseconds it is to be seen.
pub(crate) fn gif(width: u16, height: u16, pictures: &[(Vec<u8>, u16)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = gif::Encoder::new(&mut bytes, width, height, &[]).unwrap();
    encoder.set_repeat(gif::Repeat::Infinite).unwrap();
    for (picture, milliseconds) in pictures {
        let mut frame = gif::Frame::from_rgba_speed(width, height, &mut picture.clone(), 10);
        frame.delay = milliseconds / 10;
        frame.dispose = gif::DisposalMethod::Background;
        encoder.write_frame(&frame).unwrap();
    }
    drop(encoder);
    bytes
}

/// The same as a PNG that moves.
pub(crate) fn apng(width: u32, height: u32, pictures: &[(Vec<u8>, u16)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgba);
    encoder.set_animated(u32::try_from(pictures.len()).unwrap(), 0).unwrap();
    let mut writer = encoder.write_header().unwrap();
    for (picture, milliseconds) in pictures {
        writer.set_frame_delay(*milliseconds, 1_000).unwrap();
        writer.write_image_data(picture).unwrap();
    }
    writer.finish().unwrap();
    bytes
}

/// The same as a WebP that moves.
pub(crate) fn moving_webp(width: u32, height: u32, pictures: &[(Vec<u8>, u16)]) -> Vec<u8> {
    let config = webp::WebPConfig::new().unwrap();
    let mut encoder = webp::AnimEncoder::new(width, height, &config);
    let mut at = 0;
    for (picture, milliseconds) in pictures {
        encoder.add_frame(webp::AnimFrame::from_rgba(picture, width, height, at));
        at += i32::from(*milliseconds);
    }
    encoder.encode().to_vec()
}

/// Red, green, blue, and opacity throughout.
pub(crate) fn opaque(pixels: &[u8]) -> Vec<u8> {
    pixels.chunks_exact(3).flat_map(|pixel| [pixel[0], pixel[1], pixel[2], 255]).collect()
}

/// A WebP of one picture.
pub(crate) fn webp(width: u32, height: u32, pixels: &[u8], is_lossless: bool) -> Vec<u8> {
    let encoder = if pixels.len() == (width * height * 4) as usize {
        webp::Encoder::from_rgba(pixels, width, height)
    } else {
        webp::Encoder::from_rgb(pixels, width, height)
    };
    if is_lossless { encoder.encode_lossless().to_vec() } else { encoder.encode(90.0).to_vec() }
}

/// The WebP with what stands beside its pixels: chunks by their names, and the flags that announce them.
pub(crate) fn with_webp_chunks(
    webp: &[u8],
    width: u32,
    height: u32,
    flags: u8,
    chunks: &[(&[u8; 4], &[u8])],
) -> Vec<u8> {
    let riff = |kind: &[u8; 4], body: &[u8]| {
        let odd = &[0][..body.len() % 2];
        [&kind[..], &u32::try_from(body.len()).unwrap().to_le_bytes(), body, odd].concat()
    };
    let side = |value: u32| (value - 1).to_le_bytes()[..3].to_vec();
    let head = [&[flags, 0, 0, 0][..], &side(width), &side(height)].concat();
    // With opacity it has that chunk already.
    let inner = if &webp[12..16] == b"VP8X" { &webp[30..] } else { &webp[12..] };
    let mut body = [b"WEBP".to_vec(), riff(b"VP8X", &head), inner.to_vec()].concat();
    for (kind, chunk) in chunks {
        body.extend(riff(kind, chunk));
    }
    riff(b"RIFF", &body)
}
