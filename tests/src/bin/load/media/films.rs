//! The inputs: made by the FFmpeg command line, always the same.

use anyhow::ensure;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Pictures that are neither empty nor noise: moving shapes, with the grain of a small sensor.
const SCENE: &str = "testsrc2=s={size}:r=30:d={secs},noise=alls={grain}:allf=t,format=yuv420p";

/// An input.
#[derive(Clone, Copy, Debug)]
pub(super) enum Film {
    /// A phone's: HEVC with sound, full HD.
    Phone,
    /// A camera's of fifteen years ago.
    Camera,
    /// What fits already, with its header at the end: eight seconds.
    Short,
    /// The same: a minute.
    Long,
    /// A photograph of twelve million pixels.
    Photograph,
}

/// A folder of inputs.
pub(super) struct Films<'a> {
    folder: &'a Path,
}

impl<'a> Films<'a> {
    pub(super) fn new(folder: &'a Path) -> Self {
        Self { folder }
    }

    /// Makes an input, unless it is there.
    pub(super) fn get(&self, film: Film) -> anyhow::Result<PathBuf> {
        let fits = "-c:v libx264 -preset veryfast -profile:v high -level 4.1 -b:v 1400k -maxrate 1600k -bufsize 3000k -g 60 \
                    -c:a aac -b:a 128k";
        match film {
            Film::Phone => {
                let how =
                    "-c:v libx265 -preset ultrafast -crf 24 -x265-params log-level=none -tag:v hvc1 -c:a aac -b:a 96k";
                self.film("phone.mov", "1920x1080", 6, 6, how)
            }
            Film::Camera => {
                self.film("camera.avi", "1280x720", 10, 8, "-c:v mpeg4 -q:v 4 -bf 0 -c:a libmp3lame -b:a 128k")
            }
            Film::Short => self.film("short.mp4", "1280x720", 8, 6, fits),
            Film::Long => self.film("long.mp4", "1280x720", 60, 6, fits),
            Film::Photograph => {
                let scene = "testsrc2=s=4000x3000,noise=alls=12:allf=t:all_seed=1,gblur=sigma=1,format=yuvj420p";
                self.make("photograph.jpg", &format!("-f lavfi -i {scene} -frames:v 1 -q:v 3"))
            }
        }
    }

    fn film(&self, name: &str, size: &str, secs: u32, grain: u32, how: &str) -> anyhow::Result<PathBuf> {
        let scene = SCENE.replace("{size}", size).replace("{secs}", &secs.to_string());
        let scene = scene.replace("{grain}", &grain.to_string());
        let sound = format!("anoisesrc=d={secs}:r=48000:a=0.1:c=pink:s=1");
        let arguments = format!("-f lavfi -i {scene} -f lavfi -i {sound} -shortest -ac 2 {how}");
        self.make(name, &arguments)
    }

    fn make(&self, name: &str, arguments: &str) -> anyhow::Result<PathBuf> {
        let path = self.folder.join(name);
        if path.exists() {
            return Ok(path);
        }
        let made = Command::new("ffmpeg")
            .args(["-nostdin", "-v", "error", "-y"])
            .args(arguments.split_whitespace())
            .arg(&path)
            .output()?;
        ensure!(made.status.success(), "ffmpeg: {}", String::from_utf8_lossy(&made.stderr));
        Ok(path)
    }
}
