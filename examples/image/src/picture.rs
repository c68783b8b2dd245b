//! Pictures: reading them within limits, and making smaller ones. Nothing here waits for anybody.

use std::io::Cursor;

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{PixelType, ResizeOptions, Resizer};
use jpeg_encoder::{ColorType, Encoder};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use crate::error::PictureError;
use crate::workflow::{Dimensions, Size};

/// The largest file that is read, in bytes.
pub const BYTES_MAX: u64 = 20_000_000;

/// The largest picture that is read, in pixels. In memory it takes up to eleven bytes for each while
/// it is read: three of the result, and what the decoder keeps of a progressive JPEG with four
/// colours.
pub const PIXELS_MAX: u64 = 25_000_000;

/// The quality of renditions, of 100.
const QUALITY: u8 = 85;

/// Of what the name says: red, green and blue of each pixel, row by row.
struct Pixels {
    dimensions: Dimensions,
    rgb: Vec<u8>,
}

/// A rendition as a file.
#[derive(Debug)]
pub struct Scaled {
    /// Its size.
    pub dimensions: Dimensions,
    /// A JPEG file.
    pub jpeg: Vec<u8>,
}

impl Size {
    /// The name that a rendition has in its key.
    pub fn name(self) -> &'static str {
        match self {
            Self::Large => "large",
            Self::Medium => "medium",
            Self::Small => "small",
            Self::Thumbnail => "thumbnail",
        }
    }

    /// What a picture becomes: never larger than it is.
    fn of(self, picture: Dimensions) -> Dimensions {
        let longest = match self {
            Self::Large => 1280,
            Self::Medium => 640,
            Self::Small => 320,
            Self::Thumbnail => {
                let side = 160.min(picture.width).min(picture.height);
                return Dimensions { width: side, height: side };
            }
        };
        let longer = picture.width.max(picture.height);
        let scaled = |side: u32| {
            let side = u64::from(side) * u64::from(longest.min(longer)) / u64::from(longer);
            u32::try_from(side).unwrap_or(longest).max(1)
        };
        Dimensions { width: scaled(picture.width), height: scaled(picture.height) }
    }
}

/// The size of a picture, from the beginning of its file.
pub fn inspect(file: &[u8]) -> Result<Dimensions, PictureError> {
    if is_png(file) {
        Png::open(file).map(|png| png.0)
    } else {
        Jpeg::open(file).map(|jpeg| jpeg.0)
    }
}

/// Makes a rendition of a picture. It takes as long as the picture is large: not for a thread that
/// others wait for.
pub fn scale(file: &[u8], size: Size) -> Result<Scaled, PictureError> {
    let pixels = if is_png(file) { Png::open(file)?.read()? } else { Jpeg::open(file)?.read()? };
    let Dimensions { width, height } = pixels.dimensions;
    let dimensions = size.of(pixels.dimensions);
    let source = ImageRef::new(width, height, &pixels.rgb, PixelType::U8x3).map_err(broken)?;
    let mut scaled = Image::new(dimensions.width, dimensions.height, PixelType::U8x3);
    let options = ResizeOptions::new().fit_into_destination(None);
    Resizer::new().resize(&source, &mut scaled, &options).map_err(broken)?;
    let jpeg = encode(dimensions, scaled.buffer())?;
    Ok(Scaled { dimensions, jpeg })
}

/// A JPEG file of these pixels.
pub fn encode(dimensions: Dimensions, rgb: &[u8]) -> Result<Vec<u8>, PictureError> {
    let width = u16::try_from(dimensions.width).map_err(broken)?;
    let height = u16::try_from(dimensions.height).map_err(broken)?;
    let mut jpeg = Vec::new();
    let encoder = Encoder::new(&mut jpeg, QUALITY);
    encoder.encode(rgb, width, height, ColorType::Rgb).map_err(broken)?;
    Ok(jpeg)
}

fn is_png(file: &[u8]) -> bool {
    file.starts_with(b"\x89PNG\r\n\x1a\n")
}

/// Nothing of a picture is taken into memory before this has looked at its size.
fn within_limits(width: u32, height: u32) -> Result<Dimensions, PictureError> {
    if width == 0 || height == 0 {
        return Err(PictureError::Damaged { problem: "it has no pixels".to_owned() });
    }
    if u64::from(width) * u64::from(height) > PIXELS_MAX {
        return Err(PictureError::TooManyPixels { width, height });
    }
    Ok(Dimensions { width, height })
}

