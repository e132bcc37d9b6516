//! Colours into sRGB, so that no profile has to be kept: phones write Display P3 and printers CMYK, and what comes out says
//! nothing about its colours, which everywhere means sRGB. A profile that can't be read is as if there was none.

use super::decode::Sheet;
use super::frame::{Frame, Layout};
use moxcms::{ColorProfile, DataColorSpace, Layout as Order, ParsingOptions, RenderingIntent, TransformOptions};
use tertulia_media_core::Refusal;

/// Bytes of a profile's table of colours, unpacked.
const TABLE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Points of a profile's curves.
const CURVE_POINTS_MAX: usize = 65_536;
/// How far from sRGB a profile's colours may come out and still be sRGB, of 255: rounding, and profiles that are sRGB by another name.
const SAME: u8 = 2;

/// The colours of a picture, as sRGB.
///
/// # Errors
/// None that a picture can cause.
pub(super) fn to_srgb(sheet: Sheet, profile: &[u8]) -> Result<Frame, Refusal> {
    match sheet {
        Sheet::Light(mut frame) => {
            if let Some(changed) = convert_light(&frame, profile) {
                frame.pixels_mut().copy_from_slice(&changed);
            }
            Ok(frame)
        }
        Sheet::Ink { width, height, pixels } => {
            let light = convert_ink(&pixels, profile).unwrap_or_else(|| plain_ink(&pixels));
            Frame::new(width, height, Layout::Rgb, light)
        }
    }
}

fn convert_light(frame: &Frame, profile: &[u8]) -> Option<Vec<u8>> {
    let profile = parse(profile).filter(|profile| profile.color_space == DataColorSpace::Rgb)?;
    let order = match frame.layout() {
        Layout::Rgb => Order::Rgb,
        Layout::Rgba => Order::Rgba,
    };
    let probe = profile.create_transform_8bit(Order::Rgb, &ColorProfile::new_srgb(), Order::Rgb, options()).ok()?;
    let cube = cube();
    let mut seen = vec![0; cube.len()];
    probe.transform(&cube, &mut seen).ok()?;
    if cube.iter().zip(&seen).all(|(before, after)| before.abs_diff(*after) <= SAME) {
        return None;
    }
    let transform = profile.create_transform_8bit(order, &ColorProfile::new_srgb(), order, options()).ok()?;
    let mut changed = vec![0; frame.pixels().len()];
    transform.transform(frame.pixels(), &mut changed).ok()?;
    Some(changed)
}

fn convert_ink(pixels: &[u8], profile: &[u8]) -> Option<Vec<u8>> {
    let profile = parse(profile).filter(|profile| profile.color_space == DataColorSpace::Cmyk)?;
    let transform =
        profile.create_transform_8bit(Order::Rgba, &ColorProfile::new_srgb(), Order::Rgb, options()).ok()?;
    let mut light = vec![0; pixels.len() / 4 * 3];
    transform.transform(pixels, &mut light).ok()?;
    Some(light)
}

/// Ink as light where nothing says which inks they are: each takes away its own colour, black takes away all.
fn plain_ink(pixels: &[u8]) -> Vec<u8> {
    let left = |ink: u8, black: u8| {
        let light = u32::from(u8::MAX - ink) * u32::from(u8::MAX - black);
        u8::try_from((light + 127) / 255).unwrap_or(u8::MAX)
    };
    pixels.chunks_exact(4).flat_map(|ink| [left(ink[0], ink[3]), left(ink[1], ink[3]), left(ink[2], ink[3])]).collect()
}

fn parse(profile: &[u8]) -> Option<ColorProfile> {
    if profile.is_empty() {
        return None;
    }
    let limits = ParsingOptions {
        max_profile_size: profile.len() + 1, // it has to be less
        max_allowed_clut_size: TABLE_BYTES_MAX,
        max_allowed_trc_size: CURVE_POINTS_MAX,
    };
    ColorProfile::new_from_slice_with_options(profile, limits).ok()
}

fn options() -> TransformOptions {
    TransformOptions { rendering_intent: RenderingIntent::Perceptual, ..TransformOptions::default() }
}

/// Colours from all over: five steps of each.
fn cube() -> Vec<u8> {
    let steps = [0, 64, 128, 192, 255];
    let mut colours = Vec::with_capacity(5 * 5 * 5 * 3);
    for red in steps {
        for green in steps {
            for blue in steps {
                colours.extend([red, green, blue]);
            }
        }
    }
    colours
}
