//! One picture in memory: 8 bits a channel, rows without gaps, upright or about to be.
//!
//! The pixels are always as many as width × height × channels says: a frame can only be made that way.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use tertulia_media_core::{Reason, Refusal};

/// What a pixel's bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// Red, green, blue.
    Rgb,
    /// Red, green, blue, and how opaque; the colours are not multiplied by it.
    Rgba,
}

impl Layout {
    /// Bytes of a pixel.
    pub(crate) fn channels(self) -> usize {
        match self {
            Self::Rgb => 3,
            Self::Rgba => 4,
        }
    }

    fn pixel_type(self) -> PixelType {
        match self {
            Self::Rgb => PixelType::U8x3,
            Self::Rgba => PixelType::U8x4,
        }
    }
}

/// How carefully a frame is scaled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quality {
    /// For what is looked at: Lanczos with three lobes.
    Fine,
    /// For what is a few pixels or a blur: the mean of the pixels underneath.
    Coarse,
}

/// A picture.
pub(crate) struct Frame {
    width: u32,
    height: u32,
    layout: Layout,
    pixels: Vec<u8>,
}

impl Frame {
    /// A picture of `width` × `height` pixels, row by row from the top, without gaps between rows.
    ///
    /// # Errors
    /// [`Reason::Damaged`] if there are no pixels, or not as many as that.
    pub(crate) fn new(width: u32, height: u32, layout: Layout, pixels: Vec<u8>) -> Result<Self, Refusal> {
        let bytes =
            (width as usize).checked_mul(height as usize).and_then(|count| count.checked_mul(layout.channels()));
        if width == 0 || height == 0 || bytes != Some(pixels.len()) {
            return Err(Reason::Damaged.into());
        }
        Ok(Self { width, height, layout, pixels })
    }

    /// A picture of red, green and blue that can't be seen through: see [`Self::new`].
    ///
    /// # Errors
    /// As [`Self::new`].
    pub(crate) fn rgb(width: u32, height: u32, pixels: Vec<u8>) -> Result<Self, Refusal> {
        Self::new(width, height, Layout::Rgb, pixels)
    }

    /// Pixels across.
    pub(crate) fn width(&self) -> u32 {
        self.width
    }

    /// Pixels down.
    pub(crate) fn height(&self) -> u32 {
        self.height
    }

    /// What the pixels' bytes are.
    pub(crate) fn layout(&self) -> Layout {
        self.layout
    }

    /// The pixels' bytes.
    pub(crate) fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// The pixels' bytes, to be changed in place.
    pub(crate) fn pixels_mut(&mut self) -> &mut [u8] {
        &mut self.pixels
    }

    /// This frame so that its longer side is at most `side`, or nothing if it already is.
    ///
    /// Values are averaged as they are stored, with sRGB's curve in them, as browsers and other servers do: a linear mean would be
    /// truer for fine light-on-dark patterns only, and costs a second pass over every pixel both ways. Colours are
    /// weighed by their opacity, so that what can't be seen does not bleed into what can.
    ///
    /// # Errors
    /// [`Reason::Damaged`] if the sizes make no sense.
    pub(crate) fn within(&self, side: u32, quality: Quality) -> Result<Option<Self>, Refusal> {
        self.scaled(fit(self.width, self.height, side), quality)
    }

    /// This frame in another size, or nothing if it has that size.
    ///
    /// # Errors
    /// [`Reason::Damaged`] if the sizes make no sense.
    pub(crate) fn scaled(&self, (width, height): (u32, u32), quality: Quality) -> Result<Option<Self>, Refusal> {
        if (width, height) == (self.width, self.height) {
            return Ok(None);
        }
        let kind = self.layout.pixel_type();
        let source =
            ImageRef::new(self.width, self.height, &self.pixels, kind).map_err(|_| Refusal::from(Reason::Damaged))?;
        let mut target = Image::new(width, height, kind);
        let filter = match quality {
            Quality::Fine => FilterType::Lanczos3,
            Quality::Coarse => FilterType::Box,
        };
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter));
        Resizer::new().resize(&source, &mut target, &options).map_err(|_| Refusal::from(Reason::Damaged))?;
        Self::new(width, height, self.layout, target.into_vec()).map(Some)
    }

    /// Whether every pixel is as opaque as can be.
    pub(crate) fn is_opaque(&self) -> bool {
        match self.layout {
            Layout::Rgb => true,
            Layout::Rgba => self.pixels.chunks_exact(4).all(|pixel| pixel[3] == u8::MAX),
        }
    }

    /// Without an opacity that hides nothing: in place, for there may not be room for two of it.
    pub(crate) fn without_idle_opacity(mut self) -> Self {
        if self.layout == Layout::Rgb || !self.is_opaque() {
            return self;
        }
        let count = self.pixels.len() / 4;
        for at in 0..count {
            self.pixels.copy_within(at * 4..at * 4 + 3, at * 3);
        }
        self.pixels.truncate(count * 3);
        self.layout = Layout::Rgb;
        self
    }

    /// The colours alone, on white where it can be seen through.
    pub(crate) fn on_white(self) -> Self {
        if self.layout == Layout::Rgb {
            return self;
        }
        let over = |value: u8, alpha: u32| {
            let sum = u32::from(value) * alpha + 255 * (255 - alpha);
            u8::try_from((sum + 127) / 255).unwrap_or(u8::MAX)
        };
        let mut pixels = Vec::with_capacity(self.pixels.len() / 4 * 3);
        for pixel in self.pixels.chunks_exact(4) {
            let alpha = u32::from(pixel[3]);
            pixels.extend([over(pixel[0], alpha), over(pixel[1], alpha), over(pixel[2], alpha)]);
        }
        Self { layout: Layout::Rgb, pixels, ..self }
    }

    /// A copy with an opacity for each pixel, as ThumbHash wants it.
    pub(crate) fn to_rgba(&self) -> Vec<u8> {
        match self.layout {
            Layout::Rgba => self.pixels.clone(),
            Layout::Rgb => {
                self.pixels.chunks_exact(3).flat_map(|pixel| [pixel[0], pixel[1], pixel[2], u8::MAX]).collect()
            }
        }
    }

    /// A copy.
    pub(crate) fn copy(&self) -> Self {
        Self { pixels: self.pixels.clone(), ..*self }
    }
}

/// The largest size of the same shape whose longer side is at most `side`, and each side at least 1.
pub(crate) fn fit(width: u32, height: u32, side: u32) -> (u32, u32) {
    let longer = width.max(height);
    if longer <= side {
        return (width, height);
    }
    let scale = |value: u32| {
        let scaled = (u64::from(value) * u64::from(side) + u64::from(longer) / 2) / u64::from(longer);
        u32::try_from(scaled).unwrap_or(side).max(1)
    };
    (scale(width), scale(height))
}