/// A PNG file whose header is read.
struct Png<'a>(Dimensions, png::Decoder<Cursor<&'a [u8]>>);

impl<'a> Png<'a> {
    fn open(file: &'a [u8]) -> Result<Self, PictureError> {
        let limits = png::Limits { bytes: 4 * PIXELS_MAX as usize };
        let mut decoder = png::Decoder::new_with_limits(Cursor::new(file), limits);
        // Nobody looks at these, and they can be large.
        decoder.set_ignore_text_chunk(true);
        decoder.set_ignore_iccp_chunk(true);
        decoder.set_transformations(png::Transformations::normalize_to_color8());
        let header = decoder.read_header_info().map_err(damaged)?;
        Ok(Self(within_limits(header.width, header.height)?, decoder))
    }

    fn read(self) -> Result<Pixels, PictureError> {
        let mut reader = self.1.read_info().map_err(damaged)?;
        let bytes = reader.output_buffer_size().ok_or_else(|| broken("it has too many bytes"))?;
        let mut buffer = vec![0; bytes];
        let frame = reader.next_frame(&mut buffer).map_err(damaged)?;
        buffer.truncate(frame.buffer_size());
        let rgb = match frame.color_type {
            png::ColorType::Rgb => buffer,
            png::ColorType::Rgba => on_white(&buffer, |[r, g, b, a]: [u8; 4]| ([r, g, b], a)),
            png::ColorType::GrayscaleAlpha => {
                on_white(&buffer, |[grey, a]: [u8; 2]| ([grey; 3], a))
            }
            png::ColorType::Grayscale => buffer.iter().flat_map(|grey| [*grey; 3]).collect(),
            png::ColorType::Indexed => return Err(broken("its palette was not resolved")),
        };
        Ok(Pixels { dimensions: self.0, rgb })
    }
}

/// Colours without their transparency: as on a sheet of paper.
fn on_white<const N: usize>(pixels: &[u8], colour: fn([u8; N]) -> ([u8; 3], u8)) -> Vec<u8> {
    let (pixels, _) = pixels.as_chunks::<N>();
    let blend = |pixel: &[u8; N]| {
        let (rgb, alpha) = colour(*pixel);
        let alpha = u16::from(alpha);
        rgb.map(|part| ((u16::from(part) * alpha + 255 * (255 - alpha)) / 255) as u8)
    };
    pixels.iter().flat_map(blend).collect()
}

/// A JPEG file whose headers are read.
struct Jpeg<'a>(Dimensions, JpegDecoder<ZCursor<&'a [u8]>>);

impl<'a> Jpeg<'a> {
    fn open(file: &'a [u8]) -> Result<Self, PictureError> {
        if !file.starts_with(b"\xff\xd8\xff") {
            return Err(PictureError::NoPicture);
        }
        // The decoder's own limit of a side is lower than the format's.
        let options = DecoderOptions::default()
            .set_max_width(usize::from(u16::MAX))
            .set_max_height(usize::from(u16::MAX))
            .jpeg_set_out_colorspace(ColorSpace::RGB);
        let mut decoder = JpegDecoder::new_with_options(ZCursor::new(file), options);
        decoder.decode_headers().map_err(damaged)?;
        let header = decoder.info().ok_or_else(|| damaged("it has no header"))?;
        Ok(Self(within_limits(header.width.into(), header.height.into())?, decoder))
    }

    fn read(mut self) -> Result<Pixels, PictureError> {
        let rgb = self.1.decode().map_err(damaged)?;
        Ok(Pixels { dimensions: self.0, rgb })
    }
}

fn damaged(problem: impl ToString) -> PictureError {
    PictureError::Damaged { problem: problem.to_string() }
}

fn broken(problem: impl ToString) -> PictureError {
    PictureError::Broken { problem: problem.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dimensions(width: u32, height: u32) -> Dimensions {
        Dimensions { width, height }
    }

    fn jpeg(width: u32, height: u32) -> Vec<u8> {
        let rgb = [200, 100, 50].repeat((width * height) as usize);
        encode(dimensions(width, height), &rgb).unwrap()
    }

    fn png(width: u32, height: u32, colour: png::ColorType, pixels: &[u8]) -> Vec<u8> {
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, width, height);
        encoder.set_color(colour);
        let mut writer = encoder.write_header().unwrap();
        if !pixels.is_empty() {
            writer.write_image_data(pixels).unwrap();
        }
        drop(writer);
        file
    }

    #[test]
    fn a_rendition_fits_its_size_keeps_its_shape_and_is_never_enlarged() {
        for (size, picture, becomes) in [
            (Size::Large, (1600, 1000), (1280, 800)),
            (Size::Medium, (1000, 1600), (400, 640)),
            (Size::Small, (200, 100), (200, 100)),
            (Size::Small, (20_000, 1), (320, 1)),
            (Size::Thumbnail, (1600, 1000), (160, 160)),
            (Size::Thumbnail, (90, 1000), (90, 90)),
        ] {
            let (width, height) = picture;
            let (w, h) = becomes;
            assert_eq!(size.of(dimensions(width, height)), dimensions(w, h), "{size:?}");
        }
        let scaled = scale(&jpeg(400, 200), Size::Small).unwrap();
        assert_eq!(scaled.dimensions, dimensions(320, 160));
        assert_eq!(inspect(&scaled.jpeg), Ok(dimensions(320, 160)));
    }

    #[test]
    fn the_middle_is_cut_out_and_the_colours_stay() {
        // Red, white and blue in three columns.
        let row: Vec<u8> = [[255, 0, 0], [255; 3], [0, 0, 255]].map(|rgb| rgb.repeat(100)).concat();
        let file = png(300, 100, png::ColorType::Rgb, &row.repeat(100));
        let thumbnail = scale(&file, Size::Thumbnail).unwrap();
        let pixels = Jpeg::open(&thumbnail.jpeg).unwrap().read().unwrap();
        assert_eq!(pixels.dimensions, dimensions(100, 100));
        assert!(pixels.rgb[50 * 300 + 150..][..3].iter().all(|part| *part > 240));
    }

    #[test]
    fn what_is_transparent_is_white_and_grey_stays_grey() {
        for (colour, pixel, shows) in [
            (png::ColorType::Rgba, &[0, 0, 0, 0][..], 255),
            (png::ColorType::GrayscaleAlpha, &[100, 255], 100),
            (png::ColorType::Grayscale, &[60], 60),
        ] {
            let file = png(8, 8, colour, &pixel.repeat(64));
            let pixels = Png::open(&file).unwrap().read().unwrap();
            assert_eq!(pixels.rgb, [shows; 3 * 64], "{colour:?}");
            assert_eq!(scale(&file, Size::Small).unwrap().dimensions, dimensions(8, 8));
        }
    }

    #[test]
    fn what_is_no_picture_is_told_from_one_that_is_damaged() {
        for nothing in [&b""[..], b"GIF89a", b"<svg/>", b"\xff\xd8"] {
            assert_eq!(inspect(nothing), Err(PictureError::NoPicture));
        }
        for file in [jpeg(64, 64), png(64, 64, png::ColorType::Grayscale, &[7; 64 * 64])] {
            let cut = &file[..20];
            assert!(matches!(inspect(cut), Err(PictureError::Damaged { .. })));
        }
        let whole = png(64, 64, png::ColorType::Grayscale, &[7; 64 * 64]);
        let cut = &whole[..whole.len() / 2];
        assert!(matches!(scale(cut, Size::Small), Err(PictureError::Damaged { .. })));
    }

    #[test]
    fn a_bomb_is_refused_by_its_header() {
        let bomb = png(60_000, 60_000, png::ColorType::Rgba, &[]);
        let refused = PictureError::TooManyPixels { width: 60_000, height: 60_000 };
        assert_eq!(inspect(&bomb), Err(refused.clone()));
        assert_eq!(scale(&bomb, Size::Small).unwrap_err(), refused);
        // The size of a JPEG is behind the marker of its frame.
        let mut bomb = jpeg(8, 8);
        let frame = bomb.windows(2).position(|two| two == [0xff, 0xc0]).unwrap();
        bomb[frame + 5..][..4].copy_from_slice(&[0xea, 0x60, 0xea, 0x60]);
        assert_eq!(inspect(&bomb), Err(refused));
    }
}
